//! What a goroutine waits on: from its wait reason to the object in memory.
//!
//! [`fetch`] copies what will be needed while the target stands still; [`Waits`] reads it afterwards.

mod channels;
mod fetch;
mod parked;
mod semaphores;
mod syscalls;

use std::borrow::Cow;
use std::sync::Arc;

use model::{Addr, Arch, Frame, WaitKind, WaitState, WaitingOn};
use target::{ReadMemory, Registers};

use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::start::RawG;

use channels::Channels;
use parked::Parked;
use semaphores::{Semaphores, offsets};

pub(crate) use fetch::{Waiter, channel_sudogs, fetch, semaphore_nodes};
pub(crate) use semaphores::slots as semaphore_roots;

/// What kind of thing a wait reason means. The runtime's numbers change from version to version, its
/// words hardly ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitClass {
    Receive,
    Send,
    NilReceive,
    NilSend,
    Select,
    NoCases,
    /// A semaphore: mutexes, wait groups and the like.
    Semaphore,
    Cond,
    Sleep,
    Io,
    Coroutine,
    SynctestRun,
    SynctestWait,
    /// Whatever the runtime calls it.
    Other,
}

impl WaitClass {
    /// `runtime/runtime2.go`, `waitReasonStrings`. A wait in a synctest bubble is marked.
    pub(crate) fn of(reason: &str) -> WaitClass {
        match reason.trim_end_matches(" (durable)") {
            "chan receive" => WaitClass::Receive,
            "chan send" => WaitClass::Send,
            "chan receive (nil chan)" => WaitClass::NilReceive,
            "chan send (nil chan)" => WaitClass::NilSend,
            "select" => WaitClass::Select,
            "select (no cases)" => WaitClass::NoCases,
            "semacquire"
            | "sync.Mutex.Lock"
            | "sync.RWMutex.RLock"
            | "sync.RWMutex.Lock"
            | "sync.WaitGroup.Wait" => WaitClass::Semaphore,
            "sync.Cond.Wait" => WaitClass::Cond,
            "sleep" => WaitClass::Sleep,
            "IO wait" => WaitClass::Io,
            "coroutine" => WaitClass::Coroutine,
            "synctest.Run" => WaitClass::SynctestRun,
            "synctest.Wait" => WaitClass::SynctestWait,
            _ => WaitClass::Other,
        }
    }
}

/// Reads what goroutines wait on. What several wait on is read once.
pub(crate) struct Waits<'a> {
    mem: &'a dyn ReadMemory,
    runtime: &'a Runtime,
    channels: Channels<'a>,
    semaphores: Semaphores,
    parked: Parked<'a>,
}

/// What one goroutine waits on, or why that is not known.
pub(crate) type Found = Result<Box<[WaitingOn]>, String>;

impl<'a> Waits<'a> {
    pub(crate) fn new(mem: &'a dyn ReadMemory, runtime: &'a Runtime, limits: &Limits) -> Waits<'a> {
        Waits {
            mem,
            runtime,
            channels: Channels::new(mem, runtime, limits),
            semaphores: Semaphores::read(mem, runtime, limits),
            parked: Parked::new(mem, runtime, limits),
        }
    }

    /// What the goroutine `g` at `at` waits on, whose calls are `frames`.
    pub(crate) fn of(&mut self, at: Addr, g: &RawG, reason: &str, frames: &[Frame]) -> Found {
        let mut found = self.by_class(at, g, reason, frames)?;
        if !g.bubble.is_null() {
            without_times(&mut found);
        }
        Ok(found)
    }

    fn by_class(&mut self, at: Addr, g: &RawG, reason: &str, frames: &[Frame]) -> Found {
        let one = |what: WaitingOn| Ok(Box::from([what]));
        let class = WaitClass::of(reason);
        // Without a reason of the runtime's own for it, the reason is that of an earlier wait.
        if class != WaitClass::Other && is_worked_for(frames) {
            return Ok(Box::default());
        }
        match class {
            WaitClass::Receive => self.channels.operation(g.waiting, "receive"),
            WaitClass::Send => self.channels.operation(g.waiting, "send"),
            WaitClass::Select => self.channels.select(g.waiting),
            WaitClass::NilReceive => one(nil_channel("receive")),
            WaitClass::NilSend => one(nil_channel("send")),
            WaitClass::NoCases => Ok(Box::default()),
            WaitClass::Semaphore => {
                let found = self.semaphores.of(self.mem, at, reason, frames);
                found.and_then(one)
            }
            WaitClass::Cond => self.parked.cond(at, g).and_then(one),
            WaitClass::Io => self.parked.file(at, g).and_then(one),
            // `timeSleep` gives a goroutine its timer before it parks. What sleeps without one is the
            // scavenger (`runtime/mgcscavenge.go`), by means of its own.
            WaitClass::Sleep if g.timer.is_null() => one(of_the_runtime(reason)),
            WaitClass::Sleep => self.sleep(g).and_then(one),
            WaitClass::Coroutine => {
                let coro = Some(g.coroarg).filter(|at| !at.is_null());
                one(WaitingOn {
                    addr: coro,
                    ..plain(WaitKind::Coroutine, None)
                })
            }
            WaitClass::SynctestRun => one(plain(WaitKind::Synctest, Some("run"))),
            WaitClass::SynctestWait => one(plain(WaitKind::Synctest, Some("wait"))),
            WaitClass::Other => one(of_the_runtime(reason)),
        }
    }

    /// The `g`s of those that wait on an object, the next to be served first. What cannot be read is
    /// left out.
    pub(crate) fn queue(&self, kind: WaitKind, at: Addr) -> Vec<Addr> {
        let of = |offset| {
            let sema = at.checked_add(offset);
            sema.map_or_else(Vec::new, |sema| self.semaphores.queue(sema))
        };
        match kind {
            WaitKind::Chan => self.channels.queue(at),
            WaitKind::Cond => self.parked.queue(at),
            WaitKind::Mutex => of(offsets::MUTEX),
            // The writer that waits for readers has the mutex that other writers wait for.
            WaitKind::RwMutex => [offsets::WRITER, offsets::MUTEX, offsets::READER]
                .into_iter()
                .flat_map(of)
                .collect(),
            WaitKind::WaitGroup => of(offsets::WAIT_GROUP),
            WaitKind::Semaphore => of(0),
            _ => Vec::new(),
        }
    }

    /// The system call that the thread of a goroutine in one is in. It may just be back from it, or in C code.
    pub(crate) fn syscall(&self, thread: &Registers) -> Box<[WaitingOn]> {
        let arch = self.runtime.binary().arch;
        match (arch, thread.syscall) {
            // There the registers do not tell it, but where the thread stopped does.
            (Arch::Arm64, None) => self.interrupted_syscall(thread),
            _ => syscalls::read(arch, thread).into_iter().collect(),
        }
    }

    /// The same from the registers that a signal interrupted.
    pub(crate) fn interrupted_syscall(&self, thread: &Registers) -> Box<[WaitingOn]> {
        let arch = self.runtime.binary().arch;
        let found = syscalls::interrupted(arch, thread, self.mem);
        found.into_iter().collect()
    }

    /// `runtime/time.go`, `timeSleep`.
    fn sleep(&self, g: &RawG) -> Result<WaitingOn, String> {
        let when = match g.sleep_when {
            Some(when) if when != 0 => when,
            _ => read_timer(self.mem, self.runtime, g.timer)
                .ok_or("the timer of its sleep cannot be read")?,
        };
        Ok(WaitingOn {
            addr: Some(g.timer).filter(|at| !at.is_null()),
            state: WaitState::Timer(when),
            ..plain(WaitKind::Timer, None)
        })
    }
}

