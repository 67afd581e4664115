//! The meaning of Go's runtime structures: what is relied on ([`contract`]), copying it
//! out of a stopped program ([`capture`]), and turning the bytes into goroutines ([`Decoder`]).
//!
//! The road is one-way: [`Runtime::load`] before the stop, [`capture`] in it,
//! [`Decoder::decode`] after it. Decoding reads any [`target::ReadMemory`], so a capture and a core file are decoded
//! by the same code.

mod ancestors;
mod bubble;
mod capture;
mod cgo;
pub mod contract;
mod decode;
mod error;
mod heap;
mod image;
mod labels;
mod limits;
mod locate;
mod machine;
mod module;
mod objects;
mod places;
mod runtime;
mod scheduler;
mod signal;
mod stacks;
mod start;
mod symbolize;
mod system;
mod type_names;
mod unwind;
mod values;
mod waits;
mod wanted;

pub use capture::{Ahead, Capture, Doubts, capture, capture_running, read_ahead};
pub use cgo::CCode;
pub use decode::{Decoded, Decoder};
pub use error::{CaptureError, LoadError};
pub use image::Image;
pub use limits::Limits;
pub use runtime::Runtime;
pub use system::count_goroutines;
pub use wanted::Wanted;
