//! Something that others wait for, and the only goroutines that could have to do with it are stuck themselves,
//! though not in a circle.

use model::{WaitKind, intent};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::{about, finding, wait_cycle};
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "held-by-stuck";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let circles = wait_cycle::circles(world);
    let mut found = Vec::new();
    for object in world.objects() {
        let helpers = world.helpers(object);
        if object.kind == WaitKind::WaitGroup || helpers.is_empty() {
            continue;
        }
        let Some(waiters) = world.stuck_waiters(object) else {
            continue;
        };
        let in_circle = circles.iter().any(|circle| {
            let mut all = waiters.iter().chain(&helpers);
            all.all(|goid| circle.binary_search(goid).is_ok())
        });
        if in_circle {
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
        let one = helpers.len() == 1;
        let sentence = format!(
            "{} {} {}; the only {} to it, {}, {} stuck",
            words::count_wait(waiters.len()),
            intent(Some(op)),
            words::the(object),
            if one {
                "other that refers"
            } else {
                "others that refer"
            },
            words::goroutines(&helpers),
            if one { "is itself" } else { "are themselves" },
        );
        let waits = finding(ID, severity, Certainty::Suspected, waiters, sentence);
        found.push(Finding {
            because_of: helpers.clone(),
            ..about(world, object, &helpers, waits)
        });
    }
    found
}