/// Whether a goroutine is not parked, though its status says so: its thread works for it on the system stack, where it
/// must not count as running (`stopTheWorld`, `gcMarkDone` and others). Go 1.19 leaves the wait reason as it was.
fn is_worked_for(frames: &[Frame]) -> bool {
    frames
        .first()
        .is_some_and(|frame| &*frame.function.name == "runtime.systemstack_switch")
}

/// `timer.when`; 0 is that of one which was stopped, or has fired.
fn read_timer(mem: &dyn ReadMemory, runtime: &Runtime, at: Addr) -> Option<i64> {
    let layout = runtime.waits.timer.filter(|_| !at.is_null())?;
    let when = field(mem, at, layout.when).map(u64::cast_signed);
    when.filter(|&when| when > 0)
}

/// In a synctest bubble timers go by its own clock, which moves only when all of its goroutines wait: when
/// one is due on the program's clock nobody can say.
fn without_times(found: &mut [WaitingOn]) {
    for on in found {
        match &mut on.state {
            WaitState::Chan(Some(channel)) => channel.timer = None,
            WaitState::Timer(_) => on.state = WaitState::Nothing,
            _ => {}
        }
    }
}

/// A field of the struct at `at`.
fn field(mem: &dyn ReadMemory, at: Addr, field: gobinary::Scalar) -> Option<u64> {
    let mut bytes = [0; 8];
    let bytes = bytes.get_mut(..field.width)?;
    mem.read(at.checked_add(field.offset as u64)?, bytes).ok()?;
    gobinary::Scalar { offset: 0, ..field }.get(bytes)
}

fn plain(kind: WaitKind, op: Option<&'static str>) -> WaitingOn {
    WaitingOn {
        kind,
        op: op.map(Cow::Borrowed),
        addr: None,
        name: None,
        state: WaitState::Nothing,
    }
}

fn of_the_runtime(reason: &str) -> WaitingOn {
    WaitingOn {
        name: Some(Arc::from(reason)),
        ..plain(WaitKind::Runtime, None)
    }
}

fn nil_channel(op: &'static str) -> WaitingOn {
    WaitingOn {
        state: WaitState::Chan(None),
        ..plain(WaitKind::Chan, Some(op))
    }
}

#[cfg(test)]
mod tests {
    use model::{FrameKind, Function, Trust};

    use super::*;

    #[test]
    fn who_is_on_the_system_stack_is_not_parked() {
        let frame = |name: &str| Frame {
            pc: Addr(1),
            function: Function {
                name: name.into(),
                entry: Addr(1),
            },
            file: "/src/a.go".into(),
            line: 1,
            inlined: false,
            kind: FrameKind::Normal,
            trust: Trust::Exact,
        };
        let switch = "runtime.systemstack_switch";
        assert!(is_worked_for(&[switch, "runtime.stopTheWorld"].map(frame)));
        assert!(!is_worked_for(&["runtime.gopark", switch].map(frame)));
        assert!(!is_worked_for(&[]));
    }
}
