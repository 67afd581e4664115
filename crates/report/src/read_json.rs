//! Reads back what [`crate::write_json`] wrote (`docs/SCHEMA.md`, version 1).
//!
//! Goroutines are read one at a time. What most of them have in common, stacks and places in
//! the source, is recognised by its text and turned into values once; so reading many
//! goroutines is little more than finding where each ends, and equal stacks are one
//! allocation, as when the decoder made them.
//!
//! What JSON does not hold, and so is not as it was after reading:
//! - bytes of `exe` and `core` that are not UTF-8 are U+FFFD;
//! - a time of capture outside the years 0 to 9999 is some time that no calendar knows;
//! - a pause of more than 584 years is that long;
//! - labels are in the order of their keys, each key once; the writer's note on repeated keys stays.
//!

mod entries;
mod objects;
mod parts;
mod scheduler;
mod shared;
mod waiting;

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Escaped, Goid, Goroutine, Snapshot, Unreadable};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess};

use self::entries::{BuildIn, CaptureIn, GoroutineIn, TargetIn, UnreadableIn};
use self::objects::ObjectIn;
use self::parts::Parts;
pub(crate) use self::parts::Run;
use self::scheduler::SchedulerIn;
use self::shared::Shared;
use crate::json::SNAPSHOT_VERSION;
use crate::recording::DELTA_VERSION;

/// Why a file could not be read as a snapshot. What it quotes of the file is
/// harmless for a terminal.
#[derive(Debug, thiserror::Error)]
pub enum ReadJsonError {
    /// Reading failed.
    #[error("cannot read the snapshot: {0}")]
    Io(#[source] io::Error),
    /// The file ends too early.
    #[error("the snapshot is cut off: it ends at line {line}, column {column}")]
    CutOff {
        /// The last line, from 1.
        line: usize,
        /// The last column, in bytes, from 1.
        column: usize,
    },
    /// Not JSON, or not what a snapshot has in this place.
    #[error("not a readable snapshot: {what} (line {line}, column {column})")]
    Malformed {
        /// What is wrong.
        what: String,
        /// In which line, from 1.
        line: usize,
        /// In which column, in bytes, from 1.
        column: usize,
    },
    /// A goroutine holds something that is not what a snapshot has there.
    #[error("not a readable snapshot: goroutine {goid}: {what}")]
    Goroutine {
        /// Which one.
        goid: Goid,
        /// What is wrong.
        what: String,
    },
    /// A file of another sort or version.
    #[error(
        "the file says it is \"{}\"; this version of goinspect reads \"{SNAPSHOT_VERSION}\"",
        Escaped(found)
    )]
    OtherSchema {
        /// What it says it is.
        found: String,
    },
    /// JSON that does not say what it is.
    #[error("the file is JSON, but no snapshot: it has no \"schema\": {SNAPSHOT_VERSION:?}")]
    NoSchema,
    /// What has changed, of something else.
    #[error("what changed in the list {list} does not fit the sample before")]
    Unfit {
        /// In which list.
        list: &'static str,
    },
    /// There is something behind the snapshot.
    #[error("line {line} goes on behind the end of the snapshot; a series of them is a recording")]
    More {
        /// In which line, from 1.
        line: usize,
    },
}

/// Reads one snapshot. `input` need not be buffered, and is read to its end.
///
/// Fields it does not know are passed over; of the fields that may be `null`, those that
/// are missing are `null`. See the [module](self) for what is not as it was.
pub fn read_json(input: impl Read) -> Result<Snapshot, ReadJsonError> {
    Reading::default().read(input, None)
}

/// Reads the snapshots of a recording, one after the other, some of which say only what has changed.
#[derive(Default)]
pub(crate) struct ReadSeries(Reading);

impl ReadSeries {
    /// Reads one more. Equal stacks are shared with those read before.
    pub(crate) fn read(
        &mut self,
        input: impl Read,
        before: Option<&Snapshot>,
    ) -> Result<Snapshot, ReadJsonError> {
        self.0.read(input, before)
    }
}

/// Whether a file that begins with these bytes is worth trying [`read_json`] on: a JSON
/// object that calls itself a snapshot, or, its keys being in another order, begins
/// with a key of one. A hundred bytes are enough.
pub fn looks_like_snapshot(first_bytes: &[u8]) -> bool {
    // Only whole quoted words are looked at, so a character that is cut in two is no matter.
    let text = String::from_utf8_lossy(first_bytes);
    let Some(rest) = text.trim_start().strip_prefix('{') else {
        return false;
    };
    let Some((key, rest)) = quoted(rest) else {
        return false;
    };
    if key != "schema" {
        return KEYS.contains(&key);
    }
    let value = rest.trim_start().strip_prefix(':').and_then(quoted);
    // Another version is named by the error that reading it ends with.
    value.is_some_and(|(value, _)| value.starts_with("goinspect.snapshot/"))
}

