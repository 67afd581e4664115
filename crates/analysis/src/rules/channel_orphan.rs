//! A channel or condition that nobody but those who wait on it has a pointer to on the stack. Who would send may still come by
//! one from the heap, so of receivers, which mostly are idle workers, this is hardly a suspicion; whoever receives,
//! in contrast, mostly stands and waits for it. A sender that would also receive can be told to stop: many that have something
//! ready for whoever comes are written so.

use std::collections::HashMap;

use model::{Goid, Goroutine, Object, Stacks, WaitKind, intent};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "nobody-left";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    // Many goroutines may wait in one place for channels of their own.
    type Orphans<'a> = (Vec<Goid>, Vec<&'a Object>);
    let mut stacks = Stacks::default();
    let mut places: HashMap<(&str, usize), Orphans<'_>> = HashMap::new();
    for object in world.objects() {
        if !matches!(object.kind, WaitKind::Chan | WaitKind::Cond)
            || !world.helpers(object).is_empty()
        {
            continue;
        }
        for queue in &object.queues {
            let stuck = queue.goids.iter().filter(|&&goid| world.is_stuck(goid));
            for g in stuck.filter_map(|&goid| world.goroutine(goid)) {
                let place = places
                    .entry((&queue.op, stacks.number(&g.frames)))
                    .or_default();
                place.0.push(g.goid);
                if place.1.last().is_none_or(|last| last.addr != object.addr) {
                    place.1.push(object);
                }
            }
        }
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by_key(|(_, (goids, _))| goids.first().copied());
    places
        .into_iter()
        .filter_map(|((op, _), (mut goids, objects))| {
            goids.sort_unstable();
            goids.dedup();
            let g = world.goroutine(*goids.first()?)?;
            let what = match objects.as_slice() {
                [one] => words::the(one),
                [first, ..] => format!("{} channels like {}", objects.len(), words::the(first)),
                [] => return None,
            };
            let severity = match op {
                "send" if !would_receive(g) => Severity::Warning,
                _ => Severity::Info,
            };
            let sentence = format!(
                "{} in {} {} {what}, to which no other goroutine's stack leads",
                words::count_wait(goids.len()),
                words::place(g),
                intent(Some(op)),
            );
            Some(Finding {
                objects: objects
                    .iter()
                    .map(|object| (object.kind, object.addr))
                    .collect(),
                ..finding(ID, severity, Certainty::Suspected, goids, sentence)
            })
        })
        .collect()
}

/// Whether one of the things that it waits for is to receive; from a nil channel it never will. Whoever writes to a pipe
/// (`io/pipe.go`) would learn of its end, too, but has something for its reader, not for whoever comes.
fn would_receive(g: &Goroutine) -> bool {
    let mut all = g.waiting_on.iter().flat_map(|list| list.iter());
    let mut names = g.frames.iter().map(|frame| &*frame.function.name);
    all.any(|on| on.op.as_deref() == Some("receive") && on.addr.is_some())
        && names.all(|name| name != "io.(*pipe).write")
}
