//! The executable as an ELF file: its segments by link-time address, its sections, its symbols.

use std::fs::File;
use std::os::unix::fs::FileExt;

use model::{Arch, BuildIds, LinkAddr};
use object::elf;
use object::read::elf::{ElfFile64, FileHeader};
use object::{
    Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache, ReadRef,
    SegmentFlags,
};
use rustc_hash::FxHashMap;

use crate::bytes::u32_at;
use crate::error::BinaryError;

/// A variable of the program, as the symbol table knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Where it is.
    pub at: LinkAddr,
    /// Its size in bytes.
    pub size: u64,
}

/// How many times as large a section may become when it is unpacked; debug information becomes two to five
/// times as large.
const MAX_RATIO: u64 = 100;
/// Bytes that a section may have unpacked, however small it was.
const MAX_FREE: u64 = 1 << 20;
/// Bytes that a section may have unpacked, however large it was.
const MAX_SECTION: u64 = 1 << 32;

/// Segments that are loaded. Linkers make a handful; each may be all of the file once more.
const MAX_SEGMENTS: usize = 64;

/// A parsed ELF file. It is read in pieces, never mapped: a file that somebody
/// cuts short while we look at it is an error here and no signal.
pub(crate) struct Elf<'c> {
    file: ElfFile64<'c, Endianness, &'c ReadCache<File>>,
}

impl<'c> Elf<'c> {
    pub(crate) fn parse(cache: &'c ReadCache<File>) -> Result<Elf<'c>, BinaryError> {
        let ident = cache
            .read_bytes_at(0, 20)
            .map_err(|()| BinaryError::NotElf)?;
        if !ident.starts_with(&elf::ELFMAG) {
            return Err(BinaryError::NotElf);
        }
        let machine = match ident.get(18..20) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => return Err(BinaryError::NotElf),
        };
        if ident.get(4) != Some(&elf::ELFCLASS64.0) {
            return Err(BinaryError::Is32Bit(machine_name(machine)));
        }
        if !matches!(elf::Machine(machine), elf::EM_X86_64 | elf::EM_AARCH64) {
            return Err(BinaryError::UnsupportedArch(machine_name(machine)));
        }
        let file = ElfFile64::parse(cache).map_err(|e| BinaryError::damaged(e.to_string()))?;
        if file.segments().nth(MAX_SEGMENTS).is_some() {
            return Err(BinaryError::damaged(
                "it has more segments than a program has",
            ));
        }
        Ok(Elf { file })
    }

    pub(crate) fn arch(&self) -> Arch {
        match self.file.elf_header().e_machine(Endianness::Little) {
            elf::EM_AARCH64 => Arch::Arm64,
            _ => Arch::Amd64,
        }
    }

    pub(crate) fn entry(&self) -> LinkAddr {
        LinkAddr(self.file.entry())
    }

    /// A section's bytes, decompressed; `Ok(None)` where there is none of that name.
    pub(crate) fn section(&self, name: &str) -> Result<Option<Vec<u8>>, BinaryError> {
        let Some(section) = self.file.section_by_name(name) else {
            return Ok(None);
        };
        let damaged = |e| BinaryError::damaged(format!("section {name}: {e}"));
        let packed = section.compressed_data().map_err(damaged)?;
        let limit = (packed.data.len() as u64)
            .saturating_mul(MAX_RATIO)
            .saturating_add(MAX_FREE)
            .min(MAX_SECTION);
        if packed.format != object::CompressionFormat::None && packed.uncompressed_size > limit {
            return Err(BinaryError::damaged(format!(
                "section {name} says that its {} bytes unpack to {}",
                packed.data.len(),
                packed.uncompressed_size
            )));
        }
        Ok(Some(packed.decompress().map_err(damaged)?.into_owned()))
    }

    pub(crate) fn section_address(&self, name: &str) -> Option<LinkAddr> {
        self.file
            .section_by_name(name)
            .map(|s| LinkAddr(s.address()))
    }

    /// The name of the file that has the debug information, where `objcopy --add-gnu-debuglink` left one.
    pub(crate) fn debug_link(&self) -> Option<Vec<u8>> {
        let (name, _) = self.file.gnu_debuglink().ok().flatten()?;
        Some(name.to_vec())
    }

