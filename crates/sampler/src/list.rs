//! The Go processes of this machine, found without stopping any of them.

use std::sync::Arc;

use gobinary::GoBinary;
use goruntime::{Image, Limits, Runtime, count_goroutines};
use model::Pid;
use ptrace::{Process, ProcessInfo};

use crate::error::Error;
use crate::executable::{self, open_as_seen_by};

/// A Go process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoProcess {
    /// Its ID.
    pub pid: Pid,
    /// Its name.
    pub name: String,
    /// `go1.27.3`.
    pub go_version: String,
    /// The main module as `path@version`, or the main package's path.
    pub main: Option<String>,
    /// The program's own goroutines; where they cannot be counted, why.
    pub goroutines: Result<u64, Error>,
    /// Its threads.
    pub threads: u32,
}

/// What a look at all processes found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The Go processes, by ID.
    pub processes: Vec<GoProcess>,
    /// The processes of which it is not known what they are, and why.
    pub unknown: Vec<Error>,
    /// Whether there may be processes that are not to be seen at all.
    pub hidden: bool,
    /// What would let goinspect see more.
    pub hint: Option<String>,
}

/// The Go processes among those that goinspect sees.
pub fn go_processes() -> Result<Found, Error> {
    let mut found = Found {
        processes: Vec::new(),
        unknown: Vec::new(),
        hidden: ptrace::are_processes_hidden(),
        hint: ptrace::how_to_see_more(),
    };
    for pid in ptrace::processes()? {
        match ProcessInfo::of(pid) {
            Ok(info) => found.processes.extend(info.and_then(look_at)),
            Err(why) => found.unknown.push(why.into()),
        }
    }
    Ok(found)
}

/// `None` for what is no Go program.
fn look_at(info: ProcessInfo) -> Option<GoProcess> {
    let (_, build) = GoBinary::identify(info.exe_file).ok()?;
    Some(GoProcess {
        pid: info.pid,
        name: info.name,
        main: build.main_at_version().or(build.path),
        go_version: build.go_version,
        goroutines: count(info.pid),
        threads: info.threads,
    })
}

fn count(pid: Pid) -> Result<u64, Error> {
    let process = Process::open(pid)?;
    let binary = Arc::new(executable::open(
        process.open_exe()?,
        process.exe_path(),
        None,
        &|path| open_as_seen_by(&process, path),
    )?);
    let image = Image::at_entry(binary, process.entry_address()?);
    // What plugins are called does not matter for a count.
    let runtime = Runtime::load(&image, &process, &|_| None)?;
    Ok(count_goroutines(&process, &runtime, &Limits::default())?)
}
