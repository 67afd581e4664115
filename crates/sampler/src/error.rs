//! What can go wrong, sorted by what the user can do about it.

use std::fmt;

use corefile::CoreError;
use gobinary::BinaryError;
use goruntime::{CaptureError, LoadError};
use ptrace::{OpenError, StopError};

/// The sorts of failures; each has an exit code of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// No such process or file.
    NotFound,
    /// The command line does not say which of several is meant.
    Ambiguous,
    /// It may not be traced.
    NotPermitted,
    /// Not a Go program, or one of a version or processor that is not supported.
    NotSupported,
    /// The executable is damaged, or is not that of the program.
    Damaged,
    /// The process ended or replaced itself.
    Gone,
    /// A defect of goinspect.
    Internal,
}

/// A failure: what failed, on what, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// Its sort.
    pub kind: ErrorKind,
    /// What failed, on what.
    pub message: String,
    /// What to do, where something can be done.
    pub hint: Option<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl fmt::Display) -> Error {
        Error {
            kind,
            message: message.to_string(),
            hint: None,
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Error {
        Error {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Puts the subject before the message.
    pub(crate) fn on(self, subject: impl fmt::Display) -> Error {
        Error {
            message: format!("{subject}: {}", self.message),
            ..self
        }
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        let kind = match &error {
            OpenError::NoSuchProcess { .. }
            | OpenError::Zombie { .. }
            | OpenError::Hidden { .. }
            | OpenError::NoProc
            | OpenError::ForeignProc => ErrorKind::NotFound,
            OpenError::KernelThread { .. } => ErrorKind::NotSupported,
            OpenError::Denied { .. } | OpenError::ExeDenied { .. } => ErrorKind::NotPermitted,
            OpenError::Exited { .. } => ErrorKind::Gone,
            OpenError::IsThread { .. } | OpenError::Itself { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Internal,
        };
        let hint = error.hint();
        Error {
            kind,
            message: error.to_string(),
            hint,
        }
    }
}

impl From<StopError> for Error {
    fn from(error: StopError) -> Error {
        let kind = match &error {
            StopError::Exited { .. } | StopError::Replaced { .. } => ErrorKind::Gone,
            StopError::Denied { .. } | StopError::AlreadyTraced { .. } => ErrorKind::NotPermitted,
            _ => ErrorKind::Internal,
        };
        let hint = error.hint();
        Error {
            kind,
            message: error.to_string(),
            hint,
        }
    }
}

impl From<CoreError> for Error {
    fn from(error: CoreError) -> Error {
        let kind = match &error {
            CoreError::NotFound { .. } | CoreError::Io { .. } => ErrorKind::NotFound,
            CoreError::NotPermitted { .. } => ErrorKind::NotPermitted,
            CoreError::UnsupportedMachine { .. } => ErrorKind::NotSupported,
            CoreError::NotACore { .. } | CoreError::Damaged { .. } => ErrorKind::Damaged,
            _ => ErrorKind::Internal,
        };
        let no_room = matches!(error, CoreError::NoRoom { .. });
        let plain = Error::new(kind, error);
        match no_room {
            true => plain.hint("set TMPDIR to a directory with room for the whole core"),
            false => plain,
        }
    }
}

/// What helps where the executable says too little.
const WITH_SYMBOLS: &str = "if an unstripped build of exactly this program is at hand, name it with \
    --exe, or its debug file with --debug-file";

impl From<BinaryError> for Error {
    fn from(error: BinaryError) -> Error {
        let kind = match &error {
            BinaryError::Io(_) | BinaryError::Damaged(_) | BinaryError::ForeignDebugFile { .. } => {
                ErrorKind::Damaged
            }
            _ => ErrorKind::NotSupported,
        };
        let plain = Error::new(kind, &error);
        match error {
            BinaryError::NoDebugInfo | BinaryError::NoSymbol(_) => plain.hint(WITH_SYMBOLS),
            _ => plain,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::new(ErrorKind::Internal, error)
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Error {
        match error {
            LoadError::Binary(error) => error.into(),
            LoadError::Mismatch(_) => Error::new(ErrorKind::Damaged, error),
            LoadError::Contract(_) => Error::new(ErrorKind::NotSupported, error),
            LoadError::NotLocated { .. } => {
                Error::new(ErrorKind::NotSupported, error).hint(WITH_SYMBOLS)
            }
            LoadError::Read {
                why: target::ReadError::Gone,
                ..
            } => Error::new(ErrorKind::Gone, error),
            LoadError::Read {
                why: target::ReadError::NotPermitted,
                ..
            } => Error::new(ErrorKind::NotPermitted, error),
            LoadError::Read { .. } => Error::new(ErrorKind::Damaged, error),
        }
    }
}

impl From<CaptureError> for Error {
    fn from(error: CaptureError) -> Error {
        match error {
            CaptureError::Read {
                why: target::ReadError::Gone,
                ..
            } => Error::new(ErrorKind::Gone, error),
            CaptureError::NotStarted => {
                Error::new(ErrorKind::NotSupported, error).hint("try again in a moment")
            }
            CaptureError::Read { .. } | CaptureError::TooMany { .. } => {
                Error::new(ErrorKind::Damaged, error)
            }
        }
    }
}
