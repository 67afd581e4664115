//! Something that others wait for, and the only goroutines that could have to do with it are stuck themselves,
//! though not in a circle.

use model::WaitKind;

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::{finding, wait_cycle};
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "held-by-stuck";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let circles = wait_cycle::circles(world);
    let mut found = Vec::new();
    for object in world.objects() {
        let waiters: Vec<_> = object.waiters().collect();
        let all_stuck = waiters.iter().all(|&goid| world.is_stuck(goid));
        let helpers = world.helpers(object);
        let in_circle = circles.iter().any(|circle| {
            waiters
                .iter()
                .chain(&helpers)
                .all(|goid| circle.contains(goid))
        });
        if object.kind == WaitKind::WaitGroup || !all_stuck || helpers.is_empty() || in_circle {
            continue;
        }
        let op = object.queues.first().map_or("", |queue| &*queue.op);
        let is_lock = matches!(object.kind, WaitKind::Mutex | WaitKind::RwMutex);
        // Who waits to receive, mostly waits for work that may come on a longer way.
        let severity = match op {
            _ if is_lock => Severity::Error,
            "send" => Severity::Warning,
            _ => Severity::Info,
        };
        let sentence = format!(
            "{} {} {}; the only other that refer{} to it, {}, {} stuck",
            words::count_wait(waiters.len()),
            words::wants(op),
            words::the(object),
            if helpers.len() == 1 { "s" } else { "" },
            words::goroutines(&helpers),
            if helpers.len() == 1 {
                "is itself"
            } else {
                "are themselves"
            },
        );
        let details = helpers
            .iter()
            .take(3)
            .map(|&goid| words::who_and_why(world, goid));
        found.push(Finding {
            details: details.collect(),
            because_of: helpers,
            objects: vec![(object.kind, object.addr)],
            ..finding(ID, severity, Certainty::Suspected, waiters, sentence)
        });
    }
    found
}
