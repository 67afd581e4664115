//! A process that has been opened: neither stopped nor traced.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Addr, Pid, Tid};
use nix::errno::Errno;
use target::{Mapping, ReadError, ReadMemory, Want};

use crate::denied::{self, Denied, Refused};
use crate::maps::Maps;
use crate::memory::Memory;
use crate::proc::{ProcDir, Stat, auxv_entry};
use crate::{OpenError, Running, StopError, StopLimits, Stopped, clock, sys};

/// A process that has been opened. It runs, and is not traced.
///
/// All that is learnt through it is learnt of the process that was opened, even if its
/// number is given to another one.
pub struct Process {
    pub(crate) inner: Arc<Inner>,
}

/// What the thread that traces needs to know, too.
pub(crate) struct Inner {
    pub(crate) pid: Pid,
    pub(crate) dir: ProcDir,
    pub(crate) memory: Memory,
    /// Whether its threads have other IDs in its own PID namespace than in goinspect's.
    pub(crate) other_pid_namespace: bool,
    /// How far its `CLOCK_MONOTONIC` is ahead, in nanoseconds.
    pub(crate) clock_offset: Option<i64>,
    /// Where to look for what belongs to the address space, relative to `dir`: empty,
    /// or that of another thread if the first one has ended.
    pub(crate) prefix: String,
    exe_path: PathBuf,
    entry: Option<Addr>,
    vdso: Option<Addr>,
}

/// Whether a process still is what it was when it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It is.
    Same,
    /// It has ended.
    Exited,
    /// It has replaced itself by another program (`execve`), or started the same one anew.
    Replaced,
}

impl Process {
    /// Opens a process, and checks that it is one that can be traced.
    pub fn open(pid: Pid) -> Result<Process, OpenError> {
        if pid.0 <= 0 {
            return Err(OpenError::NoSuchProcess { pid });
        }
        if pid.0 == nix::unistd::getpid().as_raw() {
            return Err(OpenError::Itself { pid });
        }
        ProcDir::check_own()?;
        Opening {
            pid,
            dir: open_dir(pid)?,
        }
        .finish()
    }

    /// Its ID.
    pub fn pid(&self) -> Pid {
        self.inner.pid
    }

    /// Its executable as the kernel names it (`/proc/PID/exe`): as seen from the process's
    /// own root directory, and with ` (deleted)` at the end if the file is no more.
    pub fn exe_path(&self) -> &Path {
        &self.inner.exe_path
    }

    /// Opens its executable for reading, also if it was deleted or replaced, or lies in
    /// a file system that only the process sees.
    pub fn open_exe(&self) -> Result<File, OpenError> {
        let name = format!("{}exe", self.inner.prefix);
        self.inner.dir.file(&name).map_err(|e| match e {
            // Its memory could be opened, so this is a matter of the file's own permissions.
            source @ (Errno::EACCES | Errno::EPERM) => OpenError::ExeDenied {
                pid: self.pid(),
                source,
            },
            e => opening_failed(self.pid(), &self.inner.dir, "exe", e),
        })
    }

    /// Opens a regular file for reading that lies at `path` as the process sees it, in its own
    /// root directory and mount namespace.
    pub fn open_in_root(&self, path: &Path) -> Option<File> {
        let below = path.strip_prefix("/").ok()?;
        let name = Path::new(&self.inner.prefix).join("root").join(below);
        self.inner.dir.regular_file(name.as_os_str()).ok()
    }

    /// What files are mapped where, now: it runs.
    pub fn mappings(&self) -> Result<Vec<Mapping>, OpenError> {
        let name = format!("{}maps", self.inner.prefix);
        let text = self.inner.dir.read(&name);
        text.map(|text| Maps(text).named())
            .map_err(|e| opening_failed(self.pid(), &self.inner.dir, "maps", e))
    }

    /// Where it began to run: the executable's entry point plus the load bias
    /// (`AT_ENTRY`, getauxval(3)).
    pub fn entry_address(&self) -> Result<Addr, OpenError> {
        self.inner.entry.ok_or(OpenError::Proc {
            pid: self.pid(),
            file: "auxv",
            source: Errno::ENODATA,
        })
    }

