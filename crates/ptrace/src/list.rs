//! The processes of this machine.

use std::fs::File;
use std::path::PathBuf;

use model::Pid;
use nix::errno::Errno;

use crate::OpenError;
use crate::denied::{is_privileged, privilege};
use crate::proc::ProcDir;
use crate::process::{open_dir, opening_failed};

/// What is known of a process without opening it.
#[derive(Debug)]
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
    /// Its executable, open for reading.
    pub exe_file: File,
}

/// The IDs of the processes that `/proc` shows, in order. goinspect itself is not among them.
pub fn processes() -> Result<Vec<Pid>, OpenError> {
    ProcDir::check_own()?;
    let own = nix::unistd::getpid().as_raw();
    let mut found = Vec::new();
    // An entry that cannot be read is that of a process that has just ended.
    for entry in std::fs::read_dir("/proc")
        .map_err(|_| OpenError::NoProc)?
        .flatten()
    {
        // What is not a number is not a process.
        match entry.file_name().to_str().and_then(|s| s.parse().ok()) {
            Some(pid) if pid != own => found.push(Pid(pid)),
            _ => {}
        }
    }
    found.sort_unstable();
    Ok(found)
}

impl ProcessInfo {
    /// Looks at a process; `None` if it runs no program: it has ended, or is a thread of the kernel.
    pub fn of(pid: Pid) -> Result<Option<ProcessInfo>, OpenError> {
        match Self::look(pid) {
            Err(
                OpenError::NoSuchProcess { .. }
                | OpenError::KernelThread { .. }
                | OpenError::Exited { .. },
            ) => Ok(None),
            looked => looked.map(Some),
        }
    }

    fn look(pid: Pid) -> Result<ProcessInfo, OpenError> {
        let dir = open_dir(pid)?;
        let failed = |file, why| opening_failed(pid, &dir, file, why);
        let status = dir.status(None).map_err(|why| failed("status", why))?;
        // That a thread of the kernel has no executable is not told to everybody.
        if dir.stat(None).is_ok_and(|stat| stat.is_kernel_thread()) {
            let name = status.name;
            return Err(OpenError::KernelThread { pid, name });
        }
        let exe = dir.link("exe").map_err(|why| failed("exe", why))?.into();
        let exe_file = dir.file("exe").map_err(|why| match why {
            source @ (Errno::EACCES | Errno::EPERM) => OpenError::ExeDenied { pid, source },
            why => failed("exe", why),
        })?;
        let [_, uid, ..] = status.uids;
        Ok(ProcessInfo {
            pid,
            uid,
            name: status.name,
            threads: status.threads,
            exe,
            exe_file,
        })
    }
}

/// Whether `/proc` leaves out processes that goinspect may not trace (`hidepid`).
pub fn are_processes_hidden() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    !is_privileged() && hides_processes(&mounts)
}

/// How goinspect can get to see more processes than it does; `None` if it may trace all it sees.
pub fn how_to_see_more() -> Option<String> {
    (!is_privileged()).then(|| privilege().hint())
}

/// Whether the uppermost mount on `/proc` in a `/proc/self/mountinfo` (proc_pid_mountinfo(5)) has an
/// option that keeps processes out of it.
fn hides_processes(mountinfo: &str) -> bool {
    const INVISIBLE: [&str; 4] = [
        "hidepid=2",
        "hidepid=invisible",
        "hidepid=4",
        "hidepid=ptraceable",
    ];
    let is_proc = |line: &&str| line.split(' ').nth(4) == Some("/proc");
    let uppermost = mountinfo.lines().rfind(is_proc);
    // The file system's own options are the last field.
    uppermost
        .and_then(|line| line.rsplit(' ').next())
        .is_some_and(|options| options.split(',').any(|o| INVISIBLE.contains(&o)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uppermost_proc_counts() {
        let first = "22 27 0:21 / /proc rw,relatime - proc proc rw\n";
        let other = "23 27 0:22 / /mnt/proc rw - proc proc rw,hidepid=invisible\n";
        assert!(!hides_processes(&format!("{first}{other}")));
        let upper =
            "24 22 0:23 / /proc rw,nosuid shared:5 - proc proc rw,gid=4,hidepid=invisible\n";
        assert!(hides_processes(&format!("{first}{upper}{other}")));
        assert!(!hides_processes(&upper.replace("invisible", "noaccess")));
        assert!(!hides_processes(""));
    }
}
