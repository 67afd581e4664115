//! Why a core file could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use model::Escaped;

/// Why a core file could not be used. The messages name the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// There is no such file.
    #[error("{}: no such file", shown(path))]
    NotFound {
        /// The file asked for.
        path: PathBuf,
    },
    /// It may not be read.
    #[error(
        "{}: not permitted to read it (a core belongs to the user whose process it was)",
        shown(path)
    )]
    NotPermitted {
        /// The file asked for.
        path: PathBuf,
    },
    /// Reading it failed.
    #[error("cannot read {}: {source}", shown(path))]
    Io {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Some other kind of file.
    #[error("{} is not a core file: it is {what}", shown(path))]
    NotACore {
        /// The file asked for.
        path: PathBuf,
        /// What it is, with its article.
        what: String,
    },
    /// A core of a processor that goinspect does not know.
    #[error(
        "{} is a core file for {machine}; goinspect reads those of 64-bit amd64 and arm64",
        shown(path)
    )]
    UnsupportedMachine {
        /// The file asked for.
        path: PathBuf,
        /// Its processor.
        machine: String,
    },
    /// So much is missing or wrong that nothing can be read from it.
    #[error("the core file {} is damaged: {what}", shown(path))]
    Damaged {
        /// The file asked for.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is no room for the decompressed core.
    #[error(
        "no room to decompress {}: {} is full after {}{}; set TMPDIR to a directory with more room, or decompress it yourself",
        shown(path),
        shown(dir),
        size(*written),
        needed.map(|n| format!(" of {}", size(n))).unwrap_or_default()
    )]
    NoRoom {
        /// The compressed core.
        path: PathBuf,
        /// Where it was decompressed to.
        dir: PathBuf,
        /// Bytes that were decompressed until then.
        written: u64,
        /// Bytes that the whole core has, where its headers could be read.
        needed: Option<u64>,
    },
    /// Decompressed, it is longer than is allowed.
    #[error(
        "{} has more than {} when decompressed; decompress it yourself, and open the result",
        shown(path),
        size(*limit)
    )]
    TooLarge {
        /// The compressed core.
        path: PathBuf,
        /// The limit in bytes: [`crate::Limits::unpacked_bytes`], or what the other two of its kind allow.
        limit: u64,
    },
    /// The file to decompress to could not be created or written.
    #[error(
        "cannot decompress {} into a temporary file in {}: {source}; TMPDIR chooses another directory",
        shown(path),
        shown(dir)
    )]
    Temporary {
        /// The compressed core.
        path: PathBuf,
        /// Where it was decompressed to.
        dir: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl CoreError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => CoreError::NotFound { path },
            io::ErrorKind::PermissionDenied => CoreError::NotPermitted { path },
            _ => CoreError::Io { path, source },
        }
    }
}

/// What is wrong with the beginning of a file, before anybody knows its name.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotACore(String),
    Machine(String),
    Damaged(String),
}

impl Refusal {
    pub(crate) fn of(self, path: &Path) -> CoreError {
        let path = path.to_owned();
        match self {
            Refusal::NotACore(what) => CoreError::NotACore { path, what },
            Refusal::Machine(machine) => CoreError::UnsupportedMachine { path, machine },
            Refusal::Damaged(what) => CoreError::Damaged { path, what },
        }
    }
}

fn shown(path: &Path) -> String {
    Escaped(&path.to_string_lossy()).to_string()
}

/// A number of bytes for people: `640 bytes`, `17.3 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let scaled = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        1 => "1 byte".to_owned(),
        0..10_000 => format!("{bytes} bytes"),
        10_000..1_000_000 => format!("{:.1} kB", scaled(1_000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1_000_000)),
        _ => format!("{:.1} GB", scaled(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_how_much_and_where() {
        let error = CoreError::NoRoom {
            path: "/cores/a.zst".into(),
            dir: "/tmp".into(),
            written: 4_000_000_000,
            needed: Some(12_300_000_000),
        };
        assert_eq!(
            error.to_string(),
            "no room to decompress /cores/a.zst: /tmp is full after 4.0 GB of 12.3 GB; \
             set TMPDIR to a directory with more room, or decompress it yourself"
        );
    }
}
