//! From one physical frame to the next, by pclntab and the runtime's own rules.
//!
//! Source: `runtime/traceback.go` of Go 1.27, `(*unwinder).initAt`, `resolveInternal`, `next`;
//! the rules are the same since Go 1.21. No frame pointers and no DWARF are needed.

use std::ops::ControlFlow;

use model::{Addr, Arch, Trust};
use rustc_hash::FxHashMap;
use target::ReadMemory;

use crate::module::{Modules, Role};

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub pc: Addr,
    pub sp: Addr,
    /// Link register; 0 where there is none or it was saved on the stack. On amd64 `r12`, of use in one function only
    /// ([`Role::RawVforkSyscall`]).
    pub lr: u64,
    /// Whether `pc` is where a thread was interrupted, and no return address.
    pub interrupted: bool,
    /// Whether these are `syscallpc` and `syscallsp`, or the like: taken before the function moved its stack pointer.
    pub is_syscall: bool,
    /// One past the highest address of the stack.
    pub hi: Addr,
    /// For a walk that begins on a system stack: what the goroutine it works for had saved.
    pub user: Option<UserStack>,
    /// How far the state itself can be trusted.
    pub trust: Trust,
}

/// The saved state of a goroutine whose thread is on its system stack (`curg.sched`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserStack {
    pub pc: Addr,
    pub sp: Addr,
    pub lr: u64,
    pub hi: Addr,
}

/// A physical frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PhysicalFrame {
    /// What a traceback prints as `pc=`.
    pub pc: Addr,
    /// The address to look up: inside the call instruction, unless the frame was interrupted.
    pub lookup: Addr,
    pub trust: Trust,
    pub code: Code,
}

/// Who knows what a frame stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Code {
    /// pclntab.
    Go,
    /// What was mapped at this [`cframes::CFrames::generation`].
    C(u32),
}

/// A frame on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visited {
    pub frame: PhysicalFrame,
    pub role: Role,
    /// The stack pointer in the frame.
    pub sp: Addr,
    /// Where the caller's part of the stack begins; on amd64 just above the return address.
    pub fp: Option<Addr>,
}

/// What the tables say of one program counter; worth keeping, for stacks repeat themselves.
#[derive(Clone, Copy, Debug)]
struct Rule {
    entry: Addr,
    /// Stack pointer to frame end, in bytes, without the return address on amd64.
    delta: Option<u32>,
    has_frame_info: bool,
    top: bool,
    writes_sp: bool,
    role: Role,
}

/// The rules for the program counters seen so far.
#[derive(Debug, Default)]
pub(crate) struct Unwinder {
    rules: FxHashMap<Addr, Rule>,
}

impl Unwinder {
    fn rule(&mut self, modules: &Modules, pc: Addr) -> Option<Rule> {
        if let Some(rule) = self.rules.get(&pc) {
            return Some(*rule);
        }
        let spot = modules.find(pc)?;
        let func = spot.func;
        let rule = Rule {
            entry: spot.entry(),
            delta: func.sp_delta(spot.offset),
            has_frame_info: func.has_frame_info(),
            top: func.is_top_frame(),
            writes_sp: func.writes_sp(),
            role: spot.role(),
        };
        // Only what lies in the text is kept: there is an end to that.
        self.rules.insert(pc, rule);
        Some(rule)
    }

