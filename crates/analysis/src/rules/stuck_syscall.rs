//! Go waits for networks and pipes without a thread. Who is in a system call for them, or for locks on
//! files and other processes, costs one, and no deadline ends it.

use model::{Status, WaitKind};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "blocking-syscall";

/// Calls that may wait for others for ever. Sleeping and the runtime's own waits are not among them.
const BLOCKING: &[&str] = &[
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "accept",
    "accept4",
    "connect",
    "open",
    "openat",
    "flock",
    "fcntl",
    "wait4",
    "waitid",
    "msgrcv",
    "semop",
    "semtimedop",
    "splice",
    "fsync",
    "fdatasync",
    "ioctl",
];

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for group in model::group(&world.snapshot.goroutines) {
        let g = &group.sample;
        let call = g.waiting_on.as_deref().and_then(|list| match list {
            [one] if one.kind == WaitKind::Syscall => one.op.clone(),
            _ => None,
        });
        let Some(call) = call.filter(|call| BLOCKING.contains(&&**call)) else {
            continue;
        };
        if g.status != Status::Syscall || g.system {
            continue;
        }
        let n = group.count;
        let sentence = format!(
            "{n} goroutine{} in the system call {call}, in {}: if it does not return, nothing here can end it",
            if n == 1 { " is" } else { "s are" },
            words::place(g),
        );
        found.push(finding(
            ID,
            Severity::Info,
            Certainty::Suspected,
            group.goids,
            sentence,
        ));
    }
    found
}
