//! A lock that is held, and nobody but those who wait for it refers to it: who locked it has ended without
//! unlocking, or is among those that wait because it locks twice.

use model::{WaitKind, intent};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::{about, finding};
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "lock-abandoned";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for object in world.objects() {
        let is_lock = matches!(object.kind, WaitKind::Mutex | WaitKind::RwMutex);
        if !is_lock || !world.helpers(object).is_empty() {
            continue;
        }
        let Some(waiters) = world.stuck_waiters(object) else {
            continue;
        };
        let who = match waiters.len() {
            1 => "whoever has it has ended without unlocking it, or it is this goroutine itself",
            _ => "whoever has it has ended without unlocking it, or is one of these",
        };
        let sentence = format!(
            "{} {} {}, to which no other goroutine refers: {who}",
            words::count_wait(waiters.len()),
            intent(Some("lock")),
            words::the(object),
        );
        let told = waiters.clone();
        let waits = finding(
            ID,
            Severity::Warning,
            Certainty::Suspected,
            waiters,
            sentence,
        );
        found.push(about(world, object, &told, waits));
    }
    found
}
