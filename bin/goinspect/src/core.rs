//! `goinspect core`: a program after its death.

use std::io::{self, IsTerminal};

use crate::args::{self, Common, Format};
use crate::attach;
use crate::failure::Failure;
use crate::snapshot::{check, print, wanted};
use crate::target::Given;

/// Shows a core file in the terminal UI; in a pipe, or where it is asked for, prints it.
pub fn run(command: &args::Core, common: &Common) -> Result<(), Failure> {
    let given = Given::parse(&command.core.to_string_lossy())?;
    if !matches!(given, Given::Core(_)) {
        let what = format!(
            "{} is {}, no core file",
            command.core.display(),
            given.what()
        );
        return Err(Failure::command_line(what).hint("attach and snapshot take it as it is"));
    }
    let asked = command.format.is_some() || command.output.output.is_some();
    if !asked && io::stdout().is_terminal() {
        return attach::show(&given, common);
    }
    let format = command.format.unwrap_or(Format::Traceback);
    check(format, &command.output)?;
    let snapshot = given.snapshot(common, wanted(format, &command.output, common))?;
    print(&snapshot, format, &command.output, common)
}
