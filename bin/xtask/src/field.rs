//! `cargo xtask field-test`: programs that nobody here wrote. They come from package registries,
//! are run under some load, and goinspect is held against what they say of themselves.
//!
//! Nothing is installed: all lies below `target/field`, and all listens on the loopback.

mod child;
mod fetch;
mod judge;
mod load;
mod programs;
mod table;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use self::judge::Findings;
use self::programs::PROGRAMS;
use crate::{ChoreError, cargo, progress};

/// So many programs are enough for a verdict.
const ENOUGH: usize = 5;

/// What became of a program.
struct Outcome {
    name: &'static str,
    /// With version and registry.
    from: String,
    result: Result<Findings, Why>,
}

/// Why there are no findings.
enum Why {
    /// It cannot be had here; no fault of goinspect's.
    NotAvailable(String),
    /// It was had, and the trial went wrong.
    Failed(String),
}

pub(crate) fn field_test(only: &[String], write: bool) -> Result<ExitCode, ChoreError> {
    for name in only {
        if !PROGRAMS.iter().any(|program| program.name == name) {
            let names: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
            return Err(ChoreError::NoSuchProgram {
                name: name.clone(),
                names: names.join(", "),
            });
        }
    }
    progress("building goinspect (release; the first time takes a few minutes)");
    let goinspect = cargo::build_release("goinspect")?;
    let folder = root().join("target/field");
    fs::create_dir_all(&folder).map_err(|why| ChoreError::File {
        path: folder.clone(),
        why,
    })?;

    let mut outcomes = Vec::new();
    for program in PROGRAMS {
        if !only.is_empty() && !only.iter().any(|name| program.name == name) {
            continue;
        }
        let from = program.source.registry();
        progress(&format!("{} ({from})", program.name));
        if program.as_root && !is_root() {
            let why = "it needs root".to_owned();
            progress(&format!("    not available: {why}"));
            outcomes.push(Outcome {
                name: program.name,
                from,
                result: Err(Why::NotAvailable(why)),
            });
            continue;
        }
        let (from, result) = match fetch::fetch(&program.source, program.binary, &folder) {
            Err(why) => (from, Err(Why::NotAvailable(why))),
            Ok(fetched) => (
                format!("{from}, {}", fetched.version),
                trial::trial(program, &fetched, &goinspect, &folder).map_err(Why::Failed),
            ),
        };
        match &result {
            Ok(findings) => progress(&format!("    {}", findings.line())),
            Err(Why::NotAvailable(why)) => progress(&format!("    not available: {why}")),
            Err(Why::Failed(why)) => progress(&format!("    failed: {why}")),
        }
        outcomes.push(Outcome {
            name: program.name,
            from,
            result,
        });
    }

    let page = table::page(&outcomes, &circumstances());
    println!("{page}");
    if write {
        let path = root().join("docs/FIELD-TESTS.md");
        fs::write(&path, table::document(&page)).map_err(|why| ChoreError::File { path, why })?;
    }
    Ok(verdict(&outcomes, only.is_empty()))
}

/// Whether goinspect was right about all programs, and they were enough.
fn verdict(outcomes: &[Outcome], all: bool) -> ExitCode {
    let good = |outcome: &&Outcome| outcome.result.as_ref().is_ok_and(Findings::is_good);
    let unavailable = |outcome: &&Outcome| matches!(outcome.result, Err(Why::NotAvailable(_)));
    let good = outcomes.iter().filter(good).count();
    let bad = outcomes.len() - good - outcomes.iter().filter(unavailable).count();
    if bad > 0 {
        progress(&format!(
            "{bad} programs show something that is to be looked into"
        ));
        ExitCode::FAILURE
    } else if all && good < ENOUGH {
        progress(&format!(
            "only {good} programs could be had: {ENOUGH} are needed"
        ));
        ExitCode::FAILURE
    } else {
        progress(&format!("{good} programs, and nothing to be looked into"));
        ExitCode::SUCCESS
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// When, where and with which goinspect; what cannot be found out is left out.
pub(crate) fn circumstances() -> String {
    let said = |command: &mut Command| {
        let output = command.output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let date = said(Command::new("date").args(["-u", "+%F"]));
    let kernel = said(Command::new("uname").args(["-srm"]));
    let commit = said(
        Command::new("git")
            .args(["describe", "--always", "--dirty", "--abbrev=10"])
            .current_dir(root()),
    );
    let parts = [
        date,
        kernel,
        commit.map(|commit| format!("goinspect {commit}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
