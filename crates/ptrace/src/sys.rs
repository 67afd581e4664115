//! The few system calls that neither `std` nor `nix` has in the form needed here.
//!
//! # Why stops are looked at and never taken
//!
//! A tracer learns that a thread has stopped from `wait`. The usual kind of wait *takes* the
//! stop: the kernel clears the thread's exit code (`wait_task_stopped` in `kernel/exit.c`).
//! For a thread that stopped because a signal is being delivered to it, this exit code is the
//! signal. If the tracer then dies, the kernel detaches the thread without setting it again,
//! the thread goes on with signal 0, and **the signal is lost**: someone's `SIGTERM` would
//! never arrive. With `WNOWAIT` the exit code stays, and a tracer that is killed at any moment
//! leaves a thread that handles its signal as if it had never been traced. So every wait
//! here has `WNOWAIT`. (The tests show both; see `tests/tracer_death.rs`.)
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::{MaybeUninit, size_of};

use model::Tid;
use nix::errno::Errno;
use nix::libc;

/// What has become of a thread that is being traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    /// It has not stopped, or is no longer stopped.
    Running,
    /// It stands still because of `PTRACE_INTERRUPT`, or of a stop of the whole process.
    Trapped,
    /// It stands still while this signal is being delivered to it.
    /// Not a `nix` signal: these have no real-time signals.
    Signal(libc::c_int),
    /// It has ended and waits for its tracer to know.
    Ended,
    /// There is no such thread, or it is not traced by this thread.
    Unknown,
}

/// What a traced thread is doing, without waiting and without taking the stop.
pub(crate) fn look(tid: Tid) -> Look {
    // Threads, too (`__WALL`), but only those that this very thread traces.
    let whose = libc::__WALL | libc::__WNOTHREAD;
    let flags = libc::WSTOPPED | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | whose;
    let info = match waitid(tid, flags) {
        Ok(Some(info)) => info,
        Ok(None) => return Look::Running,
        // A signal handler of our own ran; the caller asks again anyway.
        Err(Errno::EINTR) => return Look::Running,
        Err(_) => return Look::Unknown,
    };
    if info.si_code != libc::CLD_TRAPPED {
        return Look::Ended;
    }
    // SAFETY: the kernel fills `si_status` for every `si_code` that `waitid` reports.
    let status = unsafe { info.si_status() };
    // The upper byte is the ptrace event. No options are set, so there is but one event
    // (PTRACE_EVENT_STOP), and what is none of that is a signal being delivered.
    match status >> 8 {
        0 => Look::Signal(status),
        _ => Look::Trapped,
    }
}

/// Takes note of the end of a thread that this process traces, so that the kernel can drop
/// it. Any thread of goinspect may do so, not only the one that traces.
pub(crate) fn reap(tid: Tid) {
    // A wait for ends alone would also take the stop of a thread that is traced: Linux has
    // always shown those to the tracer "regardless of options" (`wait_task_stopped`), and
    // a signal that it stopped for would be lost. So first a look; an end stays an end.
    let flags = libc::WEXITED | libc::WNOHANG | libc::__WALL;
    if let Ok(Some(info)) = waitid(tid, flags | libc::WNOWAIT)
        && info.si_code != libc::CLD_TRAPPED
    {
        // Nothing depends on the answer: what is not taken here goes when the tracing thread ends.
        let _ = waitid(tid, flags);
    }
}

fn waitid(tid: Tid, flags: libc::c_int) -> Result<Option<libc::siginfo_t>, Errno> {
    let id = libc::id_t::try_from(tid.0).map_err(|_| Errno::ESRCH)?;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is valid for writes of a `siginfo_t`, which is all that the call writes.
    Errno::result(unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), flags) })?;
    // SAFETY: all-zero is a valid `siginfo_t`, and the call left it so or filled it in.
    let info = unsafe { info.assume_init() };
    // SAFETY: `si_pid` is set by the kernel, or still zero from above.
    let nothing = unsafe { info.si_pid() } == 0;
    Ok(if nothing { None } else { Some(info) })
}

