//! The registers that are wanted, out of all that a processor has.
//! The only place that depends on the architecture goinspect was built for.

use model::{Addr, Arch, Tid};
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
    Ok(Registers {
        pc: Addr(regs.rip),
        sp: Addr(regs.rsp),
        lr: None,
        fp: Addr(regs.rbp),
        g: Addr(regs.r14),
    })
}

/// The registers of a thread that has been stopped by this thread.
#[cfg(target_arch = "aarch64")]
pub(crate) fn read(tid: Tid) -> Result<Registers, Errno> {
    let regs = sys::general_registers(tid)?;
    Ok(Registers {
        pc: Addr(regs.pc),
        sp: Addr(regs.sp),
        lr: Some(Addr(regs.regs[30])),
        fp: Addr(regs.regs[29]),
        g: Addr(regs.regs[28]),
    })
}
