//! Ctrl-Z must not stop goinspect while a target stands still: the target would wait with it.

use nix::sys::signal::{SigSet, Signal};

/// Has the terminal's job control signals wait, for the calling thread and those it starts
/// from now on; called before any is started, that is the whole process. `SIGSTOP` cannot be held off.
pub fn hold_off_job_control() {
    let signals = SigSet::from_iter([Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU]);
    // It fails for unknown signals only.
    let _ = signals.thread_block();
}
