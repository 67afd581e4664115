//! The system call that a goroutine's thread is in.

use std::borrow::Cow;

use model::{Addr, Arch, WaitKind, WaitState, WaitingOn};
use target::{ReadMemory, Registers};

use super::plain;

/// Those whose first argument is a file (syscalls(2)).
const OF_FILES: &[&str] = &[
    "read",
    "write",
    "close",
    "pread64",
    "pwrite64",
    "readv",
    "writev",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "accept",
    "accept4",
    "connect",
    "bind",
    "listen",
    "recvfrom",
    "sendto",
    "recvmsg",
    "sendmsg",
    "recvmmsg",
    "sendmmsg",
    "flock",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "ioctl",
    "fcntl",
    "lseek",
    "getdents64",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "sendfile",
    "splice",
    "tee",
    "copy_file_range",
    "sync_file_range",
    "fstat",
    "shutdown",
];

/// The system call in the registers that a signal interrupted. The kernel leaves them so that the call is made
/// again when the handler returns, or has failed with EINTR (`arch/x86/kernel/signal.c`, `handle_signal`;
/// `arch/arm64/kernel/signal.c`, `do_signal`): then, on amd64, nothing tells any more which one it was.
pub(super) fn interrupted(
    arch: Arch,
    registers: &Registers,
    mem: &dyn ReadMemory,
) -> Option<WaitingOn> {
    const EINTR: i64 = -4;
    // syscall; svc #0.
    let enter: &[u8] = match arch {
        Arch::Amd64 => &[0x0f, 0x05],
        Arch::Arm64 => &[0x01, 0x00, 0x00, 0xd4],
    };
    let enters = |at: Addr| {
        let mut bytes = [0; 4];
        let bytes = bytes.get_mut(..enter.len())?;
        mem.read(at, bytes).ok()?;
        Some(*bytes == *enter)
    };
    let unknown = || plain(WaitKind::Syscall, None);
    // rax; x0.
    let result = registers.general.first()?.cast_signed();
    let number = match arch {
        Arch::Amd64 => registers.general.first()?,
        Arch::Arm64 => registers.general.get(8)?,
    };
    let behind = Addr(registers.pc.0.wrapping_sub(enter.len() as u64));
    match (enters(registers.pc), enters(behind)) {
        (Some(true), _) => read(arch, &registers.in_syscall(*number)),
        (_, Some(true)) if result == EINTR => match arch {
            Arch::Amd64 => Some(unknown()),
            // Its argument has given way to the result.
            Arch::Arm64 => read(arch, &registers.in_syscall(*number)).map(|on| WaitingOn {
                state: WaitState::Nothing,
                ..on
            }),
        },
        (None, _) | (_, None) => Some(unknown()),
        _ => None,
    }
}

/// The system call in a thread's registers, if it is in one.
pub(super) fn read(arch: Arch, registers: &Registers) -> Option<WaitingOn> {
    let number = usize::try_from(registers.syscall?).ok()?;
    let name = match arch {
        Arch::Amd64 => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
        Arch::Arm64 => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
    };
    // rdi by its DWARF number; x0.
    let first = match arch {
        Arch::Amd64 => registers.general.get(5),
        Arch::Arm64 => registers.general.first(),
    };
    let fd = first
        .filter(|_| name.is_some_and(|name| OF_FILES.contains(&name)))
        // An int: the upper half of the register may hold anything.
        .map(|&word| word as i32);
    Some(WaitingOn {
        op: Some(match name {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("{number}")),
        }),
        state: match fd {
            Some(fd) => WaitState::File {
                fd: Some(fd),
                file: None,
                deadline: None,
            },
            None => WaitState::Nothing,
        },
        ..plain(WaitKind::Syscall, None)
    })
}
