//! Reading a recording, from any sample on.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use flate2::bufread::GzDecoder;
use model::{Escaped, Snapshot};

use super::member::{HEAD, Kind, parse};
use super::{Header, RECORDING_VERSION, Remark, most_unpacked};
use crate::read_json::{ReadJsonError, ReadSeries};

/// Why a recording, or a sample of it, could not be read. What it quotes of the file is harmless
/// for a terminal.
#[derive(Debug, thiserror::Error)]
pub enum ReadRecordingError {
    /// Reading failed.
    #[error("cannot read the recording: {0}")]
    Io(#[from] io::Error),
    /// The first line is not that of a recording.
    #[error("the first line is not that of a recording")]
    NoHeader,
    /// A recording of another version.
    #[error(
        "the file says it is \"{}\"; this version of goinspect reads \"{RECORDING_VERSION}\"",
        Escaped(found)
    )]
    OtherSchema {
        /// What it says it is.
        found: String,
    },
    /// There is no sample in it.
    #[error("the recording has no sample that can be read: {why}")]
    Empty {
        /// Why.
        why: String,
    },
    /// There is no such sample.
    #[error("the recording has no sample {number}: they are numbered from 1 to {of}")]
    NoSuchSample {
        /// Which one was asked for, from 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// A sample is damaged.
    #[error("sample {number} of the recording is damaged: {why}")]
    Damaged {
        /// Which one, from 1. Others that follow it may need it.
        number: usize,
        /// What is wrong.
        why: String,
    },
}

/// A recording that was opened.
pub struct Recording {
    file: File,
    interval: Duration,
    samples: Vec<Sample>,
    notes: Vec<String>,
    end: Option<String>,
    reader: ReadSeries,
    /// The sample that was read last, which the next one may need.
    last: Option<(usize, Arc<Snapshot>)>,
}

/// Where a sample is.
#[derive(Clone, Copy)]
struct Sample {
    whole: bool,
    at: u64,
    length: u64,
}

/// Bytes that the first line, and what is told between samples, have at most.
const MAX_LINE: u64 = 1 << 16;

impl Recording {
    /// Finds out where the samples are, without reading them. A file that ends in the middle of one, or is
    /// damaged from some place on, has the samples before that; [`Recording::notes`] says so.
    pub fn open(file: File) -> Result<Recording, ReadRecordingError> {
        let size = file.metadata()?.len();
        let mut line = Vec::new();
        Span::new(&file, 0, size.min(MAX_LINE)).read_to_end(&mut line)?;
        let end = line.iter().position(|b| *b == b'\n');
        let line = end.and_then(|end| line.get(..end));
        let line = line.ok_or(ReadRecordingError::NoHeader)?;
        let header: Header =
            serde_json::from_slice(line).map_err(|_| ReadRecordingError::NoHeader)?;
        if header.schema != RECORDING_VERSION {
            return Err(ReadRecordingError::OtherSchema {
                found: header.schema.chars().take(100).collect(),
            });
        }
        let mut recording = Recording {
            interval: Duration::from_nanos(header.interval_ns),
            samples: Vec::new(),
            notes: Vec::new(),
            end: None,
            reader: ReadSeries::default(),
            last: None,
            file,
        };
        recording.search(line.len() as u64 + 1, size)?;
        if recording.samples.is_empty() {
            return Err(ReadRecordingError::Empty {
                why: recording.notes.join("; "),
            });
        }
        Ok(recording)
    }

    /// Goes from member to member.
    fn search(&mut self, mut at: u64, size: u64) -> io::Result<()> {
        let (mut missed, mut first_missed, mut end) = (0u64, None, None);
        let broken = loop {
            if at == size {
                break None;
            }
            let mut head = [0; HEAD];
            let mut there = Span::new(&self.file, at, size);
            match there.read_exact(&mut head) {
                Ok(()) => {}
                Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => break Some("is cut off"),
                Err(why) => return Err(why),
            }
            let Some((kind, length)) = parse(&head) else {
                break Some("is damaged");
            };
            if end.is_some() {
                break Some("goes on behind its end");
            }
            if length > size - at {
                break Some("is cut off");
            }
            let span = Span::new(&self.file, at, at + length);
            match kind {
                Kind::Delta if self.samples.is_empty() => break Some("is damaged"),
                Kind::Whole | Kind::Delta => self.samples.push(Sample {
                    whole: kind == Kind::Whole,
                    at,
                    length,
                }),
                Kind::Missed => {
                    missed += 1;
                    first_missed = first_missed.or_else(|| Some(remark(span)));
                }
                Kind::End => end = Some(remark(span)),
            }
            at += length;
        };
        if let Some(why) = first_missed {
            self.notes.push(match missed {
                1 => format!("a sample could not be taken: {why}"),
                _ => format!("{missed} samples could not be taken; of the first: {why}"),
            });
        }
        if let Some(what) = broken {
            self.notes.push(format!(
                "the recording {what}: of its {size} bytes the last {} are not shown",
                size - at
            ));
        } else if end.is_none() {
            self.notes.push(
                "the recording has no end: goinspect was killed, or still records".to_owned(),
            );
        }
        self.end = end;
        Ok(())
    }

