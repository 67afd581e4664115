//! What can go wrong, and what the user can do about it.

use std::io;

use model::{Pid, Tid};
use nix::errno::Errno;

use crate::denied::{Denied, privilege};

/// Why a process could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none of that number.
    #[error("no process has the ID {pid}")]
    NoSuchProcess {
        /// The number.
        pid: Pid,
    },
    /// The number is that of a thread.
    #[error("{pid} is a thread of process {process}")]
    IsThread {
        /// The number.
        pid: Pid,
        /// The process it belongs to.
        process: Pid,
    },
    /// It is goinspect.
    #[error("process {pid} is goinspect itself")]
    Itself {
        /// Its ID.
        pid: Pid,
    },
    /// It is a thread of the kernel.
    #[error("process {pid} ({name}) is a thread of the kernel, it runs no program")]
    KernelThread {
        /// Its ID.
        pid: Pid,
        /// Its name.
        name: String,
    },
    /// It has ended, and its parent has not taken note yet.
    #[error("process {pid} ({name}) has ended, only its exit status is left (a zombie)")]
    Zombie {
        /// Its ID.
        pid: Pid,
        /// Its name.
        name: String,
    },
    /// It ended while it was being opened.
    #[error("process {pid} ended while it was being opened")]
    Exited {
        /// Its ID.
        pid: Pid,
    },
    /// It is there, but `/proc` does not show it (`hidepid=invisible`).
    #[error("process {pid} is hidden from goinspect: /proc is mounted with hidepid")]
    Hidden {
        /// Its ID.
        pid: Pid,
    },
    /// No `/proc` is mounted.
    #[error("there is no /proc here")]
    NoProc,
    /// `/proc` numbers processes otherwise than ptrace does here.
    #[error("the /proc that is mounted here is not that of goinspect's own PID namespace")]
    ForeignProc,
    /// It may not be traced.
    #[error("process {pid} may not be traced: {reason}")]
    Denied {
        /// Its ID.
        pid: Pid,
        /// The rule that forbids it.
        reason: Denied,
    },
    /// The process itself may be read, but not the file that it runs.
    #[error("the executable of process {pid} may not be read: {}", .source.desc())]
    ExeDenied {
        /// Its ID.
        pid: Pid,
        /// What the kernel said.
        source: Errno,
    },
    /// Something of `/proc/PID` could not be read.
    #[error("cannot read /proc/{pid}/{file}: {}", .source.desc())]
    Proc {
        /// Its ID.
        pid: Pid,
        /// What of it.
        file: &'static str,
        /// What the kernel said.
        source: Errno,
    },
}

impl OpenError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            OpenError::IsThread { process, .. } => Some(format!("use {process}")),
            OpenError::Hidden { .. } => Some(privilege().hint()),
            OpenError::NoProc => Some("mount it: mount -t proc proc /proc".to_owned()),
            OpenError::ForeignProc => Some(
                "enter the mount namespace, too (nsenter --mount), or mount a /proc of its own \
                 (unshare --mount-proc)"
                    .to_owned(),
            ),
            OpenError::Denied { reason, .. } => Some(reason.hint()),
            OpenError::ExeDenied { .. } => {
                Some("name a copy that goinspect may read with --exe".to_owned())
            }
            _ => None,
        }
    }
}

/// Why a process could not be stopped. It goes on as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// It has ended.
    #[error("process {pid} has ended")]
    Exited {
        /// Its ID.
        pid: Pid,
    },
    /// It has replaced itself by another program (`execve`), or started the same one anew.
    #[error("process {pid} has replaced itself by another program")]
    Replaced {
        /// Its ID.
        pid: Pid,
    },
    /// There can be but one tracer.
    #[error("process {pid} is being traced by {name} (process {tracer})")]
    AlreadyTraced {
        /// Its ID.
        pid: Pid,
        /// The other tracer.
        tracer: Pid,
        /// The other tracer's name.
        name: String,
    },
    /// It may not be traced.
    #[error("process {pid} may not be traced: {reason}")]
    Denied {
        /// Its ID.
        pid: Pid,
        /// The rule that forbids it.
        reason: Denied,
    },
    /// None of its threads came to a halt in time.
    #[error("process {pid} does not stop: {why}")]
    Unresponsive {
        /// Its ID.
        pid: Pid,
        /// What is known of its threads.
        why: String,
    },
    /// Stopping it took all the time that the whole pause may take.
    #[error("process {pid} did not stop within the longest pause that is allowed")]
    TookTooLong {
        /// Its ID.
        pid: Pid,
    },
    /// The kernel refused something that it should not.
    #[error("{request} failed for thread {tid}: {}", .source.desc())]
    Request {
        /// The ptrace request.
        request: &'static str,
        /// The thread.
        tid: Tid,
        /// What the kernel said.
        source: Errno,
    },
    /// Something of `/proc/PID` could not be read.
    #[error("cannot read /proc/{pid}/{file}: {}", .source.desc())]
    Proc {
        /// Its ID.
        pid: Pid,
        /// What of it.
        file: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// goinspect could not start the thread that traces.
    #[error("cannot start a thread to trace with: {0}")]
    NoThread(io::Error),
    /// A defect of goinspect: the thread that traces has panicked.
    #[error("the tracing thread of goinspect has failed")]
    Defect,
}

impl StopError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            StopError::AlreadyTraced { tracer, name, .. } => Some(format!(
                "a process can have but one tracer: end {name} (process {tracer}) first"
            )),
            StopError::Denied { reason, .. } => Some(reason.hint()),
            StopError::Unresponsive { .. } => Some(
                "a paused container or a hanging disk or network file system can be the cause"
                    .to_owned(),
            ),
            StopError::NoThread(_) => Some(
                "the limit of processes may have been reached (ulimit -u, pids.max)".to_owned(),
            ),
            _ => None,
        }
    }
}
