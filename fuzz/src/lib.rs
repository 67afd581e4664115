//! Hostile input for every reader of goinspect.
//!
//! A [`Target`] takes any bytes, hands them to a reader as a file or a program would, uses whatever comes
//! of it, and panics if something is not as it must be. libFuzzer drives the targets (`cargo xtask fuzz`),
//! and so do the tests, with the committed seeds and some thousand mutations of them ([`Mutations`]).
#![forbid(unsafe_code)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fuzzer is told of what it found by a panic"
)]

mod check;
mod input;
mod mutations;
mod patches;
mod recorded;
mod targets;

pub use mutations::Mutations;
pub use patches::shrink;
pub use recorded::Recorded;
pub use targets::{TARGETS, Target, asked_of_pclntab, executable_with, target};
