//! Goroutines that one `go` statement has made and that all wait in the same place: a pool, or a leak. Which
//! of them, a second snapshot tells.

use std::collections::HashMap;

use model::{Addr, Goid, Goroutine, Stacks, Status, WaitKind};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "crowd";

/// From how many on it is told, and from how many on it is a warning.
const MANY: usize = 20;
const TOO_MANY: usize = 1000;

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut stacks = Stacks::default();
    let mut crowds: HashMap<(Addr, usize), (Vec<Goid>, &Goroutine)> = HashMap::new();
    for g in &world.snapshot.goroutines {
        let waits = matches!(g.status, Status::Waiting | Status::Leaked) && !g.system;
        if let (true, Some(site)) = (waits, &g.gopc) {
            let crowd = crowds.entry((site.pc, stacks.number(&g.frames)));
            crowd.or_insert_with(|| (Vec::new(), g)).0.push(g.goid);
        }
    }
    let mut crowds: Vec<_> = crowds
        .into_values()
        .filter(|(goids, _)| goids.len() >= MANY)
        .collect();
    crowds.sort_by_key(|(goids, _)| goids.first().copied());
    crowds
        .into_iter()
        .map(|(goids, g)| {
            let creator = g.gopc.as_ref().and_then(|site| site.function.as_ref());
            let is_network = g
                .waiting_on
                .iter()
                .any(|list| list.iter().any(|on| on.kind == WaitKind::Netpoll));
            let severity = match goids.len() {
                TOO_MANY.. if !is_network => Severity::Warning,
                _ => Severity::Info,
            };
            let sentence = format!(
                "{} in {} [{}], all started by one go statement in {}",
                words::count_wait(goids.len()),
                words::place(g),
                g.state(),
                creator.map_or("?", |function| &*function.name),
            );
            finding(ID, severity, Certainty::Suspected, goids, sentence)
        })
        .collect()
}
