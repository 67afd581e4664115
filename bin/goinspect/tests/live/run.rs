//! Running the goinspect binary that was just built.

use std::process::{Command, Output, Stdio};

use fixtures::trials::Failed;
use serde_json::Value;

/// The path of goinspect.
pub const GOINSPECT: &str = env!("CARGO_BIN_EXE_goinspect");

/// Runs goinspect to its end.
pub fn goinspect(args: &[&str]) -> Output {
    Command::new(GOINSPECT)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// One snapshot as JSON; fails with what goinspect said.
pub fn snapshot(pid: u32, more: &[&str]) -> Result<Value, Failed> {
    let pid = pid.to_string();
    let mut args = vec!["snapshot", &pid];
    args.extend(more);
    parse(&goinspect(&args))
}

/// The JSON that goinspect has written; fails with what it said.
pub fn parse(output: &Output) -> Result<Value, Failed> {
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Checks the exit code, and that stderr has all of `words` and is an `error:` line.
pub fn fails_with(output: &Output, code: i32, words: &[&str]) -> Result<(), Failed> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(code) {
        return Err(format!("expected exit code {code}, got {}: {stderr}", output.status).into());
    }
    if !stderr.starts_with("error: ") {
        return Err(format!("no error line: {stderr}").into());
    }
    for word in words {
        if !stderr.contains(word) {
            return Err(format!("{word:?} is not in: {stderr}").into());
        }
    }
    Ok(())
}
