//! The notes of a core: threads and their registers, the process, its files.
//!
//! Sources: `include/linux/elfcore.h` and `fs/binfmt_elf.c` of the kernel (`elf_prstatus`,
//! `elf_prpsinfo`, `fill_files_note`), `arch/x86/include/asm/user_64.h` and
//! `arch/arm64/include/uapi/asm/ptrace.h` for the order of registers.

use model::{Addr, Arch, Pid, Tid};
use target::{Registers, Thread};

use crate::bytes::{u16_at, u32_at, u64_at, until_zero};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
/// `FILE`.
const NT_FILE: u32 = 0x4649_4c45;
/// Offset of `pr_cursig` in `elf_prstatus`.
const PR_CURSIG: usize = 12;
/// Offset of `pr_pid` in `elf_prstatus`.
const PR_PID: usize = 32;
/// Offset of `pr_reg` in `elf_prstatus`, on both processors.
const PR_REG: usize = 112;
/// More entries than any auxiliary vector has.
const MAX_AUXV: usize = 1024;

/// A file that was mapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MappedFile {
    pub start: u64,
    pub end: u64,
    pub path: Vec<u8>,
}

/// What the notes say.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The first is the one that died, in cores of the kernel.
    pub threads: Vec<Thread>,
    pub signal: Option<u16>,
    pub pid: Option<Pid>,
    pub entry: Option<Addr>,
    /// `AT_PHDR`: the executable's program headers in memory.
    pub phdr: Option<Addr>,
    /// `AT_EXECFN`: the text that the program was started by.
    pub execfn: Option<Addr>,
    pub files: Vec<MappedFile>,
    /// What is wrong with them, in sentences.
    pub diagnostics: Vec<String>,
}

/// Calls `visit` with owner, type and contents of each note in `bytes`; `false` where they break off.
pub(crate) fn each(bytes: &[u8], mut visit: impl FnMut(&[u8], u32, &[u8])) -> bool {
    let mut at = 0usize;
    while at < bytes.len() {
        let Some(next) = one(bytes, at, &mut visit) else {
            return false;
        };
        at = next;
    }
    true
}

fn one(bytes: &[u8], at: usize, visit: &mut impl FnMut(&[u8], u32, &[u8])) -> Option<usize> {
    let (owner, size) = (u32_at(bytes, at)?, u32_at(bytes, at.checked_add(4)?)?);
    let kind = u32_at(bytes, at.checked_add(8)?)?;
    let begin = at.checked_add(12)?;
    let name = bytes.get(begin..begin.checked_add(owner as usize)?)?;
    let begin = begin.checked_add((owner as usize).checked_next_multiple_of(4)?)?;
    let contents = bytes.get(begin..begin.checked_add(size as usize)?)?;
    visit(until_zero(name), kind, contents);
    begin.checked_add((size as usize).checked_next_multiple_of(4)?)
}

impl Notes {
    /// Takes in the bytes of one note segment.
    pub(crate) fn read(&mut self, arch: Arch, bytes: &[u8]) {
        let whole = each(bytes, |owner, kind, contents| {
            // LINUX holds what is specific to a processor; nothing of it is needed.
            if owner == b"CORE" {
                self.note(arch, kind, contents);
            }
        });
        if !whole {
            self.diagnostics
                .push("the core's notes break off: threads may be missing".into());
        }
    }

    fn note(&mut self, arch: Arch, kind: u32, contents: &[u8]) {
        match kind {
            NT_PRSTATUS => self.thread(arch, contents),
            NT_PRPSINFO => self.pid = u32_at(contents, 24).map(|pid| Pid(pid as i32)),
            NT_AUXV => self.auxv(contents),
            NT_FILE if self.files(contents).is_none() => {
                self.diagnostics
                    .push("the core's list of mapped files breaks off".into());
            }
            _ => {}
        }
    }

    fn thread(&mut self, arch: Arch, status: &[u8]) {
        let Some(tid) = u32_at(status, PR_PID).map(|tid| Tid(tid as i32)) else {
            self.diagnostics
                .push("a thread's note is too short to name it".into());
            return;
        };
        let registers = registers(arch, status);
        if registers.is_none() {
            self.diagnostics.push(format!(
                "the core does not hold the registers of thread {tid}"
            ));
        }
        if self.threads.is_empty() {
            self.signal = u16_at(status, PR_CURSIG).filter(|&signal| signal != 0);
        }
        self.threads.push(Thread {
            tid,
            ns_tid: tid,
            registers,
        });
    }

    fn auxv(&mut self, contents: &[u8]) {
        for entry in contents.chunks_exact(16).take(MAX_AUXV) {
            let value = u64_at(entry, 8).map(Addr);
            match u64_at(entry, 0) {
                Some(3) => self.phdr = value,
                Some(9) => self.entry = value,
                Some(31) => self.execfn = value,
                _ => {}
            }
        }
    }

    fn files(&mut self, contents: &[u8]) -> Option<()> {
        let count = usize::try_from(u64_at(contents, 0)?).ok()?;
        let mut names = contents.get(16usize.checked_add(count.checked_mul(24)?)?..)?;
        for entry in contents.get(16..)?.chunks_exact(24).take(count) {
            let path = until_zero(names);
            self.files.push(MappedFile {
                start: u64_at(entry, 0)?,
                end: u64_at(entry, 8)?,
                path: path.to_vec(),
            });
            names = names.get(path.len() + 1..)?;
        }
        Some(())
    }
}

fn registers(arch: Arch, status: &[u8]) -> Option<Registers> {
    let register = |i: usize| u64_at(status, PR_REG + 8 * i).map(Addr);
    match arch {
        // r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp …
        Arch::Amd64 => Some(Registers {
            pc: register(16)?,
            sp: register(19)?,
            lr: None,
            fp: register(4)?,
            g: register(1)?,
        }),
        // x0 … x30, sp, pc, pstate
        Arch::Arm64 => Some(Registers {
            pc: register(32)?,
            sp: register(31)?,
            lr: Some(register(30)?),
            fp: register(29)?,
            g: register(28)?,
        }),
    }
}