/// A string without escapes, and what comes behind it.
pub(crate) fn quoted(text: &str) -> Option<(&str, &str)> {
    text.trim_start().strip_prefix('"')?.split_once('"')
}

/// The keys of a snapshot, `schema` aside.
const KEYS: [&str; 9] = [
    "capturedAt",
    "target",
    "build",
    "capture",
    "goroutines",
    "objects",
    "scheduler",
    "unreadable",
    "diagnostics",
];

/// What is known while reading.
#[derive(Default)]
struct Reading {
    /// What the object must say it is.
    schema: &'static str,
    shared: Shared,
    /// Which entry of a list is being read; the parser does not know.
    entry: Option<(&'static str, usize)>,
    /// An error that the parser was stopped with, in more detail than the parser can carry.
    failure: Option<ReadJsonError>,
}

impl Reading {
    /// Reads a snapshot, or what has changed since the one `before`.
    fn read(
        &mut self,
        input: impl Read,
        before: Option<&Snapshot>,
    ) -> Result<Snapshot, ReadJsonError> {
        let input = BufReader::with_capacity(1 << 16, input);
        let mut json = serde_json::Deserializer::from_reader(input);
        self.schema = match before {
            Some(_) => DELTA_VERSION,
            None => SNAPSHOT_VERSION,
        };
        let parts = match (Document(self)).deserialize(&mut json) {
            Ok(parts) => parts,
            Err(error) => return Err(self.failed(&error)),
        };
        match json.end() {
            Ok(()) => {}
            Err(error) if error.is_io() => return Err(self.failed(&error)),
            Err(error) => return Err(ReadJsonError::More { line: error.line() }),
        }
        parts.put_together(before)
    }

    fn failed(&mut self, error: &serde_json::Error) -> ReadJsonError {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        let (line, column) = (error.line(), error.column());
        if let Some(kind) = error.io_error_kind() {
            return ReadJsonError::Io(kind.into());
        }
        if error.is_eof() {
            return ReadJsonError::CutOff { line, column };
        }
        let what = match self.entry {
            Some((list, index)) => format!("entry {index} of {list}: {}", without_place(error)),
            None => without_place(error),
        };
        ReadJsonError::Malformed { what, line, column }
    }

    /// Stops the parser.
    fn stop<E: serde::de::Error>(&mut self, failure: ReadJsonError) -> E {
        self.failure = Some(failure);
        E::custom("stopped")
    }
}

/// What the parser says, without the place, and fit for a terminal: it quotes the file.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let mut short: String = text.chars().take(MAX_QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    Escaped(&short).to_string()
}

/// How many characters of what the parser says are passed on.
const MAX_QUOTED: usize = 200;

