//! The formats a snapshot is written in, and read back from.
//!
//! Whatever is written here came from a stranger's process: [`model::Escaped`] is what
//! keeps its strings from steering the reader's terminal.

mod caveats;
pub mod diff;
mod findings;
mod folded;
pub mod json;
mod objects;
mod page;
mod pprof;
pub mod read_json;
mod recording;
mod scheduler;
mod stacks;
pub mod summary;
pub mod traceback;
mod waiting;
mod waits;
mod why;
mod words;

pub use caveats::caveats;
pub use diff::{Comparison, DIFF_SCHEMA, DiffOptions, write_diff, write_diff_json};
pub use findings::{FINDINGS_SCHEMA, FindingsOptions, write_findings, write_findings_json};
pub use folded::write_folded;
pub use json::{SNAPSHOT_SCHEMA, Style, write_json};
pub use pprof::{PprofOptions, write_pprof};
pub use read_json::{ReadJsonError, looks_like_snapshot, read_json};
pub use recording::{ReadRecordingError, Recorder, Recording, Written, looks_like_recording};
pub use summary::{SummaryOptions, write_summary};
pub use traceback::{
    Dump, Level, TracebackOptions, looks_like_dump, parse_dump, reduced, snapshot_of,
    write_traceback,
};
pub use why::write_why;
