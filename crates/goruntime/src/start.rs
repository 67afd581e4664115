//! A `g` and an `m` as numbers, and where a goroutine's stack begins.

use gobinary::Scalar;
use model::{Addr, MRef, Status, Tid, Trust};
use target::Registers;

use crate::contract::{G, M};
use crate::module::{Modules, Role};
use crate::unwind::{Start, UserStack};

/// The fields of a `runtime.g`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawG {
    pub lo: Addr,
    pub hi: Addr,
    pub m: Addr,
    pub sched_sp: Addr,
    pub sched_pc: Addr,
    pub sched_lr: u64,
    pub syscallsp: Addr,
    pub syscallpc: Addr,
    pub atomicstatus: u64,
    pub goid: u64,
    pub parent_goid: Option<u64>,
    pub waitsince: u64,
    pub tracking_seq: Option<u8>,
    pub waitreason: u64,
    pub parking_on_chan: bool,
    pub lockedm: Addr,
    pub gopc: Addr,
    pub startpc: Addr,
    pub labels: Addr,
    pub waiting: Addr,
    pub timer: Addr,
    pub sleep_when: Option<i64>,
    pub coroarg: Addr,
    pub running_cleanups: bool,
    pub ancestors: Addr,
    /// The bubble or, in Go 1.24, the group.
    pub bubble: Addr,
}

impl RawG {
    /// Reads a `g` out of its bytes; `None` where they end too early.
    pub(crate) fn parse(layout: &G, bytes: &[u8]) -> Option<RawG> {
        let number = |field: Scalar| field.get(bytes);
        let addr = |field: Scalar| number(field).map(Addr);
        let optional = |field: Option<Scalar>| field.and_then(number);
        Some(RawG {
            lo: addr(layout.stack_lo)?,
            hi: addr(layout.stack_hi)?,
            m: addr(layout.m)?,
            sched_sp: addr(layout.sched_sp)?,
            sched_pc: addr(layout.sched_pc)?,
            sched_lr: number(layout.sched_lr)?,
            syscallsp: addr(layout.syscallsp)?,
            syscallpc: addr(layout.syscallpc)?,
            atomicstatus: number(layout.atomicstatus)?,
            goid: number(layout.goid)?,
            parent_goid: optional(layout.parent_goid),
            waitsince: number(layout.waitsince)?,
            tracking_seq: optional(layout.tracking_seq).and_then(|seq| seq.try_into().ok()),
            waitreason: number(layout.waitreason)?,
            parking_on_chan: number(layout.parking_on_chan)? != 0,
            lockedm: addr(layout.lockedm)?,
            gopc: addr(layout.gopc)?,
            startpc: addr(layout.startpc)?,
            labels: addr(layout.labels)?,
            waiting: addr(layout.waiting)?,
            timer: addr(layout.timer)?,
            sleep_when: optional(layout.sleep_when).map(u64::cast_signed),
            coroarg: optional(layout.coroarg).map_or(Addr(0), Addr),
            running_cleanups: optional(layout.running_cleanups).unwrap_or(0) != 0,
            ancestors: optional(layout.ancestors).map_or(Addr(0), Addr),
            bubble: optional(layout.bubble)
                .or(optional(layout.sync_group))
                .map_or(Addr(0), Addr),
        })
    }

    /// The status without the scan bit; `None` for an unknown number.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::from_runtime(self.atomicstatus)
    }

    /// Whether the garbage collector is scanning its stack (`runtime/runtime2.go`, `_Gscan`).
    pub(crate) fn is_scanned(&self) -> bool {
        self.atomicstatus & 0x1000 != 0
    }

    /// Whether `sp` is a place in this stack.
    pub(crate) fn holds(&self, sp: Addr) -> bool {
        self.lo <= sp && sp < self.hi
    }

    /// Where the scheduler or a system call left it, by the rule of `(*unwinder).initAt`.
    pub(crate) fn saved_sp(&self) -> Addr {
        if self.syscallsp.is_null() {
            self.sched_sp
        } else {
            self.syscallsp
        }
    }

    fn saved_start(&self, trust: Trust) -> Start {
        let is_syscall = !self.syscallsp.is_null();
        Start {
            pc: if is_syscall {
                self.syscallpc
            } else {
                self.sched_pc
            },
            sp: self.saved_sp(),
            lr: if is_syscall { 0 } else { self.sched_lr },
            interrupted: false,
            is_syscall,
            hi: self.hi,
            user: None,
            trust,
        }
    }
}

