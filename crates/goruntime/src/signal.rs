//! What a thread was doing when the signal came whose handler it is in.
//!
//! The kernel puts the interrupted registers behind the frame of the handler's first function,
//! `runtime.sigtramp` (`struct rt_sigframe` of `arch/x86/include/asm/sigframe.h` and
//! `arch/arm64/kernel/signal.c`; `runtime/defs_linux_amd64.go` and `defs_linux_arm64.go`, `ucontext`).

use std::ops::ControlFlow;

use model::{Addr, Arch, Trust};
use target::{ReadMemory, Registers};

use crate::module::{Modules, Role};
use crate::start::MThread;
use crate::unwind::{Start, Unwinder};

/// A handler calls a few dozen functions at most.
const MAX_FRAMES: usize = 256;

/// Handlers interrupted by other signals; each is masked while its own handler runs.
const MAX_NESTED: usize = 64;

/// The registers at the time of the signal, for a thread on its signal stack. Where that signal
/// interrupted a handler (as the one does that a crashing program sends itself), those at the time of the first.
pub(crate) fn interrupted_registers(
    unwinder: &mut Unwinder,
    modules: &Modules,
    mem: &dyn ReadMemory,
    m: &MThread,
    now: Registers,
) -> Result<Registers, String> {
    let mut registers = now;
    for _ in 0..MAX_NESTED {
        registers = behind_handler(unwinder, modules, mem, m, registers)?;
        if !m.gsignal_holds(registers.sp) {
            return Ok(registers);
        }
    }
    Err(format!(
        "its thread is in more than {MAX_NESTED} signal handlers"
    ))
}

fn behind_handler(
    unwinder: &mut Unwinder,
    modules: &Modules,
    mem: &dyn ReadMemory,
    m: &MThread,
    now: Registers,
) -> Result<Registers, String> {
    let start = Start {
        pc: now.pc,
        sp: now.sp,
        lr: now.lr.map_or(0, |lr| lr.0),
        interrupted: true,
        is_syscall: false,
        hi: m.gsignal.map_or(Addr(u64::MAX), |(_, hi)| hi),
        user: None,
        trust: Trust::Exact,
    };
    let mut behind = None;
    let walked = unwinder.walk(modules, mem, &start, MAX_FRAMES, |visited| {
        if visited.role == Role::Sigtramp {
            behind = visited.fp;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let Some(behind) = behind else {
        let why = walked
            .err()
            .unwrap_or_else(|| "its first function was not met".into());
        return Err(format!(
            "its thread is in a signal handler that was not understood: {why}"
        ));
    };
    let word = |at: u64| {
        let read = behind.checked_add(at).map(|at| mem.read_u64(at));
        match read {
            Some(Ok(word)) => Ok(word),
            _ => Err(
                "its thread is in a signal handler, and what it interrupted cannot be read"
                    .to_owned(),
            ),
        }
    };
    match modules.binary().arch {
        // The return address has been left behind: here is the ucontext. Its general
        // registers follow flags, link and stack (40 bytes), in the order r8 … r15, rdi, rsi,
        // rbp, rbx, rdx, rax, rcx, rsp, rip; here they are in the order of DWARF.
        Arch::Amd64 => {
            const ORDER: [u64; 16] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7];
            let mut general = [0; 16];
            for (register, i) in general.iter_mut().zip(ORDER) {
                *register = word(40 + 8 * i)?;
            }
            Ok(Registers::amd64(word(40 + 8 * 16)?, general))
        }
        // The siginfo (128 bytes), then the ucontext: 176 bytes up to the fault address, then x0 … x30, sp, pc.
        Arch::Arm64 => {
            let register = |i: u64| word(128 + 176 + 8 + 8 * i);
            let mut general = [0; 32];
            for (to, i) in general.iter_mut().zip(0..) {
                *to = register(i)?;
            }
            Ok(Registers::arm64(register(32)?, general))
        }
    }
}
