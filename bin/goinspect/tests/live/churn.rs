//! `churn` creates and ends goroutines and threads without pause.

use std::collections::BTreeSet;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use model::{GoVersion, Pid, StackEnd, Status};
use report::{Style, write_json};
use sampler::{Options, Session};
use serde_json::Value;

use crate::process::{runs_freely, until};
use crate::scheduler::is_possible;

pub fn a_thousand_snapshots(go: &Toolchain) -> Result<(), Failed> {
    snapshots(go, 1000)
}

/// What takes long is done with each Go version, but not as often.
pub fn three_hundred_snapshots(go: &Toolchain) -> Result<(), Failed> {
    snapshots(go, 300)
}

/// So many snapshots in a row: each is valid, no goid appears twice in one, and
/// afterwards the program works on.
fn snapshots(go: &Toolchain, count: usize) -> Result<(), Failed> {
    let mut churn = Program::start(&build(go, "churn", &BuildOptions::default())?, &[])?;
    let schema: Value = serde_json::from_str(report::SNAPSHOT_SCHEMA)?;
    let validator = jsonschema::validator_for(&schema)?;
    let mut options = Options::default();
    options.wanted.scheduler = true;
    let mut session = Session::open(Pid(churn.pid() as i32), options)?;
    let version = GoVersion::parse(&format!("go{}", go.version()));
    let scheduler_of_126 = version >= GoVersion::parse("go1.26");
    let mut newest = 0;
    let mut inconsistent = 0;
    let (mut running, mut early) = (0u64, Vec::new());
    for i in 0..count {
        let snapshot = session.sample()?;
        let goids: BTreeSet<_> = snapshot.goroutines.iter().map(|g| g.goid).collect();
        assert_eq!(
            goids.len(),
            snapshot.goroutines.len(),
            "snapshot {i}: a goid appears twice"
        );
        // On a busy machine a thread may get no processor to stop on for a long time. Then the
        // snapshot says so.
        assert_eq!(
            snapshot.capture.consistent,
            snapshot.diagnostics.is_empty(),
            "snapshot {i}: {:?}",
            snapshot.diagnostics
        );
        inconsistent += usize::from(!snapshot.capture.consistent);
        for entry in &snapshot.unreadable {
            // Before Go 1.22 a new goroutine is runnable for a moment before it has its goid.
            assert!(
                entry.reason.contains("just being created"),
                "snapshot {i}: {entry:?}"
            );
        }
        newest = newest.max(goids.last().map_or(0, |goid| goid.0));
        for g in &snapshot.goroutines {
            running += u64::from(g.status == Status::Running);
            match &g.stack_end {
                StackEnd::Early(why) => early.push(format!("{:?}: {why}", g.status)),
                StackEnd::Complete => assert!(!g.frames.is_empty(), "snapshot {i}: {g:?}"),
            }
        }
        if snapshot.capture.consistent {
            is_possible(&snapshot, scheduler_of_126);
        }
        // Validation takes far longer than the sample: one in ten stands for all.
        if i % 10 == 0 {
            let mut json = Vec::new();
            write_json(&snapshot, Style::Line, &mut json)?;
            let value: Value = serde_json::from_slice(&json)?;
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|e| format!("{}: {e}", e.instance_path()))
                .collect();
            assert!(errors.is_empty(), "snapshot {i}: {}", errors.join("\n"));
        }
    }
    assert!(
        inconsistent * 20 < count,
        "{inconsistent} snapshots are not consistent"
    );
    // Parked goroutines always have their whole stack. Running ones may be caught where the
    // runtime itself could not tell; so may one whose stack grows, which is running, too.
    let parked: Vec<&String> = early
        .iter()
        .filter(|why| !why.starts_with("Running") && !why.ends_with("just being moved"))
        .collect();
    assert!(
        parked.is_empty(),
        "{} stacks of parked goroutines end early: {:?}",
        parked.len(),
        parked.first()
    );
    let share = format!(
        "{} of {running} running stacks end early: {early:?}",
        early.len()
    );
    println!("Go {}: {share}", go.version());
    // One in a thousand; a few thousand samples are too few to tell three from two.
    assert!(early.len() as u64 * 1000 <= running + 1000, "{share}");

    runs_freely(churn.pid())?;
    let pace = |churn: &mut Program| -> Result<u64, Failed> {
        let answer = churn.ask("pace")?;
        Ok(answer.trim().trim_start_matches("@pace").trim().parse()?)
    };
    let before = pace(&mut churn)?;
    assert!(before > 0 && newest > 0);
    until("churn goes on working", || {
        pace(&mut churn).ok().filter(|&now| now > before + 10_000)
    })?;
    churn.quit()?;
    Ok(())
}
