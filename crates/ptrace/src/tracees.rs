//! Bringing all threads of a process to a halt, and letting them go.
//!
//! # Why this leaves no trace
//!
//! `PTRACE_SEIZE` attaches without stopping or signalling, `PTRACE_INTERRUPT` has the thread
//! stop the next time it would look for signals, before it takes any. A system call that it
//! waits in is restarted by the kernel afterwards. Options are 0: what the process starts
//! meanwhile, threads and children, is not traced.
//!
//! **Signals.** From the seizing on, a signal that is being delivered to a thread stops it
//! (signal-delivery-stop), perhaps before our interruption does. We let it stand right
//! there: it stands still as we want it, no code of a handler has run, and its registers are
//! those of the interrupted code. `PTRACE_DETACH` with the number of that signal delivers it,
//! once, with the `siginfo` it came with (`ptrace_signal` in `kernel/signal.c`), and drops our
//! pending interruption. `PTRACE_CONT` would do the same, but would run a piece of the program
//! in the middle of our stop. Signals that arrive later wait in the queue.
//!
//! **Stopped processes** (`SIGSTOP`, Ctrl-Z). Their threads go from the kernel's stopped state
//! to our trap. Detaching sends them back (`__ptrace_unlink` in `kernel/ptrace.c` renews a
//! group stop that is in effect), without telling the parent again. A `SIGCONT` that
//! arrives meanwhile ends the group stop, so that they go on when we let them go. Such a thread
//! is never continued by us, so `PTRACE_LISTEN` has no use here.
//!
//! **Threads that do not stop.** One in uninterruptible sleep (waiting for a disk; or for a
//! child between `vfork` and `exec`) stops when it wakes, not before, and what has not stopped
//! cannot be detached. We go on without it. The end of the tracing thread detaches it: then it
//! does not stop at all.

mod wait;

use std::collections::BTreeMap;
use std::time::Instant;

use model::{Pid, Tid};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use target::{Registers, Thread};

use crate::denied::{self, Refused};
use crate::proc::{ProcDir, Stat, TaskDir};
use crate::process::Inner;
use crate::sys::{self, Look};
use crate::{StopError, StopLimits};

/// The threads of a process that this very thread traces. They are let go when it is dropped.
pub(crate) struct Tracees<'p> {
    process: &'p Inner,
    tasks: TaskDir,
    tracees: BTreeMap<Tid, Tracee>,
    diagnostics: Vec<String>,
    began: Instant,
}

struct Tracee {
    ns_tid: Tid,
    state: State,
}

enum State {
    /// Has been told to stop.
    Awaited,
    Stopped {
        /// The signal that is being delivered to it, or 0.
        signal: i32,
        registers: Option<Box<Registers>>,
    },
    /// Did not stop in time; goes on doing whatever it does.
    Unresponsive,
    Ended,
}

/// How letting go went.
pub(crate) struct Released {
    /// When the last thread that stood still was let go.
    pub(crate) at: Instant,
    /// Whether something is left that only the end of this thread detaches.
    pub(crate) left: bool,
}

impl<'p> Tracees<'p> {
    /// Nothing is traced yet.
    pub(crate) fn new(process: &'p Inner) -> Result<Self, StopError> {
        let tasks = process.dir.tasks().map_err(|e| no_tasks(process.pid, e))?;
        Ok(Tracees {
            process,
            tasks,
            tracees: BTreeMap::new(),
            diagnostics: Vec::new(),
            began: Instant::now(),
        })
    }

    /// Stops all threads. On an error, drop it.
    pub(crate) fn halt(&mut self, limits: &StopLimits) -> Result<(), StopError> {
        let mut listed = Vec::new();
        let mut fresh: Vec<(Tid, Tid)> = Vec::new();
        for round in 0.. {
            self.tasks
                .list(&mut listed)
                .map_err(|e| no_tasks(self.process.pid, e))?;
            fresh.clear();
            for &tid in &listed {
                if !self.knows(tid) {
                    fresh.push((tid, self.process.ns_tid(tid)));
                }
            }
            // A list taken while all known threads stand still can only lack a thread if
            // an unknown one is in it (the kernel may skip one when another ends). So when
            // there is none, there are no others.
            if fresh.is_empty() {
                break;
            }
            if round == 0 {
                // Seizing stops nothing, but from here on a signal may stop a thread.
                self.began = Instant::now();
            }
            for &(tid, ns_tid) in &fresh {
                let state = self.seize(tid)?;
                self.tracees.insert(tid, Tracee { ns_tid, state });
            }
            for &(tid, _) in &fresh {
                // It may have ended; the wait finds out.
                let _ = ptrace::interrupt(nix_pid(tid));
            }
            self.wait(limits)?;
            self.check_time(limits)?;
        }
        self.drop_strangers(&mut listed);
        self.check()
    }

    /// When the first thread was seized.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The threads there are, and sentences about those that did not stop.
    pub(crate) fn report(&mut self) -> (Vec<Thread>, Vec<String>) {
        let threads = self
            .tracees
            .iter()
            .filter_map(|(&tid, tracee)| {
                let registers = match &tracee.state {
                    State::Stopped { registers, .. } => registers.as_deref().copied(),
                    State::Unresponsive => None,
                    State::Awaited | State::Ended => return None,
                };
                Some(Thread {
                    tid,
                    ns_tid: tracee.ns_tid,
                    registers,
                })
            })
            .collect();
        (threads, std::mem::take(&mut self.diagnostics))
    }