    /// How many samples there are; at least one.
    pub fn count(&self) -> usize {
        self.samples.len()
    }

    /// The time between two samples, as far as it could be kept.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Why it ended, in a sentence; `None` where it was cut off, which the notes say.
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// What the reader should know of the recording, in sentences: what is missing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The sample with an index, from 0. Those that follow one another are read the fastest, and share what did not
    /// change.
    pub fn sample(&mut self, index: usize) -> Result<Arc<Snapshot>, ReadRecordingError> {
        let up_to = self.samples.get(..=index);
        let up_to = up_to.ok_or(ReadRecordingError::NoSuchSample {
            number: index.wrapping_add(1),
            of: self.samples.len(),
        })?;
        // The first one is whole.
        let whole = up_to.iter().rposition(|sample| sample.whole).unwrap_or(0);
        let mut next = whole;
        match self.last.take() {
            Some((at, last)) if (whole..=index).contains(&at) => {
                next = at + 1;
                self.last = Some((at, last));
            }
            // A whole one shares nothing with those before it unless it is told to.
            last => self.last = last.filter(|(at, _)| at + 1 == whole),
        }
        for at in next..=index {
            let read = self.read(at)?;
            self.last = Some((at, Arc::new(read)));
        }
        match &self.last {
            Some((_, last)) => Ok(last.clone()),
            None => Err(damaged(index, "it could not be found")),
        }
    }

    /// Reads one sample; the one before has been read if it needs it.
    fn read(&mut self, index: usize) -> Result<Snapshot, ReadRecordingError> {
        let Some(&Sample { whole, at, length }) = self.samples.get(index) else {
            return Err(damaged(index, "it could not be found"));
        };
        let before = self.last.as_ref().map(|(_, before)| &**before);
        if whole {
            // What is shared is kept for as long as it is likely to be needed.
            self.reader = ReadSeries::default();
        }
        let most = most_unpacked(length);
        // A byte more tells that there is more.
        let mut unpacked = unpack(Span::new(&self.file, at, at + length)).take(most + 1);
        let read = self.reader.read(&mut unpacked, before.filter(|_| !whole));
        if unpacked.limit() == 0 {
            let why = format!("its {length} bytes unpack to more than {most}");
            return Err(damaged(index, why));
        }
        // What cannot be unpacked, or does not match its checksum, is an I/O error.
        let mut read = read.map_err(|why| match why {
            ReadJsonError::Io(why) => damaged(index, why),
            why => damaged(index, why),
        })?;
        if let Some(before) = before.filter(|_| whole) {
            read.share_unchanged(before);
        }
        Ok(read)
    }
}

fn damaged(index: usize, why: impl ToString) -> ReadRecordingError {
    ReadRecordingError::Damaged {
        number: index + 1,
        why: why.to_string(),
    }
}

/// What is told between samples, harmless for a terminal.
fn remark(span: Span<'_>) -> String {
    let mut text = String::new();
    let read = unpack(span).take(MAX_LINE).read_to_string(&mut text);
    let remark: Option<Remark> = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    match remark {
        Some(remark) => Escaped(&remark.message).to_string(),
        None => "what is written of it is damaged".to_owned(),
    }
}

fn unpack(span: Span<'_>) -> GzDecoder<BufReader<Span<'_>>> {
    GzDecoder::new(BufReader::with_capacity(1 << 16, span))
}

/// A part of a file, read from its beginning.
struct Span<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Span<'a> {
    fn new(file: &'a File, at: u64, end: u64) -> Span<'a> {
        Span { file, at, end }
    }
}

impl Read for Span<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let room = buf.len().min(left);
        let n = match buf.get_mut(..room) {
            Some(room) => self.file.read_at(room, self.at)?,
            None => 0,
        };
        self.at += n as u64;
        Ok(n)
    }
}
