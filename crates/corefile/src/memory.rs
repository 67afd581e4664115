//! The memory in a core: which address is where in which file.

use std::fs::File;
use std::io;

use model::Addr;
use target::ReadError;

use crate::blocks::Blocks;
use crate::elf::ProgramHeader;

/// A part of the program's memory that a file backs, other than the core:
/// what the core leaves out because the executable has it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSegment {
    /// Its first run-time address (load bias included).
    pub at: Addr,
    /// Its length in the file, in bytes (`p_filesz`; what is behind it in memory is not in the file).
    pub len: u64,
    /// Where it begins in the file.
    pub file_offset: u64,
    /// Whether the program may write to it (`PF_W` of the executable's program header).
    /// Such a segment is never used: the file has what the data were when the program started.
    /// That goes for `.data.rel.ro` as well, which is read-only only after it was relocated.
    pub writable: bool,
}

/// One mapping of the process, as the core has it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: u64,
    /// The address behind the last one.
    end: u64,
    /// Where in the core its first byte is.
    offset: u64,
    /// How many of its bytes are in the core.
    present: u64,
    writable: bool,
}

/// What the core has, and what fills its gaps.
pub(crate) struct Memory {
    core: Blocks,
    /// By address.
    segments: Vec<Segment>,
    fallbacks: Vec<Fallback>,
    cache_bytes: usize,
}

struct Fallback {
    file: Blocks,
    /// By address; none is writable.
    segments: Vec<FileSegment>,
}

/// What is missing of the memory that the headers promise.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Missing {
    /// Segments that the file ends before or within.
    pub(crate) cut: usize,
    /// Those of them that the program could write to.
    pub(crate) cut_writable: usize,
    /// Whether there is any memory that the program could write to.
    pub(crate) has_writable: bool,
}

impl Memory {
    pub(crate) fn new(
        core: Blocks,
        loads: &[ProgramHeader],
        cache_bytes: usize,
    ) -> (Memory, Missing) {
        let mut missing = Missing::default();
        let mut segments: Vec<Segment> = loads
            .iter()
            .map(|load| {
                let promised = load.filesz.min(load.memsz);
                let present = promised.min(core.len().saturating_sub(load.offset));
                let writable = load.is_writable();
                missing.cut += usize::from(present < promised);
                missing.cut_writable += usize::from(present < promised && writable);
                missing.has_writable |= writable && present > 0;
                Segment {
                    start: load.vaddr,
                    end: load.vaddr.saturating_add(load.memsz),
                    offset: load.offset,
                    present,
                    writable,
                }
            })
            .collect();
        segments.sort_by_key(|s| s.start);
        let memory = Memory {
            core,
            segments,
            fallbacks: Vec::new(),
            cache_bytes,
        };
        (memory, missing)
    }

    pub(crate) fn add_fallback(
        &mut self,
        mut segments: Vec<FileSegment>,
        file: File,
    ) -> io::Result<()> {
        segments.retain(|s| !s.writable && s.len > 0);
        segments.sort_by_key(|s| s.at);
        self.fallbacks.push(Fallback {
            // Text is read far less than stacks are.
            file: Blocks::new(file, self.cache_bytes / 8)?,
            segments,
        });
        Ok(())
    }

    /// Reads what the core has, and where it has nothing what a fallback has.
    pub(crate) fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.read_from(at, buf, &self.fallbacks)
    }

    /// Reads what the core itself has.
    pub(crate) fn read_core(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.read_from(at, buf, &[])
    }

    /// The reason why the last read of a file failed, if one did for any other than its end.
    pub(crate) fn failure(&self) -> Option<String> {
        self.core
            .failure()
            .or_else(|| self.fallbacks.iter().find_map(|f| f.file.failure()))
    }

    fn read_from(&self, at: Addr, buf: &mut [u8], fallbacks: &[Fallback]) -> Result<(), ReadError> {
        let unmapped = ReadError::Unmapped { at, len: buf.len() };
        let mut here = at.0;
        let mut rest = buf;
        // Neighbouring mappings are one piece of memory for the program.
        while !rest.is_empty() {
            let done = self.piece(here, rest, fallbacks).ok_or(unmapped)?;
            rest = rest.get_mut(done..).unwrap_or_default();
            here = match here.checked_add(done as u64) {
                Some(next) => next,
                None if rest.is_empty() => break,
                None => return Err(unmapped),
            };
        }
        Ok(())
    }

    /// Fills the beginning of `buf`, as far as one segment of one file reaches: how many bytes.
    fn piece(&self, here: u64, buf: &mut [u8], fallbacks: &[Fallback]) -> Option<usize> {
        let behind = self.segments.partition_point(|s| s.start <= here);
        let segment = behind
            .checked_sub(1)
            .and_then(|i| self.segments.get(i))
            .filter(|s| here < s.end);
        let next = self.segments.get(behind).map_or(u64::MAX, |s| s.start);
        let Some(segment) = segment else {
            return from_fallbacks(here, next - here, buf, fallbacks);
        };
        let end = segment.end.min(next);
        let skip = here - segment.start;
        if skip < segment.present {
            let n = shortest(buf.len(), segment.present - skip, end - here);
            self.core
                .read(segment.offset.checked_add(skip)?, buf.get_mut(..n)?)?;
            return Some(n);
        }
        // What could be written to was probably written to; no file knows what.
        if segment.writable {
            return None;
        }
        from_fallbacks(here, end - here, buf, fallbacks)
    }
}

fn from_fallbacks(here: u64, room: u64, buf: &mut [u8], fallbacks: &[Fallback]) -> Option<usize> {
    fallbacks.iter().find_map(|fallback| {
        let behind = fallback.segments.partition_point(|s| s.at.0 <= here);
        let segment = behind
            .checked_sub(1)
            .and_then(|i| fallback.segments.get(i))?;
        let skip = here - segment.at.0;
        let left = segment.len.checked_sub(skip).filter(|&left| left > 0)?;
        let n = shortest(buf.len(), left, room);
        if n == 0 {
            return None;
        }
        fallback
            .file
            .read(segment.file_offset.checked_add(skip)?, buf.get_mut(..n)?)?;
        Some(n)
    })
}

fn shortest(len: usize, a: u64, b: u64) -> usize {
    usize::try_from(a.min(b)).unwrap_or(usize::MAX).min(len)
}
