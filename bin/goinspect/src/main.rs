//! goinspect: what every goroutine of a running Go program is doing, and why, from outside.
//!
//! This is the composition root: arguments in, exit code and hints out.

mod args;
mod attach;
mod config;
mod core;
mod diff;

mod failure;
mod findings;
mod output;
mod ps;
mod record;
mod replay;
mod save;
mod snapshot;
mod target;
mod why;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Command::Attach(command) => attach::run(command, &args.common),
        Command::Snapshot(command) => snapshot::run(command, &args.common),
        Command::Core(command) => core::run(command, &args.common),
        Command::Record(command) => record::run(command, &args.common),
        Command::Diff(command) => diff::run(command, &args.common),
        Command::Why(command) => why::run(command, &args.common),
        Command::Findings(command) => findings::run(command, &args.common),
        Command::Ps => ps::run(&args.common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Tells the user something on stderr; stdout is for output alone.
fn tell(line: impl std::fmt::Display) {
    use std::io::Write;
    // Whoever closed stderr does not want to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}
