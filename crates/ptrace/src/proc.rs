//! `/proc/PID`, held open.
//!
//! The kernel ties an open `/proc/PID` directory to the process, not to the number: once the
//! process has ended, everything below it fails with `ESRCH`, even if another process has got
//! the same PID. It does what a pidfd would be wanted for, on every kernel.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use model::{Pid, Tid};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::getpid;

use crate::OpenError;

/// An open `/proc/PID`.
pub(crate) struct ProcDir(OwnedFd);

impl ProcDir {
    /// `ENOENT` where there is no such process, or it is hidden (`hidepid`).
    pub(crate) fn open(pid: Pid) -> Result<ProcDir, Errno> {
        Self::open_path(&format!("/proc/{pid}"))
    }

    /// That of goinspect itself.
    pub(crate) fn own() -> Result<ProcDir, Errno> {
        Self::open_path("/proc/self")
    }

    /// Whether `/proc` is there and numbers processes as ptrace does here. After `unshare --pid` or
    /// `nsenter --pid` alone it is still that of another PID namespace, where the same number is
    /// another process.
    pub(crate) fn check_own() -> Result<(), OpenError> {
        match Self::own().and_then(|own| own.status(None)) {
            Ok(own) if own.ns_pids.len() <= 1 && own.tgid == getpid().as_raw() => Ok(()),
            Err(_) if std::fs::symlink_metadata("/proc/self").is_err() => Err(OpenError::NoProc),
            _ => Err(OpenError::ForeignProc),
        }
    }

    fn open_path(path: &str) -> Result<ProcDir, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        nix::fcntl::open(path, flags, Mode::empty()).map(ProcDir)
    }

    /// Opens a file of it for reading.
    pub(crate) fn file(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        openat(&self.0, name, flags, Mode::empty()).map(File::from)
    }

    /// The same for something that need not be a file: what is none is refused, and never waited for.
    pub(crate) fn regular_file(&self, name: &OsStr) -> Result<File, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = openat(&self.0, name, flags, Mode::empty()).map(File::from)?;
        match file.metadata().is_ok_and(|meta| meta.is_file()) {
            true => Ok(file),
            false => Err(Errno::EINVAL),
        }
    }

    /// Reads a file of it.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        match self.file(name)?.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(e) => Err(Errno::from_raw(e.raw_os_error().unwrap_or_default())),
        }
    }

    /// Where a symbolic link of it leads to.
    pub(crate) fn link(&self, name: &str) -> Result<OsString, Errno> {
        readlinkat(&self.0, name)
    }

    /// What `stat` says of a file of it, links followed.
    pub(crate) fn metadata(&self, name: &str) -> Result<FileStat, Errno> {
        fstatat(&self.0, name, AtFlags::empty())
    }

    /// Its list of threads.
    pub(crate) fn tasks(&self) -> Result<TaskDir, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Dir::openat(&self.0, "task", flags, Mode::empty()).map(TaskDir)
    }

    /// `/proc/PID/stat`, or that of one of its threads.
    pub(crate) fn stat(&self, of: Option<Tid>) -> Result<Stat, Errno> {
        let name = of.map_or("stat".into(), |tid| format!("task/{tid}/stat"));
        Stat::parse(&self.read(&name)?).ok_or(Errno::EINVAL)
    }

    /// `/proc/PID/status`, or that of one of its threads.
    pub(crate) fn status(&self, of: Option<Tid>) -> Result<Status, Errno> {
        let name = of.map_or("status".into(), |tid| format!("task/{tid}/status"));
        Ok(Status::parse(&self.read(&name)?))
    }
}

/// An open `/proc/PID/task`; it can be listed again and again without opening it anew.
pub(crate) struct TaskDir(Dir);

impl TaskDir {
    /// The threads there are now. Threads that come and go meanwhile may be missing.
    pub(crate) fn list(&mut self, tids: &mut Vec<Tid>) -> Result<(), Errno> {
        tids.clear();
        for entry in self.0.iter() {
            let entry = entry?;
            // "." and ".." are no numbers.
            if let Some(tid) = entry.file_name().to_str().ok().and_then(|s| s.parse().ok()) {
                tids.push(Tid(tid));
            }
        }
        Ok(())
    }
}

/// What is wanted of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X` …
    pub(crate) state: char,
    /// `PF_…` of the kernel.
    pub(crate) flags: u64,
}

impl Stat {
    /// `PF_KTHREAD` of `include/linux/sched.h`.
    const KERNEL_THREAD: u64 = 0x0020_0000;

