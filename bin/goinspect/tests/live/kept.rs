//! `restless` tries to pass off an old stack as the one of now.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use goruntime::{Capture, Image, Limits, Runtime, Wanted, capture, read_ahead};
use model::{Goroutine, Pid};
use ptrace::{Process, StopLimits};
use sampler::{Options, Session};
use serde_json::Value;

use crate::process::runs_freely;

const SNAPSHOTS: usize = 300;

/// Whoever waits on a left channel was called from the left. What is waited on is read in the stop, and the
/// stack perhaps before.
pub fn only_stacks_of_now(go: &Toolchain) -> Result<(), Failed> {
    let (kept, seen) = told_by_restless(go, false)?;
    println!("Go {}: {kept} stacks were kept, {seen} seen", go.version());
    // Otherwise nothing has been tried.
    assert!(kept > SNAPSHOTS, "only {kept} stacks were kept");
    Ok(())
}

/// The same without a stop, of all that is not marked.
pub fn only_what_is_marked_is_torn(go: &Toolchain) -> Result<(), Failed> {
    let (_, seen) = told_by_restless(go, true)?;
    println!("Go {}: {seen} seen that are not marked", go.version());
    Ok(())
}

/// Compares each goroutine that is not marked with what it waits on. Returns how many stacks were kept, and how many
/// goroutines there were.
fn told_by_restless(go: &Toolchain, nonblocking: bool) -> Result<(usize, usize), Failed> {
    let mut restless = Program::start(&build(go, "restless", &BuildOptions::default())?, &[])?;
    let facts = restless.facts()?;
    let addresses = |side: &str| -> BTreeSet<String> {
        let list = facts[side].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (left, right) = (addresses("left"), addresses("right"));
    let options = Options {
        nonblocking,
        ..Options::default()
    };
    let mut session = Session::open(Pid(restless.pid() as i32), options)?;
    let (mut kept, mut seen) = (0, [0, 0]);
    for i in 0..SNAPSHOTS {
        let snapshot = session.sample()?;
        assert_ne!(snapshot.capture.consistent, nonblocking);
        kept += session.kept();
        for g in &snapshot.goroutines {
            let Some(channel) = waits_on(g).filter(|_| g.notes.is_empty()) else {
                continue;
            };
            let expected = match (left.contains(&channel), right.contains(&channel)) {
                (true, _) => "main.viaLeft",
                (_, true) => "main.viaRight",
                _ => continue,
            };
            seen[usize::from(expected == "main.viaRight")] += 1;
            let calls: Vec<&str> = g.frames.iter().map(|f| &*f.function.name).collect();
            assert!(
                calls.contains(&expected),
                "snapshot {i}: goroutine {} waits on {channel}, not by way of {expected}: {calls:?}",
                g.goid
            );
        }
    }
    assert!(seen.iter().all(|&seen| seen > SNAPSHOTS), "{seen:?}");
    runs_freely(restless.pid())?;
    restless.quit()?;
    Ok((kept, seen.iter().sum()))
}

/// What would take too long is left out before the stop, and that is said; what is left of it is short.
pub fn within_max_pause(go: &Toolchain) -> Result<(), Failed> {
    const CROWD: usize = 5000;
    let path = build(go, "crowd", &BuildOptions::default())?;
    // Nothing can be kept: there was no garbage collection.
    let crowd = Program::start(&path, &["-n", "5000", "-stall=false"])?;
    let pid = Pid(crowd.pid() as i32);
    let mut process = Process::open(pid)?;
    let binary = Arc::new(Runtime::open_binary(File::open(&path)?)?);
    let image = Image::at_entry(binary, process.entry_address()?);
    let runtime = Runtime::load(&image, &process, &|_| None)?;
    let limits = Limits::default();
    // Only the estimate goes by this time, not the stop.
    let mut copied_within = |max_pause| -> Result<_, Failed> {
        let ahead = read_ahead(&process, &runtime, &limits, max_pause);
        let stopped = process.stop(&StopLimits::default())?;
        Ok(capture(
            &stopped,
            &runtime,
            &limits,
            Wanted::default(),
            ahead,
        )?)
    };
    let short = copied_within(Duration::from_micros(1))?;
    let whole = copied_within(Duration::from_secs(60))?;
    let told = |of: &Capture| of.diagnostics.iter().any(|why| why.contains("--max-pause"));
    assert!(
        !short.is_complete && told(&short),
        "{:?}",
        short.diagnostics
    );
    assert!(
        whole.is_complete && !told(&whole),
        "{:?}",
        whole.diagnostics
    );
    // Each goroutine of it is some calls deep.
    let spared = whole.memory.bytes().saturating_sub(short.memory.bytes());
    assert!(spared > 300 * CROWD as u64, "only {spared} bytes less");

    let options = Options {
        max_pause: Some(Duration::from_micros(1)),
        ..Options::default()
    };
    let cut = Session::open(pid, options)?.sample();
    assert!(cut.is_err() || cut.is_ok_and(|snapshot| !snapshot.capture.consistent));
    runs_freely(crowd.pid())?;
    crowd.quit()?;
    Ok(())
}

/// The address of the one channel that a goroutine waits on.
fn waits_on(g: &Goroutine) -> Option<String> {
    match g.waiting_on.as_deref()? {
        [on] => on.addr.map(|at| at.to_string()),
        _ => None,
    }
}
