//! Errors that people can act on: exit codes and words.

use std::process::{Child, Command, Stdio};

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};

use crate::builds::say_version;
use crate::process::{tracer, until};
use crate::run::{fails_with, goinspect};

/// A child that is killed and waited for, whatever happens.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn snapshot_fails(pid: u32, code: i32, words: &[&str]) -> Result<(), Failed> {
    fails_with(&goinspect(&["snapshot", &pid.to_string()]), code, words)
}

pub fn no_such_process() -> Result<(), Failed> {
    let mut child = Command::new("true").spawn()?;
    let pid = child.id();
    child.wait()?;
    snapshot_fails(pid, 3, &[&pid.to_string()])?;
    fails_with(
        &goinspect(&["attach", &pid.to_string()]),
        3,
        &[&pid.to_string()],
    )?;
    fails_with(
        &goinspect(&["snapshot", "no-such-file"]),
        3,
        &["no-such-file", "hint: "],
    )
}

pub fn not_a_go_program() -> Result<(), Failed> {
    let sleep = Kept(Command::new("sleep").arg("1000").spawn()?);
    snapshot_fails(sleep.0.id(), 5, &["not a Go program", "sleep"])
}

pub fn zombie() -> Result<(), Failed> {
    let mut child = Command::new("true").spawn()?;
    let pid = child.id();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let met = until("the child is a zombie", || {
        state().filter(|s| s.contains(") Z "))
    });
    let failed = snapshot_fails(pid, 3, &["zombie"]);
    child.wait()?;
    met.and(failed)
}

pub fn kernel_thread() -> Result<(), Failed> {
    snapshot_fails(2, 5, &["kernel", "kthreadd"])
}

pub fn command_line() -> Result<(), Failed> {
    for args in [
        &["frobnicate"][..],
        &["snapshot"],
        &["snapshot", "1", "--filter", "status:\""],
        &["snapshot", "1", "--format", "x"],
    ] {
        let output = goinspect(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
    let help = goinspect(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout);
    for word in ["attach", "snapshot", "ps", "--filter", "--exe"] {
        assert!(text.contains(word), "--help lacks {word}");
    }
    Ok(())
}

/// The version in the build information is all that tells an old program from a new one.
pub fn version_too_old(go: &Toolchain) -> Result<(), Failed> {
    let path = build(go, "zoo", &BuildOptions::default())?;
    let said = format!("go{}", go.version());
    let old = format!("go1.17.{}", "9".repeat(said.len() - "go1.17.".len()));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("old");
    say_version(&path, &said, &old, &file)?;
    let program = Program::start(&file, &[])?;
    snapshot_fails(program.pid(), 5, &[&old, "Go 1.19"])
}

/// An executable that is not the program's own is found out.
pub fn foreign_executable(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let other = build(go, "churn", &BuildOptions::default())?;
    let output = goinspect(&[
        "snapshot",
        &zoo.pid().to_string(),
        "--exe",
        other.to_str().unwrap(),
    ]);
    fails_with(&output, 6, &["does not match"])
}

pub fn thirty_two_bit(go: &Toolchain) -> Result<(), Failed> {
    let options = BuildOptions {
        goarch: Some("386".into()),
        ..BuildOptions::default()
    };
    let leaky = Program::start(&build(go, "leaky", &options)?, &[])?;
    snapshot_fails(leaky.pid(), 5, &["32-bit", "386"])
}

pub fn traced_by_another(go: &Toolchain) -> Result<(), Failed> {
    let zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &[])?;
    let mut strace = Command::new("strace");
    strace
        .args(["-q", "-e", "trace=none", "-p", &zoo.pid().to_string()])
        .stderr(Stdio::null());
    let strace = Kept(strace.spawn()?);
    until("strace traces zoo", || {
        (tracer(zoo.pid()) == strace.0.id()).then_some(())
    })?;
    snapshot_fails(
        zoo.pid(),
        4,
        &["traced", "strace", &strace.0.id().to_string()],
    )
}
