//! A process that is looked at while it runs.

use model::{Addr, Tid};
use target::{Arch, ReadError, ReadMemory, Target, Thread, Want};

use crate::tracees::no_tasks;
use crate::{Process, StopError, registers};

/// A process that has not been stopped: what is read of it one after the other need not fit together, and its
/// threads' registers are not to be had.
pub struct Running<'p> {
    process: &'p Process,
    threads: Vec<Thread>,
}

impl<'p> Running<'p> {
    pub(crate) fn new(process: &'p Process) -> Result<Running<'p>, StopError> {
        let inner = &process.inner;
        let mut tids: Vec<Tid> = Vec::new();
        let listed = inner.dir.tasks().and_then(|mut all| all.list(&mut tids));
        listed.map_err(|e| no_tasks(inner.pid, e))?;
        let thread = |tid| Thread {
            tid,
            ns_tid: inner.ns_tid(tid),
            registers: None,
        };
        Ok(Running {
            process,
            threads: tids.into_iter().map(thread).collect(),
        })
    }

    /// Its `CLOCK_MONOTONIC` now, in nanoseconds: what `runtime.nanotime` returns.
    pub fn monotonic_ns(&self) -> Option<u64> {
        self.process.inner.monotonic_ns()
    }
}

impl ReadMemory for Running<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.process.read(at, buf)
    }
    fn read_many(&self, wants: &mut [Want<'_>]) {
        self.process.read_many(wants);
    }
}

impl Target for Running<'_> {
    fn arch(&self) -> Arch {
        registers::ARCH
    }
    fn threads(&self) -> &[Thread] {
        &self.threads
    }
    fn diagnostics(&self) -> &[String] {
        &[]
    }
}
