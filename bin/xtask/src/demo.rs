//! `cargo xtask demo`: goinspect on a program worth looking at.

use std::io::{IsTerminal, stdin, stdout};
use std::process::{Command, ExitCode};

use fixtures::{BuildOptions, Program, Toolchain, build};

use crate::{ChoreError, cargo, progress};

pub(crate) fn demo(go: Option<&str>, no_ui: bool) -> Result<ExitCode, ChoreError> {
    progress("finding a Go toolchain (fetched once if there is none)");
    let toolchain = match go {
        Some(version) => Toolchain::obtain(version)?,
        None => Toolchain::any()?,
    };
    progress(&format!(
        "building the demo program with Go {}",
        toolchain.version()
    ));
    let executable = build(&toolchain, "demo", &BuildOptions::default())?;
    progress("building goinspect (release; the first time takes a few minutes)");
    let goinspect = cargo::build_release("goinspect")?;

    // Its stdin is a pipe from us, and it ends when that closes: on every way out of
    // here, Ctrl-C and kill -9 included, it does not outlive us.
    let program = Program::start(&executable, &[])?;
    let pid = program.pid().to_string();
    progress(&format!("the demo runs as process {pid}"));

    let mut command = Command::new(goinspect);
    if !no_ui && stdin().is_terminal() && stdout().is_terminal() {
        command.args(["attach", &pid]);
    } else {
        command.args(["snapshot", &pid, "--format", "summary"]);
    }
    cargo::pass_on(&mut command)
}
