//! The general registers. The only place that depends on the architecture goinspect was built for.

use model::{Arch, Tid};
use nix::errno::Errno;
use target::Registers;

use crate::sys;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("goinspect can stop processes on x86-64 and arm64 only");

/// The processor of this machine, hence of every process on it.
#[cfg(target_arch = "x86_64")]
pub(crate) const ARCH: Arch = Arch::Amd64;
/// The processor of this machine, hence of every process on it.
#[cfg(target_arch = "aarch64")]
pub(crate) const ARCH: Arch = Arch::Arm64;

/// The registers of a thread that has been stopped by this thread.
#[cfg(target_arch = "x86_64")]
pub(crate) fn read(tid: Tid) -> Result<Registers, Errno> {
    let regs = sys::general_registers(tid)?;
    Ok(Registers::amd64(
        regs.rip,
        [
            regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp, regs.rsp,
            regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
        ],
    )
    .in_syscall(regs.orig_rax))
}

/// The registers of a thread that has been stopped by this thread.
#[cfg(target_arch = "aarch64")]
pub(crate) fn read(tid: Tid) -> Result<Registers, Errno> {
    let regs = sys::general_registers(tid)?;
    let mut general = [regs.sp; 32];
    for (to, from) in general.iter_mut().zip(regs.regs) {
        *to = from;
    }
    Ok(Registers::arm64(regs.pc, general))
}
