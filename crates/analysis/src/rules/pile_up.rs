//! Many goroutines that queue for one lock, or to send to one channel: whoever serves them is too slow, or
//! does not serve them at all.

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "pile-up";

/// From how many on it is told.
const MANY: usize = 20;

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for object in world.objects() {
        for queue in &object.queues {
            if !matches!(&*queue.op, "lock" | "rlock" | "send" | "acquire")
                || queue.goids.len() < MANY
            {
                continue;
            }
            let helpers = world.helpers(object);
            let sentence = format!(
                "{} {} {}{}",
                words::count_wait(queue.goids.len()),
                words::wants(&queue.op),
                words::the(object),
                match helpers.len() {
                    0 => String::new(),
                    _ => format!(", which {} may have", words::goroutines(&helpers)),
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
                ..finding(
                    ID,
                    Severity::Warning,
                    Certainty::Suspected,
                    queue.goids.clone(),
                    sentence,
                )
            });
        }
    }
    found
}
