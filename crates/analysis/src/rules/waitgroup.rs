//! A WaitGroup whose counter is not zero, and those who could call `Done` are gone or stuck.

use model::ObjectState;

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::{about, finding};
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "waitgroup";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for object in world.objects() {
        let ObjectState::WaitGroup { counter, .. } = object.state else {
            continue;
        };
        let Some(waiters) = world.stuck_waiters(object) else {
            continue;
        };
        let helpers = world.helpers(object);
        let why = match helpers.as_slice() {
            [] => "no other goroutine refers to it: whoever should have called Done has ended"
                .to_owned(),
            some => format!(
                "only {} could call Done, and wait themselves",
                words::goroutines(some)
            ),
        };
        let sentence = format!(
            "{} for {}, of which {counter} Done {} missing; {why}",
            words::count_wait(waiters.len()),
            words::the(object),
            if counter == 1 { "is" } else { "are" },
        );
        let waits = finding(
            ID,
            Severity::Warning,
            Certainty::Suspected,
            waiters,
            sentence,
        );
        found.push(Finding {
            because_of: helpers.clone(),
            ..about(world, object, &helpers, waits)
        });
    }
    found
}