/// Lets a stopped thread go on untraced. `signal` is the signal that was being delivered
/// when it stopped ([`Look::Signal`]), otherwise 0.
pub(crate) fn detach(tid: Tid, signal: libc::c_int) -> Result<(), Errno> {
    // SAFETY: PTRACE_DETACH takes a number as its data argument and touches no memory of ours.
    let done = unsafe {
        libc::ptrace(
            libc::PTRACE_DETACH,
            tid.0,
            std::ptr::null_mut::<libc::c_void>(),
            libc::c_long::from(signal),
        )
    };
    Errno::result(done).map(drop)
}

/// The general registers of a stopped thread; `EINVAL` for those of a 32-bit program.
pub(crate) fn general_registers(tid: Tid) -> Result<libc::user_regs_struct, Errno> {
    let mut regs = MaybeUninit::<libc::user_regs_struct>::zeroed();
    let mut iov = libc::iovec {
        iov_base: regs.as_mut_ptr().cast(),
        iov_len: size_of::<libc::user_regs_struct>(),
    };
    // SAFETY: `iov` describes `regs`, which outlives the call; the kernel writes at most
    // `iov_len` bytes there and the number of bytes written to `iov_len`.
    let done = unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGSET,
            tid.0,
            libc::c_long::from(libc::NT_PRSTATUS),
            &raw mut iov,
        )
    };
    Errno::result(done)?;
    if iov.iov_len != size_of::<libc::user_regs_struct>() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the structure consists of integers, for which zeroes and anything that the
    // kernel wrote are valid.
    Ok(unsafe { regs.assume_init() })
}

/// Has the kernel wake this thread from short sleeps in time, not up to 50 µs later
/// (the default slack): while it sleeps the target stands still.
pub(crate) fn sleep_precisely() {
    // SAFETY: PR_SET_TIMERSLACK takes a number and changes this thread only.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

/// While this is there, the kernel runs the calling thread, and those that it starts, before all that are not urgent: the target
/// stands still, and on a busy machine a thread that has just worked (which it has, to read ahead) would wait for others in the middle
/// of copying. Takes `CAP_SYS_NICE` (or `RLIMIT_RTPRIO`); without it nothing changes.
pub(crate) struct Urgent {
    /// The policy to go back to (`SCHED_OTHER` and the like; `sched(7)`).
    before: Option<libc::c_int>,
    /// It is the calling thread's.
    not_send: PhantomData<*const ()>,
}

impl Urgent {
    /// For whoever copies.
    pub(crate) fn to_copy() -> Urgent {
        Urgent::new(1)
    }

    /// For whoever ends the stop in time, whatever those do who copy.
    pub(crate) fn to_watch() -> Urgent {
        Urgent::new(2)
    }

    fn new(priority: libc::c_int) -> Urgent {
        // SAFETY: the call takes a number; 0 stands for the calling thread.
        let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        // One that is urgent already stays as it is.
        let ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE];
        let before = ordinary
            .into_iter()
            .find(|&ordinary| libc::c_long::from(ordinary) == policy)
            .filter(|_| set_policy(libc::SCHED_RR, priority).is_ok());
        Urgent {
            before,
            not_send: PhantomData,
        }
    }

    /// Whether it was permitted.
    pub(crate) fn is_granted(&self) -> bool {
        self.before.is_some()
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // Always permitted, unlike the other direction.
            let _ = set_policy(before, 0);
        }
    }
}

/// How the kernel picks the calling thread among others. Not by way of libc: musl does not offer it.
fn set_policy(policy: libc::c_int, priority: libc::c_int) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid `sched_param`, in musl, too, where it has more than the kernel reads.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: the kernel reads a `sched_param`, which outlives the call; 0 stands for the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const param) };
    Errno::result(done).map(drop)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use nix::sys::ptrace::{self, Options};
    use nix::unistd::Pid;

    use super::*;

    /// What takes note of ends takes no stop, and so no signal that a thread stopped for.
    #[test]
    fn reaping_leaves_stops_alone() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        let tid = Tid(pid.as_raw());
        ptrace::seize(pid, Options::empty()).unwrap();
        ptrace::interrupt(pid).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while look(tid) == Look::Running && Instant::now() < deadline {
            std::thread::yield_now();
        }
        reap(tid);
        let after = look(tid);
        let detached = detach(tid, 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(after, Look::Trapped);
        assert_eq!(detached, Ok(()));
    }
}
