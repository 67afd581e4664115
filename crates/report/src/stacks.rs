//! What profiles and folded stacks have in common: which goroutines they count, and which of
//! their calls they hold. Both as in Go's own goroutine profile (`runtime/mprof.go`,
//! `goroutineProfileWithLabels`; `runtime/traceback.go`, `tracebackPCs`), but that no stack is cut.

use std::sync::Arc;

use model::{Addr, Frame, Goroutine, Snapshot, StackEnd, Status};

/// Stands for the stack of a goroutine that has ended.
const DEAD: &str = "[dead]";
/// Stands for the stack of a goroutine that has none of which anything is known.
const NO_STACK: &str = "[no stack]";
/// Stands where the outer calls would be that could not be read.
const EARLY: &str = "[stack ends early]";
/// Stands for entries of `runtime.allgs` that could not be read.
pub(crate) const UNREADABLE: &str = "[unreadable]";

/// Functions that a signal handler or a debugger makes others call anywhere
/// (`runtime/traceback.go`, `(*unwinder).next`): what they return to was not calling.
const INJECTED: [&str; 3] = [
    "runtime.sigpanic",
    "runtime.asyncPreempt",
    "runtime.debugCallV2",
];

/// The goroutines that are counted: those that Go's own profile has, or all.
pub(crate) fn counted(snapshot: &Snapshot, all: bool) -> impl Iterator<Item = &Arc<Goroutine>> {
    let goroutines = snapshot.goroutines.iter();
    goroutines.filter(move |g| all || !g.system && g.status != Status::Dead)
}

/// A goroutine's calls as a profile has them, innermost first.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    pub frames: Vec<PhysicalFrame<'a>>,
    /// What stands at the root, where the stack is not whole.
    pub mark: Option<&'static str>,
}

/// A frame of the stack with all that was inlined into it.
#[derive(Debug)]
pub(crate) struct PhysicalFrame<'a> {
    /// An address in the instruction that calls, or that was interrupted (`(*unwinder).symPC`);
    /// `None` where it is not known.
    pub at: Option<Addr>,
    /// The calls, innermost first.
    pub calls: Vec<&'a Frame>,
}

/// Whether the innermost program counter is that of an instruction, and no return address.
pub(crate) fn is_interrupted(g: &Goroutine) -> bool {
    g.status == Status::Running
}

/// Why something else stands for its stack, or for the outer part of it.
pub(crate) fn mark(g: &Goroutine) -> Option<&'static str> {
    match &g.stack_end {
        _ if g.status == Status::Dead => Some(DEAD),
        StackEnd::Complete => None,
        StackEnd::Early(_) => Some(EARLY),
    }
}

impl<'a> Stack<'a> {
    /// That of a goroutine, without wrappers and without `runtime.goexit`, which is at the root of all.
    pub(crate) fn new(g: &'a Goroutine) -> Stack<'a> {
        let (mut frames, mut calls) = (Vec::new(), Vec::new());
        let mut callee = None;
        let mut interrupted = is_interrupted(g);
        for frame in g.frames.iter() {
            let name = &*frame.function.name;
            if !frame.is_elided(callee) && name != "runtime.goexit" {
                calls.push(frame);
            }
            callee = Some(name);
            if !frame.inlined {
                if !calls.is_empty() {
                    let calls = std::mem::take(&mut calls);
                    let at = address(frame, interrupted);
                    frames.push(PhysicalFrame { at, calls });
                }
                interrupted = INJECTED.contains(&name);
            }
        }
        // What the rest was inlined into is missing.
        if let Some(&frame) = calls.first() {
            let at = address(frame, interrupted);
            frames.push(PhysicalFrame { at, calls });
        }
        let none = frames.is_empty().then_some(NO_STACK);
        Stack {
            frames,
            mark: mark(g).or(none),
        }
    }
}

/// In a snapshot that was made of a text, program counters count from the function's beginning, which
/// is not known.
fn address(frame: &Frame, interrupted: bool) -> Option<Addr> {
    let (pc, entry) = (frame.pc, frame.function.entry);
    match entry.is_null() {
        true => None,
        false if interrupted || pc <= entry => Some(pc),
        false => Some(Addr(pc.0 - 1)),
    }
}
