//! What a TARGET on the command line is: a process, a core file, a saved snapshot, a recording, a Go dump.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Pid, Snapshot};
use report::{ReadRecordingError, Recording};
use sampler::{Session, Wanted};

use crate::args::{Common, FilterArg};
use crate::failure::Failure;
use crate::snapshot::options;
use crate::tell;

/// A target, told by what it is and not by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Given {
    /// A running process.
    Process(Pid),
    /// A core file, compressed or not.
    Core(PathBuf),
    /// A snapshot that `goinspect snapshot` saved.
    Saved(PathBuf),
    /// What `goinspect record` wrote, and which of its samples is meant, from 1; `None`: the last one.
    Recording(PathBuf, Option<usize>),
    /// A text with goroutines in it, as Go prints it.
    Dump(PathBuf),
}

/// How a file begins is enough to tell what it is.
const HEAD: u64 = 64 << 10;

impl Given {
    /// What `target` names.
    pub fn parse(target: &str) -> Result<Given, Failure> {
        if let Ok(pid) = target.parse::<i32>()
            && pid > 0
        {
            return Ok(Given::Process(Pid(pid)));
        }
        let path = Path::new(target);
        let mut head = Vec::new();
        match File::open(path) {
            Ok(file) => {
                let read = file.take(HEAD).read_to_end(&mut head);
                read.map_err(|why| unreadable(path, &why))?;
            }
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                if let Some((file, number)) = numbered(target) {
                    return Given::parse(file)?.at(number);
                }
                return Err(Failure::not_found(format!(
                    "{target} is neither a process ID nor a file"
                ))
                .hint("`goinspect ps` lists the Go processes on this machine"));
            }
            Err(why) => return Err(unreadable(path, &why)),
        }
        let path = path.to_owned();
        if sampler::looks_like_core(&head) {
            Ok(Given::Core(path))
        } else if report::looks_like_snapshot(&head) {
            Ok(Given::Saved(path))
        } else if report::looks_like_recording(&head) {
            Ok(Given::Recording(path, None))
        } else if report::looks_like_dump(&String::from_utf8_lossy(&head)) {
            Ok(Given::Dump(path))
        } else if head.starts_with(b"\x7fELF") {
            Err(
                Failure::damaged(format!("{target} is an ELF file, but no core"))
                    .hint("to look at a running program, give its process ID"),
            )
        } else {
            Err(Failure::damaged(format!(
                "{target} is neither a core file, nor a saved snapshot, nor a recording, nor a Go dump"
            )))
        }
    }

    /// One of its samples.
    fn at(self, number: usize) -> Result<Given, Failure> {
        match self {
            Given::Recording(path, None) => Ok(Given::Recording(path, Some(number))),
            other => Err(Failure::command_line(format!(
                "{} has no sample {number}: it is {}",
                other.file_name(),
                other.what()
            ))
            .hint("FILE@N means the Nth sample of a recording")),
        }
    }

    /// It in a word or two.
    pub fn what(&self) -> &'static str {
        match self {
            Given::Process(_) => "a process",
            Given::Core(_) => "a core file",
            Given::Saved(_) => "a saved snapshot",
            Given::Recording(..) => "a recording",
            Given::Dump(_) => "a Go dump",
        }
    }

    /// The file's name; empty for a process.
    pub fn file_name(&self) -> String {
        let path = match self {
            Given::Process(_) => None,
            Given::Core(path)
            | Given::Saved(path)
            | Given::Recording(path, _)
            | Given::Dump(path) => path.file_name(),
        };
        path.map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }

    /// One snapshot of it, filtered as asked.
    pub fn snapshot(&self, common: &Common, wanted: Wanted) -> Result<Snapshot, Failure> {
        let mut snapshot = match self {
            Given::Process(pid) => Session::open(*pid, options(common, wanted))?.sample()?,
            Given::Core(path) => sampler::read_core(path, &options(common, wanted))?,
            Given::Saved(path) => {
                let file = File::open(path).map_err(|why| unreadable(path, &why))?;
                report::read_json(BufReader::new(file))
                    .map_err(|why| Failure::damaged(format!("{}: {why}", path.display())))?
            }
            Given::Recording(path, number) => {
                let mut recording = open_recording(path)?;
                for note in recording.notes() {
                    tell(format_args!("note: {note}"));
                }
                let number = number.unwrap_or(recording.count());
                if common.verbose {
                    tell(format_args!("sample {number} of {}", recording.count()));
                }
                // There is no sample 0, and none with the largest of all numbers.
                let sample = recording.sample(number.wrapping_sub(1));
                Arc::unwrap_or_clone(sample.map_err(|why| unreadable_recording(path, &why))?)
            }
            Given::Dump(path) => {
                let text = read_text(path)?;
                let taken = std::fs::metadata(path).and_then(|meta| meta.modified());
                let taken = taken.map_err(|why| unreadable(path, &why))?;
                report::snapshot_of(&report::parse_dump(&text), taken)
            }
        };
        if let Some(filter) = &common.filter {
            keep(&mut snapshot, filter);
        }
        Ok(snapshot)
    }
}

/// `FILE@N`.
fn numbered(target: &str) -> Option<(&str, usize)> {
    let (file, number) = target.rsplit_once('@')?;
    Some((file, number.parse().ok()?))
}

/// Opens a recording.
pub fn open_recording(path: &Path) -> Result<Recording, Failure> {
    let file = File::open(path).map_err(|why| unreadable(path, &why))?;
    Recording::open(file).map_err(|why| unreadable_recording(path, &why))
}

/// What a user is told of a recording, or a sample of it, that cannot be read.
pub fn unreadable_recording(path: &Path, why: &ReadRecordingError) -> Failure {
    let message = format!("{}: {why}", path.display());
    match why {
        ReadRecordingError::Io(why) => unreadable(path, why),
        ReadRecordingError::NoSuchSample { .. } => Failure::command_line(message),
        ReadRecordingError::Damaged { .. } => Failure::damaged(message).hint(
            "other samples may be whole: FILE@N is the Nth, and `attach` shows what there is",
        ),
        _ => Failure::damaged(message),
    }
}

/// A text file; what is not UTF-8 in it is replaced.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|why| unreadable(path, &why))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unreadable(path: &Path, why: &std::io::Error) -> Failure {
    let message = format!("cannot read {}: {why}", path.display());
    match why.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::not_permitted(message),
        _ => Failure::not_found(message),
    }
}

/// Leaves out what the filter does not want, and says so in the snapshot.
pub fn keep(snapshot: &mut Snapshot, filter: &FilterArg) {
    let all = snapshot.goroutines.len();
    let now = snapshot.capture.nanotime;
    snapshot
        .goroutines
        .retain(|g| filter.filter.matches(g, now));
    let left_out = all - snapshot.goroutines.len();
    snapshot.diagnostics.push(format!(
        "the filter {:?} left out {left_out} of {all} goroutines",
        filter.text
    ));
}
