//! The runtime's scheduler: its Ps, its run queues, and what the garbage collector is at.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Goid;

/// What the scheduler was at. Whatever is `None` could not be found or read, and a diagnostic of the snapshot says so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scheduler {
    /// How many Ps there are: the length of `runtime.allp`.
    pub gomaxprocs: usize,
    /// The Ps in the order of `runtime.allp`. One that cannot be read is missing.
    pub ps: Vec<P>,
    /// The goroutines in the global run queue (`sched.runq`), the next to run first.
    pub runq: Option<Vec<Goid>>,
    /// How many the runtime says are in it. While it is being changed that may differ from how many are.
    pub runqsize: Option<u64>,
    /// Whether the world is stopped, or about to be (`sched.gcwaiting`): by the garbage collector, or whoever else does so.
    /// In a core file of a crash it mostly is, for the runtime stops all others before it prints its traceback.
    pub gcwaiting: Option<bool>,
    /// What the garbage collector is at (`runtime.gcphase`).
    pub gcphase: Option<GcPhase>,
    /// How many collections are over (`memstats.numgc`): what `runtime.ReadMemStats` gives.
    pub numgc: Option<u64>,
    /// When the last one was over (`memstats.last_gc_unix`), in nanoseconds since 1970; 0 if there was none.
    pub last_gc_unix: Option<u64>,
}

/// What an M needs to execute Go code (`runtime.p`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct P {
    /// Its number (`p.id`).
    pub id: u64,
    /// What it is at (`p.status`).
    pub status: PStatus,
    /// The number of the M that has it (`p.m`).
    pub m: Option<i64>,
    /// The goroutine that is next, before those in its run queue (`p.runnext`).
    pub runnext: Option<Goid>,
    /// The goroutines in its run queue, the next to run first. `None` where it could not be read, which
    /// a diagnostic says.
    pub runq: Option<Vec<Goid>>,
}

/// What a P is at (`runtime/runtime2.go`, `_Pidle` …).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PStatus {
    /// Nobody needs it.
    Idle,
    /// An M has it, and executes Go code or looks for some. Since Go 1.26 also while the goroutine of that M is in a system call.
    Running,
    /// The goroutine that had it is in a system call. Not since Go 1.26.
    Syscall,
    /// The world is stopped.
    GcStop,
    /// There are fewer Ps now.
    Dead,
}

impl PStatus {
    const ALL: [PStatus; 5] = [
        PStatus::Idle,
        PStatus::Running,
        PStatus::Syscall,
        PStatus::GcStop,
        PStatus::Dead,
    ];

    /// By the runtime's number, which is the same in all versions.
    pub fn from_runtime(number: u64) -> Option<PStatus> {
        usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number).copied())
    }

    /// `idle`, `running`, …
    pub fn as_str(self) -> &'static str {
        match self {
            PStatus::Idle => "idle",
            PStatus::Running => "running",
            PStatus::Syscall => "syscall",
            PStatus::GcStop => "gcstop",
            PStatus::Dead => "dead",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<PStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What the garbage collector is at (`runtime/mgc.go`, `_GCoff` …).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GcPhase {
    /// It does not run, or sweeps in the background.
    Off,
    /// It marks what is reachable.
    Mark,
    /// It ends marking.
    MarkTermination,
}

impl GcPhase {
    const ALL: [GcPhase; 3] = [GcPhase::Off, GcPhase::Mark, GcPhase::MarkTermination];

    /// By the runtime's number, which is the same in all versions.
    pub fn from_runtime(number: u64) -> Option<GcPhase> {
        usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number).copied())
    }

    /// `off`, `mark`, `mark termination`.
    pub fn as_str(self) -> &'static str {
        match self {
            GcPhase::Off => "off",
            GcPhase::Mark => "mark",
            GcPhase::MarkTermination => "mark termination",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<GcPhase> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

impl Scheduler {
    /// `8 Ps: 3 running, 5 idle; 12 queued (1 globally); GC off, 17 done`. What is not known is left out.
    pub fn title(&self) -> String {
        let of = |status| self.ps.iter().filter(|p| p.status == status).count();
        // Those that work first.
        let order = [
            PStatus::Running,
            PStatus::Syscall,
            PStatus::GcStop,
            PStatus::Idle,
            PStatus::Dead,
        ];
        let counts = order.map(|status| (of(status), status.as_str()));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let s = if self.gomaxprocs == 1 { "" } else { "s" };
        let mut title = format!("{} P{s}: {}", self.gomaxprocs, counts.join(", "));
        if self.ps.len() < self.gomaxprocs {
            let unknown = self.gomaxprocs - self.ps.len();
            title += &format!(", {unknown} not known");
        }
        if self.gcwaiting == Some(true) {
            title += "; the world is stopped";
        }
        title += &format!("; {} queued", self.queued());
        if let Some(global @ 1..) = self.runq.as_ref().map(Vec::len) {
            title += &format!(" ({global} globally)");
        }
        if let Some(phase) = self.gcphase {
            title += &format!("; GC {}", phase.as_str());
        }
        if let Some(numgc) = self.numgc {
            title += &format!(", {numgc} done");
        }
        title
    }

    /// How many goroutines are in all run queues that could be read.
    pub fn queued(&self) -> usize {
        let global = self.runq.as_ref().map_or(0, Vec::len);
        global + self.ps.iter().map(P::queued).sum::<usize>()
    }

    /// When the last collection was over; `None` if there was none, or it is not known.
    pub fn last_gc(&self) -> Option<SystemTime> {
        let since = self.last_gc_unix.filter(|&ns| ns != 0)?;
        UNIX_EPOCH.checked_add(Duration::from_nanos(since))
    }
}

impl P {
    /// How many goroutines wait for it.
    pub fn queued(&self) -> usize {
        let next = usize::from(self.runnext.is_some());
        next + self.runq.as_ref().map_or(0, Vec::len)
    }
}
