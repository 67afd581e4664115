//! A goinspect that is killed at any moment leaves the program as it was. `cargo xtask soak` does this 500 times.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::process::code_is_as_in_files;
use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};

use crate::process::{runs_freely, tracer, until};
use crate::run::GOINSPECT;
use crate::safety::only_allowed;

const KILLS: u32 = 20;

/// Half of them at a moment of the whole run, half of them at one of the stop, which is but a small part of it.
pub fn at_any_moment(go: &Toolchain) -> Result<(), Failed> {
    // With C it checks its own memory, and its threads are of all kinds.
    let mut touchy = touchy(go)?;
    let pid = touchy.pid();
    let began = Instant::now();
    let whole = goinspect(pid).status()?;
    assert!(whole.success());
    let usual = began.elapsed();
    let mut in_a_stop = 0;
    for n in 0..KILLS {
        let mut child = goinspect(pid).spawn()?;
        if n % 2 == 0 {
            std::thread::sleep(usual * n / KILLS);
        } else {
            while tracer(pid) == 0 && matches!(child.try_wait(), Ok(None)) {}
            let met = Instant::now();
            while met.elapsed() < Duration::from_micros(u64::from(n) * 50) {}
        }
        in_a_stop += usize::from(tracer(pid) != 0);
        child.kill()?;
        child.wait()?;
        is_as_before(&mut touchy)?;
    }
    println!("{in_a_stop} of {KILLS} were killed in a stop");
    touchy.quit()?;
    Ok(())
}

/// What it asked of the kernel until then is what it may ask.
pub fn only_allowed_requests(go: &Toolchain) -> Result<(), Failed> {
    let mut touchy = touchy(go)?;
    let pid = touchy.pid();
    let log = tempfile::NamedTempFile::new()?;
    for _ in 0..3 {
        let mut command = Command::new("strace");
        // strace as a grandchild (-D): what is killed is goinspect.
        command.args(["-D", "-f", "-A", "-e", "trace=ptrace,process_vm_writev,process_vm_readv,openat,open,kill,tkill,tgkill,pidfd_send_signal", "-o"]);
        command
            .arg(log.path())
            .args([GOINSPECT, "snapshot", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        while tracer(pid) == 0 && matches!(child.try_wait(), Ok(None)) {}
        child.kill()?;
        child.wait()?;
        is_as_before(&mut touchy)?;
    }
    until("strace has written", || {
        let text = std::fs::read_to_string(log.path()).ok()?;
        let requests = only_allowed(&text, pid);
        requests.contains_key("PTRACE_SEIZE").then_some(())
    })?;
    touchy.quit()?;
    Ok(())
}

fn touchy(go: &Toolchain) -> Result<Program, Failed> {
    let path = build(go, "touchy", &BuildOptions::default())?;
    Ok(Program::start(&path, &[])?)
}

fn goinspect(pid: u32) -> Command {
    let mut command = Command::new(GOINSPECT);
    command
        .args(["snapshot", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Nobody holds it, its code is that of its file, by its own account all is well, and it goes on working.
pub fn is_as_before(program: &mut Program) -> Result<(), Failed> {
    runs_freely(program.pid())?;
    code_is_as_in_files(program.pid())?;
    program.facts()?;
    let mut pace = || program.ask("pace").ok()?.parse::<u64>().ok();
    let before = pace().ok_or("no pace")?;
    until("it goes on working", || pace().filter(|&now| now > before))?;
    Ok(())
}
