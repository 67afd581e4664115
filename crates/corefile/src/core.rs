//! A core file as a stopped program.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use model::{Addr, Arch, BuildIds, Pid};
use target::{ReadError, ReadMemory, Target, Thread};

use crate::bytes::{u16_at, u32_at, u64_at, until_zero};
use crate::error::CoreError;
use crate::file::CachedFile;
use crate::headers::{self, EHDR_SIZE, Segment};
use crate::notes::{self, Notes};
use crate::unpack::unpack;

/// Bytes of notes that are read: some 4 KB a thread.
const MAX_NOTES: u64 = 256 << 20;
/// Bytes of an executable's own notes.
const MAX_EXE_NOTE: usize = 1 << 16;
/// Longer than any path.
const MAX_PATH: usize = 4096;

/// An opened core file.
pub struct CoreFile {
    file: CachedFile,
    arch: Arch,
    loads: Vec<Segment>,
    notes: Notes,
    modified: SystemTime,
    diagnostics: Vec<String>,
}

impl CoreFile {
    /// Opens a core file and reads its headers and notes. A compressed one (zstd, lz4, gzip, xz) is first
    /// unpacked into a file without a name in the system's temporary directory.
    pub fn open(path: &Path) -> Result<CoreFile, CoreError> {
        let packed = File::open(path)?;
        let meta = packed.metadata()?;
        if !meta.is_file() {
            return Err(CoreError::NotACore("it is not a regular file".into()));
        }
        let modified = meta.modified()?;
        let mut diagnostics = Vec::new();
        let file = CachedFile::new(unpack(packed, &mut diagnostics)?)?;
        let headers = headers::read(&file)?;
        diagnostics.extend(headers.diagnostics);
        let mut notes = Notes::default();
        for segment in &headers.notes {
            let there = file.len().saturating_sub(segment.offset);
            let size = segment.file_size.min(there);
            if size < segment.file_size || size > MAX_NOTES {
                diagnostics.push("the core's notes are not whole: threads may be missing".into());
            }
            let mut bytes = vec![0; size.min(MAX_NOTES) as usize];
            file.read(segment.offset, &mut bytes)?;
            notes.read(headers.arch, &bytes);
        }
        diagnostics.append(&mut notes.diagnostics);
        if notes.threads.is_empty() {
            diagnostics.push(
                "the core names no threads: stacks of goroutines that were running are not known"
                    .into(),
            );
        }
        Ok(CoreFile {
            file,
            arch: headers.arch,
            loads: headers.loads,
            notes,
            modified,
            diagnostics,
        })
    }

    /// The process that it was, in its own PID namespace or the system's, as the kernel had it.
    pub fn pid(&self) -> Option<Pid> {
        self.notes.pid
    }

    /// The number of the signal that ended it; `None` for a program that was only copied.
    pub fn signal(&self) -> Option<u16> {
        self.notes.signal
    }

    /// When the file was last written: when the program died.
    pub fn modified(&self) -> SystemTime {
        self.modified
    }

    /// How many bytes were read from the file so far.
    pub fn bytes_read(&self) -> u64 {
        self.file.bytes_read()
    }

    /// The program's entry point at run time (`AT_ENTRY`); with the executable's it gives the load bias.
    pub fn entry_address(&self) -> Option<Addr> {
        self.notes.entry
    }

