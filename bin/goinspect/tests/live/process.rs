//! What the system says of a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::trials::Failed;

use crate::debug_file::tool;

pub use fixtures::process::{runs_freely, status, tracer, until};

/// Copies a program that is going to be run. By a process of its own: what this one has open for writing, any child has for a
/// moment that another test starts meanwhile, and a program that somebody has open for writing cannot be run (`ETXTBSY`).
pub fn copy_program(from: &Path, to: &Path) -> Result<(), Failed> {
    tool("cp", &[from, to])
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
