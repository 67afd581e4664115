//! One goroutine as it stood at the moment of the stop.

use std::sync::Arc;

use crate::{Addr, Frame, Goid, Site, Tid, Traceback, WaitingOn};

/// The status of a goroutine, without the scan bit (`runtime2.go`, `_Gidle` …).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// 0: allocated, not yet initialised.
    Idle,
    /// 1: on a run queue.
    Runnable,
    /// 2: executing Go code.
    Running,
    /// 3: in a system call, or in C code called through cgo.
    Syscall,
    /// 4: parked; see [`Goroutine::waitreason`].
    Waiting,
    /// 6, or 11 (`_Gdeadextra`, Go 1.26 and later): ended, or waiting to be used for a new one.
    Dead,
    /// 8: its stack is being moved.
    Copystack,
    /// 9: stopped itself for a preemption.
    Preempted,
    /// 10: found unreachable by the garbage collector (Go 1.26 and later).
    Leaked,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 9] = [
        Status::Idle,
        Status::Runnable,
        Status::Running,
        Status::Syscall,
        Status::Waiting,
        Status::Dead,
        Status::Copystack,
        Status::Preempted,
        Status::Leaked,
    ];

    /// The status for the runtime's number, scan bit (`_Gscan`, 0x1000) allowed;
    /// `None` for a number that no Go version from 1.19 to 1.27 uses.
    pub fn from_runtime(atomicstatus: u64) -> Option<Status> {
        const GSCAN: u64 = 0x1000;
        Some(match atomicstatus & !GSCAN {
            0 => Status::Idle,
            1 => Status::Runnable,
            2 => Status::Running,
            3 => Status::Syscall,
            4 => Status::Waiting,
            6 | 11 => Status::Dead,
            8 => Status::Copystack,
            9 => Status::Preempted,
            10 => Status::Leaked,
            _ => return None,
        })
    }

    /// The word that snapshots, filters and the screen use.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Runnable => "runnable",
            Status::Running => "running",
            Status::Syscall => "syscall",
            Status::Waiting => "waiting",
            Status::Dead => "dead",
            Status::Copystack => "copystack",
            Status::Preempted => "preempted",
            Status::Leaked => "leaked",
        }
    }
}

/// The bounds of a goroutine's stack (`g.stack`) and how much of it is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackBounds {
    /// Lowest address.
    pub lo: Addr,
    /// One past the highest address; the stack grows down from here.
    pub hi: Addr,
    /// The stack pointer the stack was read from, where one is known.
    pub sp: Option<Addr>,
}

impl StackBounds {
    /// Bytes in use: `hi - sp`, where the stack pointer is known and in bounds.
    pub fn used(&self) -> Option<u64> {
        let sp = self.sp?;
        (self.lo <= sp && sp <= self.hi).then(|| self.hi.0 - sp.0)
    }
}

/// How the walk over a stack ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StackEnd {
    /// At the function where goroutines begin (`runtime.goexit`) or an equal top frame.
    Complete,
    /// Earlier; the text says why. The frames that are there are right.
    Early(Arc<str>),
}

/// pprof labels: keys and values.
pub type Labels = Vec<(Arc<str>, Arc<str>)>;

/// A goroutine.
#[derive(Clone, PartialEq, Debug)]
pub struct Goroutine {
    /// `g.goid`.
    pub goid: Goid,
    /// `g.parentGoid`; `None` where the Go version has none (before 1.21), or for goroutines of the runtime's start.
    pub parent_goid: Option<Goid>,
    /// The address of the `g` itself.
    pub g: Addr,
    /// `g.atomicstatus`.
    pub status: Status,
    /// `g.waitreason` in the target's own words; `None` unless waiting.
    pub waitreason: Option<Arc<str>>,
    /// `g.waitsince`, nanoseconds on the target's monotonic clock ([`crate::CaptureInfo::nanotime`]
    /// is the same clock). Set by the garbage collector only, so often `None`.
    pub waitsince: Option<u64>,
    /// `g.trackingSeq`: one more each time it stops running, and 0 after 255 (`runtime/proc.go`, `casgstatus`).
    /// Where it began says nothing. Since Go 1.26 a system call is no stop; coroutines (`coroswitch`) go around it.
    pub tracking_seq: Option<u8>,
    /// `g.parkingOnChan`.
    pub parking_on_chan: bool,
    /// `g.gopc`: the `go` statement that created it.
    pub gopc: Option<Site>,
    /// `g.startpc`: the function it started with.
    pub startpc: Option<Site>,
    /// Whether it is one of the runtime's own (`runtime/traceback.go`, `isSystemGoroutine`).
    pub system: bool,
    /// The OS thread it is on, when it is on one.
    pub thread: Option<Tid>,
    /// Whether it is locked to a thread (`g.lockedm`).
    pub locked_to_thread: bool,
    /// pprof labels, by key; `None` where it has some that could not be read.
    pub labels: Option<Labels>,
    /// What it is parked on: one entry for each case of a `select`, none for an empty one, and none for a
    /// goroutine that is not waiting. `None` where that could not be read, or only in part; the notes say why.
    pub waiting_on: Option<Box<[WaitingOn]>>,
    /// Its stack's bounds; `None` where it has no stack (a dead goroutine).
    pub stack: Option<StackBounds>,
    /// Its calls, innermost first, uncut. Goroutines with the same calls share them.
    pub frames: Arc<[Frame]>,
    /// Whether `frames` reaches the goroutine's beginning.
    pub stack_end: StackEnd,
    /// What only Go's own traceback tells.
    pub traceback: Traceback,
    /// What could not be read or is not certain, in sentences.
    pub notes: Vec<String>,
}

impl Goroutine {
    /// What Go's traceback puts in brackets: the wait reason, or else the status.
    pub fn state(&self) -> &str {
        match &self.waitreason {
            Some(reason) => reason,
            None => self.status.as_str(),
        }
    }

    /// The innermost frame outside the runtime and what stands around its waiting (locks, system
    /// calls, polling; in C the C library): where the program itself waits or works. If there is nothing
    /// else, the innermost that is at least outside `runtime`.
    pub fn top_user_frame(&self) -> Option<&Frame> {
        let outside = |inner: &[&str]| {
            self.frames.iter().find(|frame| {
                let name = &frame.function.name;
                match frame.is_c() {
                    true => !frame.is_around_c(),
                    false => {
                        name.contains('.') && !inner.iter().any(|prefix| name.starts_with(prefix))
                    }
                }
            })
        };
        outside(&["runtime.", "internal/", "sync.", "syscall.", "type:"])
            .or_else(|| outside(&["runtime."]))
    }
}