/// The whole object.
struct Document<'r>(&'r mut Reading);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    Schema,
    CapturedAt,
    Target,
    Build,
    Capture,
    SameGoroutines,
    Goroutines,
    SameObjects,
    Objects,
    Scheduler,
    Unreadable,
    Diagnostics,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Parts;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Parts, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Document<'_> {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot, which is an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Parts, M::Error> {
        let Document(reading) = self;
        let mut schema = false;
        let mut captured_at: Option<String> = None;
        let mut target: Option<TargetIn> = None;
        let mut build: Option<BuildIn> = None;
        let mut capture: Option<CaptureIn> = None;
        let mut goroutines = None;
        let mut objects: Option<Vec<ObjectIn>> = None;
        let mut scheduler: Option<Option<SchedulerIn>> = None;
        let mut unreadable = None;
        let mut diagnostics: Option<Vec<String>> = None;
        let (mut same_goroutines, mut same_objects) = (Vec::<Run>::new(), Vec::<Run>::new());
        while let Some(key) = map.next_key()? {
            match key {
                Key::Schema => {
                    let found: String = map.next_value()?;
                    if found != reading.schema {
                        return Err(reading.stop(ReadJsonError::OtherSchema {
                            found: found.chars().take(MAX_QUOTED).collect(),
                        }));
                    }
                    schema = true;
                }
                Key::CapturedAt => captured_at = map.next_value()?,
                Key::Target => target = Some(map.next_value()?),
                Key::Build => build = Some(map.next_value()?),
                Key::Capture => capture = Some(map.next_value()?),
                Key::SameGoroutines => same_goroutines = map.next_value()?,
                Key::SameObjects => same_objects = map.next_value()?,
                Key::Goroutines => goroutines = Some(map.next_value_seed(Goroutines(reading))?),
                Key::Objects => objects = map.next_value()?,
                Key::Scheduler => scheduler = Some(map.next_value()?),
                Key::Unreadable => unreadable = Some(map.next_value_seed(Entries(reading))?),
                Key::Diagnostics => diagnostics = Some(map.next_value()?),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !schema {
            return Err(reading.stop(ReadJsonError::NoSchema));
        }
        let missing = M::Error::missing_field;
        // What has changed says neither of these again.
        if reading.schema == SNAPSHOT_VERSION {
            target.as_ref().ok_or_else(|| missing("target"))?;
            build.as_ref().ok_or_else(|| missing("build"))?;
        }
        Ok(Parts {
            captured_at: match captured_at {
                Some(text) => time(&text).ok_or_else(|| {
                    M::Error::custom(format_args!("capturedAt: {text:?} is no time in RFC 3339"))
                })?,
                None => unknown_time(),
            },
            target: target.map(Into::into),
            build: build.map(Into::into),
            capture: capture.ok_or_else(|| missing("capture"))?,
            same_goroutines,
            goroutines: goroutines.ok_or_else(|| missing("goroutines"))?,
            same_objects,
            objects: objects.map(|list| {
                let strings = &mut reading.shared.strings;
                let read = list.into_iter();
                read.map(|object| object.into_object(strings)).collect()
            }),
            scheduler: scheduler.map(|scheduler| scheduler.map(Into::into)),
            unreadable: unreadable.ok_or_else(|| missing("unreadable"))?,
            diagnostics: diagnostics.ok_or_else(|| missing("diagnostics"))?,
        })
    }
}

fn time(text: &str) -> Option<SystemTime> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.into())
}

/// A time that the writer has no words for, and so writes as `null` again: in the year 33658.
fn unknown_time() -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(1_000_000_000_000))
        .unwrap_or(UNIX_EPOCH)
}

/// The list of goroutines: each is parsed, made and dropped before the next one is looked at.
struct Goroutines<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Goroutines<'_> {
    type Value = Vec<Arc<Goroutine>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Goroutines<'_> {
    type Value = Vec<Arc<Goroutine>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of goroutines")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let Goroutines(reading) = self;
        let mut goroutines = Vec::new();
        reading.entry = Some(("goroutines", 0));
        while let Some(g) = list.next_element::<GoroutineIn>()? {
            let goid = Goid(g.goid);
            match g.into_goroutine(&mut reading.shared) {
                Ok(g) => goroutines.push(Arc::new(g)),
                Err(what) => return Err(reading.stop(ReadJsonError::Goroutine { goid, what })),
            }
            reading.entry = Some(("goroutines", goroutines.len()));
        }
        reading.entry = None;
        Ok(goroutines)
    }
}

/// The list of what could not be read.
struct Entries<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Vec<Unreadable>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Entries<'_> {
    type Value = Vec<Unreadable>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of what is unreadable")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Self::Value, S::Error> {
        let Entries(reading) = self;
        let mut entries = Vec::new();
        reading.entry = Some(("unreadable", 0));
        while let Some(entry) = list.next_element::<UnreadableIn>()? {
            entries.push(entry.into());
            reading.entry = Some(("unreadable", entries.len()));
        }
        reading.entry = None;
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_files_are_told_apart() {
        for snapshot in [
            &b"{\"schema\":\"goinspect.snapshot/1\",\"capturedAt\""[..],
            b"\n {\n  \"schema\" : \"goinspect.snapshot/1\"",
            // Its version is for `read_json` to complain of.
            b"{\"schema\":\"goinspect.snapshot/2\"",
            // As `jq -S` sorts it.
            b"{\n  \"build\": {",
            "{\"goroutines\":[{\"notes\":[\"\u{e9}"
                .as_bytes()
                .split_last()
                .unwrap()
                .1,
        ] {
            let text = String::from_utf8_lossy(snapshot);
            assert!(looks_like_snapshot(snapshot), "{text}");
        }
        for other in [
            &b""[..],
            b"{",
            b"{}",
            b"[]",
            b"\x7fELF\x02\x01\x01",
            b"goroutine 1 [running]:\n",
            b"{\"schema\":\"goinspect.diff/1\"",
            b"{\"schema\":1}",
            b"{\"name\":\"left-pad\"",
            b"\x1f\x8b\x08\x00",
            b"{\"schema",
        ] {
            let text = String::from_utf8_lossy(other);
            assert!(!looks_like_snapshot(other), "{text}");
        }
    }
}
