//! From frame to frame.

use model::{Addr, Arch, Trust};
use target::ReadMemory;

use crate::image::Program;
use crate::objects::CFrames;
use crate::state::{State, numbers};
use crate::tables::{Step, behind_trampoline};

/// A physical frame of C.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CFrame {
    /// Its program counter: a return address, unless it was interrupted.
    pub pc: Addr,
    /// The address to look up: inside the call instruction, unless it was interrupted.
    pub lookup: Addr,
    /// How it was found.
    pub trust: Trust,
}

/// The frames of a walk, and where it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Walk {
    /// Innermost first.
    pub frames: Vec<CFrame>,
    /// What comes behind the last frame.
    pub end: End,
}

/// Where a walk ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// In code that is not C's, which the last frame returns to.
    Elsewhere {
        /// The return address.
        pc: Addr,
        /// The stack pointer when it has returned; `None` where frame pointers led here and do not
        /// tell it.
        sp: Option<Addr>,
    },
    /// The last frame is where the thread began.
    Start,
    /// The caller of the last frame is not known, for this reason.
    Lost(String),
}

/// Who says which code is C.
pub trait Text {
    /// Whether an address lies in code that is not C's.
    fn is_elsewhere(&self, at: Addr) -> bool;

    /// A function of C that something else than its object knows of: its beginning and its name.
    fn function(&self, at: Addr) -> Option<(Addr, String)>;
}

/// A function of C that is known to have been called from elsewhere, and where it will return
/// to: enough where there is no unwind table for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Called {
    /// Where it begins.
    pub entry: Addr,
    /// Its return address.
    pub pc: Addr,
    /// The stack pointer when it has returned.
    pub sp: Addr,
}

/// What a walk is made in.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Where the code comes from.
    pub program: &'a dyn Program,
    /// Which code is C's.
    pub text: &'a dyn Text,
    /// The memory of the stopped program.
    pub stack: &'a dyn ReadMemory,
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The registers of the first frame.
    pub state: State,
    /// Whether these are those of a thread that was interrupted, and its program counter no return address.
    pub interrupted: bool,
    /// The outermost function, where that is known.
    pub called: Option<Called>,
}

/// One step of a walk.
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made"
)]
enum Next {
    Caller {
        state: State,
        /// Whether it was interrupted by a signal.
        interrupted: bool,
        trust: Trust,
    },
    End(End),
}

impl Next {
    fn exactly(step: Step) -> Next {
        match step {
            Step::Caller { state, by_signal } => Next::Caller {
                state,
                interrupted: by_signal,
                trust: Trust::Exact,
            },
            Step::None => Next::End(End::Start),
        }
    }

    fn assumed(state: State) -> Next {
        Next::Caller {
            state,
            interrupted: false,
            trust: Trust::Assumed,
        }
    }

    fn lost(why: String) -> Next {
        Next::End(End::Lost(why))
    }
}

impl CFrames {
    /// Walks outwards until it leaves C, over `max_frames` frames at most.
    ///
    /// Whatever is wrong ends the walk and is told in [`Walk::end`]; the frames up to there are right
    /// as far as they say.
    pub fn walk(&mut self, around: &Around<'_>, start: &Start, max_frames: usize) -> Walk {
        let arch = self.arch;
        let mut frames: Vec<CFrame> = Vec::new();
        let Start {
            mut state,
            mut interrupted,
            called,
        } = *start;
        let mut trust = Trust::Exact;
        let end = loop {
            let pc = state.pc;
            if frames.len() >= max_frames {
                break End::Lost(format!("there are more than {max_frames}"));
            }
            let lookup = match interrupted {
                true => pc,
                false => Addr(pc.0.wrapping_sub(1)),
            };
            frames.push(CFrame { pc, lookup, trust });
            match self.next(around, &state, lookup, interrupted, called) {
                Next::End(end) => break end,
                Next::Caller {
                    state: caller,
                    interrupted: by_signal,
                    trust: how,
                } => {
                    if !by_signal && !leads_on(arch, &state, &caller) {
                        let at = state.pc;
                        break End::Lost(format!("the stack makes no progress at {at}"));
                    }
                    if how == Trust::Assumed {
                        trust = Trust::Assumed;
                    }
                    // The trampoline that a handler returns to has called nothing.
                    if let Some(frame) = frames.last_mut().filter(|_| by_signal) {
                        frame.lookup = frame.pc;
                    }
                    if around.text.is_elsewhere(caller.pc) {
                        let (pc, sp) = (caller.pc, caller.sp(arch));
                        break End::Elsewhere { pc, sp };
                    }
                    (state, interrupted) = (caller, by_signal);
                }
            }
        };
        Walk { frames, end }
    }

