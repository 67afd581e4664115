//! What a user is told when something fails: `error: what`, `hint: what to do`, an exit code.

use std::io;
use std::process::ExitCode;

use sampler::ErrorKind;

use crate::tell;

/// A failure of a command.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Exit code 1: goinspect's own fault.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure {
            code: 1,
            message: message.into(),
            hint: None,
        }
    }

    /// Exit code 2.
    pub fn command_line(message: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            message: message.into(),
            hint: None,
        }
    }

    /// Exit code 3.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure {
            code: 3,
            message: message.into(),
            hint: None,
        }
    }

    /// Exit code 4.
    pub fn not_permitted(message: impl Into<String>) -> Failure {
        Failure {
            code: 4,
            message: message.into(),
            hint: None,
        }
    }

    /// Exit code 6.
    pub fn damaged(message: impl Into<String>) -> Failure {
        Failure {
            code: 6,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Tells the user, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        tell(format_args!("error: {}", model::Escaped(&self.message)));
        if let Some(hint) = &self.hint {
            tell(format_args!("hint: {}", model::Escaped(hint)));
        }
        ExitCode::from(self.code)
    }
}

impl From<sampler::Error> for Failure {
    fn from(error: sampler::Error) -> Failure {
        let code = match error.kind {
            ErrorKind::Internal => 1,
            ErrorKind::Ambiguous => 2,
            ErrorKind::NotFound => 3,
            ErrorKind::NotPermitted => 4,
            ErrorKind::NotSupported => 5,
            ErrorKind::Damaged => 6,
            ErrorKind::Gone => 7,
        };
        Failure {
            code,
            message: error.message,
            hint: error.hint,
        }
    }
}

/// Writing the output failed. Whoever closed the pipe has had enough: that is no failure.
pub fn written(result: io::Result<()>, to: &str) -> Result<(), Failure> {
    match result {
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(why) => Err(Failure::internal(format!("cannot write to {to}: {why}"))),
        Ok(()) => Ok(()),
    }
}
