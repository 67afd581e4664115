//! `select {}` waits for ever. The main function of a server may do so on purpose.

use model::Goid;

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "empty-select";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for group in model::group(&world.snapshot.goroutines) {
        let reason = group.sample.waitreason.as_deref().unwrap_or_default();
        if !reason.starts_with("select (no cases)") {
            continue;
        }
        let goids: Vec<Goid> = group
            .goids
            .into_iter()
            .filter(|&goid| goid != Goid(1))
            .collect();
        if !goids.is_empty() {
            let sentence = format!(
                "{} in an empty select, in {}: nothing can ever wake {}, which may be meant so",
                words::count_wait(goids.len()),
                words::place(&group.sample),
                if goids.len() == 1 { "it" } else { "them" },
            );
            found.push(finding(
                ID,
                Severity::Warning,
                Certainty::Suspected,
                goids,
                sentence,
            ));
        }
    }
    found
}
