//! What a thread was doing when the signal came whose handler it is in.
//!
//! The kernel puts the interrupted registers behind the frame of the handler's first function,
//! `runtime.sigtramp` ([`Registers::of_signal_frame`]).

use std::ops::ControlFlow;

use model::{Addr, Trust};
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
    let arch = modules.binary().arch;
    Registers::of_signal_frame(arch, behind, mem).map_err(|_| {
        "its thread is in a signal handler, and what it interrupted cannot be read".to_owned()
    })
}
