//! The text of Go's own traceback: written as Go writes it, and read back.
//!
//! One set of values ([`Dump`], [`Block`], [`Line`]) stands between the two: a snapshot is
//! composed into blocks, blocks are displayed, and text is parsed into the same blocks.
//! Source: `runtime/traceback.go` of Go 1.21 to 1.27.

mod block;
mod compose;
mod names;
mod parse;
mod snapshot;
mod write;

pub use block::{Ancestor, Block, Call, CreatedBy, FrameWords, HeaderLabels, Line, MName};
pub use compose::{Level, compose};
pub use names::name_for_print;
pub use parse::{Dump, looks_like_dump, parse_dump};
pub use snapshot::{reduced, snapshot_of};
pub use write::{TracebackOptions, write_traceback};
