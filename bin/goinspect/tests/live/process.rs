//! What the system says of a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::trials::Failed;

/// A field of the file `status` in a folder of `/proc`.
pub fn status(folder: &Path, field: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join("status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The process that traces `pid`; 0 for none.
pub fn tracer(pid: u32) -> u32 {
    status(Path::new(&format!("/proc/{pid}")), "TracerPid")
        .and_then(|s| s.parse().ok())
        .unwrap_or(0)
}

/// The threads of `pid` that are stopped or traced, with their states.
pub fn halted_threads(pid: u32) -> Vec<String> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let state = status(&path, "State")?;
            let traced = status(&path, "TracerPid")? != "0";
            let is_halted = traced || state.starts_with(['t', 'T']);
            is_halted.then(|| format!("{}: {state}", path.display()))
        })
        .collect()
}

/// Looks again and again until `look` gives something, for at most half a minute.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Failed> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("half a minute went by without: {what}").into());
        }
        std::thread::yield_now();
    }
}

/// Fails unless the process runs on, untraced, with no thread standing still.
pub fn runs_freely(pid: u32) -> Result<(), Failed> {
    until("no thread is stopped or traced", || {
        halted_threads(pid).is_empty().then_some(())
    })
    .map_err(|_| format!("left behind: {:?}", halted_threads(pid)))?;
    assert_eq!(tracer(pid), 0);
    Ok(())
}

/// Whether this is not root: only root can become somebody else.
pub fn not_root() -> Option<String> {
    let uid = status(Path::new("/proc/self"), "Uid").unwrap_or_default();
    (!uid.starts_with("0\t")).then(|| "only root can run a program as another user".to_owned())
}

/// Whether there is no thread of the kernel to be seen (in a container).
pub fn no_kernel_thread() -> Option<String> {
    let name = fs::read_to_string("/proc/2/comm").unwrap_or_default();
    (name.trim() != "kthreadd").then(|| "process 2 is not kthreadd here".to_owned())
}

/// A core in `folder` that gdb's `gcore` writes of the running process.
pub fn gcore(pid: u32, folder: &Path) -> Result<PathBuf, Failed> {
    let prefix = folder.join("core");
    let output = Command::new("gcore")
        .arg("-o")
        .args([&prefix, Path::new(&pid.to_string())])
        .stdin(Stdio::null())
        .output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(folder.join(format!("core.{pid}")))
}
