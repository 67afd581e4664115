//! The headers of a core: what is in it, and where in the file.
//!
//! Sources: `elf(5)`, `fs/binfmt_elf.c` (`elf_core_dump`). Read by hand, since a core that was
//! cut short is still worth reading, and a strict parser refuses it.

use model::Arch;

use crate::blocks::Blocks;
use crate::bytes::{u16_at, u32_at, u64_at};
use crate::error::Refusal;
use crate::foreign;
use crate::options::Limits;

const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_W: u32 = 2;
/// There are more program headers than `e_phnum` can say: section header 0 says how many.
const PN_XNUM: u16 = 0xffff;
pub(crate) const HEADER: u64 = 64;
pub(crate) const PROGRAM_HEADER: u64 = 56;

/// What the headers promise.
#[derive(Debug)]
pub(crate) struct Headers {
    pub(crate) arch: Arch,
    pub(crate) loads: Vec<ProgramHeader>,
    pub(crate) notes: Vec<ProgramHeader>,
    /// Where in the file the last segment ends: the length of a whole core, or a little less.
    pub(crate) promised: u64,
    pub(crate) problems: Vec<String>,
}

/// One entry of the table of segments (`Elf64_Phdr`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProgramHeader {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) vaddr: u64,
    pub(crate) filesz: u64,
    pub(crate) memsz: u64,
    pub(crate) align: u64,
}

impl ProgramHeader {
    pub(crate) fn parse(bytes: &[u8]) -> Option<ProgramHeader> {
        Some(ProgramHeader {
            kind: u32_at(bytes, 0)?,
            flags: u32_at(bytes, 4)?,
            offset: u64_at(bytes, 8)?,
            vaddr: u64_at(bytes, 16)?,
            filesz: u64_at(bytes, 32)?,
            memsz: u64_at(bytes, 40)?,
            align: u64_at(bytes, 48)?,
        })
    }

    pub(crate) fn is_load(&self) -> bool {
        self.kind == PT_LOAD
    }

    pub(crate) fn is_note(&self) -> bool {
        self.kind == PT_NOTE
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.flags & PF_W != 0
    }
}

/// Reads the headers, or says what the file is instead of a core.
pub(crate) fn read(core: &Blocks, limits: &Limits) -> Result<Headers, Refusal> {
    let mut start = [0; HEADER as usize];
    let start = start
        .get_mut(..core.len().min(HEADER) as usize)
        .unwrap_or_default();
    if core.read(0, start).is_none() {
        return Err(Refusal::Damaged("its beginning cannot be read".to_owned()));
    }
    let start: &[u8] = start;
    let arch = identify(start)?;
    let damaged = || {
        Refusal::Damaged(format!(
            "it ends after {} bytes, within the ELF header",
            start.len()
        ))
    };
    let table = u64_at(start, 32).ok_or_else(damaged)?;
    let sections = u64_at(start, 40).ok_or_else(damaged)?;
    let entry_size = u16_at(start, 54).ok_or_else(damaged)?;
    let entries = u16_at(start, 56).ok_or_else(damaged)?;
    if entries == 0 {
        return Err(Refusal::Damaged("it has no segments".to_owned()));
    }
    if u64::from(entry_size) != PROGRAM_HEADER {
        return Err(Refusal::Damaged(format!(
            "its program headers have {entry_size} bytes, and should have {PROGRAM_HEADER}"
        )));
    }
    let mut headers = Headers {
        arch,
        loads: Vec::new(),
        notes: Vec::new(),
        promised: 0,
        problems: Vec::new(),
    };
    let mut count = u64::from(entries);
    if entries == PN_XNUM {
        count = many(core, table, sections, limits, &mut headers.problems);
    }
    if count > limits.segments as u64 {
        headers.problems.push(format!(
            "the core says that it has {count} segments; only the first {} were looked at",
            limits.segments
        ));
        count = limits.segments as u64;
    }
    headers.fill(core, table, count);
    if headers.loads.is_empty() && headers.notes.is_empty() {
        return Err(Refusal::Damaged(
            "none of its segments can be read".to_owned(),
        ));
    }
    Ok(headers)
}

