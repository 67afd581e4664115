//! Recordings: a series of snapshots in one file (`docs/SCHEMA.md`, "The recording, version 1").
//!
//! A line of JSON that says what the file is, then gzip members, one for each sample and each of one
//! line of JSON. A member says how long it is, so that the file is searched without unpacking it. It is
//! only ever appended to: whenever the recorder is killed, what it had written is readable.

mod delta;
mod member;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{ReadRecordingError, Recording};
pub use write::{Recorder, Written};

use crate::read_json::quoted;

/// What the first line says it is.
const RECORDING_VERSION: &str = "goinspect.recording/1";
/// What a sample says it is that tells only what has changed.
pub(crate) const DELTA_VERSION: &str = "goinspect.delta/1";
/// What tells that a sample could not be taken.
const MISSED_VERSION: &str = "goinspect.missed/1";
/// What tells why there are no more samples.
const END_VERSION: &str = "goinspect.end/1";

/// Bytes of JSON that a sample has at most: those of a million goroutines take three gigabytes or so. Neither
/// written nor read beyond that.
const MAX_UNPACKED: u64 = 4 << 30;
/// Bytes that a sample may have, however few are left of it when it is packed.
const FREE_UNPACKED: u64 = 256 << 20;
/// How many times as large as it was packed a sample may become beyond that. Those of programs with many
/// equal goroutines become some forty times as large, with very deep stacks some hundred times; what is made to fill
/// memory, a thousand times and more.
const MAX_RATIO: u64 = 500;

/// The bytes of JSON that a sample of so many packed bytes has at most.
fn most_unpacked(packed: u64) -> u64 {
    let most = packed.saturating_mul(MAX_RATIO);
    most.saturating_add(FREE_UNPACKED).min(MAX_UNPACKED)
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    schema: String,
    interval_ns: u64,
}

/// What is told between samples.
#[derive(Serialize, Deserialize)]
struct Remark {
    schema: String,
    message: String,
}

/// Whether a file that begins with these bytes is worth trying [`Recording::open`] on. A hundred
/// bytes are enough.
pub fn looks_like_recording(first_bytes: &[u8]) -> bool {
    // The line may be followed by bytes that are no text; the words are not.
    let text = String::from_utf8_lossy(first_bytes);
    let key = text.strip_prefix('{').and_then(quoted);
    let value = key.and_then(|(key, rest)| {
        let rest = rest.strip_prefix(':').filter(|_| key == "schema")?;
        quoted(rest)
    });
    // Another version is named by the error that opening it ends with.
    value.is_some_and(|(value, _)| value.starts_with("goinspect.recording/"))
}
