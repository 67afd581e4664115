//! A lock that is held, and nobody but those who wait for it refers to it: who locked it has ended without
//! unlocking, or is among those that wait because it locks twice.

use model::WaitKind;

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "lock-abandoned";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for object in world.objects() {
        let is_lock = matches!(object.kind, WaitKind::Mutex | WaitKind::RwMutex);
        let waiters: Vec<_> = object.waiters().collect();
        let all_stuck = waiters.iter().all(|&goid| world.is_stuck(goid));
        if !is_lock || !all_stuck || !world.helpers(object).is_empty() {
            continue;
        }
        let who = match waiters.len() {
            1 => "whoever has it has ended without unlocking it, or it is this goroutine itself",
            _ => "whoever has it has ended without unlocking it, or is one of these",
        };
        let sentence = format!(
            "{} {} {}, to which no other goroutine refers: {who}",
            words::count_wait(waiters.len()),
            words::wants("lock"),
            words::the(object),
        );
        let details = waiters
            .iter()
            .take(3)
            .map(|&goid| words::who_and_why(world, goid));
        found.push(Finding {
            details: details.collect(),
            objects: vec![(object.kind, object.addr)],
            ..finding(
                ID,
                Severity::Warning,
                Certainty::Suspected,
                waiters,
                sentence,
            )
        });
    }
    found
}
