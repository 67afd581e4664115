//! Opens a target and yields snapshots of it.
//!
//! All that can be done without stopping the target is done when it is opened; a sample
//! is a stop, a copy, and then, with the target running again, the decoding.

mod core;
mod error;
mod executable;
mod images;
mod list;
mod native;
mod session;

pub use self::core::read_core;
pub use corefile::looks_like_core;
pub use error::{Error, ErrorKind};
pub use goruntime::Wanted;
pub use list::{Found, GoProcess, go_processes};
pub use session::{Options, Session};