/// The processor of a core, or what the file is instead.
fn identify(start: &[u8]) -> Result<Arch, Refusal> {
    if !start.starts_with(b"\x7fELF") {
        return Err(Refusal::NotACore(foreign::describe(start)));
    }
    let (Some(&class), Some(&order)) = (start.get(4), start.get(5)) else {
        return Err(Refusal::NotACore("the beginning of an ELF file".to_owned()));
    };
    let big_endian = order == 2;
    let number = |at| match u16_at(start, at) {
        Some(n) if big_endian => Ok(n.swap_bytes()),
        Some(n) => Ok(n),
        None => Err(Refusal::NotACore("the beginning of an ELF file".to_owned())),
    };
    let machine = number(18)?;
    match number(16)? {
        ET_CORE => {}
        1 => return Err(Refusal::NotACore("an ELF object file".to_owned())),
        2 | 3 => {
            let what = format!(
                "an executable or shared library for {}, not what a process left behind",
                foreign::machine(machine)
            );
            return Err(Refusal::NotACore(what));
        }
        other => return Err(Refusal::NotACore(format!("an ELF file of type {other}"))),
    }
    match (class, big_endian, machine) {
        (2, false, EM_X86_64) => Ok(Arch::Amd64),
        (2, false, EM_AARCH64) => Ok(Arch::Arm64),
        _ => {
            let bits = if class == 1 { "32-bit " } else { "" };
            let order = if big_endian { " (big-endian)" } else { "" };
            Err(Refusal::Machine(format!(
                "{bits}{}{order}",
                foreign::machine(machine)
            )))
        }
    }
}

/// How many program headers there are when they are 65535 or more.
fn many(
    core: &Blocks,
    table: u64,
    sections: u64,
    limits: &Limits,
    problems: &mut Vec<String>,
) -> u64 {
    // Elf64_Shdr.sh_info
    let told = sections
        .checked_add(44)
        .filter(|_| sections != 0)
        .and_then(|at| core.read_array::<4>(at))
        .map(u32::from_le_bytes);
    if let Some(count) = told.filter(|&n| n >= u32::from(PN_XNUM)) {
        return u64::from(count);
    }
    // The kernel writes that section header last, so a core that was cut short lacks it. But
    // the table ends where the contents of the first segment begin.
    let mut count = 0;
    let mut end = u64::MAX;
    while count < limits.segments as u64 {
        let at = table.saturating_add(count * PROGRAM_HEADER);
        if at.saturating_add(PROGRAM_HEADER) > end {
            break;
        }
        let Some(header) = header_at(core, at) else {
            break;
        };
        if header.filesz > 0 && header.offset > at {
            end = end.min(header.offset);
        }
        count += 1;
    }
    problems.push(format!(
        "the core does not say how many segments it has (its last bytes are missing); {count} were assumed"
    ));
    count
}

fn header_at(core: &Blocks, at: u64) -> Option<ProgramHeader> {
    ProgramHeader::parse(&core.read_array::<{ PROGRAM_HEADER as usize }>(at)?)
}

impl Headers {
    fn fill(&mut self, core: &Blocks, table: u64, count: u64) {
        let mut overflowing = 0;
        for i in 0..count {
            let at = table.checked_add(i * PROGRAM_HEADER);
            let Some(header) = at.and_then(|at| header_at(core, at)) else {
                self.problems.push(format!(
                    "the core ends within its table of segments: {} of {count} are unknown",
                    count - i
                ));
                break;
            };
            if !header.is_load() && !header.is_note() {
                continue;
            }
            let Some(end) = header.offset.checked_add(header.filesz) else {
                overflowing += 1;
                continue;
            };
            if header.filesz > 0 {
                self.promised = self.promised.max(end);
            }
            if header.is_note() {
                self.notes.push(header);
            } else if header.memsz > 0 {
                self.loads.push(header);
            }
        }
        if overflowing > 0 {
            self.problems.push(format!(
                "the core is damaged: {overflowing} of its segments lie at impossible places and were left out"
            ));
        }
    }
}
