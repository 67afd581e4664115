//! All goroutines of a program at one moment, and how they were read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{Addr, BuildIds, Dialect, GoVersion, Goroutine, M, Object, Pid, Scheduler};

/// What a snapshot was taken of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetKind {
    /// A running process.
    Process,
    /// A core file.
    Core,
}

/// The part of a file that has the Go code, as it is mapped into the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextMapping {
    /// Its first address.
    pub start: Addr,
    /// The address behind the last one.
    pub end: Addr,
    /// Where in the file it begins, in bytes.
    pub file_offset: u64,
}

impl TextMapping {
    /// Whether an address lies in it.
    pub fn contains(&self, at: Addr) -> bool {
        self.start <= at && at < self.end
    }
}

/// The program that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetInfo {
    /// Process or core file.
    pub kind: TargetKind,
    /// Its process ID, as far as it is known.
    pub pid: Option<Pid>,
    /// The path of its executable, as the system names it.
    pub exe: Option<PathBuf>,
    /// The library that has the Go code; `None` where that is the executable.
    pub module: Option<PathBuf>,
    /// Where the Go code lies in memory; `None` where it is not known.
    pub text: Option<TextMapping>,
    /// The core file.
    pub core: Option<PathBuf>,
    /// The processor, in Go's words ([`crate::Arch::goarch`]): `amd64`, `arm64`.
    pub arch: &'static str,
    /// How many OS threads it had.
    pub threads: usize,
}

/// Where the layouts of the runtime's structures came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutSource {
    /// The executable's own DWARF.
    Dwarf,
    /// A separate debug file.
    DebugFile,
    /// goinspect's table for this Go version, which the program's own type descriptors confirm.
    Table,
    /// The program's own type descriptors and, for what they leave out, the table of another Go version.
    Assumed,
}

/// Where the addresses of the runtime's variables came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolSource {
    /// The ELF symbol table.
    Symtab,
    /// The program itself, which has no symbol table: by the code and the shape of its data.
    Found,
}

/// What the executable says of its build (`runtime/debug.BuildInfo`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildInfo {
    /// `go1.27.3`.
    pub go_version: String,
    /// The main package's path.
    pub path: Option<String>,
    /// The main module as `path@version`.
    pub main: Option<String>,
    /// Build settings: `vcs.revision`, `CGO_ENABLED`, `-ldflags` …
    pub settings: BTreeMap<String, String>,
    /// What tells it from other builds, as far as the linker left it.
    pub ids: BuildIds,
    /// Where structure layouts came from.
    pub layout: LayoutSource,
    /// Where variables' addresses came from.
    pub symbols: SymbolSource,
}

impl BuildInfo {
    /// How this program's Go version words its tracebacks; that of the newest where the
    /// version is not known.
    pub fn dialect(&self) -> Dialect {
        GoVersion::parse(&self.go_version)
            .unwrap_or(GoVersion::NEWEST_TESTED)
            .dialect()
    }
}

/// How the bytes were got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureInfo {
    /// From before the first thread was asked to stop until the last one went on;
    /// `None` for a core.
    pub pause: Option<Duration>,
    /// Bytes copied out of the target.
    pub bytes_read: u64,
    /// The target's monotonic clock at the stop (what `runtime.nanotime` would have
    /// said), in nanoseconds; `None` where it is not known.
    pub nanotime: Option<u64>,
    /// Whether all of it was read while every thread stood still.
    pub consistent: bool,
}

/// An entry of `runtime.allgs` that could not be decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// Its index in `runtime.allgs`.
    pub index: usize,
    /// The address of the `g`.
    pub g: Addr,
    /// What failed.
    pub reason: String,
}

/// All goroutines of a program at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot {
    /// When the target was stopped (wall clock).
    pub captured_at: SystemTime,
    /// What was looked at.
    pub target: TargetInfo,
    /// Its build.
    pub build: BuildInfo,
    /// How it was read.
    pub capture: CaptureInfo,
    /// The goroutines in the order of `runtime.allgs`.
    pub goroutines: Vec<Arc<Goroutine>>,
    /// What goroutines wait on; `None` unless it was asked for.
    pub objects: Option<Vec<Object>>,
    /// The program's threads as the runtime knows them. Empty unless they were asked for.
    pub ms: Vec<M>,
    /// What the scheduler was at; `None` unless it was asked for and could be read.
    pub scheduler: Option<Scheduler>,
    /// Whether the program's own tracebacks print pprof labels (`GODEBUG=tracebacklabels`).
    pub traceback_labels: bool,
    /// Entries of `runtime.allgs` that could not be decoded.
    pub unreadable: Vec<Unreadable>,
    /// What the reader should know of the whole snapshot, in sentences.
    pub diagnostics: Vec<String>,
}

impl Snapshot {
    /// The program's own goroutines: what `runtime.NumGoroutine()` counts.
    pub fn user_goroutines(&self) -> impl Iterator<Item = &Arc<Goroutine>> {
        self.goroutines
            .iter()
            .filter(|g| !g.system && g.status != crate::Status::Dead)
    }
}
