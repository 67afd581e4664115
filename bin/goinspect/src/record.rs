//! `goinspect record`: a series of snapshots in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use model::{Escaped, Snapshot};
use report::{Recorder, Written};
use sampler::{ErrorKind, Session, Wanted};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::{self, Common};
use crate::failure::Failure;
use crate::snapshot::options;
use crate::target::{Given, keep};
use crate::tell;

/// Records a process until its end, the end of the time, or a signal.
pub fn run(command: &args::Record, common: &Common) -> Result<(), Failure> {
    let given = Given::parse(&command.target)?;
    let Given::Process(pid) = given else {
        let what = format!("{} is {}", command.target, given.what());
        return Err(Failure::command_line(what).hint("only a process can be recorded"));
    };
    // Before the process is stopped for nothing.
    if !common.force && command.output.exists() {
        return Err(exists(&command.output));
    }
    let stop = on_signals()?;
    let wanted = Wanted {
        dead: common.all,
        objects: true,
        scheduler: true,
        ..Wanted::default()
    };
    let mut session = Session::open(pid, options(common, wanted))?;
    let first = session.sample()?;
    let file = create(&command.output, common.force)?;
    let cannot_write = |why: io::Error| {
        let message = format!("cannot write to {}: {why}", command.output.display());
        Failure::internal(message).hint("the samples that were written before can be read")
    };
    let mut recording = Recording {
        recorder: Recorder::new(file, command.interval).map_err(cannot_write)?,
        before: None,
        progress: Progress::new(common.verbose),
        trouble: None,
    };
    recording.take(first, common).map_err(cannot_write)?;
    let end = command
        .duration
        .and_then(|time| Instant::now().checked_add(time));
    let why = loop {
        // From the end of the last one on: a slow target is not sampled without rest.
        let next = Instant::now() + command.interval;
        let wait = end.map_or(next, |end| end.min(next));
        match stop.recv_timeout(wait.saturating_duration_since(Instant::now())) {
            Ok(signal) => break format!("goinspect was asked to stop ({signal})"),
            Err(RecvTimeoutError::Disconnected) => break "goinspect was asked to stop".to_owned(),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            break "its time was over".to_owned();
        }
        match session.sample() {
            Ok(snapshot) => recording.take(snapshot, common).map_err(cannot_write)?,
            Err(error) if error.kind == ErrorKind::Gone => break error.message,
            Err(error) => recording.miss(&error).map_err(cannot_write)?,
        }
    };
    let written = recording.recorder.end(&why).map_err(cannot_write)?;
    recording.progress.end(&written, &command.output, &why);
    Ok(())
}

/// A recording in the making.
struct Recording {
    recorder: Recorder<File>,
    before: Option<Arc<Snapshot>>,
    progress: Progress,
    /// Why the last sample could not be taken. It is told once.
    trouble: Option<String>,
}

impl Recording {
    fn take(&mut self, mut snapshot: Snapshot, common: &Common) -> io::Result<()> {
        if let Some(filter) = &common.filter {
            keep(&mut snapshot, filter);
        }
        if let Some(before) = &self.before {
            snapshot.share_unchanged(before);
        }
        let snapshot = Arc::new(snapshot);
        let written = self.recorder.sample(snapshot.clone())?;
        self.trouble = None;
        self.progress.sample(&snapshot, &written);
        self.before = Some(snapshot);
        Ok(())
    }

    fn miss(&mut self, error: &sampler::Error) -> io::Result<()> {
        if self.trouble.as_ref() != Some(&error.message) {
            self.progress
                .tell(&format!("error: {}", Escaped(&error.message)));
            if let Some(hint) = &error.hint {
                self.progress.tell(&format!("hint: {}", Escaped(hint)));
            }
            self.trouble = Some(error.message.clone());
        }
        self.recorder.missed(&error.message)
    }
}

/// What is told on stderr: on a terminal in one line, over and over.
struct Progress {
    on_terminal: bool,
    verbose: bool,
    longest: Duration,
    total: Duration,
}

impl Progress {
    fn new(verbose: bool) -> Progress {
        Progress {
            on_terminal: io::stderr().is_terminal(),
            verbose,
            longest: Duration::ZERO,
            total: Duration::ZERO,
        }
    }

    fn sample(&mut self, snapshot: &Snapshot, written: &Written) {
        let pause = snapshot.capture.pause.unwrap_or_default();
        self.longest = self.longest.max(pause);
        self.total += pause;
        let Written { samples, bytes } = *written;
        let line = format!(
            "sample {samples}: {} goroutines, stopped for {pause:.1?} (at most {:.1?}), {} in all",
            snapshot.goroutines.len(),
            self.longest,
            size(bytes)
        );
        if self.verbose {
            self.tell(&line);
        } else if self.on_terminal {
            let mut stderr = io::stderr();
            // Whoever closed stderr does not want to know.
            let _ = write!(stderr, "\r{line}\x1b[K").and_then(|()| stderr.flush());
        }
    }

    /// Tells something on a line of its own.
    fn tell(&self, line: &str) {
        match self.on_terminal {
            true => tell(format_args!("\r{line}\x1b[K")),
            false => tell(line),
        }
    }

    fn end(&self, written: &Written, path: &Path, why: &str) {
        self.tell(&format!("note: {}", Escaped(why)));
        let name = path.display().to_string();
        tell(format_args!(
            "{} samples, {}, in {}; the process was stopped for {:.1?} in all, at most {:.1?} at a time",
            written.samples,
            size(written.bytes),
            Escaped(&name),
            self.total,
            self.longest
        ));
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::command_line(format!("{} exists", path.display())).hint("--force overwrites it")
}

fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(!force);
    if force {
        options.create(true).truncate(true);
    }
    options.open(path).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::not_found(format!("cannot write {}: {why}", path.display())),
    })
}

/// Being asked to end makes the recording end, and whole. Not by SIGHUP: whoever uses nohup wants it to go on.
fn on_signals() -> Result<Receiver<&'static str>, Failure> {
    let cannot = |why| Failure::internal(format!("cannot watch for signals: {why}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let (asked, stop) = mpsc::channel();
    let wait = move || {
        for signal in signals.forever() {
            let name = match signal {
                SIGINT => "SIGINT",
                _ => "SIGTERM",
            };
            if asked.send(name).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("goinspect-signals".to_owned())
        .spawn(wait)
        .map_err(cannot)?;
    Ok(stop)
}