    /// Lets all threads go.
    pub(crate) fn release(&mut self) -> Released {
        let tracees = std::mem::take(&mut self.tracees);
        let mut left = false;
        for (&tid, tracee) in &tracees {
            if let State::Stopped { signal, .. } = tracee.state {
                // An error means that it is being killed.
                left |= sys::detach(tid, signal).is_err();
            }
        }
        let at = Instant::now();
        // Only now that those that stood still go on again: what became of the others?
        for (&tid, tracee) in &tracees {
            if let State::Stopped { .. } = tracee.state {
                continue;
            }
            left |= match sys::look(tid) {
                Look::Trapped => sys::detach(tid, 0).is_err(),
                Look::Signal(signal) => sys::detach(tid, signal).is_err(),
                Look::Unknown => false,
                Look::Running | Look::Ended => true,
            };
        }
        Released { at, left }
    }

    /// Whether a thread that is listed has been dealt with.
    fn knows(&self, tid: Tid) -> bool {
        match self.tracees.get(&tid).map(|tracee| &tracee.state) {
            None => false,
            // It is a zombie, unless a thread that called `execve` has taken over its ID.
            Some(State::Ended) => {
                let stat = self.process.dir.stat(Some(tid));
                stat.map_or(true, Stat::has_ended)
            }
            Some(_) => true,
        }
    }

    fn seize(&mut self, tid: Tid) -> Result<State, StopError> {
        let pid = self.process.pid;
        let dir = &self.process.dir;
        for _ in 0..3 {
            match ptrace::seize(nix_pid(tid), Options::empty()) {
                Ok(()) => return Ok(State::Awaited),
                Err(Errno::ESRCH) => return Ok(State::Ended),
                Err(Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => {}
                Err(source) => {
                    return Err(StopError::Request {
                        request: "PTRACE_SEIZE",
                        tid,
                        source,
                    });
                }
            }
            // `EPERM` means one of three things. One of them is no error: it has ended. This
            // is how the first thread stays behind if it ends before the others.
            let (Ok(stat), Ok(status)) = (dir.stat(Some(tid)), dir.status(Some(tid))) else {
                return Ok(State::Ended);
            };
            if stat.has_ended() {
                return Ok(State::Ended);
            }
            if status.tracer == nix::unistd::gettid().as_raw() {
                // Seized under another ID: when a thread calls `execve`, the others end and it
                // takes over the ID of the first.
                return Ok(State::Awaited);
            }
            if status.tracer != 0 {
                let (tracer, name) = process_of(status.tracer);
                return Err(StopError::AlreadyTraced { pid, tracer, name });
            }
            // Not allowed, then; unless this ID has been taken over just now, in which case
            // it was refused as that of an ended thread and will now be granted.
        }
        if self
            .tracees
            .values()
            .all(|t| matches!(t.state, State::Ended))
        {
            let reason = denied::diagnose(dir, Refused::Ptrace);
            return Err(StopError::Denied { pid, reason });
        }
        self.diagnostics.push(format!(
            "thread {tid} may not be traced, unlike others of the process: it was not stopped"
        ));
        Ok(State::Unresponsive)
    }

    /// A thread that ended between being listed and being seized may have left its ID to a
    /// thread of another process.
    fn drop_strangers(&mut self, listed: &mut [Tid]) {
        listed.sort_unstable();
        for (&tid, tracee) in &mut self.tracees {
            if listed.binary_search(&tid).is_err() {
                if let State::Stopped { signal, .. } = tracee.state {
                    let _ = sys::detach(tid, signal);
                }
                tracee.state = State::Ended;
            }
        }
    }

    /// Whether anything has been stopped.
    fn check(&self) -> Result<(), StopError> {
        let pid = self.process.pid;
        let states = || self.tracees.values().map(|tracee| &tracee.state);
        if states().any(|state| matches!(state, State::Stopped { .. })) {
            Ok(())
        } else if states().all(|state| matches!(state, State::Ended)) {
            Err(StopError::Exited { pid })
        } else {
            let why = self.diagnostics.join("; ");
            Err(StopError::Unresponsive { pid, why })
        }
    }
}

impl Drop for Tracees<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

/// `TracerPid` is the ID of a thread: the process it belongs to, and its name.
fn process_of(tracer: i32) -> (Pid, String) {
    let status = |id| ProcDir::open(Pid(id)).and_then(|dir| dir.status(None));
    match status(tracer).and_then(|thread| status(thread.tgid)) {
        Ok(process) => (Pid(process.tgid), process.name),
        Err(_) => (Pid(tracer), "another program".to_owned()),
    }
}

pub(crate) fn no_tasks(pid: Pid, error: Errno) -> StopError {
    match error {
        Errno::ENOENT | Errno::ESRCH => StopError::Exited { pid },
        source => StopError::Proc {
            pid,
            file: "task",
            source,
        },
    }
}

fn nix_pid(tid: Tid) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(tid.0)
}
