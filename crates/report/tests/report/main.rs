//! What `report` writes and reads: golden files, the JSON Schema, and properties that
//! hold for any snapshot.

// Clippy knows a test by its attribute; helpers of tests may fail by panicking as well.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod diff;
mod findings;
mod golden;
mod profiles;
mod properties;
mod read;
mod recording;
mod samples;
mod schema;
mod traceback;
