//! The processes of this machine.

use std::path::PathBuf;

use model::Pid;

use crate::proc::ProcDir;

/// What is known of a process without opening it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessInfo {
    /// Its ID.
    pub pid: Pid,
    /// Its effective user ID.
    pub uid: u32,
    /// Its name (`comm`, at most 15 bytes).
    pub name: String,
    /// The number of its threads.
    pub threads: u32,
    /// Its executable as the kernel names it; see [`crate::Process::exe_path`].
    pub exe: PathBuf,
}

/// The processes whose executable can be read, by ID. goinspect itself is not among them.
pub fn processes() -> std::io::Result<Vec<ProcessInfo>> {
    let own = nix::unistd::getpid().as_raw();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // What is not a number is not a process.
        let Some(pid) = entry?.file_name().to_str().and_then(|s| s.parse().ok()) else {
            continue;
        };
        if pid != own {
            found.extend(look_at(Pid(pid)));
        }
    }
    found.sort_unstable_by_key(|process| process.pid);
    Ok(found)
}

/// `None` if it has ended meanwhile, is a thread of the kernel or may not be read.
fn look_at(pid: Pid) -> Option<ProcessInfo> {
    let dir = ProcDir::open(pid).ok()?;
    let exe = dir.link("exe").ok()?.into();
    let status = dir.status(None).ok()?;
    let [_, uid, ..] = status.uids;
    Some(ProcessInfo {
        pid,
        uid,
        name: status.name,
        threads: status.threads,
        exe,
    })
}
