//! The records in a core's notes, and where their fields are.
//!
//! Sources: `include/linux/elfcore.h` and glibc's `sys/procfs.h` (`elf_prstatus`,
//! `elf_prpsinfo`), `sys/user.h` and `asm/ptrace.h` (`user_regs_struct`, `user_pt_regs`),
//! `fs/binfmt_elf.c` (`fill_files_note`). The records are the same on all 64-bit machines but
//! for the registers within `elf_prstatus`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use model::{Addr, Arch, Pid, Tid};
use target::{Registers, Thread};

use crate::bytes::{i32_at, u64_at};

/// `elf_prstatus.pr_cursig`, `.pr_pid` and `.pr_reg`.
const CURSIG: usize = 12;
const TID: usize = 32;
const REGISTERS: usize = 112;

/// What `NT_PRSTATUS` says of a thread.
#[derive(Debug)]
pub(crate) struct Prstatus {
    pub(crate) thread: Thread,
    /// The signal that it was stopped or killed by; 0 for none.
    pub(crate) signal: i32,
}

/// `None` where even the thread's ID is missing.
pub(crate) fn prstatus(record: &[u8], arch: Arch) -> Option<Prstatus> {
    let tid = Tid(i32_at(record, TID)?);
    let signal = i32_at(record, CURSIG)? as i16;
    Some(Prstatus {
        thread: Thread {
            tid,
            ns_tid: tid,
            registers: registers(record, arch),
        },
        signal: i32::from(signal),
    })
}

/// All registers or none: a record that is shorter than it should be is of another layout.
fn registers(record: &[u8], arch: Arch) -> Option<Registers> {
    let (count, whole) = match arch {
        Arch::Amd64 => (27, 336),
        Arch::Arm64 => (34, 392),
    };
    // Behind the registers there is only `pr_fpvalid`, and padding that not all writers have.
    if record.len() < REGISTERS + count * 8 + 4 || record.len() > whole {
        return None;
    }
    let nth = |i: usize| u64_at(record, REGISTERS + i * 8);
    Some(match arch {
        Arch::Amd64 => {
            // `r15`, `r14`, `r13`, `r12`, `rbp`, `rbx`, `r11` … `r8`, `rax`, `rcx`, `rdx`, `rsi`, `rdi`,
            // `orig_rax`, `rip`, `cs`, `eflags`, `rsp`; here in the order of DWARF.
            const ORDER: [usize; 16] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
            let mut general = [0; 16];
            for (register, i) in general.iter_mut().zip(ORDER) {
                *register = nth(i)?;
            }
            Registers::amd64(nth(16)?, general).in_syscall(nth(15)?)
        }
        // `x0` … `x30`, `sp`, `pc`.
        Arch::Arm64 => {
            let mut general = [0; 32];
            for (i, register) in general.iter_mut().enumerate() {
                *register = nth(i)?;
            }
            Registers::arm64(nth(32)?, general)
        }
    })
}

/// What `NT_PRPSINFO` says of the process.
#[derive(Debug)]
pub(crate) struct Prpsinfo {
    pub(crate) pid: Pid,
    pub(crate) name: String,
    pub(crate) args: String,
}

pub(crate) fn prpsinfo(record: &[u8]) -> Option<Prpsinfo> {
    let text = |range| {
        let bytes: &[u8] = record.get(range)?;
        let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(bytes).trim_end().to_owned())
    };
    Some(Prpsinfo {
        pid: Pid(i32_at(record, 24)?),
        name: text(40..56)?,
        // `ELF_PRARGSZ` is 80: longer ones are cut by who wrote the core.
        args: text(56..136)?,
    })
}

/// A file that was mapped into the process, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappedFile {
    /// First address.
    pub start: Addr,
    /// The address behind the last one.
    pub end: Addr,
    /// Where in the file it begins, in bytes.
    pub file_offset: u64,
    /// The file's path as the process had it; the kernel adds ` (deleted)` to
    /// the path of a file that was deleted or replaced while it was mapped.
    pub path: PathBuf,
}

