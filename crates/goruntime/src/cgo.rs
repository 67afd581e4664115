//! Where C code lies between Go frames, and its frames.
//!
//! C runs on the system stack (`g0`) of a goroutine's thread. `runtime.asmcgocall` switches to it, where
//! `g0.sched.sp` says, and leaves the goroutine and the depth of its stack there. When C calls back, `crosscall2`
//! saves C's registers, and `runtime.cgocallback` sets `g0.sched.sp` to its own frame, in which it keeps what
//! it was before. So the C parts of a stack can be found from the inside out, and each is known to be right if
//! it leads exactly to the place where Go called C.
//!
//! Sources: `runtime/cgocall.go`; `asmcgocall` and `cgocallback` in `runtime/asm_$GOARCH.s`;
//! `runtime/cgo/asm_$GOARCH.s` and `abi_$GOARCH.h`; the same from Go 1.19 to 1.27 but for [`ROOMS_AMD64`].

use cframes::{Around, CFrame, CFrames, Called, End, Program, Start as CStart, State, Text};
use model::{Addr, Arch, Status, Trust};
use target::{ReadMemory, Registers};

use crate::module::{Modules, Role, Spot};
use crate::start::{MThread, RawG};
use crate::unwind::{Start, UserStack, Visited};

/// What finds and names the C frames of a program's stacks.
pub struct CCode<'a> {
    /// The program's C code, as far as it has been met.
    pub frames: &'a mut CFrames,
    /// Where it comes from.
    pub program: &'a dyn Program,
}

impl Text for Modules {
    fn is_elsewhere(&self, at: Addr) -> bool {
        self.find(at).is_some_and(|spot| spot.func.has_frame_info())
    }

    /// Go's own linker puts C functions (those of package net, say) among the program's text. It
    /// knows their names and no more.
    fn function(&self, at: Addr) -> Option<(Addr, String)> {
        let spot = self.find(at).filter(|spot| !spot.func.has_frame_info())?;
        Some((spot.entry(), spot.func.name()))
    }
}

/// C frames that follow one another.
#[derive(Debug)]
pub(crate) struct Part {
    pub frames: Vec<CFrame>,
    /// Why they are not all.
    pub missing: Option<String>,
}

impl Part {
    fn missing(why: impl Into<String>) -> Part {
        Part {
            frames: Vec::new(),
            missing: Some(why.into()),
        }
    }
}

/// A frame of `runtime.cgocallback` on the goroutine's own stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callback {
    /// How many of the goroutine's frames there are up to it, itself included.
    pub index: usize,
    pub sp: Addr,
    pub fp: Addr,
}

impl Callback {
    /// One that a walk has visited, as the `index`th frame.
    pub(crate) fn visited(visited: &Visited, index: usize) -> Option<Callback> {
        (visited.role == Role::Cgocallback).then_some(Callback {
            index,
            sp: visited.sp,
            fp: visited.fp?,
        })
    }
}

/// A goroutine whose C frames are wanted, with the M that it is on or locked to.
#[derive(Clone, Copy)]
pub(crate) struct Crossing<'a> {
    pub modules: &'a Modules,
    pub mem: &'a dyn ReadMemory,
    pub g: &'a RawG,
    /// The address of the `g`.
    pub at: Addr,
    pub m: &'a MThread,
    pub max_frames: usize,
}

/// What `asmcgocall` takes of the system stack, and where in it it leaves what.
struct Room {
    bytes: u64,
    /// The goroutine, or nil if it was on the system stack already.
    g: u64,
    /// The depth of the goroutine's stack; if there is no goroutine, the stack pointer.
    depth: u64,
}

const ROOMS_AMD64: [Room; 2] = [
    Room {
        bytes: 16,
        g: 8,
        depth: 0,
    },
    // Until Go 1.21.
    Room {
        bytes: 64,
        g: 48,
        depth: 40,
    },
];
const ROOMS_ARM64: [Room; 1] = [Room {
    bytes: 16,
    g: 0,
    depth: 8,
}];

/// A place where the goroutine called C.
#[derive(Clone, Copy, Debug)]
struct Switch {
    /// The stack pointer on the system stack when C has returned.
    sp: Addr,
    /// The stack pointer on the goroutine's stack.
    goroutine_sp: Addr,
    /// The function that was called.
    called: Option<Called>,
}

