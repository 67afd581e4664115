//! A stopped program as a whole.

use model::Tid;

use crate::{Arch, ReadMemory, Registers};

/// A thread of a stopped program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its ID in goinspect's PID namespace.
    pub tid: Tid,
    /// Its ID in the program's own PID namespace: what `gettid` says there and what the
    /// runtime keeps in `m.procid`. The same as `tid` unless the program is in a container.
    pub ns_tid: Tid,
    /// Its registers; `None` where they could not be read (say, in uninterruptible sleep).
    pub registers: Option<Registers>,
}

/// A program that stands still: always a stopped view.
pub trait Target: ReadMemory {
    /// Its processor.
    fn arch(&self) -> Arch;
    /// Its threads.
    fn threads(&self) -> &[Thread];
    /// What the reader of a snapshot should know of the stop (a thread that would not
    /// stop, say), in sentences.
    fn diagnostics(&self) -> &[String];
}
