//! A running process from which samples are taken.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cframes::{CFrames, ObjectFile};
use goruntime::{
    CCode, Capture, Decoder, Doubts, Limits, Runtime, Wanted, capture, capture_running, read_ahead,
};
use model::{BuildInfo, CaptureInfo, Goroutine, Pid, Snapshot, TargetInfo, TargetKind, WaitState};
use ptrace::{MappedFile, Pause, Presence, Process, StopLimits};
use target::Mapping;

use crate::error::{Error, ErrorKind};
use crate::executable::open_as_seen_by;
use crate::images::{Chosen, Mapped};
use crate::native::{Native, vdso};

/// How to open a target and what to take of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The executable to use instead of the one the process names.
    pub exe: Option<PathBuf>,
    /// The file that has the executable's debug information, where it is a separate one.
    pub debug_file: Option<PathBuf>,
    /// The file that has the Go code, by its name or path, where there are several.
    pub module: Option<String>,
    /// Whether an executable that is not the one that wrote a core is used all the same.
    pub force: bool,
    /// What a snapshot should hold beyond the live goroutines and their frames.
    pub wanted: Wanted,
    /// Caps on what a target can make large.
    pub limits: Limits,
    /// The longest pause; what would take longer is left out. Without it the one of [`StopLimits`].
    pub max_pause: Option<Duration>,
    /// Whether not to stop the process at all: then what may not be true is marked, and objects are left out.
    pub nonblocking: bool,
}

/// An opened process. Between two samples it is neither stopped nor traced.
pub struct Session {
    process: Process,
    chosen: Chosen,
    runtime: Arc<Runtime>,
    decoder: Decoder,
    c: CFrames,
    options: Options,
    build: BuildInfo,
    kept: usize,
}

impl Session {
    /// Opens a process and reads of its executable what every sample will need.
    ///
    /// From here on the terminal cannot suspend the calling thread and those it starts
    /// ([`ptrace::hold_off_job_control`]).
    pub fn open(pid: Pid, options: Options) -> Result<Session, Error> {
        ptrace::hold_off_job_control();
        let process = Process::open(pid)?;
        let subject = format!("process {pid} ({})", process.exe_path().display());
        let file = match &options.exe {
            None => process.open_exe()?,
            Some(path) => File::open(path).map_err(|why| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("cannot open {}: {why}", path.display()),
                )
            })?,
        };
        let (chosen, runtime) = match load(&process, &file, &options) {
            Ok(loaded) => loaded,
            // A process that went away half-way leaves all sorts of traces: name the cause.
            Err(error) => return Err(gone(&process).unwrap_or_else(|| error.on(subject))),
        };
        let build = build_info(&runtime);
        let decoder = Decoder::new(Arc::clone(&runtime), options.limits);
        let mut c = CFrames::new(runtime.binary().arch);
        c.set_mappings(process.vdso_address().map(vdso).into_iter().collect());
        Ok(Session {
            c,
            process,
            chosen,
            runtime,
            decoder,
            options,
            build,
            kept: 0,
        })
    }

    /// Takes in the plugins that have been loaded since.
    fn keep_up(&mut self) -> Result<(), Error> {
        if !self.runtime.has_new_modules(&self.process) {
            return Ok(());
        }
        self.runtime = load_runtime(&self.process, &self.chosen)?;
        self.decoder = Decoder::new(Arc::clone(&self.runtime), self.options.limits);
        Ok(())
    }

    /// The error to report if the process is no longer what was opened. Does not stop it.
    pub fn gone(&self) -> Option<Error> {
        gone(&self.process)
    }

    /// How many stacks of the last sample had been read before the stop, and were proven there to be the same
    /// (`docs/PAUSE.md`).
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Stops the process, copies, lets it go on, and decodes what was copied.
    pub fn sample(&mut self) -> Result<Snapshot, Error> {
        self.keep_up()?;
        let taken = if self.options.nonblocking {
            self.take_running()
        } else {
            self.take_stopped()
        };
        let Taken {
            at: captured_at,
            nanotime,
            mut captured,
            doubts,
            pause,
            mappings,
        } = taken?;
        self.kept = captured.kept();
        captured.settle();
        let mut diagnostics = self.chosen.diagnostics.clone();
        let mut paused = Duration::ZERO;
        let mut cut_short = false;
        if let Some(pause) = pause {
            (paused, cut_short) = (pause.duration, pause.cut_short);
            diagnostics.extend(pause.diagnostics);
        }
        if cut_short {
            diagnostics.push(format!(
                "the process was let go after {paused:.1?}, before all was copied: what is missing is marked"
            ));
        }
        // A thread that did not stop may have run while the rest was read.
        let all_stood_still = captured
            .threads
            .iter()
            .all(|thread| thread.registers.is_some());
        diagnostics.extend(captured.diagnostics);
        match mappings {
            Some(Ok(mappings)) => self.c.set_mappings(mappings),
            Some(Err(why)) => diagnostics.push(format!(
                "what is mapped where is not known ({why}): C frames are missing"
            )),
            None => {}
        }
        let open = |mapping: &Mapping| {
            let MappedFile { file, is_same } = self.process.open_mapped(mapping)?;
            Some(ObjectFile { file, is_same })
        };
        let library = self.chosen.library.as_deref();
        let native = Native {
            memory: &self.process,
            open: &open,
            open_path: &|path| open_as_seen_by(&self.process, path),
            go: (
                &self.chosen.file,
                library.unwrap_or(self.process.exe_path()),
            ),
            debug_file: self.options.debug_file.as_deref(),
        };
        let wanted = self.wanted();
        let c = CCode {
            frames: &mut self.c,
            program: &native,
        };
        let decoded = self
            .decoder
            .decode(&captured.memory, &captured.threads, wanted, c)?;
        diagnostics.extend(decoded.diagnostics);
        let mut goroutines = decoded.goroutines;
        name_files(&self.process, &mut goroutines);
        if doubts.is_some() && self.options.wanted.scheduler {
            let why = "nothing is told of the scheduler: who is in which queue is true of one moment only";
            diagnostics.push(why.to_owned());
        }
        diagnostics.extend(doubts.map(|doubts| doubts.mark(&mut goroutines)));
        Ok(Snapshot {
            captured_at,
            target: TargetInfo {
                kind: TargetKind::Process,
                pid: Some(self.process.pid()),
                exe: Some(self.process.exe_path().to_owned()),
                module: self.chosen.library.clone(),
                text: self.runtime.text(),
                core: None,
                arch: self.runtime.binary().arch.goarch(),
                threads: captured.threads.len(),
            },
            build: self.build.clone(),
            capture: CaptureInfo {
                pause: Some(paused),
                bytes_read: captured.memory.bytes(),
                nanotime,
                consistent: all_stood_still && captured.is_complete && !cut_short,
            },
            goroutines,
            objects: decoded.objects,
            ms: decoded.ms,
            scheduler: decoded.scheduler,
            traceback_labels: self.runtime.traceback_labels(),
            unreadable: decoded.unreadable,
            diagnostics,
        })
    }
}