    fn parse(bytes: &[u8]) -> Option<Stat> {
        let text = String::from_utf8_lossy(bytes);
        // The second field is the command's name in parentheses, and may contain anything.
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Stat {
            state: fields.next()?.chars().next()?,
            // The ninth field; the state was the third.
            flags: fields.nth(5)?.parse().ok()?,
        })
    }

    /// Whether it is a thread of the kernel, which has no program.
    pub(crate) fn is_kernel_thread(self) -> bool {
        self.flags & Self::KERNEL_THREAD != 0
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// What is wanted of `/proc/PID/status` (proc_pid_status(5)). A line that an old kernel
/// doesn't have leaves its field at the default.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Status {
    pub(crate) name: String,
    pub(crate) tgid: i32,
    /// 0 if not traced; the tracer's thread (not process) ID otherwise.
    pub(crate) tracer: i32,
    /// Real, effective, saved, file system.
    pub(crate) uids: [u32; 4],
    /// Real, effective, saved, file system.
    pub(crate) gids: [u32; 4],
    /// Its ID in each PID namespace, from that of this `/proc` to its innermost.
    pub(crate) ns_pids: Vec<i32>,
    pub(crate) threads: u32,
    pub(crate) cap_permitted: u64,
    pub(crate) cap_effective: u64,
    /// The most that `execve` can ever give it.
    pub(crate) cap_bounding: u64,
    /// Whether `execve` gives it nothing more, `sudo` included.
    pub(crate) no_new_privs: bool,
}

impl Status {
    pub(crate) fn parse(bytes: &[u8]) -> Status {
        let text = String::from_utf8_lossy(bytes);
        let mut status = Status::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match key {
                "Name" => status.name = value.to_owned(),
                "Tgid" => status.tgid = value.parse().unwrap_or_default(),
                "TracerPid" => status.tracer = value.parse().unwrap_or_default(),
                "Uid" => status.uids = four(value),
                "Gid" => status.gids = four(value),
                "NSpid" => status.ns_pids = numbers(value).collect(),
                "Threads" => status.threads = value.parse().unwrap_or_default(),
                "CapPrm" => status.cap_permitted = hex(value),
                "CapEff" => status.cap_effective = hex(value),
                "CapBnd" => status.cap_bounding = hex(value),
                "NoNewPrivs" => status.no_new_privs = value == "1",
                _ => {}
            }
        }
        status
    }
}

fn four(value: &str) -> [u32; 4] {
    let mut ids = [0; 4];
    for (id, number) in ids.iter_mut().zip(numbers(value)) {
        *id = number;
    }
    ids
}

fn numbers<N: std::str::FromStr + Default>(value: &str) -> impl Iterator<Item = N> {
    value
        .split_ascii_whitespace()
        .map(|number| number.parse().unwrap_or_default())
}

fn hex(value: &str) -> u64 {
    u64::from_str_radix(value, 16).unwrap_or_default()
}

/// The value of an entry of an auxiliary vector (`/proc/PID/auxv`, getauxval(3)): pairs of
/// words of this machine.
pub(crate) fn auxv_entry(auxv: &[u8], wanted: u64) -> Option<u64> {
    let (words, _) = auxv.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    pairs
        .iter()
        .map(|[key, value]| (u64::from_ne_bytes(*key), u64::from_ne_bytes(*value)))
        .find_map(|(key, value)| (key == wanted).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_may_contain_anything() {
        let stat = Stat::parse(b"12 (a) R (b\n) D 1 2 3 4 5 2129984 7 8").unwrap();
        assert_eq!((stat.state, stat.flags), ('D', 2_129_984));
        assert!(stat.is_kernel_thread());
        assert_eq!(Stat::parse(b"12 (a"), None);
        assert_eq!(Stat::parse(b"12 (a) R 1 2"), None);
    }

    #[test]
    fn status_lines_are_found_by_name() {
        let status = Status::parse(
            b"Name:\tx y\nTgid:\t7\nTracerPid:\t3\nUid:\t1\t2\t3\t4\nNSpid:\t7\t1\n\
              Threads:\t9\nCapPrm:\t0000000000080000\nCapBnd:\t1\nNoNewPrivs:\t1\n\
              nonsense\n",
        );
        assert_eq!(status.name, "x y");
        assert_eq!((status.tgid, status.tracer, status.threads), (7, 3, 9));
        assert_eq!(status.uids, [1, 2, 3, 4]);
        assert_eq!(status.ns_pids, [7, 1]);
        assert_eq!((status.cap_permitted, status.cap_bounding), (0x80000, 1));
        assert!(status.no_new_privs);
    }

    #[test]
    fn auxv_ends_where_it_ends() {
        let mut auxv = Vec::new();
        for word in [3u64, 0x40, 9, 0x1234] {
            auxv.extend(word.to_ne_bytes());
        }
        assert_eq!(auxv_entry(&auxv, 9), Some(0x1234));
        assert_eq!(auxv_entry(&auxv, 25), None);
        assert_eq!(auxv_entry(&auxv[..31], 9), None);
    }
}
