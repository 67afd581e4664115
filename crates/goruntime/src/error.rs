//! What can fail as a whole; what fails for one goroutine is data.

use gobinary::{BinaryError, PathError};
use model::Addr;
use target::ReadError;

/// Why a program's runtime could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The executable lacks something.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The runtime's structures are not what goinspect relies on.
    #[error("this Go version's runtime is not understood: {0}")]
    Contract(#[from] PathError),
    /// The running program is not the one the executable describes.
    #[error("the running program does not match its executable: {0}")]
    Mismatch(String),
    /// The program was stripped, and this could not be found beyond doubt.
    #[error("the executable has no symbols, and {what} could not be found in the program: {why}")]
    NotLocated {
        /// Which variable of the runtime.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A variable of the runtime could not be read.
    #[error("cannot read {what} at {at}: {why}")]
    Read {
        /// Which one.
        what: &'static str,
        /// Where it should be.
        at: Addr,
        /// Why not.
        why: ReadError,
    },
}

impl LoadError {
    pub(crate) fn not_located(what: &'static str, why: impl Into<String>) -> LoadError {
        LoadError::NotLocated {
            what,
            why: why.into(),
        }
    }
}

/// Why no goroutine at all could be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The list of goroutines could not be read.
    #[error("cannot read {what} at {at}: {why}")]
    Read {
        /// Which part of it.
        what: &'static str,
        /// Where.
        at: Addr,
        /// Why not.
        why: ReadError,
    },
    /// The runtime has not yet set up its list of goroutines.
    #[error("the Go runtime has not started yet")]
    NotStarted,
    /// The list is longer than [`crate::Limits::goroutines`].
    #[error("runtime.allglen says {found} goroutines, more than the limit of {limit}")]
    TooMany {
        /// What the target says.
        found: u64,
        /// What is allowed.
        limit: usize,
    },
}
