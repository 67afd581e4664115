//! `cargo xtask soak`: very many samples of programs that check themselves, and very many goinspects killed, and
//! whether anything of that did harm. Short forms of it are among the tests
//! (`bin/goinspect/tests/live`); here it is the number that counts.

mod health;
mod kills;
mod legs;
mod table;
mod trial;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use self::trial::Outcome;
use crate::{ChoreError, bench, cargo, field, progress};

/// What `cargo xtask soak` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// How many samples are taken of all programs together.
    #[arg(long, default_value_t = 100_000)]
    samples: usize,
    /// How many goinspects are killed.
    #[arg(long, default_value_t = 500)]
    kills: usize,
    /// Ends after so many minutes, wherever it is then (default: when all samples are taken).
    #[arg(long)]
    minutes: Option<u64>,
    /// Only programs with this in their name.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Write the table to docs/SOAK.md.
    #[arg(long)]
    write: bool,
}

pub(crate) fn soak(options: &Options) -> Result<ExitCode, ChoreError> {
    if cfg!(debug_assertions) {
        progress("building xtask for release: it takes the samples itself");
        let itself = cargo::build_release("xtask")?;
        return cargo::pass_on(Command::new(itself).args(env::args_os().skip(1)));
    }
    progress("building goinspect (release; the first time takes a few minutes)");
    let goinspect = cargo::build_release("goinspect")?;
    let folder = field::root().join("target/soak");
    fs::create_dir_all(&folder).map_err(|why| ChoreError::File {
        path: folder.clone(),
        why,
    })?;
    let began = Instant::now();
    let end = options
        .minutes
        .and_then(|minutes| began.checked_add(Duration::from_secs(minutes * 60)));
    let all = legs::legs();
    let chosen: Vec<_> = all
        .iter()
        .filter(|leg| {
            let only = options.only.as_deref().unwrap_or_default();
            leg.name().contains(only)
        })
        .collect();
    let whole: usize = chosen.iter().map(|leg| leg.share).sum();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (at, leg) in chosen.iter().enumerate() {
        if end.is_some_and(|end| Instant::now() >= end) {
            progress("the time is over");
            break;
        }
        let part = |of: usize| (of * leg.share).div_ceil(whole.max(1));
        progress(&format!(
            "{} of {}: {}, {} samples, {} kills",
            at + 1,
            chosen.len(),
            leg.name(),
            part(options.samples),
            part(options.kills)
        ));
        let task = trial::Task {
            goinspect: &goinspect,
            folder: &folder,
            samples: part(options.samples),
            kills: part(options.kills),
            end,
        };
        let outcome = trial::trial(leg, &task);
        for failure in &outcome.failures {
            progress(&format!("    failed: {failure}"));
        }
        outcomes.push(outcome);
    }
    let page = table::page(&outcomes, began.elapsed());
    println!("{page}");
    if options.write {
        write(&page)?;
    }
    let all_well = outcomes.iter().all(|outcome| outcome.failures.is_empty());
    Ok(match all_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Puts the table where it belongs in docs/SOAK.md.
fn write(page: &str) -> Result<(), ChoreError> {
    let path: PathBuf = field::root().join("docs/SOAK.md");
    bench::put_into(&path, "soak", page)
}