/// What `NT_FILE` lists, and whether that is all that it promises.
pub(crate) fn mapped_files(record: &[u8]) -> (Vec<MappedFile>, bool) {
    const HEADER: usize = 16;
    const ENTRY: usize = 24;
    let (Some(count), Some(page)) = (u64_at(record, 0), u64_at(record, 8)) else {
        return (Vec::new(), false);
    };
    let most = record.len().saturating_sub(HEADER) / ENTRY;
    let entries = usize::try_from(count).unwrap_or(usize::MAX).min(most);
    let mut names = record
        .get(HEADER + entries * ENTRY..)
        .unwrap_or_default()
        .split(|&b| b == 0);
    let mut files = Vec::with_capacity(entries);
    for i in 0..entries {
        let field = |n: usize| u64_at(record, HEADER + i * ENTRY + n * 8);
        let (Some(start), Some(end), Some(offset), Some(name)) =
            (field(0), field(1), field(2), names.next())
        else {
            break;
        };
        let Some(file_offset) = offset.checked_mul(page) else {
            break;
        };
        if !name.is_empty() && start < end {
            files.push(MappedFile {
                start: Addr(start),
                end: Addr(end),
                file_offset,
                path: PathBuf::from(OsStr::from_bytes(name)),
            });
        }
    }
    let whole = files.len() as u64 == count;
    (files, whole)
}

/// What `NT_AUXV` says of an entry (`elf.h`, `AT_*`).
pub(crate) fn auxv_entry(record: &[u8], wanted: u64) -> Option<u64> {
    record
        .chunks_exact(16)
        .map_while(|pair| Some((u64_at(pair, 0)?, u64_at(pair, 8)?)))
        .take_while(|&(key, _)| key != 0)
        .find(|&(key, _)| key == wanted)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record in which the register `i` is `0x1000 + i`.
    fn record(len: usize) -> Vec<u8> {
        let mut record = vec![0; 400];
        record[CURSIG..CURSIG + 2].copy_from_slice(&6i16.to_le_bytes());
        record[TID..TID + 4].copy_from_slice(&77i32.to_le_bytes());
        for (i, register) in record[REGISTERS..].chunks_exact_mut(8).enumerate() {
            register.copy_from_slice(&(0x1000 + i as u64).to_le_bytes());
        }
        record.truncate(len);
        record
    }

    #[test]
    fn registers_are_where_the_headers_say() {
        let amd64 = prstatus(&record(336), Arch::Amd64).unwrap();
        assert_eq!((amd64.thread.tid, amd64.signal), (Tid(77), 6));
        let registers = amd64.thread.registers.unwrap();
        assert_eq!(registers.pc, Addr(0x1000 + 16));
        assert_eq!(registers.sp, Addr(0x1000 + 19));
        assert_eq!(registers.fp, Addr(0x1000 + 4));
        assert_eq!(registers.g, Addr(0x1000 + 1));
        assert_eq!(registers.lr, None);
        let arm64 = prstatus(&record(392), Arch::Arm64).unwrap();
        let registers = arm64.thread.registers.unwrap();
        assert_eq!(registers.pc, Addr(0x1000 + 32));
        assert_eq!(registers.sp, Addr(0x1000 + 31));
        assert_eq!(registers.lr, Some(Addr(0x1000 + 30)));
        assert_eq!(registers.fp, Addr(0x1000 + 29));
        assert_eq!(registers.g, Addr(0x1000 + 28));
    }

    #[test]
    fn a_record_of_another_size_has_no_registers() {
        assert!(prstatus(&record(32), Arch::Amd64).is_none());
        for (len, arch) in [(300, Arch::Amd64), (392, Arch::Amd64), (336, Arch::Arm64)] {
            let prstatus = prstatus(&record(len), arch).unwrap();
            assert_eq!(prstatus.thread.tid, Tid(77));
            assert_eq!(prstatus.thread.registers, None);
        }
    }
}
