//! The system call that a goroutine's thread is in.

use std::borrow::Cow;

use model::{Arch, WaitKind, WaitState, WaitingOn};
use target::Registers;

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
