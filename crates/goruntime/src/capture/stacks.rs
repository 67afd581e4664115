//! Which parts of which stacks are copied.

use cframes::Text;
use model::{Addr, Status};

use crate::limits::Limits;
use crate::machine::Machine;
use crate::runtime::Runtime;
use crate::start::{ABOVE_G0, MThread, RawG};

/// What is to be copied of system stacks.
pub(super) struct SystemStacks<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) limits: &'a Limits,
    /// How many bytes more may be copied of stacks that C code has.
    pub(super) left: u64,
    pub(super) in_c: bool,
    pub(super) ranges: &'a mut Vec<(Addr, usize)>,
}

/// What is copied of a stack of which nobody knows the end.
const UNKNOWN_STACK: u64 = 1 << 16;
const PAGE: u64 = 4096;

impl SystemStacks<'_> {
    pub(super) fn of_thread(&mut self, m: &MThread) {
        let has_c = self.runtime.modules.has_c();
        let registers = m.registers.filter(|_| has_c);
        if let Some(now) = registers.filter(|now| !self.runtime.modules.is_elsewhere(now.pc)) {
            self.in_c = true;
            self.of_c(m, now.sp);
        }
        let limits = self.limits;
        let on_system_stack = |sp: Addr| {
            let stack = if m.g0_holds(sp) {
                m.g0
            } else {
                m.gsignal.filter(|_| m.gsignal_holds(sp))
            };
            stack.map(|(_, hi)| (sp, (hi.0 - sp.0).min(limits.system_stack_bytes) as usize))
        };
        let sp = m.registers.map(|r| r.sp);
        self.ranges.extend(sp.and_then(on_system_stack));
        self.ranges.extend(on_system_stack(m.raw.vdso_sp));
        if let Some((_, hi)) = m.g0 {
            self.ranges.push((hi, ABOVE_G0 as usize));
        }
        // What a signal interrupted there is not known before its handler's frame is read.
        if sp.is_some_and(|sp| m.gsignal_holds(sp))
            && let Some((lo, hi)) = m.g0
        {
            let bytes = (hi.0.saturating_sub(lo.0)).min(limits.system_stack_bytes);
            self.ranges.push((Addr(hi.0 - bytes), bytes as usize));
            self.in_c |= has_c;
        }
    }

    /// The stack of a thread whose C code has called Go: from where it did so the last time.
    pub(super) fn of_callbacks(&mut self, m: &MThread) {
        if let Some(sp) = m.g0_sched.filter(|_| self.runtime.modules.has_c()) {
            self.in_c = true;
            self.of_c(m, sp);
        }
    }

    /// A stack of C's from `sp` on. Where it is not all there, page by page.
    fn of_c(&mut self, m: &MThread, sp: Addr) {
        let bytes = match m.g0 {
            // Of threads that C made Go only assumes that they have so much (`callbackUpdateSystemStack`).
            Some((lo, hi)) if hi.0.wrapping_sub(lo.0) == 33 * 1024 && sp < hi => {
                (hi.0 - sp.0).saturating_add(UNKNOWN_STACK)
            }
            // Go's lower bound need not be right either.
            Some((_, hi)) if sp < hi && hi.0 - sp.0 <= self.limits.c_stack_bytes => hi.0 - sp.0,
            _ => UNKNOWN_STACK,
        };
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        let end = sp.0.saturating_add(bytes);
        let mut at = sp.0;
        while at < end {
            let next = (at | (PAGE - 1)).saturating_add(1).min(end);
            self.ranges.push((Addr(at), (next - at) as usize));
            at = next;
        }
    }
}

/// The part of a stack that is in use: from the lowest place it may be walked from.
pub(super) fn used_stack(g: &RawG, machine: &Machine) -> Option<(Addr, u64)> {
    let sp = match machine.by_addr.get(&g.m) {
        // Its thread is on another stack, so where it left this one is not known yet.
        Some(m)
            if g.status() == Some(Status::Running)
                && !m.registers.is_some_and(|r| g.holds(r.sp)) =>
        {
            g.lo
        }
        on => {
            let registers = on.and_then(|m| m.registers).map(|r| r.sp);
            let candidates = [Some(g.saved_sp()), Some(g.sched_sp), registers];
            candidates
                .into_iter()
                .flatten()
                .filter(|&sp| g.holds(sp))
                .min()?
        }
    };
    (sp < g.hi).then(|| (sp, g.hi.0 - sp.0))
}
