//! Programs that end, are replaced, become somebody else, or come under another debugger while they are being sampled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use model::Pid;
use nix::sys::signal::{Signal, kill};
use sampler::{ErrorKind, Options, Session};

use crate::killed::is_as_before;
use crate::process::until;
use crate::run::goinspect;

fn start(go: &Toolchain, program: &str, args: &[&str]) -> Result<Program, Failed> {
    let path = build(go, program, &BuildOptions::default())?;
    Ok(Program::start(&path, args)?)
}

fn pid(program: &Program) -> Pid {
    Pid(program.pid() as i32)
}

/// A program that ends in the middle of anything has ended, and that is all that is said of it.
pub fn ends(go: &Toolchain) -> Result<(), Failed> {
    for n in 0..12 {
        let churn = start(go, "churn", &[])?;
        let (sampled, pid) = (AtomicBool::new(false), pid(&churn));
        let sampled = &sampled;
        std::thread::scope(|scope| -> Result<(), Failed> {
            let sampler = scope.spawn(move || -> Result<sampler::Error, sampler::Error> {
                // From the opening on.
                let mut session = Session::open(pid, Options::default())?;
                loop {
                    sampled.store(true, Ordering::SeqCst);
                    if let Err(error) = session.sample() {
                        return Ok(error);
                    }
                }
            });
            // Half of them while it is being opened.
            if n % 2 == 0 {
                until("the first sample", || {
                    sampled.load(Ordering::SeqCst).then_some(())
                })?;
            }
            std::thread::sleep(Duration::from_micros(n * 700));
            // The end of a program: by itself, or by the kernel.
            match n % 3 {
                0 => churn.quit()?,
                _ => kill(nix::unistd::Pid::from_raw(pid.0), Signal::SIGKILL)?,
            }
            let (Ok(error) | Err(error)) = sampler.join().unwrap();
            let told = matches!(error.kind, ErrorKind::Gone | ErrorKind::NotFound);
            assert!(told, "{n}: {error:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// A program that replaces itself again and again is sampled, or has replaced itself; it never hangs, and nothing
/// else is said of it.
pub fn replaces_itself(go: &Toolchain) -> Result<(), Failed> {
    let program = start(go, "fickle", &["-how", "exec"])?;
    let (mut well, mut replaced) = (0, 0);
    for n in 0..30 {
        let output = goinspect(&["snapshot", &program.pid().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => well += 1,
            Some(7) => {
                assert!(said.contains("replaced itself"), "{n}: {said}");
                replaced += 1;
            }
            code => return Err(format!("{n}: exit code {code:?}: {said}").into()),
        }
    }
    println!(
        "Go {}: {well} samples, {replaced} times too late",
        go.version()
    );
    let before = fs::read_link(format!("/proc/{}/exe", program.pid()))?;
    assert!(before.exists());
    Ok(())
}

/// Go has every thread make `setuid`'s system call, and ends the program if one does not.
pub fn becomes_somebody_else(go: &Toolchain) -> Result<(), Failed> {
    let mut program = start(go, "fickle", &["-how", "identities"])?;
    let mut session = Session::open(pid(&program), Options::default())?;
    for _ in 0..300 {
        session.sample()?;
    }
    is_as_before(&mut program)?;
    program.quit()?;
    Ok(())
}

/// A group of processes that has little memory. It is removed at the end.
struct LittleMemory(PathBuf);

impl LittleMemory {
    fn of(pid: u32) -> Result<LittleMemory, Failed> {
        let (root, limit) = controller().ok_or("no memory controller")?;
        let group = LittleMemory(root.join(format!("goinspect-test-{pid}")));
        fs::create_dir(&group.0)?;
        fs::write(group.0.join(limit), "100000000")?;
        fs::write(group.0.join("cgroup.procs"), pid.to_string())?;
        Ok(group)
    }
}

impl Drop for LittleMemory {
    fn drop(&mut self) {
        // The kernel takes a moment to notice that it is empty.
        let _ = until("the group is removed", || fs::remove_dir(&self.0).ok());
    }
}

/// Where groups with a limit of memory can be made, and the name of the limit.
fn controller() -> Option<(&'static Path, &'static str)> {
    let (old, new) = ("memory.limit_in_bytes", "memory.max");
    let candidates = [("/sys/fs/cgroup/memory", old), ("/sys/fs/cgroup", new)];
    candidates
        .map(|(root, limit)| (Path::new(root), limit))
        .into_iter()
        .find(|(root, limit)| {
            let probe = root.join(format!("goinspect-probe-{}", std::process::id()));
            let made = fs::create_dir(&probe).is_ok();
            let has = made && probe.join(limit).exists();
            let _ = fs::remove_dir(&probe);
            has
        })
}

pub fn no_memory_controller() -> Option<String> {
    controller()
        .is_none()
        .then(|| "no group with a limit of memory can be made here (cgroups)".to_owned())
}

/// A program that the kernel kills for want of memory, while it is being sampled, has ended.
pub fn is_killed_for_want_of_memory(go: &Toolchain) -> Result<(), Failed> {
    for _ in 0..3 {
        let mut program = start(go, "fickle", &["-how", "grow"])?;
        let group = LittleMemory::of(program.pid())?;
        let mut session = Session::open(pid(&program), Options::default())?;
        session.sample()?;
        program.ask("grow")?;
        let error = until("the kernel kills it", || session.sample().err())?;
        assert!(matches!(error.kind, ErrorKind::Gone), "{error:?}");
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&program.wait()?),
            Some(9)
        );
        drop(group);
    }
    Ok(())
}

/// strace and gdb come while goinspect samples: whoever is second is told so, and the program notices nothing.
/// It is not one that forks: strace 6.1 hangs when it detaches from a thread that waits in `vfork`.
pub fn comes_under_a_debugger(go: &Toolchain) -> Result<(), Failed> {
    let mut churn = start(go, "churn", &[])?;
    let pid = pid(&churn);
    let done = AtomicBool::new(false);
    let rivals = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| -> Result<[usize; 2], Failed> {
            let mut session = Session::open(pid, Options::default())?;
            let mut counts = [0, 0];
            while !done.load(Ordering::SeqCst) {
                match session.sample() {
                    Ok(_) => counts[0] += 1,
                    Err(error) => {
                        assert!(matches!(error.kind, ErrorKind::NotPermitted), "{error:?}");
                        let said = error.to_string();
                        let named = ["strace", "gdb"].iter().any(|name| said.contains(name));
                        assert!(said.contains("traced by") && named, "{said}");
                        counts[1] += 1;
                    }
                }
            }
            Ok(counts)
        });
        let mut came = 0;
        for n in 0..12 {
            came += usize::from(rival(n, pid).unwrap());
        }
        done.store(true, Ordering::SeqCst);
        sampler.join().unwrap().map(|counts| (counts, came))
    });
    let ([samples, refused], came) = rivals?;
    println!("{samples} samples, {refused} refused; {came} of 12 debuggers came");
    assert!(samples > 0 && refused > 0 && came > 0);
    is_as_before(&mut churn)?;
    churn.quit()?;
    Ok(())
}

/// Attaches another debugger for a moment; whether it could.
fn rival(n: usize, pid: Pid) -> Result<bool, Failed> {
    let pid = pid.to_string();
    let mut command;
    if n.is_multiple_of(4) {
        command = Command::new("gdb");
        command.args(["-nx", "-batch", "-p", &pid, "-ex", "detach"]);
    } else {
        command = Command::new("timeout");
        command.args([
            "--signal=INT",
            "0.2",
            "strace",
            "-f",
            "-q",
            "-e",
            "trace=none",
        ]);
        command.args(["-p", &pid]);
    }
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(!said.contains("Operation not permitted"))
}
