//! What a goroutine waits on.

use std::borrow::Cow;
use std::sync::Arc;

use crate::Addr;

/// One of the things that a goroutine waits on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct WaitingOn {
    /// Of what kind it is.
    pub kind: WaitKind,
    /// What is to be done with it: `receive`, `send`, `lock`, `rlock`, `wait`, `acquire`, `read`, `write`, or
    /// the name of a system call; `None` where the kind says it all, or it is not known.
    pub op: Option<Cow<'static, str>>,
    /// Where it is; for the types of package `sync` the address of the value itself. `None` for a
    /// nil channel, and for what has no address.
    pub addr: Option<Addr>,
    /// The variable that it is, or lies in.
    pub name: Option<Arc<str>>,
    /// What is known beyond that.
    pub state: WaitState,
}

/// The kinds of things that are waited on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WaitKind {
    /// A channel, also as a case of a `select`.
    Chan,
    /// A `sync.Mutex`.
    Mutex,
    /// A `sync.RWMutex`.
    RwMutex,
    /// A `sync.Cond`.
    Cond,
    /// A `sync.WaitGroup`.
    WaitGroup,
    /// A semaphore of the runtime that is in none of these.
    Semaphore,
    /// A point in time.
    Timer,
    /// A file that the network poller watches.
    Netpoll,
    /// A system call.
    Syscall,
    /// A coroutine (`iter.Pull`).
    Coroutine,
    /// The other goroutines of a synctest bubble.
    Synctest,
    /// Something of the runtime's, which the wait reason names.
    Runtime,
}

impl WaitKind {
    /// All of them.
    pub const ALL: [WaitKind; 12] = [
        WaitKind::Chan,
        WaitKind::Mutex,
        WaitKind::RwMutex,
        WaitKind::Cond,
        WaitKind::WaitGroup,
        WaitKind::Semaphore,
        WaitKind::Timer,
        WaitKind::Netpoll,
        WaitKind::Syscall,
        WaitKind::Coroutine,
        WaitKind::Synctest,
        WaitKind::Runtime,
    ];

    /// Whether it is a value in memory that several goroutines can wait on or serve: an [`crate::Object`].
    pub fn is_object(self) -> bool {
        matches!(
            self,
            WaitKind::Chan
                | WaitKind::Mutex
                | WaitKind::RwMutex
                | WaitKind::Cond
                | WaitKind::WaitGroup
                | WaitKind::Semaphore
        )
    }

    /// The word that snapshots and the screen use.
    pub fn as_str(self) -> &'static str {
        match self {
            WaitKind::Chan => "chan",
            WaitKind::Mutex => "mutex",
            WaitKind::RwMutex => "rwmutex",
            WaitKind::Cond => "cond",
            WaitKind::WaitGroup => "waitgroup",
            WaitKind::Semaphore => "semaphore",
            WaitKind::Timer => "timer",
            WaitKind::Netpoll => "netpoll",
            WaitKind::Syscall => "syscall",
            WaitKind::Coroutine => "coroutine",
            WaitKind::Synctest => "synctest",
            WaitKind::Runtime => "runtime",
        }
    }
}

/// What somebody wants to do with a thing, by the `op` of [`WaitingOn`] or of a queue: `to send to`, `for`.
pub fn intent(op: Option<&str>) -> &'static str {
    match op {
        Some("receive") => "to receive from",
        Some("send") => "to send to",
        Some("lock") => "to lock",
        Some("rlock") => "to read-lock",
        Some("read") => "to read from",
        Some("write") => "to write to",
        _ => "for",
    }
}

/// What is known of a thing that is waited on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum WaitState {
    /// Nothing more.
    Nothing,
    /// Of a channel; `None` for a nil one.
    Chan(Option<ChanState>),
    /// Of a `sync.WaitGroup`.
    WaitGroup {
        /// How many `Done` are missing.
        counter: u32,
        /// How many wait for them.
        waiters: u32,
    },
    /// When it is due, in nanoseconds on the program's monotonic clock
    /// ([`crate::CaptureInfo::nanotime`] is the same clock).
    Timer(i64),
    /// Of a file.
    File {
        /// Its number.
        fd: Option<i32>,
        /// What it is: a path, `socket:[7]`, or the two ends of a connection.
        file: Option<Arc<str>>,
        /// When waiting for it times out, as [`WaitState::Timer`]; `None`: never.
        deadline: Option<i64>,
    },
}

/// The state of a channel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ChanState {
    /// How many elements are in its buffer.
    pub len: u64,
    /// How many have room there.
    pub cap: u64,
    /// Whether it is closed.
    pub closed: bool,
    /// The type of its elements, as `reflect` prints it; `None` where that is not known.
    pub elem_type: Option<Arc<str>>,
    /// When a timer sends to it, as [`WaitState::Timer`].
    pub timer: Option<i64>,
}
