//! `cargo xtask bench`: how long goinspect holds a program up, beside Go's own dumps and other
//! debuggers. The stall is measured inside the program, by a goroutine that looks at the clock
//! without pause (`fixtures/programs/crowd/watch.go`).

mod contenders;
mod table;
mod tool;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fixtures::{BuildOptions, FixtureError, Program, Toolchain, build};

use self::contenders::{Contender, contenders};
use crate::{ChoreError, cargo, field, progress};

/// What `cargo xtask bench` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// How many goroutines the program has.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// How often each is measured; the table has the medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The Go version to build the program with (default: whatever is nearest).
    #[arg(long, value_name = "VERSION")]
    go: Option<String>,
    /// Write the table to docs/PERFORMANCE.md.
    #[arg(long)]
    write: bool,
}

/// What one contender cost, a value a round.
#[derive(Default)]
struct Costs {
    name: String,
    /// The largest stall inside the program.
    stalls: Vec<Duration>,
    /// From the start of the tool to its end.
    times: Vec<Duration>,
    /// Processor time of the tool; none where the program does it itself.
    cpu: Vec<Duration>,
    /// Peak memory of the tool in bytes.
    memory: Vec<u64>,
    /// The part of its pace that the program loses at a sample a second, in percent.
    lost: Option<f64>,
    /// Why it was not measured.
    skipped: Option<String>,
}

/// What was measured at one size.
struct Trial {
    goroutines: usize,
    costs: Vec<Costs>,
}

pub(crate) fn bench(options: &Options) -> Result<ExitCode, ChoreError> {
    let toolchain = match &options.go {
        Some(version) => Toolchain::obtain(version)?,
        None => Toolchain::any()?,
    };
    let crowd = build(&toolchain, "crowd", &BuildOptions::default())?;
    progress("building goinspect (release; the first time takes a few minutes)");
    let goinspect = cargo::build_release("goinspect")?;
    let mut trials = Vec::new();
    for &goroutines in &options.sizes {
        progress(&format!("{goroutines} goroutines"));
        let size = goroutines.to_string();
        let mut program = Program::start(&crowd, &["-n", &size])?;
        // What has waited through a collection is what nearly all goroutines of a service are.
        program.ask("gc")?;
        let contenders = contenders(&goinspect, &toolchain, goroutines);
        trials.push(Trial {
            goroutines,
            costs: measure(&mut program, &contenders, options.rounds)?,
        });
        program.quit()?;
    }
    let page = table::page(&trials, toolchain.version(), options.rounds);
    println!("{page}");
    if options.write {
        write(&page)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(
    program: &mut Program,
    contenders: &[Contender],
    rounds: usize,
) -> Result<Vec<Costs>, ChoreError> {
    let mut all: Vec<Costs> = contenders.iter().map(Costs::of).collect();
    // In turns, so that what else the machine does meets all of them.
    for round in 0..rounds {
        for (contender, costs) in contenders.iter().zip(&mut all) {
            if costs.skipped.is_some() || round >= contender.rounds {
                continue;
            }
            program.ask("stall-reset")?;
            let began = Instant::now();
            match contender.act(program)? {
                Ok(used) => {
                    costs.cpu.extend(used.cpu);
                    costs.memory.extend(used.memory);
                }
                Err(why) => {
                    costs.skipped = Some(why);
                    continue;
                }
            }
            costs.times.push(began.elapsed());
            costs.stalls.push(stall(program)?);
        }
    }
    let idle = pace(program, None)?;
    for (contender, costs) in contenders.iter().zip(&mut all) {
        if contender.repeatable && costs.skipped.is_none() {
            let now = pace(program, Some(contender))?;
            costs.lost = Some(100.0 * (1.0 - now / idle));
        }
    }
    Ok(all)
}

impl Costs {
    fn of(contender: &Contender) -> Costs {
        Costs {
            name: contender.name.to_owned(),
            skipped: contender.missing.clone(),
            ..Costs::default()
        }
    }
}

fn stall(program: &mut Program) -> Result<Duration, ChoreError> {
    Ok(Duration::from_nanos(number(program, "stall")?))
}

fn number(program: &mut Program, command: &str) -> Result<u64, ChoreError> {
    let answer = program.ask(command)?;
    answer.parse().map_err(|_| {
        ChoreError::Fixture(FixtureError::Protocol {
            when: format!("when {command:?} was due"),
            what: format!("{answer:?} is not a number"),
        })
    })
}

/// Looks at the clock per second, with a sample a second or without.
fn pace(program: &mut Program, contender: Option<&Contender>) -> Result<f64, ChoreError> {
    const SECONDS: u64 = 4;
    let (before, began) = (number(program, "pace")?, Instant::now());
    for second in 1..=SECONDS {
        if let Some(contender) = contender {
            // That it went well once is known.
            let _ = contender.act(program)?;
        }
        let next = Duration::from_secs(second);
        std::thread::sleep(next.saturating_sub(began.elapsed()));
    }
    let looks = number(program, "pace")?.saturating_sub(before);
    Ok(looks as f64 / began.elapsed().as_secs_f64())
}

/// Puts the table where it belongs in docs/PERFORMANCE.md.
fn write(page: &str) -> Result<(), ChoreError> {
    put_into(&field::root().join("docs/PERFORMANCE.md"), "bench", page)
}

/// Puts what a chore has found out between its marks in a document.
pub(crate) fn put_into(path: &Path, chore: &str, page: &str) -> Result<(), ChoreError> {
    let at = |why| ChoreError::File {
        path: path.to_owned(),
        why,
    };
    let text = fs::read_to_string(path).map_err(at)?;
    let new = table::put(&text, chore, page)
        .ok_or_else(|| at(std::io::Error::other("the marks of the table are missing")))?;
    fs::write(path, new).map_err(at)
}