impl Session {
    /// What to decode.
    fn wanted(&self) -> Wanted {
        Wanted {
            // What refers to what, and who is in which queue, is true of one moment only.
            objects: self.options.wanted.objects && !self.options.nonblocking,
            scheduler: self.options.wanted.scheduler && !self.options.nonblocking,
            ..self.options.wanted
        }
    }

    fn take_stopped(&mut self) -> Result<Taken, Error> {
        let mut stop = StopLimits::default();
        stop.max_pause = self.options.max_pause.unwrap_or(stop.max_pause);
        let limits = &self.options.limits;
        let ahead = read_ahead(&self.process, &self.runtime, limits, stop.max_pause);
        let wanted = self.wanted();
        let stopped = self.process.stop(&stop)?;
        let at = SystemTime::now();
        let nanotime = stopped.monotonic_ns();
        let captured = capture(&stopped, &self.runtime, limits, wanted, ahead);
        let in_c = captured.as_ref().is_ok_and(|captured| captured.in_c);
        let maps = in_c.then(|| stopped.maps());
        let pause = stopped.resume();
        let captured = match captured {
            Ok(captured) => captured,
            Err(_) if pause.cut_short => {
                let message = format!(
                    "process {} was let go after {:.1?}, before its goroutines could be copied",
                    self.process.pid(),
                    pause.duration
                );
                return Err(Error::new(ErrorKind::Internal, message)
                    .hint("try again when the machine is less busy"));
            }
            Err(error) => return Err(gone(&self.process).unwrap_or_else(|| error.into())),
        };
        Ok(Taken {
            at,
            nanotime,
            captured,
            doubts: None,
            pause: Some(pause),
            mappings: maps.map(|maps| match maps {
                Ok(maps) => Ok(maps.named()),
                Err(why) => Err(why.to_string()),
            }),
        })
    }