    /// The first place at an address that is a multiple of `align` that `is_it` accepts, with all of the segment from
    /// there on: for what no section and no symbol names.
    pub(crate) fn find(
        &self,
        align: usize,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Option<(LinkAddr, &'c [u8])> {
        self.file.segments().find_map(|segment| {
            let data = segment.data().ok()?;
            // A segment begins wherever its first section does.
            let first = (segment.address().wrapping_neg() % align as u64) as usize;
            let places = (first..data.len()).step_by(align);
            let mut rests = places.filter_map(|at| Some((at, data.get(at..)?)));
            let (at, rest) = rests.find(|(_, rest)| is_it(rest))?;
            Some((LinkAddr(segment.address().wrapping_add(at as u64)), rest))
        })
    }

    /// What the file has for the segments that the program may write to.
    pub(crate) fn writable_data(&self) -> impl Iterator<Item = &'c [u8]> {
        let segments = self.file.segments();
        segments.filter_map(|segment| match segment.flags() {
            SegmentFlags::Elf { p_flags, .. } if p_flags.0 & elf::PF_W.0 != 0 => {
                segment.data().ok()
            }
            _ => None,
        })
    }

    /// Whether there are sections at all.
    pub(crate) fn has_sections(&self) -> bool {
        self.file.sections().next().is_some()
    }

    /// What the file holds for `len` bytes from `at` on.
    pub(crate) fn bytes(&self, at: LinkAddr, len: u64) -> Option<&'c [u8]> {
        let mut segments = self.file.segments();
        segments.find_map(|segment| segment.data_range(at.0, len).ok().flatten())
    }

    /// Those of `names` that the symbol table has.
    pub(crate) fn symbols(&self, names: &[&str]) -> FxHashMap<String, Variable> {
        self.file
            .symbols()
            .filter(|s| !s.is_undefined())
            .filter_map(|s| {
                Some((
                    s.name().ok()?,
                    Variable {
                        at: LinkAddr(s.address()),
                        size: s.size(),
                    },
                ))
            })
            .filter(|(name, _)| names.contains(name))
            .map(|(name, variable)| (name.to_owned(), variable))
            .collect()
    }

    /// All variables that the symbol table has, by address. What the compiler made up itself
    /// (`cmd/compile/internal/staticinit`, `StaticName`) is none.
    pub(crate) fn variables(&self) -> Vec<(Variable, String)> {
        let symbols = self.file.symbols();
        let mut found: Vec<(Variable, String)> = symbols
            .filter(|s| s.kind() == object::SymbolKind::Data && s.size() > 0)
            .filter_map(|s| {
                let variable = Variable {
                    at: LinkAddr(s.address()),
                    size: s.size(),
                };
                let name = s.name().ok().filter(|name| !name.contains("..stmp_"))?;
                Some((variable, name.to_owned()))
            })
            .collect();
        found.sort_by_key(|(variable, _)| variable.at);
        found
    }

    pub(crate) fn segments(&self) -> Vec<Segment> {
        let file_size = self.file.data().len().unwrap_or(0);
        self.file
            .segments()
            .map(|segment| {
                let (offset, size) = segment.file_range();
                Segment {
                    at: LinkAddr(segment.address()),
                    // Its header may say anything.
                    size: size.min(file_size.saturating_sub(offset)),
                    offset,
                    writable: matches!(
                        segment.flags(),
                        SegmentFlags::Elf { p_flags, .. } if p_flags.0 & elf::PF_W.0 != 0
                    ),
                }
            })
            .collect()
    }

    /// The build IDs that the linker left.
    pub(crate) fn build_ids(&self) -> Result<BuildIds, BinaryError> {
        let mut ids = BuildIds::default();
        for section in [".note.gnu.build-id", ".note.go.buildid"] {
            let bytes = self.section(section)?.unwrap_or_default();
            if let Some((owner, kind, contents)) = first_note(&bytes) {
                ids.note(owner, kind, contents);
            }
        }
        Ok(ids)
    }
}

