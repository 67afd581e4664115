//! Reading the memory of a process, many ranges at a time.

use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use model::{Addr, Tid};
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use target::{ReadError, Want};

/// The most ranges that one call takes (`IOV_MAX`, `UIO_MAXIOV` in the kernel).
const MAX_RANGES: usize = 1024;

/// The most bytes that one call copies (`MAX_RW_COUNT` in the kernel; what is asked beyond
/// it is silently left out).
const MAX_BYTES: usize = 0x7fff_f000;

/// The most threads that copy at once. Where one is bound by the memory itself, more are no faster.
const MAX_THREADS: usize = 4;

/// A part of what is read by several threads: so many bytes, or [`MAX_RANGES`].
const PART: usize = 256 << 10;

/// So many bytes take far longer to copy than a thread takes to start.
const WORTH_A_THREAD: usize = 2 << 20;

/// The memory of a process.
pub(crate) struct Memory {
    /// A living thread of it.
    tid: Tid,
    /// `/proc/PID/mem`, opened for reading only. It belongs to the address space that the
    /// process had when it was opened: after an `exec` it is at its end for ever.
    file: File,
    /// `process_vm_readv` is not to be had (seccomp).
    only_file: AtomicBool,
}

impl Memory {
    pub(crate) fn new(tid: Tid, file: File) -> Memory {
        Memory {
            tid,
            file,
            only_file: AtomicBool::new(false),
        }
    }

    /// Never to use `process_vm_readv` from now on.
    pub(crate) fn avoid_process_vm_readv(&self) {
        self.only_file.store(true, Ordering::Relaxed);
    }

    /// Whether the address space still is the one that was opened.
    pub(crate) fn is_there(&self) -> bool {
        // Whether anything is mapped at 0 is of no interest: that is an error of its own.
        !matches!(self.file.read_at(&mut [0], 0), Ok(0))
    }

    /// Fills `buf`, or fails as a whole.
    pub(crate) fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut want = Want::new(at, buf);
        self.read_many(std::slice::from_mut(&mut want));
        want.result
    }

    /// The same as [`Memory::read_many`], by several threads if it is much: for a process that stands still,
    /// whose processors have nothing to do. Each part is handed to `then` by the thread that has read it.
    pub(crate) fn read_many_at_once(
        &self,
        wants: &mut [Want<'_>],
        then: &(dyn Fn(&[Want<'_>]) + Sync),
    ) {
        let bytes: usize = wants.iter().map(|want| want.buf.len()).sum();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = threads.min(MAX_THREADS).min(bytes / WORTH_A_THREAD);
        // Each takes the next part when it is done with one: some get less of a processor than others.
        let parts = Mutex::new(Parts(wants));
        let work = || {
            let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some(part) = next() {
                self.read_many(part);
                then(part);
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                let copier = thread::Builder::new().name("goinspect-copy".to_owned());
                // There may be no more threads to be had: then those do it that there are.
                let _ = copier.spawn_scoped(scope, work);
            }
            work();
        });
    }

    /// Reads each range, or says why it could not be read.
    pub(crate) fn read_many(&self, wants: &mut [Want<'_>]) {
        let room = wants.len().min(MAX_RANGES);
        let mut batch = Batch {
            local: Vec::with_capacity(room),
            remote: Vec::with_capacity(room),
            results: Vec::with_capacity(room),
        };
        let mut bytes = 0;
        for want in wants {
            want.result = Ok(());
            if want.buf.len() > MAX_BYTES || self.only_file.load(Ordering::Relaxed) {
                want.result = self.read_file(want.at, want.buf);
                continue;
            }
            if batch.local.len() == MAX_RANGES || bytes + want.buf.len() > MAX_BYTES {
                self.read_batch(&mut batch);
                bytes = 0;
            }
            bytes += want.buf.len();
            batch.remote.push(RemoteIoVec {
                base: want.at.0 as usize,
                len: want.buf.len(),
            });
            batch.local.push(IoSliceMut::new(want.buf));
            batch.results.push(&mut want.result);
        }
        self.read_batch(&mut batch);
    }

    /// Reads what is in `batch` and leaves it empty.
    fn read_batch(&self, batch: &mut Batch<'_>) {
        let mut from = 0;
        while let (Some(local @ [_, ..]), Some(remote)) =
            (batch.local.get_mut(from..), batch.remote.get(from..))
        {
            let tid = nix::unistd::Pid::from_raw(self.tid.0);
            let copied = match process_vm_readv(tid, local, remote) {
                Ok(copied) => copied,
                Err(Errno::EFAULT) => 0,
                Err(error) => {
                    if matches!(error, Errno::EPERM | Errno::ENOSYS) {
                        self.avoid_process_vm_readv();
                    }
                    // `ESRCH` included: the thread has ended, perhaps the process has not,
                    // and the file knows.
                    for ((to, range), result) in local
                        .iter_mut()
                        .zip(remote)
                        .zip(batch.results.iter_mut().skip(from))
                    {
                        **result = self.read_file(Addr(range.base as u64), to);
                    }
                    break;
                }
            };
            // The kernel goes on from one range to the next and ends at the first byte that
            // it cannot read. The range that this byte is in has failed; go on behind it.
            let mut left = copied;
            let Some(failed) = remote
                .iter()
                .position(|range| match left.checked_sub(range.len) {
                    Some(less) => {
                        left = less;
                        false
                    }
                    None => true,
                })
            else {
                break;
            };
            if let (Some(range), Some(result)) =
                (remote.get(failed), batch.results.get_mut(from + failed))
            {
                **result = Err(ReadError::Unmapped {
                    at: Addr(range.base as u64),
                    len: range.len,
                });
            }
            from += failed + 1;
        }
        batch.local.clear();
        batch.remote.clear();
        batch.results.clear();
    }

    /// One range from `/proc/PID/mem`.
    fn read_file(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len();
        let mut done = 0;
        while let Some(rest @ [_, ..]) = buf.get_mut(done..) {
            let Some(from) = at.checked_add(done as u64) else {
                return Err(ReadError::Unmapped { at, len });
            };
            match self.file.read_at(rest, from.0) {
                // Not the end of the file as one knows it: the address space is no more.
                Ok(0) => return Err(ReadError::Gone),
                Ok(more) => done += more,
                Err(e) if e.raw_os_error() == Some(Errno::EINTR as i32) => {}
                Err(e) if e.raw_os_error() == Some(Errno::EPERM as i32) => {
                    return Err(ReadError::NotPermitted);
                }
                Err(_) => return Err(ReadError::Unmapped { at, len }),
            }
        }
        Ok(())
    }
}

/// What is left to be read.
struct Parts<'a, 'b>(&'a mut [Want<'b>]);

impl<'a, 'b> Iterator for Parts<'a, 'b> {
    type Item = &'a mut [Want<'b>];

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = 0;
        let enough = |want: &Want<'_>| {
            bytes += want.buf.len();
            bytes >= PART
        };
        let last = self.0.iter().take(MAX_RANGES).position(enough);
        let len = last.map_or(MAX_RANGES.min(self.0.len()), |last| last + 1);
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        (!part.is_empty()).then_some(part)
    }
}

/// Ranges for one call: where to, where from, and where the outcome goes.
struct Batch<'a> {
    local: Vec<IoSliceMut<'a>>,
    remote: Vec<RemoteIoVec>,
    results: Vec<&'a mut Result<(), ReadError>>,
}
