//! Running cargo from within cargo, and programs whose exit code becomes ours.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use serde_json::Value;

use crate::ChoreError;

/// The cargo that runs us, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command
}

/// Builds a binary of the workspace for release; returns where cargo says it put it.
pub(crate) fn build_release(package: &'static str) -> Result<PathBuf, ChoreError> {
    let output = cargo()
        .args(["build", "--release", "--quiet", "--package", package])
        .args(["--bin", package])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed_to_run("cargo"))?;
    if !output.status.success() {
        return Err(ChoreError::Cargo(package));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
        .ok_or(ChoreError::Cargo(package))
}

/// Runs a command with our terminal; returns its exit code.
pub(crate) fn pass_on(command: &mut Command) -> Result<ExitCode, ChoreError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(failed_to_run(&program))?;
    Ok(exit_code(status))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn failed_to_run(program: &str) -> impl FnOnce(std::io::Error) -> ChoreError {
    move |why| ChoreError::Run {
        program: program.to_owned(),
        why,
    }
}