/// A place where C called Go.
#[derive(Debug)]
struct Level {
    /// C's registers at the call.
    state: State,
    /// `g0.sched.sp` before it.
    outer_sp: Addr,
    /// Where Go had called C; `None` on a thread that C made, whose first call of Go it is.
    switch: Option<Switch>,
}

impl Crossing<'_> {
    fn arch(&self) -> Arch {
        self.modules.binary().arch
    }

    fn rooms(&self) -> &'static [Room] {
        match self.arch() {
            Arch::Amd64 => &ROOMS_AMD64,
            Arch::Arm64 => &ROOMS_ARM64,
        }
    }

    fn word(&self, at: Addr, offset: u64) -> Option<u64> {
        self.mem.read_u64(at.checked_add(offset)?).ok()
    }

    /// The role of the function that an address is returned to.
    fn role_behind(&self, pc: Addr) -> Option<Role> {
        let spot = self.modules.find(Addr(pc.0.checked_sub(1)?))?;
        Some(spot.role())
    }

    /// Where this goroutine was when it called C at a time when `g0.sched.sp` was `sched_sp`.
    fn switch(&self, sched_sp: Addr) -> Option<Switch> {
        let at = |room: &Room| {
            let sp = Addr(sched_sp.0.checked_sub(room.bytes)? & !15);
            (self.word(sp, room.g)? == self.at.0).then_some(())?;
            let depth = self.word(sp, room.depth)?;
            let goroutine_sp = Addr(self.g.hi.0.checked_sub(depth)?);
            self.g.holds(goroutine_sp).then_some(())?;
            let pc = match self.arch() {
                Arch::Amd64 => Addr(self.word(Addr(sp.0.checked_sub(8)?), 0)?),
                // Kept by the C function. Somewhere behind the prologue will do.
                Arch::Arm64 => self.modules.start_of(Role::Asmcgocall)?.checked_add(16)?,
            };
            (self.role_behind(pc)? == Role::Asmcgocall).then_some(())?;
            Some(Switch {
                sp,
                goroutine_sp,
                called: self.called(goroutine_sp, pc, sp),
            })
        };
        self.rooms().iter().find_map(at)
    }

    /// The first argument of `asmcgocall`, which is the function that it calls.
    fn called(&self, goroutine_sp: Addr, pc: Addr, sp: Addr) -> Option<Called> {
        let spot = self.modules.find(Addr(pc.0.checked_sub(1)?))?;
        let frame = u64::from(spot.func.sp_delta(spot.offset)?);
        // Behind the frame lies the return address, or the place for the link register.
        let entry = Addr(self.word(goroutine_sp, frame.checked_add(8)?)?);
        Some(Called { entry, pc, sp })
    }

    /// Where Go goes on, C having returned to `pc` in `asmcgocall`, for a goroutine that is
    /// running: it called C without leaving word of it.
    fn resumed(&self, pc: Addr, sp: Addr) -> Option<Start> {
        let start = |sp, hi, user| Start {
            pc,
            sp,
            lr: 0,
            interrupted: false,
            is_syscall: true,
            hi,
            user,
            trust: Trust::Exact,
        };
        let at = |room: &Room| {
            let (g, depth) = (self.word(sp, room.g)?, self.word(sp, room.depth)?);
            if g == self.at.0 {
                let own = Addr(self.g.hi.0.checked_sub(depth)?);
                return self.g.holds(own).then(|| start(own, self.g.hi, None));
            }
            let before = Addr(depth);
            let is_there = depth.checked_sub(room.bytes)? & !15 == sp.0;
            (g == 0 && is_there && self.m.g0_holds(before)).then(|| {
                let user = UserStack {
                    pc: self.g.sched_pc,
                    sp: self.g.sched_sp,
                    lr: self.g.sched_lr,
                    hi: self.g.hi,
                };
                start(before, self.m.g0_end(), Some(user))
            })
        };
        (self.role_behind(pc)? == Role::Asmcgocall).then_some(())?;
        self.rooms().iter().find_map(at)
    }

    /// The C frames of the goroutine's thread, if that is in C; and where Go goes on, if that
    /// is not where it left word. `now` are the registers of the thread, outside of signal handlers.
    pub(crate) fn inside(
        &self,
        c: &mut CCode<'_>,
        now: &Result<Registers, String>,
    ) -> Option<(Part, Option<Start>)> {
        let role = |at| Some(self.modules.find(at)?.role());
        let has_word = !self.g.syscallsp.is_null();
        let in_call = has_word && role(self.g.syscallpc) == Some(Role::Cgocall);
        let begins = |spot: Spot<'_>| spot.func.is_top_frame();
        // A thread that C made, which is in C again but has kept its goroutine.
        let idle = has_word && self.modules.find(self.g.syscallpc).is_some_and(begins);
        let running = self.g.status() == Some(Status::Running) && !has_word;
        let in_vdso = running && !self.m.raw.vdso_sp.is_null();
        if !in_call && !running && !idle {
            return None;
        }
        let now = match now {
            Ok(now) => now,
            Err(why) => return in_call.then(|| (Part::missing(why), None)),
        };
        if self.modules.is_elsewhere(now.pc) {
            let passing =
                in_call && self.m.g0_holds(now.sp) && role(now.pc) != Some(Role::Asmcgocall);
            let why = "its thread is just passing from C to Go or back";
            return passing.then(|| (Part::missing(why), None));
        }
        // A call of what is no function: that is Go's own affair.
        if running && self.g.holds(now.sp) {
            return None;
        }
        let switch = self.m.g0_sched.filter(|_| in_call);
        let switch = switch.and_then(|sp| self.switch(sp));
        let mut resumed = None;
        let start = CStart {
            state: State::from(now),
            interrupted: true,
            called: switch.and_then(|switch| switch.called),
        };
        if idle {
            return Some((self.walk_to_start(c, &start), None));
        }
        let part = self.walk(c, &start, |pc, sp| {
            if in_call {
                return self.leads_to(switch, pc, sp);
            }
            resumed = sp.and_then(|sp| self.resumed(pc, sp));
            in_vdso || resumed.is_some()
        });
        Some((part, resumed))
    }

    /// The C frames between the goroutine's frames: behind each of `callbacks` (innermost first)
    /// those that made it, with the callback's index. And why some are missing, if a
    /// callback has none.
    pub(crate) fn between(
        &self,
        c: &mut CCode<'_>,
        callbacks: &[Callback],
    ) -> (Vec<(usize, Part)>, Option<String>) {
        let mut parts = Vec::new();
        let mut rest = callbacks;
        let mut sched_sp = self.m.g0_sched;
        while let (Some(sp), [first, ..]) = (sched_sp, rest) {
            let Some(level) = self.level(sp, first.fp.0.wrapping_sub(first.sp.0)) else {
                break;
            };
            // A panic takes C frames away before it does so with Go's. So what is found need not belong to
            // the first of them.
            let owner = match level.switch {
                Some(switch) => rest.iter().position(|cb| cb.fp == switch.goroutine_sp),
                None => rest.len().checked_sub(1),
            };
            let Some((owner, at)) = owner.and_then(|i| Some((i, rest.get(i)?.index))) else {
                break;
            };
            let start = CStart {
                state: level.state,
                interrupted: false,
                called: level.switch.and_then(|switch| switch.called),
            };
            let part = match level.switch {
                Some(_) => self.walk(c, &start, |pc, sp| self.leads_to(level.switch, pc, sp)),
                None => self.walk_to_start(c, &start),
            };
            parts.push((at, part));
            rest = rest.get(owner + 1..).unwrap_or_default();
            sched_sp = level.switch.map(|_| level.outer_sp);
        }
        let missing = callbacks.len() - parts.len();
        let why = (missing > 0).then(|| {
            format!(
                "those of {missing} of {} calls from C to Go were not found",
                callbacks.len()
            )
        });
        (parts, why)
    }

    /// The call from C of the `cgocallback` whose frame of `size` bytes lies at `sp` on the system stack.
    fn level(&self, sp: Addr, size: u64) -> Option<Level> {
        let arch = self.arch();
        let caller_sp = sp.checked_add(size)?;
        let (pc, outer_sp) = match arch {
            Arch::Amd64 => (
                self.word(Addr(caller_sp.0.checked_sub(8)?), 0)?,
                self.word(sp, 0)?,
            ),
            Arch::Arm64 => (self.word(sp, 0)?, self.word(sp, 16)?),
        };
        let spot = self.modules.find(Addr(pc.checked_sub(1)?))?;
        (spot.role() == Role::Crosscall2).then_some(())?;
        let frame = u64::from(spot.func.sp_delta(spot.offset)?);
        let outer_sp = Addr(outer_sp);
        // What lies below is of a call that is over.
        let switch = self.switch(outer_sp).filter(|switch| switch.sp > sp);
        Some(Level {
            state: self.saved_by_crosscall2(caller_sp, frame)?,
            outer_sp,
            switch,
        })
    }

    /// C's registers when it called `crosscall2`, whose frame of `frame` bytes lies at `sp`.
    fn saved_by_crosscall2(&self, sp: Addr, frame: u64) -> Option<State> {
        let arch = self.arch();
        // `rbx`, `r12` … `r15`, `rbp` by their DWARF numbers, behind three arguments.
        const AMD64: [(usize, u64); 6] = [(3, 24), (12, 32), (13, 40), (14, 48), (15, 56), (6, 64)];
        let mut state = match arch {
            Arch::Amd64 => {
                let pc = self.word(sp, frame)?;
                State::new(arch, Addr(pc), sp.checked_add(frame)?.checked_add(8)?)
            }
            Arch::Arm64 => {
                let pc = self.word(sp, 8 * 23)?;
                State::new(arch, Addr(pc), sp.checked_add(frame)?)
            }
        };
        match (arch, frame) {
            (Arch::Amd64, 72) => {
                for (register, offset) in AMD64 {
                    state.set(register, self.word(sp, offset));
                }
            }
            // `x19` … `x28` and `x29`.
            (Arch::Arm64, 192) => {
                for (register, i) in (19..29).zip(4..) {
                    state.set(register, self.word(sp, 8 * i));
                }
                state.set(29, self.word(sp, 8 * 22));
            }
            (Arch::Amd64, _) => {}
            (Arch::Arm64, _) => return None,
        }
        Some(state)
    }

    /// Whether C returns to where Go called it. On arm64 frame pointers do not tell the stack pointer.
    fn leads_to(&self, switch: Option<Switch>, pc: Addr, sp: Option<Addr>) -> bool {
        let is_there = |switch: Switch| sp.is_none_or(|sp| sp == switch.sp);
        self.role_behind(pc) == Some(Role::Asmcgocall) && switch.is_some_and(is_there)
    }

    /// Walks over C, to a place in Go that `is_right`.
    fn walk(
        &self,
        c: &mut CCode<'_>,
        start: &CStart,
        is_right: impl FnOnce(Addr, Option<Addr>) -> bool,
    ) -> Part {
        let (frames, end) = self.walk_anywhere(c, start);
        let why = match end {
            End::Elsewhere { pc, sp } if is_right(pc, sp) => None,
            End::Elsewhere { pc, .. } => {
                Some(format!("they lead to {pc} and not to where Go called C"))
            }
            End::Start => Some("they lead to where the thread began".to_owned()),
            End::Lost(why) => Some(why),
        };
        exact_at_least(frames, why)
    }

    fn walk_to_start(&self, c: &mut CCode<'_>, start: &CStart) -> Part {
        let (frames, end) = self.walk_anywhere(c, start);
        let why = match end {
            End::Start => None,
            End::Elsewhere { pc, .. } => {
                Some(format!("they lead to {pc} and not to where C began"))
            }
            End::Lost(why) => Some(why),
        };
        exact_at_least(frames, why)
    }

    fn walk_anywhere(&self, c: &mut CCode<'_>, start: &CStart) -> (Vec<CFrame>, End) {
        let around = Around {
            program: c.program,
            text: self.modules,
            stack: self.mem,
        };
        let walk = c.frames.walk(&around, start, self.max_frames);
        (walk.frames, walk.end)
    }
}

/// What was found by frame pointers is believed only if it led to the right place.
fn exact_at_least(mut frames: Vec<CFrame>, missing: Option<String>) -> Part {
    if missing.is_some() {
        frames.retain(|frame| frame.trust == Trust::Exact);
    }
    Part { frames, missing }
}
