//! The Go processes of this machine, found without stopping any of them.

use std::sync::Arc;

use gobinary::GoBinary;
use goruntime::{Image, Limits, Runtime, count_goroutines};
use model::Pid;
use ptrace::{Process, ProcessInfo};

use crate::error::{Error, ErrorKind};
use crate::executable;

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
    pub goroutines: Result<u64, String>,
    /// Its threads.
    pub threads: u32,
}

/// The Go processes among those whose executable may be read, by ID.
pub fn go_processes() -> Result<Vec<GoProcess>, Error> {
    let all = ptrace::processes()
        .map_err(|why| Error::new(ErrorKind::Internal, format!("cannot list /proc: {why}")))?;
    Ok(all.into_iter().filter_map(look_at).collect())
}

/// `None` for what is no Go program, or has ended meanwhile.
fn look_at(info: ProcessInfo) -> Option<GoProcess> {
    let process = Process::open(info.pid).ok()?;
    let (_, build) = GoBinary::identify(process.open_exe().ok()?).ok()?;
    Some(GoProcess {
        pid: info.pid,
        name: info.name,
        main: build.main_at_version().or(build.path),
        go_version: build.go_version,
        goroutines: count(&process).map_err(|error| error.message),
        threads: info.threads,
    })
}

fn count(process: &Process) -> Result<u64, Error> {
    let binary = Arc::new(executable::open(
        process.open_exe()?,
        process.exe_path(),
        None,
    )?);
    let image = Image::at_entry(binary, process.entry_address()?);
    // What plugins are called does not matter for a count.
    let runtime = Runtime::load(&image, process, &|_| None)?;
    Ok(count_goroutines(process, &runtime, &Limits::default())?)
}
