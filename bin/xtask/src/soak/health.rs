//! Whether the program, and goinspect itself, are as well as before.

use fixtures::Program;
use fixtures::process::{code_is_as_in_files, runs_freely};
use fixtures::trials::Failed;
use model::{Snapshot, StackEnd, Status};
use serde_json::Value;

use super::legs::Goroutines;

/// Signals that the program sent itself, and those that arrived.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Signals {
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// The program runs on, nobody holds it, its code is that of its files, and by its own account all is well.
pub(super) fn program(program: &mut Program, stops: usize) -> Result<Signals, String> {
    let pid = program.pid();
    runs_freely(pid).map_err(words)?;
    code_is_as_in_files(pid).map_err(words)?;
    // What checks itself has ended with a message if it was not well.
    let facts = program.facts().map_err(|why| why.to_string())?;
    calls(&facts, stops)?;
    signals(&facts)
}

/// The system calls of threads that no signal reaches (`touchy`): whatever interrupts one, it is a stop, and
/// those that signal(7) says go on must not be.
fn calls(facts: &Value, stops: usize) -> Result<(), String> {
    // More than anything can be.
    const MISSING: u64 = u32::MAX as u64;
    let calls = facts.get("calls").and_then(Value::as_array);
    for call in calls.into_iter().flatten() {
        let number = |key: &str| call.get(key).and_then(Value::as_u64).unwrap_or(MISSING);
        let goes_on = call.get("kind").and_then(Value::as_str) == Some("goes on");
        let disturbed = number("interrupted") + number("cut");
        if number("failed") + number("early") > 0
            || goes_on && disturbed > 0
            // Stops by a job control are not counted here.
            || facts.pointer("/done/jobs").is_none() && number("interrupted") > stops as u64
        {
            return Err(format!("a system call did not do what it should: {call}"));
        }
    }
    Ok(())
}

fn signals(facts: &Value) -> Result<Signals, String> {
    let number = |key: &str| facts.pointer(key).and_then(Value::as_u64);
    let (sent, received) = (number("/signals/sent"), number("/signals/received"));
    let signals = Signals {
        sent: sent.unwrap_or_default(),
        received: received.unwrap_or_default(),
    };
    // Each of those that send one waits until it has arrived.
    match signals.received <= signals.sent && signals.sent - signals.received <= 4 {
        true => Ok(signals),
        false => Err(format!("{signals:?}")),
    }
}

/// What a count of the program's own says that a sample must have.
pub(super) struct Expected {
    pub(super) goroutines: Goroutines,
    /// How many the program counts.
    pub(super) counted: u64,
}

/// Whether a sample is one that could be true. Returns why stacks of running goroutines end early.
pub(super) fn sample(snapshot: &Snapshot, expected: &Expected) -> Result<Vec<String>, String> {
    let mut goids: Vec<_> = snapshot.goroutines.iter().map(|g| g.goid).collect();
    goids.sort_unstable();
    goids.dedup();
    if goids.len() != snapshot.goroutines.len() {
        return Err("a goid appears twice".to_owned());
    }
    // Before Go 1.22 a new goroutine is runnable for a moment before it has its goid.
    let created = |reason: &str| reason.contains("just being created");
    if let Some(entry) = snapshot.unreadable.iter().find(|e| !created(&e.reason)) {
        return Err(format!("unreadable: {entry:?}"));
    }
    let own = snapshot.user_goroutines().count();
    let sane = match expected.goroutines {
        // A finalizer at work and a cleanup at work are shown, and not counted.
        Goroutines::AsCounted => (own as u64).abs_diff(expected.counted) <= 2,
        Goroutines::Below(most) => 0 < own && own < most,
    };
    if !sane {
        let counted = expected.counted;
        return Err(format!("{own} goroutines, the program counts {counted}"));
    }
    let mut early = Vec::new();
    for g in &snapshot.goroutines {
        if let StackEnd::Early(why) = &g.stack_end {
            // One that is at work, or whose stack is, can be caught where the runtime could not tell either.
            if g.status != Status::Running && !why.ends_with("just being moved") {
                return Err(format!(
                    "the stack of goroutine {} ({}) ends early: {why}",
                    g.goid,
                    g.state()
                ));
            }
            early.push(why.to_string());
        }
    }
    Ok(early)
}

/// What goinspect, that is this process, holds of the system.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Held {
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// Open files.
    pub(super) files: usize,
}

impl Held {
    pub(super) fn now() -> Held {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap_or_default();
        Held {
            memory: pages * 4096,
            files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        }
    }
}

/// What a failed check says.
pub(super) fn words(failed: Failed) -> String {
    failed.message().unwrap_or("(nothing is said)").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(kind: &str, interrupted: u64, early: u64) -> Value {
        json!({"calls": [{"kind": kind, "interrupted": interrupted, "cut": 0, "failed": 0, "early": early}]})
    }

    #[test]
    fn only_what_a_stop_interrupts_may_be() {
        assert!(calls(&call("goes on", 0, 0), 5).is_ok());
        assert!(calls(&call("goes on", 1, 0), 5).is_err());
        assert!(calls(&call("is interrupted", 5, 0), 5).is_ok());
        assert!(calls(&call("is interrupted", 6, 0), 5).is_err());
        assert!(calls(&call("is interrupted", 0, 1), 5).is_err());
        assert!(calls(&json!({"calls": [{}]}), 5).is_err());
    }

    #[test]
    fn no_signal_may_be_missing() {
        let told = |sent, received| {
            signals(&json!({"signals": {"sent": sent, "received": received}})).is_ok()
        };
        assert!(told(7, 7) && told(7, 5));
        assert!(!told(7, 1) && !told(7, 8));
    }
}
