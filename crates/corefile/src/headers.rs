//! The ELF header and the program headers (`Elf64_Ehdr`, `Elf64_Phdr`; `man 5 elf`).

use model::Arch;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::error::CoreError;
use crate::file::CachedFile;

/// Size of an `Elf64_Ehdr`.
pub(crate) const EHDR_SIZE: usize = 64;
/// Size of an `Elf64_Phdr`.
const PHDR_SIZE: usize = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const ET_CORE: u16 = 4;
/// `e_phnum` where the real number stands in the first section header's `sh_info`.
const PN_XNUM: u16 = 0xffff;
/// Memory areas of a process: `vm.max_map_count` is 65,530 by default, a million at most in practice.
const MAX_SEGMENTS: usize = 1 << 22;

/// A part of the program's memory, or of the notes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Run-time address of its first byte.
    pub at: u64,
    /// Where its bytes are in the file.
    pub offset: u64,
    /// How many the file is to have.
    pub file_size: u64,
    /// How many the program had.
    pub size: u64,
}

/// What the headers say.
#[derive(Debug)]
pub(crate) struct Headers {
    pub arch: Arch,
    /// Memory, by address.
    pub loads: Vec<Segment>,
    pub notes: Vec<Segment>,
    /// What is wrong with them, in sentences.
    pub diagnostics: Vec<String>,
}

/// Reads the headers of a core file.
pub(crate) fn read(file: &CachedFile) -> Result<Headers, CoreError> {
    let mut ehdr = [0; EHDR_SIZE];
    if file.read(0, &mut ehdr).is_err() {
        return Err(CoreError::NotACore(format!("it has {} bytes", file.len())));
    }
    let (kind, machine) = (u16_at(&ehdr, 16), u16_at(&ehdr, 18));
    let [magic @ .., class, order] = ehdr.first_chunk::<6>().copied().unwrap_or_default();
    if &magic != b"\x7fELF" {
        return Err(CoreError::NotACore("it is not even an ELF file".into()));
    }
    if (class, order) != (2, 1) {
        let what = "a 32-bit or big-endian machine";
        return Err(CoreError::UnsupportedMachine(what.into()));
    }
    if kind != Some(ET_CORE) {
        let what = match kind {
            Some(1) => "an object file",
            Some(2 | 3) => "an executable or a library",
            _ => "an ELF file of another kind",
        };
        return Err(CoreError::NotACore(format!("it is {what}")));
    }
    let arch = match machine {
        Some(62) => Arch::Amd64,
        Some(183) => Arch::Arm64,
        other => {
            let number = other.unwrap_or(0);
            return Err(CoreError::UnsupportedMachine(format!(
                "ELF machine {number}"
            )));
        }
    };
    let mut headers = Headers {
        arch,
        loads: Vec::new(),
        notes: Vec::new(),
        diagnostics: Vec::new(),
    };
    headers.read_segments(file, &ehdr)?;
    Ok(headers)
}

impl Headers {
    fn read_segments(&mut self, file: &CachedFile, ehdr: &[u8]) -> Result<(), CoreError> {
        let table = u64_at(ehdr, 32).unwrap_or(0);
        let claimed = match u16_at(ehdr, 56).unwrap_or(0) {
            PN_XNUM => self.extended_count(file, ehdr),
            count => usize::from(count),
        };
        let room = file.len().saturating_sub(table) / PHDR_SIZE as u64;
        let count = claimed.min(MAX_SEGMENTS).min(room as usize);
        let mut bytes = vec![0; count * PHDR_SIZE];
        file.read(table, &mut bytes)
            .map_err(|_| CoreError::Damaged("its program headers cannot be read".into()))?;
        for header in bytes.chunks_exact(PHDR_SIZE) {
            let number = |at| u64_at(header, at).unwrap_or(0);
            let segment = Segment {
                at: number(16),
                offset: number(8),
                file_size: number(32),
                size: number(40),
            };
            match u32_at(header, 0) {
                Some(PT_LOAD) => self.loads.push(segment),
                Some(PT_NOTE) => self.notes.push(segment),
                _ => {}
            }
        }
        if count < claimed {
            self.diagnostics.push(format!(
                "the core ends within its headers: {} of {claimed} memory areas are not known",
                claimed - count
            ));
        }
        if self.loads.is_empty() {
            return Err(CoreError::Damaged("it holds no memory".into()));
        }
        self.loads.sort_by_key(|segment| segment.at);
        let missing: Vec<u64> = self
            .loads
            .iter()
            .map(|s| s.file_size - s.file_size.min(file.len().saturating_sub(s.offset)))
            .filter(|&bytes| bytes > 0)
            .collect();
        if !missing.is_empty() {
            let bytes = missing.iter().fold(0u64, |sum, &n| sum.saturating_add(n));
            self.diagnostics.push(format!(
                "the core is cut short: of {} of its {} memory areas {bytes} bytes are missing",
                missing.len(),
                self.loads.len()
            ));
        }
        Ok(())
    }

    /// The number of program headers where it does not fit into `e_phnum`.
    fn extended_count(&mut self, file: &CachedFile, ehdr: &[u8]) -> usize {
        let section = u64_at(ehdr, 40).unwrap_or(0);
        let mut bytes = [0; 48];
        match file.read(section, &mut bytes) {
            Ok(()) if section != 0 => u32_at(&bytes, 44).unwrap_or(0) as usize,
            _ => {
                self.diagnostics
                    .push("the core does not say how many memory areas it has".into());
                usize::from(PN_XNUM)
            }
        }
    }
}