/// What is needed of a `runtime.m`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawM {
    pub id: u64,
    pub g0: Addr,
    pub gsignal: Addr,
    pub procid: u64,
    pub curg: Addr,
    pub alllink: Addr,
    pub vdso_sp: Addr,
    pub vdso_pc: Addr,
    pub p: Option<Addr>,
}

impl RawM {
    /// Reads an `m` out of its bytes; `None` where they end too early.
    pub(crate) fn parse(layout: &M, bytes: &[u8]) -> Option<RawM> {
        let addr = |field: Scalar| field.get(bytes).map(Addr);
        Some(RawM {
            id: layout.id.get(bytes)?,
            g0: addr(layout.g0)?,
            gsignal: addr(layout.gsignal)?,
            procid: layout.procid.get(bytes)?,
            curg: addr(layout.curg)?,
            alllink: addr(layout.alllink)?,
            vdso_sp: addr(layout.vdso_sp)?,
            vdso_pc: addr(layout.vdso_pc)?,
            p: layout.p.and_then(addr).filter(|p| !p.is_null()),
        })
    }
}

/// Bytes above `g0.stack.hi` that the first frames of a thread take up.
pub(crate) const ABOVE_G0: u64 = 512;

/// An M with its stacks and its thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MThread {
    pub at: Addr,
    pub raw: RawM,
    /// The thread, if there is one with the M's `procid`.
    pub tid: Option<Tid>,
    pub registers: Option<Registers>,
    /// Bounds of the system stack.
    pub g0: Option<(Addr, Addr)>,
    /// `g0.sched.sp`: where it is free from, as long as the thread runs a goroutine.
    pub g0_sched: Option<Addr>,
    /// Bounds of the signal stack.
    pub gsignal: Option<(Addr, Addr)>,
}

impl MThread {
    /// Its number and address.
    pub(crate) fn reference(&self) -> MRef {
        MRef {
            id: self.raw.id as i64,
            at: self.at,
        }
    }

    /// Whether `sp` is on its system stack.
    pub(crate) fn g0_holds(&self, sp: Addr) -> bool {
        self.g0.is_some_and(|(lo, hi)| lo <= sp && sp < hi)
    }

    /// Where the last frame of its system stack ends at the latest. On a thread that C made,
    /// `g0.stack.hi` is the address of a variable of `mstart0` (`runtime/proc.go`): its own frame
    /// and its caller's lie above.
    pub(crate) fn g0_end(&self) -> Addr {
        let hi = self.g0.map_or(u64::MAX, |(_, hi)| hi.0);
        Addr(hi.saturating_add(ABOVE_G0))
    }

    /// Whether `sp` is on its signal stack.
    pub(crate) fn gsignal_holds(&self, sp: Addr) -> bool {
        self.gsignal.is_some_and(|(lo, hi)| lo <= sp && sp < hi)
    }
}

impl Start {
    /// What stands on an M's system stack, if its thread is there.
    pub(crate) fn on_system_stack(m: &MThread, now: Registers) -> Result<Start, String> {
        let (pc, sp, interrupted) = if m.raw.vdso_sp.is_null() {
            (now.pc, now.sp, true)
        } else {
            (m.raw.vdso_pc, m.raw.vdso_sp, false)
        };
        match m.g0 {
            Some(_) if m.g0_holds(sp) => Ok(Start {
                pc,
                sp,
                lr: now.lr.filter(|_| interrupted).map_or(0, |lr| lr.0),
                interrupted,
                is_syscall: false,
                hi: m.g0_end(),
                user: None,
                trust: Trust::Exact,
            }),
            _ => Err("its thread is not on it".to_owned()),
        }
    }
}

