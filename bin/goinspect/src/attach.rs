//! `goinspect attach`.

use crate::args::{self, Common};
use crate::failure::Failure;

/// Opens the terminal UI.
pub fn run(command: &args::Attach, _common: &Common) -> Result<(), Failure> {
    let _ = args::process(&command.target)?;
    Err(Failure::internal("attach is being written"))
}