/// Owner, type and contents of an ELF note.
fn first_note(note: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let (owner, size) = (u32_at(note, 0)? as usize, u32_at(note, 4)? as usize);
    let name = note.get(12..12usize.checked_add(owner)?)?;
    let begin = 12usize.checked_add(owner.checked_next_multiple_of(4)?)?;
    let contents = note.get(begin..begin.checked_add(size)?)?;
    let name = name.split(|&b| b == 0).next().unwrap_or_default();
    Some((name, u32_at(note, 8)?, contents))
}

fn machine_name(machine: u16) -> String {
    match elf::Machine(machine) {
        elf::EM_386 => "386".into(),
        elf::EM_ARM => "arm".into(),
        elf::EM_X86_64 => "amd64".into(),
        elf::EM_AARCH64 => "arm64".into(),
        elf::EM_PPC64 => "ppc64".into(),
        elf::EM_S390 => "s390x".into(),
        elf::EM_RISCV => "riscv64".into(),
        elf::EM_MIPS => "mips".into(),
        elf::EM_LOONGARCH => "loong64".into(),
        other => format!("ELF machine {}", other.0),
    }
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Its first address.
    pub at: LinkAddr,
    /// How many bytes of it the file has.
    pub size: u64,
    /// Where they begin in the file.
    pub offset: u64,
    /// Whether the program may write there.
    pub writable: bool,
}

/// What the file holds for a link-time address, read when it is asked for.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) file: File,
    pub(crate) segments: Vec<Segment>,
}

impl Image {
    /// Fills `buf` with what the file has at `at`; `None` where it has not all of it.
    pub(crate) fn read(&self, at: LinkAddr, buf: &mut [u8]) -> Option<()> {
        let len = buf.len() as u64;
        let segment = self.segments.iter().find(|s| {
            at.0 >= s.at.0
                && at
                    .0
                    .checked_add(len)
                    .is_some_and(|end| end <= s.at.0.saturating_add(s.size))
        })?;
        let offset = segment.offset.checked_add(at.0 - segment.at.0)?;
        self.file.read_exact_at(buf, offset).ok()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! ELF files by hand: loaded segments and no sections.

    /// A segment.
    pub(crate) struct Load {
        pub at: u64,
        pub writable: bool,
        pub data: Vec<u8>,
    }

    /// The bytes of an amd64 executable with these segments.
    pub(crate) fn elf_file(segments: &[Load]) -> Vec<u8> {
        const HEADER: usize = 64;
        const ENTRY: usize = 56;
        let mut offset = (HEADER + ENTRY * segments.len()) as u64;
        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        out.extend([0, HEADER as u64, 0].map(u64::to_le_bytes).as_flattened());
        out.extend([0; 4]);
        let sizes = [HEADER as u16, ENTRY as u16, segments.len() as u16, 64, 0, 0];
        out.extend(sizes.map(u16::to_le_bytes).as_flattened());
        for segment in segments {
            let flags = if segment.writable { 6 } else { 4 };
            let size = segment.data.len() as u64;
            out.extend([1u32, flags].map(u32::to_le_bytes).as_flattened());
            let words = [offset, segment.at, segment.at, size, size, 1];
            out.extend(words.map(u64::to_le_bytes).as_flattened());
            offset += size;
        }
        for segment in segments {
            out.extend(&segment.data);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::testing::{Load, elf_file};
    use super::*;

    /// As in programs that the C linker made position-independent: `.data.rel.ro` begins anywhere.
    #[test]
    fn places_are_aligned_by_their_address() {
        let mut data = vec![0; 100];
        data.splice(16..20, *b"here");
        data.splice(48..52, *b"here");
        let segment = Load {
            at: 0x3049910,
            writable: true,
            data,
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&elf_file(&[segment])).unwrap();
        let cache = ReadCache::new(file);
        let elf = Elf::parse(&cache).unwrap();
        let is_here = |rest: &[u8]| rest.starts_with(b"here");
        let found = |align| elf.find(align, is_here).map(|(at, rest)| (at, rest.len()));
        assert_eq!(found(32), Some((LinkAddr(0x3049920), 84)));
        assert_eq!(found(64), Some((LinkAddr(0x3049940), 52)));
        assert_eq!(found(128), None);
    }
}
