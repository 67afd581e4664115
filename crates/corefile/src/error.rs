//! Why a core file cannot be read.

use std::io;

/// Why a core file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("is no core file: {0}")]
    NotACore(String),
    /// It is of a processor that is not supported.
    #[error("is a core file of {0}; amd64 and arm64 are supported")]
    UnsupportedMachine(String),
    /// It is a core file, but so damaged that nothing can be said.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// It is compressed, and there is no room for what it holds.
    #[error(
        "cannot be unpacked into {folder}: {why}, after {written} bytes",
        folder = folder.display()
    )]
    NoRoom {
        /// Where it was unpacked.
        folder: std::path::PathBuf,
        /// How much was.
        written: u64,
        /// What failed.
        why: io::Error,
    },
}
