//! `restless` tries to pass off an old stack as the one of now.

use std::collections::BTreeSet;
use std::time::Duration;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use model::{Goroutine, Pid};
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

/// What would take too long is left out before, and the snapshot says so.
pub fn within_max_pause(go: &Toolchain) -> Result<(), Failed> {
    const CROWD: usize = 5000;
    let crowd = build(go, "crowd", &BuildOptions::default())?;
    // Nothing can be kept: there was no garbage collection.
    let crowd = Program::start(&crowd, &["-n", "5000", "-stall=false"])?;
    let options = Options {
        max_pause: Some(Duration::from_micros(1)),
        ..Options::default()
    };
    let pid = Pid(crowd.pid() as i32);
    // Nothing can be done in a microsecond: it is the estimate that is of interest.
    let told = Session::open(pid, options)?.sample();
    assert!(told.is_err() || told.is_ok_and(|snapshot| !snapshot.capture.consistent));
    let whole = Session::open(pid, Options::default())?.sample()?;
    assert!(whole.goroutines.len() >= CROWD && whole.capture.consistent);
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