    /// Where the kernel's library is that programs call instead of the kernel for what can be
    /// had without it (`AT_SYSINFO_EHDR`, vdso(7)).
    pub fn vdso_address(&self) -> Option<Addr> {
        self.inner.vdso
    }

    /// Whether it still is the program that was opened.
    pub fn presence(&self) -> Presence {
        self.inner.presence()
    }

    /// Brings all of its threads to a halt.
    ///
    /// On an error nothing is left stopped or traced.
    pub fn stop(&mut self, limits: &StopLimits) -> Result<Stopped<'_>, StopError> {
        Stopped::new(self, limits)
    }

    /// Looks at it without stopping it.
    pub fn running(&self) -> Result<Running<'_>, StopError> {
        Running::new(self)
    }

    /// Has memory read from `/proc/PID/mem`, as where `process_vm_readv` is forbidden.
    #[doc(hidden)]
    pub fn avoid_process_vm_readv(&self) {
        self.inner.memory.avoid_process_vm_readv();
    }
}

/// Memory of a running process: what is read together need not fit together, and
/// [`Process::presence`] afterwards tells whether it was that of the same program.
impl ReadMemory for Process {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.inner.memory.read(at, buf)
    }
    fn read_many(&self, wants: &mut [Want<'_>]) {
        self.inner.memory.read_many(wants);
    }
}

impl Inner {
    /// How long a program may take to end, or to become another, once its address space is gone.
    const ON_ITS_WAY: Duration = Duration::from_secs(1);

