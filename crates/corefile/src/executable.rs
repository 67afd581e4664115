//! The executable as the core has it: the page with its ELF header, and the build IDs in it.
//!
//! The kernel writes the first page of mapped ELF files (`core(5)`, bit 4 of
//! `coredump_filter`), and Go's linker puts its notes at the end of that page
//! (`cmd/link/internal/ld/elf.go`, `ELFRESERVE`).

use model::Addr;

use crate::bytes::{u16_at, u64_at};
use crate::elf::{self, ProgramHeader};
use crate::note;

const NT_GNU_BUILD_ID: u32 = 3;
/// `cmd/internal/buildid` and `cmd/link/internal/ld/elf.go`.
const NT_GO_BUILD_ID: u32 = 4;
/// Executables have about ten.
const MOST_SEGMENTS: u16 = 256;
const MOST_NOTES: usize = 64;
/// The longest note that is a build ID: a GNU one has 20 bytes, a Go one about 83.
const MOST_BYTES: u64 = 1024;

/// The executable's identity, as far as it is in the core.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executable {
    /// The run-time address of its ELF header.
    pub header: Addr,
    /// The GNU build ID, if its page is in the core and the linker left one.
    pub gnu_build_id: Option<Vec<u8>>,
    /// The Go build ID (`go tool buildid`), if its page is in the core.
    pub go_build_id: Option<String>,
}

/// Reads the core's own memory.
type Read<'a> = &'a dyn Fn(Addr, &mut [u8]) -> Option<()>;

impl Executable {
    /// Looks for an executable whose ELF header is at `header`. `table` is where its
    /// program headers should be, if that is known (`AT_PHDR`).
    pub(crate) fn at(header: Addr, table: Option<Addr>, read: Read<'_>) -> Option<Executable> {
        let mut bytes = [0; elf::HEADER as usize];
        read(header, &mut bytes)?;
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let from_header = header.checked_add(u64_at(&bytes, 32)?)?;
        if table.is_some_and(|table| table != from_header) {
            return None;
        }
        let segments = program_headers(from_header, u16_at(&bytes, 56)?, read);
        let mut found = Executable {
            header,
            gnu_build_id: None,
            go_build_id: None,
        };
        // The first page of the file is where the segment says that has offset 0.
        let Some(first) = segments.iter().find(|s| s.is_load() && s.offset == 0) else {
            return Some(found);
        };
        for notes in segments.iter().filter(|s| s.is_note()) {
            let from_first = notes.vaddr.wrapping_sub(first.vaddr);
            let start = Addr(header.0.wrapping_add(from_first));
            found.read_notes(start, notes.filesz, notes.align, MOST_NOTES, read);
            // Go's linker (1.24 to 1.27) puts a GNU build ID directly behind the Go one, but
            // the program header that it writes has the Go one only.
            let behind = notes.filesz.checked_next_multiple_of(4);
            if found.go_build_id.is_some()
                && found.gnu_build_id.is_none()
                && let Some(behind) = behind.and_then(|len| start.checked_add(len))
            {
                found.read_notes(behind, MOST_BYTES, 4, 1, read);
            }
        }
        Some(found)
    }

    fn read_notes(&mut self, start: Addr, len: u64, align: u64, mut most: usize, read: Read<'_>) {
        let at = |offset, buf: &mut [u8]| read(start.checked_add(offset)?, buf);
        let contents = |note: note::Note| {
            let mut bytes = vec![0; usize::try_from(note.len).ok()?];
            at(note.at, &mut bytes)?;
            Some(bytes)
        };
        let mut visit = |note: note::Note| {
            if note.len > MOST_BYTES {
                return;
            }
            if note.kind == NT_GNU_BUILD_ID && note.is_by("GNU") {
                self.gnu_build_id = contents(note);
            } else if note.kind == NT_GO_BUILD_ID && note.is_by("Go") {
                self.go_build_id =
                    contents(note).map(|id| String::from_utf8_lossy(&id).into_owned());
            }
        };
        // Where the notes end too early, what came before that is what there is.
        let _ = note::walk(len, align, &mut most, &at, &mut visit);
    }
}

fn program_headers(table: Addr, count: u16, read: Read<'_>) -> Vec<ProgramHeader> {
    (0..u64::from(count.min(MOST_SEGMENTS)))
        .map_while(|i| {
            let mut bytes = [0; elf::PROGRAM_HEADER as usize];
            read(table.checked_add(i * elf::PROGRAM_HEADER)?, &mut bytes)?;
            ProgramHeader::parse(&bytes)
        })
        .collect()
}
