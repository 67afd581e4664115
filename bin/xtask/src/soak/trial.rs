//! All samples of one program.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use fixtures::Program;
use model::Pid;
use sampler::{Options, Session, Wanted};

use super::health::{self, Expected, Held, Signals};
use super::kills::Runner;
use super::legs::Leg;

/// So many samples are taken between two looks at how the program is.
const ROUND: usize = 250;

/// What is to be done with a program.
pub(super) struct Task<'a> {
    pub(super) goinspect: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) samples: usize,
    pub(super) kills: usize,
    pub(super) end: Option<Instant>,
}

/// What became of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) title: String,
    pub(super) go: String,
    /// How many samples were taken in this process.
    pub(super) samples: usize,
    /// How many were taken by a goinspect of their own.
    pub(super) runs: usize,
    /// How many goinspects were killed.
    pub(super) kills: usize,
    /// How many of them while the program stood still.
    pub(super) in_a_stop: usize,
    pub(super) signals: Signals,
    pub(super) pauses: Vec<Duration>,
    /// Samples for which not all threads stood still; they say so.
    pub(super) inconsistent: usize,
    /// Stacks of running goroutines that end early, by what is said of that.
    pub(super) early: BTreeMap<String, usize>,
    /// By how much the memory of this process grew, in bytes, from the first round's end on.
    pub(super) growth: i64,
    pub(super) failures: Vec<String>,
}

/// Failures that are told of one program; it is of no use to tell the same a thousand times.
const TOLD: usize = 5;

pub(super) fn trial(leg: &Leg, task: &Task<'_>) -> Outcome {
    let mut outcome = Outcome {
        title: leg.title(),
        go: leg.go.to_owned(),
        ..Outcome::default()
    };
    if let Err(why) = attempt(leg, task, &mut outcome) {
        outcome.failures.push(why);
    }
    outcome
}

fn attempt(leg: &Leg, task: &Task<'_>, outcome: &mut Outcome) -> Result<(), String> {
    let mut program = leg
        .start(task.folder)
        .map_err(|why| format!("it cannot be started: {why}"))?;
    let mut runner = Runner::new(task.goinspect, program.pid());
    let rounds = task.samples.div_ceil(ROUND);
    let mut before: Option<Held> = None;
    for round in 0..rounds {
        if task.end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        // From the first to the last round alike.
        let kills = task.kills * (round + 1) / rounds - outcome.kills;
        runner.run()?;
        outcome.runs += 1;
        for _ in 0..kills {
            outcome.in_a_stop += usize::from(runner.kill(outcome.kills.is_multiple_of(2))?);
            outcome.kills += 1;
        }
        let left = task.samples - outcome.samples;
        samples(leg, &mut program, left.min(ROUND), outcome)?;
        let stops = outcome.samples + outcome.runs + outcome.kills;
        let pace = pace(&mut program)?;
        outcome.signals = health::program(&mut program, stops)?;
        works_on(&mut program, pace)?;

        let now = Held::now();
        let first = *before.get_or_insert(now);
        if now.files > first.files {
            return Err(format!("{} files are open, not {}", now.files, first.files));
        }
        outcome.growth = now.memory as i64 - first.memory as i64;
    }
    program.quit().map_err(|why| why.to_string())
}

/// A round of samples by one session.
fn samples(
    leg: &Leg,
    program: &mut Program,
    count: usize,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let expected = Expected {
        goroutines: leg.goroutines,
        counted: program.count().map_err(|why| why.to_string())?,
    };
    let pid = i32::try_from(program.pid()).map_err(|why| why.to_string())?;
    let options = Options {
        // Objects take long to look for, and are looked for after the stop. Every other round has them.
        wanted: Wanted {
            objects: outcome.runs.is_multiple_of(2),
            ..Wanted::default()
        },
        ..Options::default()
    };
    let mut session = Session::open(Pid(pid), options).map_err(|why| why.to_string())?;
    for _ in 0..count {
        let snapshot = session.sample().map_err(|why| why.to_string())?;
        outcome.samples += 1;
        outcome.pauses.extend(snapshot.capture.pause);
        outcome.inconsistent += usize::from(!snapshot.capture.consistent);
        match health::sample(&snapshot, &expected) {
            Ok(early) => {
                for why in early {
                    *outcome.early.entry(why).or_default() += 1;
                }
            }
            Err(why) => {
                let at = outcome.samples;
                outcome.failures.push(format!("sample {at}: {why}"));
                if outcome.failures.len() >= TOLD {
                    return Err("no more samples are taken".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// How much the program has done, if it counts that.
fn pace(program: &mut Program) -> Result<Option<u64>, String> {
    let commands = program.ask("help").map_err(|why| why.to_string())?;
    if !commands.split(' ').any(|command| command == "pace") {
        return Ok(None);
    }
    let answer = program.ask("pace").map_err(|why| why.to_string())?;
    let number = answer.parse().map_err(|_| format!("a pace of {answer:?}"));
    number.map(Some)
}

fn works_on(program: &mut Program, before: Option<u64>) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let (Some(before), Some(now)) = (before, pace(program)?) {
        if now > before {
            break;
        }
        if Instant::now() > deadline {
            return Err("the program has done nothing for half a minute".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