    pub(crate) fn presence(&self) -> Presence {
        if self.memory.is_there() {
            return Presence::Same;
        }
        // The address space that was opened is no more. A program that took its place would
        // have an executable; what ends has given it back before it becomes a zombie.
        let began = Instant::now();
        loop {
            if self.dir.metadata("exe").is_ok() {
                return Presence::Replaced;
            }
            // It may be on its way out, or from one program to the next: then the first thread may have ended already,
            // if it was another one that called `execve`.
            let on_its_way =
                living_threads(&self.dir).is_ok_and(|mut living| living.next().is_some());
            if !on_its_way || began.elapsed() > Self::ON_ITS_WAY {
                return Presence::Exited;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The thread's ID in the process's own PID namespace.
    pub(crate) fn ns_tid(&self, tid: Tid) -> Tid {
        if !self.other_pid_namespace {
            return tid;
        }
        let status = self.dir.status(Some(tid));
        let innermost = status.ok().and_then(|s| s.ns_pids.last().copied());
        innermost.map_or(tid, Tid)
    }

    /// The process's `CLOCK_MONOTONIC` now, in nanoseconds.
    pub(crate) fn monotonic_ns(&self) -> Option<u64> {
        let now = clock::monotonic_ns().zip(self.clock_offset);
        let now = now.and_then(|(now, offset)| now.checked_add(offset));
        now.and_then(|ns| u64::try_from(ns).ok())
    }

    /// Takes note of the end of those of its threads that goinspect traces. The first one is its
    /// parent's: the kernel sees to it that the parent is told when goinspect no longer traces.
    pub(crate) fn reap_ended(&self) {
        let mut tids = Vec::new();
        let list = self.dir.tasks().and_then(|mut tasks| tasks.list(&mut tids));
        // An error means that there are none left.
        if list.is_ok() {
            for tid in tids.into_iter().filter(|tid| tid.0 != self.pid.0) {
                sys::reap(tid);
            }
        }
    }
}

/// A process on its way to be opened.
struct Opening {
    pid: Pid,
    dir: ProcDir,
}

impl Opening {
    fn finish(self) -> Result<Process, OpenError> {
        let pid = self.pid;
        let stat = self.dir.stat(None).map_err(|e| self.failed("stat", e))?;
        let status = self
            .dir
            .status(None)
            .map_err(|e| self.failed("status", e))?;
        if stat.is_kernel_thread() {
            let name = status.name;
            return Err(OpenError::KernelThread { pid, name });
        }
        // `/proc/TID` works for every thread, though it is not listed.
        if status.tgid != pid.0 {
            let process = Pid(status.tgid);
            return Err(OpenError::IsThread { pid, process });
        }
        let Some(tid) = self.living_thread(stat)? else {
            let name = status.name;
            return Err(OpenError::Zombie { pid, name });
        };
        let prefix = if tid.0 == pid.0 {
            String::new()
        } else {
            format!("task/{tid}/")
        };
        let path = |name: &str| format!("{prefix}{name}");
        // The kernel asks the same for this file as for ptrace, so that what is not allowed
        // comes to light here and not only when everything else has been prepared.
        let mem = self
            .dir
            .file(&path("mem"))
            .map_err(|e| self.failed("mem", e))?;
        let exe: OsString = self
            .dir
            .link(&path("exe"))
            .map_err(|e| self.failed("exe", e))?;
        let auxv = self
            .dir
            .read(&path("auxv"))
            .map_err(|e| self.failed("auxv", e))?;
        Ok(Process {
            inner: Arc::new(Inner {
                pid,
                memory: Memory::new(tid, mem),
                other_pid_namespace: self.has_other_pid_namespace(),
                clock_offset: clock::offset_ns(&self.dir),
                exe_path: exe.into(),
                entry: auxv_entry(&auxv, nix::libc::AT_ENTRY).map(Addr),
                vdso: auxv_entry(&auxv, nix::libc::AT_SYSINFO_EHDR).map(Addr),
                prefix,
                dir: self.dir,
            }),
        })
    }

    /// A thread that has not ended: the first, or another if that one ended by itself
    /// (`pthread_exit` in `main`), in which case it stays behind as a zombie.
    fn living_thread(&self, leader: Stat) -> Result<Option<Tid>, OpenError> {
        if !leader.has_ended() {
            return Ok(Some(Tid(self.pid.0)));
        }
        let living = living_threads(&self.dir);
        Ok(living.map_err(|e| self.failed("task", e))?.next())
    }

    fn has_other_pid_namespace(&self) -> bool {
        let own = ProcDir::own().and_then(|own| own.link("ns/pid"));
        match (own, self.dir.link("ns/pid")) {
            (Ok(ours), Ok(theirs)) => ours != theirs,
            // No such namespaces in this kernel.
            _ => false,
        }
    }

    fn failed(&self, file: &'static str, source: Errno) -> OpenError {
        opening_failed(self.pid, &self.dir, file, source)
    }
}

/// Those of a process's threads that have not ended.
fn living_threads(dir: &ProcDir) -> Result<impl Iterator<Item = Tid>, Errno> {
    let mut tids = Vec::new();
    dir.tasks().and_then(|mut tasks| tasks.list(&mut tids))?;
    let lives = |tid: &Tid| dir.stat(Some(*tid)).is_ok_and(|stat| !stat.has_ended());
    Ok(tids.into_iter().filter(lives))
}

/// `/proc/PID` of a process.
pub(crate) fn open_dir(pid: Pid) -> Result<ProcDir, OpenError> {
    ProcDir::open(pid).map_err(|source| match source {
        Errno::ENOENT | Errno::ESRCH => {
            // Anybody may ask for the process group of anything that exists.
            let raw = nix::unistd::Pid::from_raw(pid.0);
            match nix::unistd::getpgid(Some(raw)) {
                Ok(_) if ProcDir::open(pid).is_err() => OpenError::Hidden { pid },
                _ => OpenError::NoSuchProcess { pid },
            }
        }
        Errno::EACCES | Errno::EPERM => OpenError::Denied {
            pid,
            reason: Denied::hidepid(),
        },
        source => OpenError::Proc {
            pid,
            file: "",
            source,
        },
    })
}

pub(crate) fn opening_failed(
    pid: Pid,
    dir: &ProcDir,
    file: &'static str,
    source: Errno,
) -> OpenError {
    match source {
        Errno::EACCES | Errno::EPERM => OpenError::Denied {
            pid,
            reason: denied::diagnose(dir, Refused::File),
        },
        // `ENOENT`: the executable of a process that has given back its memory.
        Errno::ESRCH | Errno::ENOENT => OpenError::Exited { pid },
        source => OpenError::Proc { pid, file, source },
    }
}
