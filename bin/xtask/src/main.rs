//! The project's chores: Go toolchains, the demo, the tests.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program's output is its printing"
)]

mod bench;
mod cargo;
mod demo;
mod field;
mod fuzz;
mod layouts;
mod soak;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fixtures::{FixtureError, Toolchain};

#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build and start the demo program, and attach goinspect to it.
    Demo {
        /// The Go version to build it with (default: whatever is nearest).
        #[arg(long, value_name = "VERSION")]
        go: Option<String>,
        /// Print a summary even in a terminal.
        #[arg(long)]
        no_ui: bool,
    },
    /// Run all tests.
    Test {
        /// With all Go versions, as CI does, and not just the newest and the oldest.
        #[arg(long)]
        full: bool,
        /// Passed on to `cargo test --workspace`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Write the layouts of the runtime's structures, for executables without debug information.
    Layouts {
        /// For this Go version only, like 1.27.
        #[arg(long, value_name = "VERSION")]
        go: Option<String>,
    },
    /// Run Go programs from package registries under load, and hold goinspect against them.
    FieldTest {
        /// These programs only (default: all).
        #[arg(value_name = "NAME")]
        only: Vec<String>,
        /// Write the table to docs/FIELD-TESTS.md.
        #[arg(long)]
        write: bool,
    },
    /// Measure how long goinspect, Go's own dumps and other debuggers hold a program up.
    Bench(bench::Options),
    /// Take very many samples of programs that check themselves, kill goinspect at any moment, and see whether that does harm.
    Soak(soak::Options),
    /// Give hostile input to every reader (docs/FUZZING.md).
    Fuzz(fuzz::Options),
    /// Print the path of a Go toolchain's go command, fetching the toolchain if need be.
    Go {
        /// Like 1.27 or 1.27.3.
        version: String,
    },
}

/// Why a chore could not be done.
#[derive(Debug, thiserror::Error)]
enum ChoreError {
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    #[error("cannot run {program}: {why}")]
    Run {
        program: String,
        why: std::io::Error,
    },
    #[error("cargo could not build {0}")]
    Cargo(&'static str),
    #[error("there is no program {name}: {names}")]
    NoSuchProgram { name: String, names: String },
    #[error("there is no fuzz target {name}: {names}")]
    NoSuchTarget { name: String, names: String },
    #[error("{}: {why}", path.display())]
    File {
        path: std::path::PathBuf,
        why: std::io::Error,
    },
    #[error("{}: {why}", path.display())]
    Binary {
        path: std::path::PathBuf,
        why: gobinary::BinaryError,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Demo { go, no_ui } => demo::demo(go.as_deref(), no_ui),
        Chore::Test { full, args } => test::test(full, &args),
        Chore::Layouts { go } => layouts::layouts(go.as_deref()),
        Chore::FieldTest { only, write } => field::field_test(&only, write),
        Chore::Bench(options) => bench::bench(&options),
        Chore::Soak(options) => soak::soak(&options),
        Chore::Fuzz(options) => fuzz::fuzz(&options),
        Chore::Go { version } => go(&version),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn go(version: &str) -> Result<ExitCode, ChoreError> {
    println!("{}", Toolchain::obtain(version)?.go().display());
    Ok(ExitCode::SUCCESS)
}

/// One line about what takes time now.
fn progress(what: &str) {
    eprintln!("xtask: {what}");
}
