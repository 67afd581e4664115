//! A WaitGroup whose counter is not zero, and those who could call `Done` are gone or stuck.

use model::{ObjectState, WaitKind};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "waitgroup";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for object in world.objects() {
        let ObjectState::WaitGroup { counter, .. } = object.state else {
            continue;
        };
        let waiters: Vec<_> = object.waiters().collect();
        let all_stuck = waiters.iter().all(|&goid| world.is_stuck(goid));
        if object.kind != WaitKind::WaitGroup || !all_stuck {
            continue;
        }
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
        let details = helpers
            .iter()
            .take(3)
            .map(|&goid| words::who_and_why(world, goid));
        found.push(Finding {
            details: details.collect(),
            because_of: helpers,
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
