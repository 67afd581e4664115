//! What Go's own traceback tells of a goroutine beyond what a snapshot always holds.

use std::sync::Arc;

use crate::{Addr, Frame, Goid, Goroutine, Site, Tid};

/// What a traceback's header and frames say more of a goroutine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traceback {
    /// The M that `g.m` names; it keeps one while it runs or is in a system call.
    pub m: Option<MRef>,
    /// Whether the garbage collector is scanning its stack (`_Gscan`).
    pub scan: bool,
    /// The synctest bubble it lives in.
    pub bubble: Option<Bubble>,
    /// Those who created it, the parent first, if the program keeps them
    /// (`GODEBUG=tracebackancestors=N`).
    pub ancestors: Vec<Ancestor>,
    /// Where its frames lie, one for each of Go's that is not inlined, in the same order.
    /// Empty unless it was asked for.
    pub places: Box<[FramePlace]>,
}

/// A goroutine that created another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ancestor {
    /// Its ID.
    pub goid: Goid,
    /// Its calls when it executed the `go` statement, innermost first. Go keeps fifty at most, and
    /// for an inlined call all that it was inlined into once more.
    pub frames: Arc<[Frame]>,
    /// Whether there may have been more calls than Go keeps.
    pub cut: bool,
    /// The `go` statement that created it.
    pub gopc: Option<Site>,
}

/// An M by its number and its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MRef {
    /// `m.id`.
    pub id: i64,
    /// The address of the `m`.
    pub at: Addr,
}

/// A synctest bubble (`runtime/synctest.go`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bubble {
    /// `synctestBubble.id`; in Go 1.24 the goid of the group's root.
    pub id: u64,
    /// Whether Go's header calls its wait durable although the wait reason does not.
    pub durable: bool,
}

/// Where a physical frame lies on the stack, and the arguments it was called with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FramePlace {
    /// Where the frame ends: the stack pointer of the caller, above its return address on
    /// amd64. `None` where the frame's size is not known.
    pub fp: Option<Addr>,
    /// The stack pointer in the frame.
    pub sp: Addr,
    /// Its arguments in the order of the declaration, receiver first, as far as the compiler
    /// describes them (ten values, five levels deep).
    pub args: Box<[Arg]>,
}

/// A piece of a function's arguments, as the compiler describes them to Go's traceback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// A number of at most 8 bytes.
    Value {
        /// What lies in its place.
        bits: u64,
        /// Whether the place is known to hold the argument still.
        live: bool,
    },
    /// Values that are not told: too far from the frame, or not readable.
    Unknown,
    /// More values than the compiler describes.
    More,
    /// A struct, array, string, slice or interface begins.
    Open,
    /// It ends.
    Close,
}

/// An OS thread as the Go runtime knows it (`runtime.m`).
#[derive(Clone, PartialEq, Debug)]
pub struct M {
    /// Its number and address.
    pub m: MRef,
    /// The thread, if the program has it.
    pub thread: Option<Tid>,
    /// The goroutine it runs (`m.curg`).
    pub curg: Option<Goid>,
    /// The number of the P it has (`m.p`): without one it executes no Go code.
    pub p: Option<u64>,
    /// What stands on its system stack: `m.g0`, a goroutine with the goid 0.
    pub g0: Arc<Goroutine>,
}