/// Where to begin, and where else if that leads nowhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin {
    pub first: Start,
    pub otherwise: Option<Start>,
}

/// Where the stack of a live goroutine begins. `m` is the M it is on, if it is on one, with the
/// registers that its thread has, or had before a signal interrupted it.
/// `Err` says why that cannot be known.
pub(crate) fn begin(
    modules: &Modules,
    g: &RawG,
    at: Addr,
    m: Option<(&MThread, Result<Registers, String>)>,
) -> Result<Begin, String> {
    let only = |first| Begin {
        first,
        otherwise: None,
    };
    let saved = |trust| {
        let start = g.saved_start(trust);
        if g.holds(start.sp) {
            Ok(start)
        } else if g.status() == Some(Status::Copystack) {
            // copystack has set stack, and not yet sched.sp.
            Err("its stack is just being moved".to_owned())
        } else {
            Err(format!(
                "its saved stack pointer {} is not in its stack",
                start.sp
            ))
        }
    };
    // A system call was entered through entersyscall, which saved where; C code that
    // was called through cgo is such a call too.
    // One that works for the collector counts as waiting meanwhile (`casGToWaiting…`). While it is on its thread's system stack
    // it is saved where it is on its own; back on that (`gcMarkTermination`), `sched.sp` is 0, as for all that run.
    let waits_at_work = g.status() == Some(Status::Waiting)
        && g.sched_sp.is_null()
        && m.as_ref().is_some_and(|(m, _)| m.raw.curg == at);
    let runs = g.status() == Some(Status::Running) || waits_at_work;
    if !runs || !g.syscallsp.is_null() {
        return saved(Trust::Exact).map(only);
    }
    let Some((m, registers)) = m else {
        return Err("it is running, but no thread of the program says it runs it".into());
    };
    if m.raw.curg != at {
        // Between two goroutines: execute has not yet, or gdestroy has already, changed one of the two.
        return saved(Trust::Assumed).map(only);
    }
    let registers = registers?;
    let lr = link(&registers);
    let in_gogo = || {
        modules
            .find(registers.pc)
            .is_some_and(|spot| spot.role() == Role::Gogo)
    };
    // The vDSO is no part of the program: whoever calls it leaves a note where it did so.
    let (pc, sp, lr, interrupted) = if !m.raw.vdso_sp.is_null() {
        (m.raw.vdso_pc, m.raw.vdso_sp, 0, false)
    } else if g.holds(registers.sp) && in_gogo() {
        (g.sched_pc, registers.sp, g.sched_lr, false)
    } else {
        (registers.pc, registers.sp, lr, true)
    };
    let start = Start {
        pc,
        sp,
        lr,
        interrupted,
        is_syscall: false,
        hi: g.hi,
        user: None,
        trust: Trust::Exact,
    };
    if g.holds(sp) {
        return Ok(only(start));
    }
    if m.g0_holds(sp) {
        let user = UserStack {
            pc: g.sched_pc,
            sp: g.sched_sp,
            lr: g.sched_lr,
            hi: g.hi,
        };
        let first = Start {
            hi: m.g0_end(),
            user: Some(user),
            ..start
        };
        return Ok(Begin {
            first,
            otherwise: saved(Trust::Assumed).ok(),
        });
    }
    Err(format!(
        "its thread's stack pointer {sp} is on no stack of the Go runtime"
    ))
}

/// The register that can hold a return address: the link register, or on amd64 `r12`, for `syscall.rawVforkSyscall`.
fn link(registers: &Registers) -> u64 {
    match registers.lr {
        Some(lr) => lr.0,
        None => registers.general.get(12).copied().unwrap_or_default(),
    }
}