    /// The same without a stop.
    fn take_running(&mut self) -> Result<Taken, Error> {
        let running = self.process.running()?;
        let at = SystemTime::now();
        let nanotime = running.monotonic_ns();
        let (limits, wanted) = (&self.options.limits, self.wanted());
        let taken = capture_running(&running, &self.runtime, limits, wanted);
        let (captured, doubts) =
            taken.map_err(|error| gone(&self.process).unwrap_or_else(|| error.into()))?;
        // What was read is that of the program that was opened.
        if let Some(gone) = gone(&self.process) {
            return Err(gone);
        }
        let mappings = captured.in_c.then(|| self.process.mappings());
        Ok(Taken {
            at,
            nanotime,
            captured,
            doubts: Some(doubts),
            pause: None,
            mappings: mappings.map(|mappings| mappings.map_err(|why| why.to_string())),
        })
    }
}

/// What was copied of a process, and how.
struct Taken {
    at: SystemTime,
    /// Its `runtime.nanotime` then.
    nanotime: Option<u64>,
    captured: Capture,
    /// What cannot be trusted, if it was not stopped.
    doubts: Option<Doubts>,
    pause: Option<Pause>,
    /// What is mapped where, if that is needed.
    mappings: Option<Result<Vec<Mapping>, String>>,
}

/// Says of the files that goroutines wait for what they are.
fn name_files(process: &Process, goroutines: &mut [Arc<Goroutine>]) {
    let mut files = process.open_files();
    let mut names: HashMap<i32, Option<Arc<str>>> = HashMap::new();
    for goroutine in goroutines {
        // Nobody else has it yet.
        let Some(goroutine) = Arc::get_mut(goroutine) else {
            continue;
        };
        for on in goroutine.waiting_on.iter_mut().flatten() {
            if let WaitState::File {
                fd: Some(fd), file, ..
            } = &mut on.state
            {
                let name = names.entry(*fd);
                let name = name.or_insert_with(|| files.describe(*fd).map(Arc::from));
                file.clone_from(name);
            }
        }
    }
}

/// Finds the Go code of a process, and reads what will not change.
fn load(process: &Process, exe: &File, options: &Options) -> Result<(Chosen, Arc<Runtime>), Error> {
    let open = |mapping: &Mapping| open_mapped(process, mapping);
    let mapped = Mapped {
        mappings: process.mappings()?,
        open: &open,
        open_path: &|path| open_as_seen_by(process, path),
    };
    let path = options.exe.as_deref().unwrap_or(process.exe_path());
    let entry = || Ok(Some(process.entry_address()?));
    let (module, debug_file) = (options.module.as_deref(), options.debug_file.as_deref());
    let chosen = mapped.choose((exe, path), &entry, module, debug_file)?;
    let runtime = load_runtime(process, &chosen)?;
    Ok((chosen, runtime))
}

fn load_runtime(process: &Process, chosen: &Chosen) -> Result<Arc<Runtime>, Error> {
    let open = |mapping: &Mapping| open_mapped(process, mapping);
    let plugin = |at| {
        let mapped = Mapped {
            mappings: process.mappings().ok()?,
            open: &open,
            open_path: &|path| open_as_seen_by(process, path),
        };
        mapped.plugin(&chosen.image.binary, at)
    };
    Ok(Arc::new(Runtime::load(&chosen.image, process, &plugin)?))
}

fn open_mapped(process: &Process, mapping: &Mapping) -> Option<File> {
    process.open_mapped(mapping).map(|mapped| mapped.file)
}

/// The error to report if the process is not what it was.
fn gone(process: &Process) -> Option<Error> {
    let pid = process.pid();
    match process.presence() {
        Presence::Same => None,
        Presence::Exited => Some(Error::new(
            ErrorKind::Gone,
            format!("process {pid} ended while it was being read"),
        )),
        Presence::Replaced => Some(Error::new(
            ErrorKind::Gone,
            format!("process {pid} replaced itself by another program while it was being read"),
        )),
    }
}

pub(crate) fn build_info(runtime: &Runtime) -> BuildInfo {
    let build = &runtime.binary().build;
    BuildInfo {
        go_version: build.go_version.clone(),
        path: build.path.clone(),
        main: build.main_at_version(),
        settings: build.settings.clone(),
        ids: runtime.binary().build_ids.clone(),
        layout: runtime.layout(),
        symbols: runtime.symbols(),
    }
}
