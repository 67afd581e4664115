//! Processes in containers: their threads have other IDs there, and their clock may differ.
// For what is not itself a `#[test]`.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Stdio};

use model::Pid;
use nix::time::{ClockId, clock_gettime};
use ptrace::Process;
use support::{eventually, field, is_root, patient};
use target::Target;

fn monotonic_s() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap().tv_sec()
}

#[test]
fn pid_and_time_namespaces() {
    const AHEAD: i64 = 1_000_000;
    if !is_root() {
        return;
    }
    let flags = ["--pid", "--fork", "--kill-child", "--time", "--monotonic"];
    let mut container = Command::new("unshare")
        .args(flags)
        .arg(AHEAD.to_string())
        .args([env!("CARGO_BIN_EXE_ptrace-test-program"), "threads", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = container.id();
    let children = format!("/proc/{id}/task/{id}/children");
    let mut inner = None;
    eventually("the program runs, or there are no such namespaces", || {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        inner = text.trim().parse().ok();
        let status = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/status"));
        let ready = inner.is_some_and(|pid| status(pid).is_ok_and(|s| field(&s, "Threads") == "3"));
        ready || container.try_wait().unwrap().is_some()
    });
    // Some machines have no such namespaces, or do not allow them.
    if let Some(pid) = inner {
        let mut process = Process::open(Pid(pid)).unwrap();
        let before = monotonic_s();
        let stopped = process.stop(&patient()).unwrap();
        let after = monotonic_s();
        let mut ids: Vec<i32> = stopped.threads().iter().map(|t| t.ns_tid.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3]);
        assert!(stopped.threads().iter().all(|t| t.ns_tid != t.tid));
        let seconds = i64::try_from(stopped.monotonic_ns().unwrap() / 1_000_000_000).unwrap();
        assert!((before..=after).contains(&(seconds - AHEAD)), "{seconds}");
    }
    drop(container.stdin.take());
    container.kill().unwrap();
    container.wait().unwrap();
}
