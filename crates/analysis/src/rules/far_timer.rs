//! Who sleeps for days mostly has computed the time wrongly, or means "for ever".

use model::{WaitKind, WaitState, WaitingOn};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "far-timer";

/// In nanoseconds.
const DAY: i64 = 24 * 3600 * 1_000_000_000;
const YEAR: i64 = 365 * DAY;
/// From when on a timer is far away.
const FAR: i64 = DAY;

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let Some(now) = world
        .snapshot
        .capture
        .nanotime
        .and_then(|now| i64::try_from(now).ok())
    else {
        return Vec::new();
    };
    let mut found: Vec<Finding> = Vec::new();
    for group in model::group(&world.snapshot.goroutines) {
        let mut goids = Vec::new();
        let mut farthest = 0;
        for &goid in &group.goids {
            // In a bubble time is another's.
            let g = world
                .goroutine(goid)
                .filter(|g| g.traceback.bubble.is_none() && !g.system);
            let due = g.and_then(|g| g.waiting_on.as_deref()).and_then(due);
            let left = due
                .map(|due| due.saturating_sub(now))
                .filter(|&left| left > FAR);
            if let Some(left) = left {
                goids.push(goid);
                farthest = farthest.max(left);
            }
        }
        if goids.is_empty() {
            continue;
        }
        let sentence = format!(
            "{} in {} for a timer that is due {} only",
            words::count_wait(goids.len()),
            words::place(&group.sample),
            in_words(farthest),
        );
        found.push(finding(
            ID,
            Severity::Warning,
            Certainty::Suspected,
            goids,
            sentence,
        ));
    }
    found
}

/// When the only thing that it waits for is due.
fn due(list: &[WaitingOn]) -> Option<i64> {
    match list {
        [one] => match (one.kind, &one.state) {
            (WaitKind::Timer, WaitState::Timer(when)) => Some(*when),
            (WaitKind::Chan, WaitState::Chan(Some(state))) => state.timer,
            _ => None,
        },
        _ => None,
    }
}

fn in_words(nanoseconds: i64) -> String {
    match nanoseconds {
        YEAR.. => format!("in more than {} years", nanoseconds / YEAR),
        _ => format!("in {} days", nanoseconds / DAY),
    }
}