    /// The executable: the mapped file that the entry point lies in, or else the text that
    /// the program was started by (which may be relative to a directory that is not known).
    pub fn exe_path(&self) -> Option<PathBuf> {
        let holds = |entry: Addr| {
            let mut files = self.notes.files.iter();
            files.find(|file| file.start <= entry.0 && entry.0 < file.end)
        };
        let path = match self.notes.entry.and_then(holds) {
            // The kernel's mark for a file that has been removed.
            Some(file) => match file.path.strip_suffix(b" (deleted)") {
                Some(path) => path.to_vec(),
                None => file.path.clone(),
            },
            None => self.text(self.notes.execfn?)?,
        };
        (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(&path)))
    }

    /// The text at `at`, as far as it is in the core.
    fn text(&self, at: Addr) -> Option<Vec<u8>> {
        let (segment, skip) = self.segment(at.0)?;
        let there = self.there(segment).checked_sub(skip)?;
        let mut bytes = vec![0; MAX_PATH.min(there as usize)];
        self.read(at, &mut bytes).ok()?;
        Some(until_zero(&bytes).to_vec())
    }

    /// The build IDs of the program, which the core's memory holds if the first page of the executable was
    /// dumped (`coredump_filter`, bit 4, on by default).
    pub fn build_ids(&self) -> BuildIds {
        let mut ids = BuildIds::default();
        let _ = self.read_build_ids(&mut ids);
        ids
    }

    fn read_build_ids(&self, ids: &mut BuildIds) -> Option<()> {
        // Go's linker and the usual others put the program headers right behind the ELF header.
        let start = self.notes.phdr?.0.checked_sub(EHDR_SIZE as u64)?;
        let mut ehdr = [0; EHDR_SIZE];
        self.read(Addr(start), &mut ehdr).ok()?;
        if !ehdr.starts_with(b"\x7fELF") {
            return None;
        }
        const ET_DYN: u16 = 3;
        let bias = match u16_at(&ehdr, 16)? {
            ET_DYN => start,
            _ => 0,
        };
        let mut headers = vec![0; usize::from(u16_at(&ehdr, 56)?) * 56];
        self.read(Addr(start + EHDR_SIZE as u64), &mut headers)
            .ok()?;
        const PT_NOTE: u32 = 4;
        for header in headers.chunks_exact(56) {
            if u32_at(header, 0) != Some(PT_NOTE) {
                continue;
            }
            let at = u64_at(header, 16)?.checked_add(bias)?;
            let size = usize::try_from(u64_at(header, 40)?).ok()?;
            let mut bytes = vec![0; size.min(MAX_EXE_NOTE)];
            if self.read(Addr(at), &mut bytes).is_ok() {
                notes::each(&bytes, |owner, kind, contents| {
                    ids.note(owner, kind, contents)
                });
            }
        }
        Some(())
    }

    /// The segment that holds `at`, and how far into it that is.
    fn segment(&self, at: u64) -> Option<(&Segment, u64)> {
        let after = self.loads.partition_point(|segment| segment.at <= at);
        let segment = self.loads.get(after.checked_sub(1)?)?;
        let skip = at - segment.at;
        (skip < segment.size.max(segment.file_size)).then_some((segment, skip))
    }

    /// How many bytes of a segment the file really has.
    fn there(&self, segment: &Segment) -> u64 {
        let room = self.file.len().saturating_sub(segment.offset);
        segment.file_size.min(room)
    }
}

impl ReadMemory for CoreFile {
    /// What the core left out, or lost because it was cut short, is [`ReadError::Unmapped`].
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let missing = ReadError::Unmapped { at, len: buf.len() };
        let mut next = at.0;
        let mut rest = buf;
        while !rest.is_empty() {
            let (segment, skip) = self.segment(next).ok_or(missing)?;
            let there = self.there(segment).saturating_sub(skip);
            let take = rest.len().min(usize::try_from(there).unwrap_or(usize::MAX));
            if take == 0 {
                return Err(missing);
            }
            let (now, later) = std::mem::take(&mut rest).split_at_mut(take);
            let offset = segment.offset.checked_add(skip).ok_or(missing)?;
            self.file.read(offset, now).map_err(|_| missing)?;
            rest = later;
            next = next.checked_add(take as u64).ok_or(missing)?;
        }
        Ok(())
    }
}

impl Target for CoreFile {
    fn arch(&self) -> Arch {
        self.arch
    }

    fn threads(&self) -> &[Thread] {
        &self.notes.threads
    }

    fn diagnostics(&self) -> &[String] {
        &self.diagnostics
    }
}
