//! Stops a running Linux process for a moment, reads it, and lets it go on as if nothing
//! had been.
//!
//! [`Process::open`] looks at a process without touching it. [`Process::stop`] brings all of
//! its threads to a halt and gives a [`Stopped`], which is a [`target::Target`]; dropping it,
//! on whatever path, lets the process go on.
//!
//! # What keeps the process safe
//!
//! - **Nothing is written.** The requests are `PTRACE_SEIZE`, `PTRACE_INTERRUPT`,
//!   `PTRACE_GETREGSET` and `PTRACE_DETACH`, no others; memory is read with
//!   `process_vm_readv`, or from `/proc/PID/mem` opened for reading only.
//! - **Every stop has a thread of its own**, the only one that traces, and it ends with the
//!   stop. The kernel detaches whatever a tracer leaves behind when it ends, even what
//!   `PTRACE_DETACH` refuses (a thread in uninterruptible sleep has not stopped, and only what
//!   has stopped can be detached). So nothing is traced between two stops, whatever happened.
//! - **The pause has an end** ([`StopLimits::max_pause`]). The tracing thread keeps the time
//!   and lets the process go even if whoever reads it hangs: were the target the server of a
//!   file system that goinspect reads from, both would wait for each other for ever.
//! - **`kill -9` is harmless.** The kernel then detaches all threads. `PTRACE_O_EXITKILL` is
//!   never set, and stops are looked at in a way that keeps a signal that was just being
//!   delivered (see the comment at the top of `sys.rs`).
//! - **Signals arrive exactly once**, with the `siginfo` they were sent with, and a process
//!   that had been stopped (`SIGSTOP`, Ctrl-Z) stays stopped (see `tracees.rs`).
//!
//! One thing this cannot prevent: if goinspect itself is stopped (`SIGSTOP`, its container
//! frozen) in the milliseconds of a stop, the target stands still until goinspect goes on or is
//! killed. Ctrl-Z can be prevented: [`hold_off_job_control`].
//!
//! One trace is left, as with every use of ptrace and every `SIGSTOP`/`SIGCONT`: a few system
//! calls (`epoll_wait`, `semop`, `io_uring_enter`, socket calls with a timeout; the list is in
//! signal(7)) return `EINTR` when their thread was stopped. The Go runtime and the packages of
//! its library repeat them.

mod clock;
mod denied;
mod error;
mod files;
mod job_control;
mod list;
mod maps;
mod memory;
mod proc;
mod process;
mod registers;
mod running;
mod stopped;
mod sys;
mod tracees;

pub use denied::{Denied, Module, Rule};
pub use error::{OpenError, StopError};
pub use files::OpenFiles;
pub use job_control::hold_off_job_control;
pub use list::{ProcessInfo, are_processes_hidden, how_to_see_more, processes};
pub use maps::{MappedFile, Maps};
pub use process::{Presence, Process};
pub use running::Running;
pub use stopped::{Pause, StopLimits, Stopped};
