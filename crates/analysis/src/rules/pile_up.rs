//! Many goroutines that queue for one lock, or to send to one channel: whoever serves them is too slow, or
//! does not serve them at all.

use model::intent;

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::{about, finding};
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
                intent(Some(&queue.op)),
                words::the(object),
                match helpers.len() {
                    0 => String::new(),
                    _ => format!(", which {} may have", words::goroutines(&helpers)),
                },
            );
            let waiters = queue.goids.clone();
            let pile = finding(
                ID,
                Severity::Warning,
                Certainty::Suspected,
                waiters,
                sentence,
            );
            found.push(Finding {
                because_of: helpers.clone(),
                ..about(world, object, &helpers, pile)
            });
        }
    }
    found
}
