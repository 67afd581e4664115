//! `cargo xtask fuzz`: runs libFuzzer over the targets of the crate `fuzz`. The stable compiler will do: the
//! coverage that libFuzzer goes by is a pass of LLVM's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::{ChoreError, cargo, progress};

mod record;
mod seeds;

/// What `cargo xtask fuzz` understands.
#[derive(Args)]
pub(crate) struct Options {
    /// This target only (default: all, one after the other).
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// For how long each.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Make the committed seeds anew, from programs that the newest Go toolchain builds, and run nothing.
    #[arg(long)]
    new_seeds: bool,
}

/// As cargo-fuzz has them, but for the sanitizers: those need a nightly compiler.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

pub(crate) fn fuzz(options: &Options) -> Result<ExitCode, ChoreError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let seeds = root.join("fuzz/seeds");
    if options.new_seeds {
        return seeds::make(&seeds);
    }
    let names = ::fuzz::TARGETS.iter().map(|target| target.name);
    let chosen: Vec<&str> = names
        .clone()
        .filter(|name| options.target.as_deref().is_none_or(|only| only == *name))
        .collect();
    if let (Some(name), []) = (&options.target, chosen.as_slice()) {
        return Err(ChoreError::NoSuchTarget {
            name: name.clone(),
            names: names.collect::<Vec<_>>().join(", "),
        });
    }
    let place = root.join("target/fuzz");
    let fuzzer = build(&place)?;
    let mut worst = ExitCode::SUCCESS;
    for name in chosen {
        progress(&format!("{name}, {} s", options.seconds));
        let (corpus, found) = (place.join("corpus").join(name), place.join("found"));
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).map_err(|why| ChoreError::File {
                path: folder.clone(),
                why,
            })?;
        }
        let mut command = Command::new(&fuzzer);
        command
            .env("GOINSPECT_FUZZ_TARGET", name)
            .arg(format!("-max_total_time={}", options.seconds))
            .args([
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-max_len=200000",
                "-len_control=0",
            ])
            .args(["-print_final_stats=1", "-verbosity=1"])
            .arg(format!("-artifact_prefix={}/{name}-", found.display()))
            .args([corpus, seeds.join(name)]);
        let done = cargo::pass_on(&mut command)?;
        if done != ExitCode::SUCCESS {
            worst = done;
        }
    }
    Ok(worst)
}

fn build(place: &Path) -> Result<PathBuf, ChoreError> {
    // With a target, what runs while it is built is not instrumented.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = cargo::cargo();
    command
        .args(["build", "--profile=fuzz", "--package=fuzz", "--bin=fuzz"])
        .args(["--features=libfuzzer", "--target", &triple])
        .arg("--target-dir")
        .arg(place)
        .env("RUSTFLAGS", FLAGS.join(" "));
    match cargo::pass_on(&mut command)? == ExitCode::SUCCESS {
        true => Ok(place.join(triple).join("fuzz/fuzz")),
        false => Err(ChoreError::Cargo("fuzz")),
    }
}
