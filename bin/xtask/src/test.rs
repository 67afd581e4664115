//! `cargo xtask test`: the toolchains and fixtures first, then everything cargo tests.

use std::process::ExitCode;

use fixtures::{BuildOptions, FixtureError, Toolchain, build, matrix, programs};

use crate::{ChoreError, cargo, progress};

pub(crate) fn test(full: bool, args: &[String]) -> Result<ExitCode, ChoreError> {
    let versions = if full {
        fixtures::toolchain::RELEASES.to_vec()
    } else {
        matrix::versions()?
    };
    for version in &versions {
        match prepare(version) {
            Ok(()) => {}
            // A trial that needs it says so again, as skipped and with the reason.
            Err(error @ FixtureError::Fetch { .. }) if !matrix::in_ci() => {
                progress(&format!("going on without Go {version}: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut command = cargo::cargo();
    command.args(["test", "--workspace"]);
    if matrix::in_ci() {
        command.args(["--locked", "--no-fail-fast"]);
    }
    command
        .args(args)
        .env(matrix::VERSIONS_VARIABLE, versions.join(","));
    cargo::pass_on(&mut command)
}

/// Here and not in the tests: they run side by side and would all wait for the same build.
fn prepare(version: &str) -> Result<(), FixtureError> {
    progress(&format!("Go {version} and the fixture programs"));
    let toolchain = Toolchain::obtain(version)?;
    for program in programs()? {
        build(&toolchain, &program, &BuildOptions::default())?;
    }
    Ok(())
}
