//! Executables whose debug information was split off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use tempfile::TempDir;

use crate::run::{fails_with, goinspect, snapshot};
use crate::zoo::equals_own_stacks;

/// Runs a program to its end.
pub fn tool(program: &str, args: &[&Path]) -> Result<(), Failed> {
    let output = Command::new(program).args(args).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// `zoo` without its debug information, and that in a file beside it.
pub fn split(go: &Toolchain, folder: &TempDir) -> Result<(PathBuf, PathBuf), Failed> {
    let (zoo, debug) = (folder.path().join("zoo"), folder.path().join("zoo.debug"));
    let whole = build(go, "zoo", &BuildOptions::default())?;
    tool("objcopy", &[Path::new("--only-keep-debug"), &whole, &debug])?;
    tool("strip", &[Path::new("-o"), &zoo, &whole])?;
    Ok((zoo, debug))
}

/// The executable names its debug file, which lies beside it.
pub fn found_by_link(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (zoo, debug) = split(go, &folder)?;
    let link = format!("--add-gnu-debuglink={}", debug.display());
    tool("objcopy", &[Path::new(&link), &zoo])?;
    let program = Program::start(&zoo, &[])?;
    let taken = snapshot(program.pid(), &[])?;
    assert_eq!(taken["build"]["layout"], "debugfile");
    equals_own_stacks(program)
}

/// The user names it; that of another program is refused.
pub fn named(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (zoo, debug) = split(go, &folder)?;
    // Where nothing looks for it.
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&debug, &elsewhere)?;
    let program = Program::start(&zoo, &["-nospin"])?;
    let pid = program.pid().to_string();
    let named = elsewhere.to_string_lossy();
    assert_eq!(snapshot(program.pid(), &[])?["build"]["layout"], "table");
    let taken = snapshot(program.pid(), &["--debug-file", &named])?;
    assert_eq!(taken["build"]["layout"], "debugfile");
    assert!(
        taken["goroutines"]
            .as_array()
            .is_some_and(|all| all.len() > 100)
    );
    let foreign = build(go, "churn", &BuildOptions::default())?;
    let output = goinspect(&["snapshot", &pid, "--debug-file", &foreign.to_string_lossy()]);
    fails_with(&output, 6, &["debug file", "the build "])?;
    program.quit()?;
    Ok(())
}
