//! A process that stands still, and the thread that sees to it that it goes on.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use model::{Addr, Arch};
use nix::errno::Errno;
use target::{ReadError, ReadMemory, Target, Thread, Want};

use crate::maps::Maps;
use crate::process::{Inner, Presence};
use crate::sys::Urgent;
use crate::tracees::{Released, Tracees};
use crate::{Process, StopError, registers, sys};

/// How long a stop may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StopLimits {
    /// How long to wait for a thread to stop; after that goinspect goes on without it.
    /// A thread needs a processor to stop. If the container has used up its share, it gets the
    /// next one after up to 100 ms (`cpu.cfs_period_us`); to go on without it before that would
    /// be to have it run while the memory is read.
    pub thread_wait: Duration,
    /// The same for a thread in uninterruptible sleep, which can take any time.
    pub asleep_wait: Duration,
    /// The longest pause of the process. When it is over the process goes on, whatever is
    /// being done with it, and everything read after that fails with [`ReadError::LetGo`].
    pub max_pause: Duration,
}

impl Default for StopLimits {
    fn default() -> Self {
        StopLimits {
            thread_wait: Duration::from_millis(300),
            asleep_wait: Duration::from_millis(20),
            max_pause: Duration::from_secs(3),
        }
    }
}

/// How a stop went, once it is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    /// How long the process was held up: from before its first thread was seized until after
    /// the last one was let go.
    pub duration: Duration,
    /// The part of it until all threads stood still.
    pub halting: Duration,
    /// Whether it ended because of [`StopLimits::max_pause`].
    pub cut_short: bool,
    /// What the reader of a snapshot should know: see [`Target::diagnostics`].
    pub diagnostics: Vec<String>,
}

/// A process whose threads stand still. It goes on when this is dropped, or when
/// [`StopLimits::max_pause`] is over.
pub struct Stopped<'p> {
    process: Arc<Inner>,
    halted: Halted,
    tracer: Option<Tracer>,
    let_go: Arc<AtomicBool>,
    /// There can be but one stop at a time.
    exclusive: PhantomData<&'p mut Process>,
    /// Of the thread that reads, and of those that it starts to copy; until the process goes on.
    urgent: Option<Urgent>,
}

/// What the tracing thread tells when all threads stand still.
struct Halted {
    threads: Vec<Thread>,
    diagnostics: Vec<String>,
    monotonic_ns: Option<u64>,
    began: Instant,
    halting: Duration,
    /// Whether the tracing thread goes before all that copy.
    is_watched: bool,
}

/// What the tracing thread tells at its end.
struct Ending {
    released: Released,
    cut_short: bool,
    own_tid: nix::unistd::Pid,
}

impl<'p> Stopped<'p> {
    pub(crate) fn new(process: &'p mut Process, limits: &StopLimits) -> Result<Self, StopError> {
        let process = Arc::clone(&process.inner);
        let let_go = Arc::new(AtomicBool::new(false));
        let (resume, wait_for_resume) = mpsc::channel();
        let (report, wait_for_report) = mpsc::sync_channel(1);
        let job = Job {
            process: Arc::clone(&process),
            limits: *limits,
            report,
            resume: wait_for_resume,
            let_go: Arc::clone(&let_go),
        };
        let thread = thread::Builder::new()
            .name("goinspect-stop".to_owned())
            .spawn(move || job.run())
            .map_err(StopError::NoThread)?;
        let tracer = Tracer { resume, thread };
        let report = loop {
            match wait_for_report.recv_timeout(Self::REAP_INTERVAL) {
                Ok(report) => break report,
                Err(RecvTimeoutError::Timeout) => process.reap_ended(),
                Err(RecvTimeoutError::Disconnected) => break Err(StopError::Defect),
            }
        };
        match report {
            Ok(halted) => {
                // Never before the thread that watches it.
                let urgent = halted.is_watched.then(Urgent::to_copy);
                let stopped = Stopped {
                    process,
                    halted,
                    tracer: Some(tracer),
                    let_go,
                    exclusive: PhantomData,
                    urgent,
                };
                stopped.check_program()?;
                Ok(stopped)
            }
            Err(error) => {
                tracer.finish();
                // That all threads have ended is true of a program that was replaced, too.
                Err(match error {
                    StopError::Exited { pid } if process.presence() == Presence::Replaced => {
                        StopError::Replaced { pid }
                    }
                    error => error,
                })
            }
        }
    }

    /// A thread that calls `execve` waits, holding a lock, until the other threads have ended
    /// and their tracer has taken note. The tracing thread may be waiting just then, for that
    /// thread to stop, or in `PTRACE_SEIZE` for that lock. So this thread takes note for it.
    const REAP_INTERVAL: Duration = Duration::from_millis(5);

    /// Whether what has been stopped is the program that was opened. Not for the tracing
    /// thread to find out: it takes a lock of the target's memory, which a thread that hangs
    /// may hold, and whoever waits for that needs the tracing thread to end the pause.
    fn check_program(&self) -> Result<(), StopError> {
        let pid = self.process.pid;
        match self.process.presence() {
            Presence::Same => Ok(()),
            Presence::Exited => Err(StopError::Exited { pid }),
            Presence::Replaced => Err(StopError::Replaced { pid }),
        }
    }

