//! A goroutine that sends to a nil channel, receives from one, or selects among nil channels only,
//! waits for ever (the language specification, "Channel types" and "Select statements").

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::{Hope, World};

pub(super) const ID: &str = "nil-channel";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for group in model::group(&world.snapshot.goroutines) {
        let g = &group.sample;
        let Some(what) = what(g.waitreason.as_deref().unwrap_or_default()) else {
            continue;
        };
        // A group has one reason, but in a select not all need have nil channels only.
        let never = |goid: &model::Goid| {
            let g = world.goroutine(*goid);
            g.is_some_and(|g| world.hope(g) == Hope::Never)
        };
        let goids: Vec<_> = group.goids.iter().copied().filter(never).collect();
        if goids.is_empty() {
            continue;
        }
        let sentence = format!(
            "{} {what}, in {}: nothing can ever wake {}",
            words::count_wait(goids.len()),
            words::place(g),
            if goids.len() == 1 { "it" } else { "them" },
        );
        found.push(finding(
            ID,
            Severity::Error,
            Certainty::Proven,
            goids,
            sentence,
        ));
    }
    found
}

/// What a wait reason means, if the channels are nil; `(durable)` may follow it.
fn what(reason: &str) -> Option<&'static str> {
    if reason.starts_with("select (no cases)") {
        None
    } else if reason.starts_with("select") {
        Some("in a select whose channels are all nil")
    } else if reason.starts_with("chan send (nil chan)") {
        Some("to send to a nil channel")
    } else if reason.starts_with("chan receive (nil chan)") {
        Some("to receive from a nil channel")
    } else {
        None
    }
}
