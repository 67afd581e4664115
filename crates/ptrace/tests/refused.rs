//! Processes that cannot be opened or stopped, and the reasons given.
// For what is not itself a `#[test]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use model::Pid;
use ptrace::{OpenError, Process, ProcessInfo, Rule, StopError, StopLimits, processes};
use support::{Program, eventually, is_root};

fn refused(pid: Pid) -> OpenError {
    Process::open(pid).err().unwrap()
}

#[test]
fn no_such_process() {
    let mut program = Program::start(&["threads", "0"]);
    let pid = program.pid();
    program.kill();
    let error = refused(pid);
    assert!(matches!(error, OpenError::NoSuchProcess { .. }), "{error}");
    assert!(matches!(refused(Pid(0)), OpenError::NoSuchProcess { .. }));
    assert!(matches!(refused(Pid(-1)), OpenError::NoSuchProcess { .. }));
}

#[test]
fn itself() {
    let own = Pid(std::process::id().try_into().unwrap());
    assert!(matches!(refused(own), OpenError::Itself { .. }));
}

#[test]
fn a_thread() {
    let program = Program::start(&["threads", "1"]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap();
    let tid = tasks
        .map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .find(|&tid| Pid(tid) != program.pid())
        .unwrap();
    let error = refused(Pid(tid));
    assert!(matches!(error, OpenError::IsThread { process, .. } if process == program.pid()));
    assert_eq!(error.hint().unwrap(), format!("use {}", program.pid()));
}

#[test]
fn a_zombie() {
    let mut program = Program::start(&["threads", "2"]);
    program.close_input();
    eventually("it ends", || program.threads().iter().any(|t| t.0 == 'Z'));
    eventually("the zombie is all there is", || {
        program.threads().len() == 1
    });
    let error = refused(program.pid());
    assert!(matches!(error, OpenError::Zombie { .. }), "{error}");
}

#[test]
fn a_kernel_thread() {
    // kthreadd; in a container that sees no threads of the kernel, 2 is something else.
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        let error = refused(Pid(2));
        assert!(matches!(error, OpenError::KernelThread { .. }), "{error}");
        assert!(ProcessInfo::of(Pid(2)).unwrap().is_none());
    }
}

#[test]
fn already_traced() {
    let program = Program::start(&["threads", "2"]);
    let mut tracer = Program::start(&["hold", &program.pid().to_string()]);
    let mut process = program.open();
    let error = process.stop(&StopLimits::default()).err().unwrap();
    let text = error.to_string();
    let StopError::AlreadyTraced {
        tracer: by, name, ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(by, tracer.pid());
    assert!("ptrace-test-program".starts_with(&name), "{name}");
    assert!(
        text.ends_with(&format!("traced by {name} (process {by})")),
        "{text}"
    );
    assert!(
        program.all_in_state('t'),
        "the other tracer's stop is not ours to end"
    );
    tracer.close_input();
    assert!(tracer.wait().success());
    drop(process.stop(&StopLimits::default()).unwrap());
    program.expect_running(2);
}

/// The `Rule` as an unprivileged user sees it: opens the process in a child of its own.
fn denied_to(uid: u32, pid: Pid) -> String {
    let mut program = Program::start_unready(&["as", &uid.to_string(), "open", &pid.to_string()]);
    program.line()
}

#[test]
fn another_user() {
    if !is_root() {
        return;
    }
    let program = Program::start(&["threads", "0"]);
    let (ours, theirs) = (65534, 0);
    let line = denied_to(ours, program.pid());
    assert_eq!(line, format!("{:?}", Rule::OtherUser { ours, theirs }));
}

#[test]
fn not_dumpable() {
    if !is_root() {
        return;
    }
    let program = Program::start(&["as", "65534", "undumpable"]);
    assert_eq!(
        denied_to(65534, program.pid()),
        format!("{:?}", Rule::NotDumpable)
    );
    // root may.
    drop(program.open().stop(&StopLimits::default()).unwrap());
}

#[test]
fn processes_are_listed() {
    let program = Program::start(&["threads", "3"]);
    let list = processes().unwrap();
    assert!(list.contains(&program.pid()));
    let found = ProcessInfo::of(program.pid()).unwrap().unwrap();
    assert_eq!(found.threads, 4);
    assert_eq!(found.name, "ptrace-test-pro");
    assert_eq!(found.uid, nix::unistd::geteuid().as_raw());
    assert!(found.exe.ends_with("ptrace-test-program"));
    let own = Pid(std::process::id().try_into().unwrap());
    assert!(!list.contains(&own));
}