    fn next(
        &mut self,
        around: &Around<'_>,
        state: &State,
        lookup: Addr,
        interrupted: bool,
        called: Option<Called>,
    ) -> Next {
        let arch = self.arch;
        let Around {
            program,
            text,
            stack,
        } = *around;
        let trampoline = || behind_trampoline(arch, program.image(), stack, state);
        let Some((object, context)) = self.object_and_context(lookup) else {
            if let Some(step) = trampoline() {
                return Next::exactly(step);
            }
            // A call of something that is no function: go on with who made it.
            let caller = interrupted
                .then(|| just_called(arch, stack, state))
                .flatten();
            return match caller.filter(|caller| self.object(caller.pc).is_some()) {
                Some(caller) => Next::assumed(caller),
                None => Next::lost(format!("{} is in no file that is mapped", state.pc)),
            };
        };
        match object.step(arch, program, context, stack, state, lookup) {
            Ok(Some(step)) => return Next::exactly(step),
            Ok(None) => {}
            Err(why) => return Next::lost(why),
        }
        if let Some(step) = trampoline() {
            return Next::exactly(step);
        }
        let entry = text
            .function(lookup)
            .map(|(entry, _)| entry)
            .or_else(|| object.function(arch, program, lookup));
        if let Some(called) = called.filter(|called| entry == Some(called.entry)) {
            let Called { pc, sp, .. } = called;
            return Next::End(End::Elsewhere { pc, sp: Some(sp) });
        }
        match by_frame_pointer(arch, stack, state) {
            Ok(caller) => Next::assumed(caller),
            Err(why) => {
                let name = &object.name;
                Next::lost(format!(
                    "{name} has no unwind table for {lookup}, and the frame pointer does not lead on: {why}"
                ))
            }
        }
    }
}

/// Whether a caller lies above what it called, as stacks grow down. On arm64 a function can
/// do without any of the stack.
fn leads_on(arch: Arch, from: &State, to: &State) -> bool {
    let fp = numbers(arch).fp;
    match (from.sp(arch), to.sp(arch)) {
        (Some(from_sp), Some(to_sp)) => {
            to_sp > from_sp || arch == Arch::Arm64 && to_sp == from_sp && to.pc != from.pc
        }
        // By frame pointers; the last one may lead elsewhere.
        _ => to.get(fp) > from.get(fp) || to.get(fp) == Some(0),
    }
}

/// The caller of a function that has not begun.
fn just_called(arch: Arch, stack: &dyn ReadMemory, state: &State) -> Option<State> {
    let mut caller = *state;
    match numbers(arch).lr {
        Some(lr) => {
            caller.pc = Addr(state.get(lr)?);
            caller.set(lr, None);
        }
        None => {
            let sp = state.sp(arch)?;
            caller.pc = Addr(stack.read_u64(sp).ok()?);
            caller.set(numbers(arch).sp, Some(sp.0.checked_add(8)?));
        }
    }
    Some(caller)
}

/// The caller of a function that keeps a frame pointer: there lie its caller's frame pointer and,
/// above it, its return address. On amd64 that is the end of the frame; on arm64 it may be anywhere in it.
fn by_frame_pointer(arch: Arch, stack: &dyn ReadMemory, state: &State) -> Result<State, String> {
    let numbers = numbers(arch);
    let fp = state.get(numbers.fp).ok_or("its value was not kept")?;
    if state.sp(arch).is_some_and(|sp| Addr(fp) < sp) || fp % 8 != 0 {
        return Err(format!("it is {fp:#x}"));
    }
    let word = |at: u64| stack.read_u64(Addr(at)).map_err(|why| why.to_string());
    let end = fp.checked_add(16).ok_or("it is at the end of memory")?;
    let mut caller = State::new(arch, Addr(word(fp + 8)?), Addr(end));
    caller.set(numbers.fp, Some(word(fp)?));
    if arch == Arch::Arm64 {
        caller.set(numbers.sp, None);
    }
    Ok(caller)
}