    /// Lets the process go on, and tells how long it was held up.
    pub fn resume(mut self) -> Pause {
        self.urgent = None;
        let ending = self.tracer.take().and_then(Tracer::finish);
        let began = self.halted.began;
        Pause {
            // There is an ending unless the tracing thread panicked; then now is the safe side.
            duration: ending
                .as_ref()
                .map_or_else(|| began.elapsed(), |e| e.released.at - began),
            halting: self.halted.halting,
            cut_short: ending.is_none_or(|e| e.cut_short),
            diagnostics: std::mem::take(&mut self.halted.diagnostics),
        }
    }

    /// The process's own `CLOCK_MONOTONIC` in nanoseconds, what `nanotime` of the Go runtime
    /// would have said when it stopped; `None` if its time namespace cannot be seen through.
    pub fn monotonic_ns(&self) -> Option<u64> {
        self.halted.monotonic_ns
    }

    /// What is mapped where, as a text that is not looked into yet: the process waits.
    pub fn maps(&self) -> Result<Maps, ReadError> {
        self.check()?;
        let name = format!("{}maps", self.process.prefix);
        let text = self.process.dir.read(&name);
        self.check()?;
        text.map(Maps).map_err(|error| match error {
            Errno::EACCES | Errno::EPERM => ReadError::NotPermitted,
            _ => ReadError::Gone,
        })
    }

    /// When its first thread was seized.
    pub fn began(&self) -> Instant {
        self.halted.began
    }

    /// Fails if the process has been let go because [`StopLimits::max_pause`] is over.
    fn check(&self) -> Result<(), ReadError> {
        // The tracing thread sets it before it lets the first thread go. So what was read
        // before it was seen unset was read while all threads stood still.
        match self.let_go.load(Ordering::SeqCst) {
            true => Err(ReadError::LetGo),
            false => Ok(()),
        }
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.urgent = None;
        if let Some(tracer) = self.tracer.take() {
            tracer.finish();
        }
    }
}

impl ReadMemory for Stopped<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.check()?;
        self.process.memory.read(at, buf)?;
        self.check()
    }

    fn read_many(&self, wants: &mut [Want<'_>]) {
        self.read_many_then(wants, &|_| {});
    }

    fn read_many_then(&self, wants: &mut [Want<'_>], then: &(dyn Fn(&[Want<'_>]) + Sync)) {
        if self.check().is_ok() {
            self.process.memory.read_many_at_once(wants, then);
        }
        if let Err(error) = self.check() {
            for want in wants {
                want.result = Err(error);
            }
        }
    }
}

impl Target for Stopped<'_> {
    fn arch(&self) -> Arch {
        registers::ARCH
    }
    fn threads(&self) -> &[Thread] {
        &self.halted.threads
    }
    fn diagnostics(&self) -> &[String] {
        &self.halted.diagnostics
    }
}

/// The other end of a tracing thread.
struct Tracer {
    /// Nothing is ever sent: that this is dropped, for whatever reason, is the message.
    resume: Sender<Infallible>,
    thread: JoinHandle<Option<Ending>>,
}

impl Tracer {
    /// Has the process go on, and waits until nothing of it is traced any more.
    fn finish(self) -> Option<Ending> {
        drop(self.resume);
        let ending = self.thread.join().ok().flatten()?;
        if ending.released.left {
            wait_for_end(ending.own_tid);
        }
        Some(ending)
    }
}

/// A thread counts as joined a moment before the kernel detaches what it traced.
fn wait_for_end(own_tid: nix::unistd::Pid) {
    let deadline = Instant::now() + Duration::from_millis(100);
    let name = format!("/proc/self/task/{own_tid}");
    while Path::new(&name).exists() && Instant::now() < deadline {
        thread::yield_now();
    }
}

/// What a tracing thread is given.
struct Job {
    process: Arc<Inner>,
    limits: StopLimits,
    report: SyncSender<Result<Halted, StopError>>,
    resume: Receiver<Infallible>,
    let_go: Arc<AtomicBool>,
}

impl Job {
    fn run(self) -> Option<Ending> {
        sys::sleep_precisely();
        let mut tracees = match Tracees::new(&self.process) {
            Ok(tracees) => tracees,
            Err(error) => {
                let _ = self.report.send(Err(error));
                return None;
            }
        };
        let outcome = tracees.halt(&self.limits);
        let mut cut_short = false;
        let mut watching = None;
        let mut failure = None;
        match outcome {
            Ok(()) => {
                // Not before: while the target's threads come to a halt, and when they go on, they need the processors that
                // this thread would keep from them.
                let urgent = Urgent::to_watch();
                let halted = self.halted(&mut tracees, urgent.is_granted());
                let end = halted.began + self.limits.max_pause;
                let _ = self.report.send(Ok(halted));
                let rest = end.saturating_duration_since(Instant::now());
                cut_short = self.resume.recv_timeout(rest) == Err(RecvTimeoutError::Timeout);
                self.let_go.store(true, Ordering::SeqCst);
                // Those who copy may have all processors otherwise.
                watching = Some(urgent).filter(|_| cut_short);
            }
            Err(error) => failure = Some(error),
        }
        let released = tracees.release();
        drop(watching);
        if let Some(error) = failure {
            let _ = self.report.send(Err(error));
        }
        Some(Ending {
            released,
            cut_short,
            own_tid: nix::unistd::gettid(),
        })
    }

    fn halted(&self, tracees: &mut Tracees<'_>, is_watched: bool) -> Halted {
        let monotonic_ns = self.process.monotonic_ns();
        let (threads, diagnostics) = tracees.report();
        Halted {
            threads,
            diagnostics,
            monotonic_ns,
            began: tracees.began(),
            halting: tracees.began().elapsed(),
            is_watched,
        }
    }
}
