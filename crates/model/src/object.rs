//! Channels, locks and the like that goroutines wait on: each once, with its queues and those who know of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::{Addr, ChanState, Frame, Goid, Goroutine, WaitKind};

/// Something in the program's memory that goroutines wait on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Of what kind it is: one of those that have an address and can be shared.
    pub kind: WaitKind,
    /// Where it is; for the types of package `sync` the address of the value itself.
    pub addr: Addr,
    /// The variable that it is, or lies in.
    pub name: Option<Arc<str>>,
    /// A variable that points to it, or that it lies in: whatever function refers to that can come by it.
    pub variable: Option<Addr>,
    /// What is known of it.
    pub state: ObjectState,
    /// Who waits, by what they want to do. The next to be served comes first.
    pub queues: Vec<Queue>,
    /// Who else has a pointer to it on the stack, by goid: whoever could serve those who wait is mostly
    /// among them. That one is not does not mean that it cannot come by such a pointer.
    pub holders: Vec<Holder>,
    /// How many more holders there are than [`Object::holders`] tells.
    pub more_holders: usize,
}

/// What is known of the state of an [`Object`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObjectState {
    /// Nothing.
    Unknown,
    /// Of a channel.
    Chan(ChanState),
    /// Of a `sync.Mutex` (`sync/mutex.go`).
    Mutex {
        /// Whether somebody has it.
        locked: bool,
        /// Whether those who have waited longest come first.
        starving: bool,
        /// How many wait, as it counts itself.
        waiters: u32,
    },
    /// Of a `sync.RWMutex` (`sync/rwmutex.go`).
    RwMutex {
        /// How many hold it for reading, or wait for a writer to do so.
        readers: u32,
        /// Whether a writer has it, or waits for readers to leave.
        writer: bool,
        /// How many readers a waiting writer still waits for.
        departing: u32,
    },
    /// Of a `sync.WaitGroup`.
    WaitGroup {
        /// How many `Done` are missing.
        counter: u32,
        /// How many wait for them.
        waiters: u32,
    },
}

/// Goroutines that want the same of an [`Object`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queue {
    /// What they want to do, as [`crate::WaitingOn::op`].
    pub op: Cow<'static, str>,
    /// Who they are, the next to be served first.
    pub goids: Vec<Goid>,
}

/// A goroutine that has a pointer to an [`Object`] on its stack, or is in code that refers to it, and
/// does not wait on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Which one.
    pub goid: Goid,
    /// The index, in its frames, of the innermost function in whose frame the pointer lies, or whose code refers to it; `None`
    /// where that cannot be told.
    pub frame: Option<usize>,
    /// What it points to.
    pub by: HeldBy,
}

/// How sure it is that a word on a stack is a pointer to an [`Object`]. Words that the
/// code no longer needs are not looked at, where the compiler tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HeldBy {
    /// It is the object's address.
    Address,
    /// It leads to the value on the heap that the object is part of.
    Part,
    /// It leads to a value on the heap that points to the object, or to another value that does.
    Heap,
    /// There is no such word, but a function on the stack refers to the variable that points to the object, or that it lies in.
    Code,
}

impl HeldBy {
    /// All of them.
    pub const ALL: [HeldBy; 4] = [HeldBy::Address, HeldBy::Part, HeldBy::Heap, HeldBy::Code];

    /// The word that snapshots use.
    pub fn as_str(self) -> &'static str {
        match self {
            HeldBy::Address => "address",
            HeldBy::Part => "part",
            HeldBy::Heap => "heap",
            HeldBy::Code => "code",
        }
    }
}

impl Object {
    /// All who wait.
    pub fn waiters(&self) -> impl Iterator<Item = Goid> {
        self.queues
            .iter()
            .flat_map(|queue| queue.goids.iter().copied())
    }

    /// `chan main.queue`, `mutex 0xc000010000`.
    pub fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name}", self.kind.as_str()),
            None => format!("{} {}", self.kind.as_str(), self.addr),
        }
    }
}

impl Holder {
    /// The frame that has the pointer.
    pub fn frame_of(self, goroutine: &Goroutine) -> Option<&Frame> {
        goroutine.frames.get(self.frame?)
    }
}

/// Objects by what [`crate::WaitingOn`] says of them.
#[derive(Debug, Default)]
pub struct Objects<'a> {
    by_key: HashMap<(WaitKind, Addr), &'a Object>,
}

impl<'a> Objects<'a> {
    /// Those of a snapshot.
    pub fn new(objects: &'a [Object]) -> Objects<'a> {
        Objects {
            by_key: objects.iter().map(|o| ((o.kind, o.addr), o)).collect(),
        }
    }

    /// The one at an address.
    pub fn get(&self, kind: WaitKind, at: Addr) -> Option<&'a Object> {
        self.by_key.get(&(kind, at)).copied()
    }
}
