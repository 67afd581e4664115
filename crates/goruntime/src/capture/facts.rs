//! What proves that a goroutine has not run: `docs/PAUSE.md`.

use model::{Addr, Status};

use crate::contract::G;
use crate::runtime::Runtime;
use crate::start::RawG;
use crate::waits::WaitClass;

/// What must not change from the first look to the last.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Default))]
pub(super) struct Facts {
    /// Set once by a garbage collection that finds a goroutine waiting, with the time of that collection;
    /// set to 0 by `execute` (`runtime/proc.go`). So as long as it is the same, the goroutine has not run.
    waitsince: u64,
    lo: Addr,
    hi: Addr,
    sched_sp: Addr,
}

impl Facts {
    /// `None` if the goroutine's stack may not be kept, whatever the stop will say.
    pub(super) fn of(g: &RawG, runtime: &Runtime) -> Option<Facts> {
        let waits = g.status() == Some(Status::Waiting) && !g.is_scanned();
        // On an M, it is about to park, or works on a system stack and counts as waiting meanwhile
        // (`casGToWaiting`). Locked to one, it may have been called by C, which has pointers to its stack.
        let is_parked = g.m.is_null() && g.lockedm.is_null();
        let class = runtime.wait_class(g.waitreason);
        // `coroswitch` goes from one to the other without `execute`. What the runtime's own goroutines
        // wait for is of no interest, for they are few.
        let by_gopark = !matches!(
            class,
            WaitClass::Coroutine
                | WaitClass::SynctestRun
                | WaitClass::SynctestWait
                | WaitClass::Other
        );
        (waits && is_parked && by_gopark && g.waitsince != 0).then_some(Facts {
            waitsince: g.waitsince,
            lo: g.lo,
            hi: g.hi,
            sched_sp: g.sched_sp,
        })
    }

    /// Whether this is a place in its stack.
    pub(super) fn holds(&self, at: Addr) -> bool {
        self.lo <= at && at < self.hi
    }

    /// The part of its stack that is in use.
    pub(super) fn stack(&self) -> (Addr, usize) {
        (self.sched_sp, (self.hi.0 - self.sched_sp.0) as usize)
    }

    /// Whether this is what a `g` says now.
    pub(super) fn hold(&self, g: &[u8], layout: &G) -> bool {
        let is = |field: gobinary::Scalar, value| field.get(g) == Some(value);
        is(layout.waitsince, self.waitsince)
            && is(layout.atomicstatus, WAITING)
            && is(layout.m, 0)
            && is(layout.stack_lo, self.lo.0)
            && is(layout.stack_hi, self.hi.0)
            && is(layout.sched_sp, self.sched_sp.0)
    }
}

/// `_Gwaiting`, and nobody is scanning its stack (`runtime/runtime2.go`).
const WAITING: u64 = 4;
