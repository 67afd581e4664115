//! What can be wrong with an executable.

use std::io;

use model::BuildIds;

use crate::GoVersion;

/// Why an executable could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The file could not be read.
    #[error("cannot read the executable: {0}")]
    Io(#[from] io::Error),
    /// Not an ELF file.
    #[error("not an ELF executable")]
    NotElf,
    /// A 32-bit program.
    #[error("a 32-bit program ({0}); goinspect reads 64-bit ones (amd64, arm64)")]
    Is32Bit(String),
    /// A processor that goinspect does not know.
    #[error("a program for {0}; goinspect reads amd64 and arm64")]
    UnsupportedArch(String),
    /// No trace of Go in it.
    #[error("not a Go program: neither it nor a library in it has Go build information")]
    NotGo,
    /// Go code without build information, whose Go version cannot be told otherwise.
    #[error("its Go build information was removed, and what Go version built it cannot be told")]
    NoVersion,
    /// A Go version that goinspect does not know.
    #[error("built with {0}; goinspect reads programs of {oldest} and later", oldest = GoVersion::OLDEST)]
    UnsupportedVersion(String),
    /// There is no debug information to take the layout of the runtime's structures from.
    #[error("the executable has no DWARF debug information (built with -ldflags=-w, or stripped)")]
    NoDebugInfo,
    /// There is no symbol table to take the addresses of the runtime's variables from.
    #[error("the executable has no symbol for {0}")]
    NoSymbol(String),
    /// A separate debug file is that of another program.
    #[error("it belongs to the build {debug_file}, and the executable is the build {executable}")]
    ForeignDebugFile {
        /// What the executable says.
        executable: Box<BuildIds>,
        /// What the debug file says.
        debug_file: Box<BuildIds>,
    },
    /// Some part of it contradicts itself.
    #[error("the executable is damaged: {0}")]
    Damaged(String),
}

impl BinaryError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        BinaryError::Damaged(what.into())
    }
}
