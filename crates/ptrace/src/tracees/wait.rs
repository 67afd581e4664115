//! Waiting for interrupted threads to stop.

use std::time::{Duration, Instant};

use model::{Pid, Tid};
use nix::sys::ptrace;

use super::{State, Tracees, nix_pid};
use crate::proc::{ProcDir, Stat};
use crate::sys::{self, Look};
use crate::{StopError, StopLimits, registers};

/// How long to wait without sleeping.
const YIELDING: Duration = Duration::from_micros(50);
const SHORTEST_SLEEP: Duration = Duration::from_micros(20);
const LONGEST_SLEEP: Duration = Duration::from_millis(1);

impl Tracees<'_> {
    /// Waits until no thread is awaited any more.
    pub(super) fn wait(&mut self, limits: &StopLimits) -> Result<(), StopError> {
        let from = Instant::now();
        let mut check_sleepers = limits.asleep_wait;
        let mut sleep = SHORTEST_SLEEP;
        loop {
            let mut awaited = false;
            for (&tid, tracee) in &mut self.tracees {
                if let State::Awaited = tracee.state {
                    tracee.state = look(self.process.pid, tid, &mut self.diagnostics);
                    awaited |= matches!(tracee.state, State::Awaited);
                }
            }
            if !awaited {
                return Ok(());
            }
            self.check_time(limits)?;
            let waited = from.elapsed();
            if waited >= check_sleepers || waited >= limits.thread_wait {
                self.give_up(waited >= limits.thread_wait);
                check_sleepers = waited + limits.asleep_wait;
            }
            // Most threads stop within microseconds, and need a processor to do so.
            if waited < YIELDING {
                std::thread::yield_now();
            } else {
                std::thread::sleep(sleep);
                sleep = (sleep * 2).min(LONGEST_SLEEP);
                self.interrupt_again();
            }
        }
    }

    /// A thread that is in `execve` when it is interrupted can forget about it (seen with
    /// Linux 6.18). For all others it makes no difference.
    fn interrupt_again(&self) {
        for (&tid, tracee) in &self.tracees {
            if let State::Awaited = tracee.state {
                let _ = ptrace::interrupt(nix_pid(tid));
            }
        }
    }

    pub(super) fn check_time(&self, limits: &StopLimits) -> Result<(), StopError> {
        let pid = self.process.pid;
        match self.began.elapsed() > limits.max_pause {
            true => Err(StopError::TookTooLong { pid }),
            false => Ok(()),
        }
    }

    /// Goes on without those that cannot stop now, or without all that have not stopped.
    fn give_up(&mut self, all: bool) {
        for (&tid, tracee) in &mut self.tracees {
            if !matches!(tracee.state, State::Awaited) {
                continue;
            }
            match self.process.dir.stat(Some(tid)) {
                Ok(stat) if stat.has_ended() => tracee.state = State::Ended,
                Ok(stat) if all || stat.state == 'D' => {
                    tracee.state = State::Unresponsive;
                    self.diagnostics
                        .push(describe(&self.process.dir, tid, stat));
                }
                Ok(_) => {}
                Err(_) => tracee.state = State::Ended,
            }
        }
    }
}

/// What an awaited thread is doing now.
fn look(pid: Pid, tid: Tid, diagnostics: &mut Vec<String>) -> State {
    let signal = match sys::look(tid) {
        Look::Running => return State::Awaited,
        Look::Trapped => 0,
        Look::Signal(signal) => signal,
        Look::Ended => {
            // The first thread is its parent's to take note of, and the kernel sees to it that
            // the parent learns of it when we no longer trace.
            if tid.0 != pid.0 {
                sys::reap(tid);
            }
            return State::Ended;
        }
        Look::Unknown => return State::Ended,
    };
    let registers = registers::read(tid)
        .map(Box::new)
        .map_err(|e| {
            let why = e.desc();
            diagnostics.push(format!(
                "the registers of thread {tid} cannot be read: {why}"
            ));
        })
        .ok();
    State::Stopped { signal, registers }
}

fn describe(dir: &ProcDir, tid: Tid, stat: Stat) -> String {
    let wchan = dir.read(&format!("task/{tid}/wchan")).unwrap_or_default();
    let place = match String::from_utf8_lossy(&wchan).trim() {
        "" | "0" => String::new(),
        function => format!(", in the kernel's {function}"),
    };
    let state = stat.state;
    format!("thread {tid} did not stop (state {state}{place}): its registers are not known")
}