    /// Calls `visit` for the frames from `start` outwards, until it breaks. `Err` says why the
    /// walk ended before the goroutine's beginning; the frames up to there are right.
    pub(crate) fn walk(
        &mut self,
        modules: &Modules,
        mem: &dyn ReadMemory,
        start: &Start,
        max_frames: usize,
        mut visit: impl FnMut(&Visited) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let uses_lr = modules.binary().arch == Arch::Arm64;
        let word = |at: Addr| mem.read_u64(at).map_err(|why| why.to_string());
        let Start {
            mut pc,
            mut sp,
            mut lr,
            mut hi,
            mut trust,
            ..
        } = *start;
        let mut user = start.user;
        let mut trap = start.interrupted;
        let mut innermost = true;
        let mut callee = Role::Normal;
        if pc.is_null() {
            // A call of a nil function: go on with the caller.
            pc = Addr(word(sp)?);
            lr = 0;
            trap = false;
            if !uses_lr {
                sp = offset(sp, 8)?;
            }
        }
        let mut rule = self
            .rule(modules, pc)
            .ok_or_else(|| format!("{pc} is not in the Go program's text"))?;
        for _ in 0..max_frames {
            // Only what ran is exact: an interrupted function that switches stacks may be
            // half-way through, and its tables do not tell.
            let mut writes_sp = rule.writes_sp
                && rule.role != Role::Cgocallback
                && !(innermost && start.is_syscall);
            if let Some(saved) = user {
                match rule.role {
                    Role::Morestack | Role::Mcall => {
                        // It does not return: the goroutine goes on at the saved place. Under
                        // mcall that may be another goroutine than the one that called it:
                        // the one that execute is about to resume.
                        user = None;
                        (pc, sp, lr, hi) = (saved.pc, saved.sp, saved.lr, saved.hi);
                        trap = false;
                        rule = self
                            .rule(modules, pc)
                            .ok_or_else(|| format!("{pc} is not in the Go program's text"))?;
                        writes_sp = rule.writes_sp;
                    }
                    // On arm64 the stack has not been switched yet (or already been switched
                    // back) where the function has no frame.
                    Role::Systemstack if uses_lr && rule.delta == Some(0) => writes_sp = false,
                    Role::Systemstack => {
                        user = None;
                        (sp, hi) = (saved.sp, saved.hi);
                        writes_sp = false;
                    }
                    _ => {}
                }
            }
            let lookup = if trap || pc <= rule.entry {
                pc
            } else {
                Addr(pc.0 - 1)
            };
            let frame = PhysicalFrame {
                pc,
                lookup,
                trust,
                code: Code::Go,
            };
            let name = || {
                modules
                    .find(pc)
                    .map_or_else(|| "?".into(), |spot| spot.func.name())
            };
            // While the parent waits in vfork, its child runs on the same stack. So on amd64 the return address is taken
            // off it into r12, which pclntab has as a frame of less than nothing (syscall/asm_linux_amd64.s).
            let in_vfork = !uses_lr
                && rule.role == Role::RawVforkSyscall
                && rule.delta.is_none()
                && innermost
                && trap;
            // A frame whose end is not known is one all the same.
            let fp = match rule.delta {
                None if in_vfork => Some(sp),
                Some(delta) => offset(sp, u64::from(delta) + if uses_lr { 0 } else { 8 }).ok(),
                None => None,
            };
            if visit(&Visited {
                frame,
                role: rule.role,
                sp,
                fp,
            })
            .is_break()
            {
                return Ok(());
            }
            if rule.top {
                return match user {
                    None => Ok(()),
                    Some(_) => Err(format!("the system stack begins at {}", name())),
                };
            }
            if !rule.has_frame_info {
                return Err(format!("{} has no frame information", name()));
            }
            let fp = fp.ok_or_else(|| format!("{} has no frame size at {pc}", name()))?;
            if fp > hi {
                return Err(format!(
                    "the frame of {} reaches over the end of the stack",
                    name()
                ));
            }
            if writes_sp {
                // On the goroutine's own stack a switch that was interrupted has not happened
                // yet, or is over; while gosave_systemstack_switch runs that is certain.
                let may_go_on = innermost && trap || callee == Role::GosaveSystemstackSwitch;
                if !may_go_on || start.user.is_some() {
                    return Err(format!("{} switches stacks", name()));
                }
                if innermost {
                    trust = Trust::Assumed;
                }
            }
            if uses_lr {
                if (innermost && sp < fp) || lr == 0 {
                    lr = word(sp)?;
                }
            } else if !in_vfork {
                lr = word(Addr(fp.0 - 8))?;
            }
            if lr == 0 {
                return Err(format!("{} has no caller", name()));
            }
            let mut caller = Addr(lr);
            if caller == pc && fp == sp {
                return Err(format!("the walk makes no progress at {pc}"));
            }
            callee = rule.role;
            trap = matches!(
                rule.role,
                Role::Sigpanic | Role::AsyncPreempt | Role::DebugCall
            );
            (lr, sp) = (0, fp);
            let mut next = self.rule(modules, caller);
            if uses_lr && trap {
                // The signal handler saved the link register before it faked the call.
                let saved = word(sp)?;
                sp = offset(sp, 16)?;
                match next {
                    None => {
                        caller = Addr(saved);
                        next = self.rule(modules, caller);
                    }
                    Some(rule) if rule.delta == Some(0) => lr = saved,
                    Some(_) => {}
                }
            }
            rule = next.ok_or_else(|| {
                format!(
                    "{} returns to {caller}, which is not in the Go program's text",
                    name()
                )
            })?;
            pc = caller;
            innermost = false;
        }
        Err(format!("more than {max_frames} frames"))
    }
}

fn offset(at: Addr, bytes: u64) -> Result<Addr, String> {
    at.checked_add(bytes)
        .ok_or_else(|| format!("a stack pointer of {at}"))
}
