//! Goroutines that wait for each other in a circle: each waits on something that the next refers to,
//! and nobody else who could move does.

use std::collections::{HashMap, HashSet};

use model::{Goid, Object, WaitKind};

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::{Hope, World};

pub(super) const ID: &str = "wait-cycle";

/// How many steps of a circle are told.
const MAX_STEPS: usize = 8;

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    circles(world)
        .into_iter()
        .map(|circle| {
            let steps = steps(world, &circle);
            let locks = steps
                .iter()
                .any(|(_, object, _)| matches!(object.kind, WaitKind::Mutex | WaitKind::RwMutex));
            // Who waits to receive, mostly waits for work that may come on a longer way.
            let idle = steps
                .iter()
                .all(|(goid, object, _)| receives(object, *goid));
            let severity = match () {
                () if locks => Severity::Error,
                () if idle => Severity::Info,
                () => Severity::Warning,
            };
            let mut objects: Vec<(WaitKind, model::Addr)> = Vec::new();
            for (_, object, _) in &steps {
                if !objects.contains(&(object.kind, object.addr)) {
                    objects.push((object.kind, object.addr));
                }
            }
            let sentence = format!(
                "{} wait for each other{}",
                words::goroutines(&circle),
                if locks { ": a deadlock" } else { "" },
            );
            let details = steps.iter().take(MAX_STEPS).map(|(goid, object, next)| {
                format!(
                    "{} waits for {}, which goroutine {next} may have",
                    words::who_and_why(world, *goid),
                    words::the(object)
                )
            });
            Finding {
                details: details.collect(),
                because_of: circle.clone(),
                objects,
                ..finding(ID, severity, Certainty::Suspected, circle, sentence)
            }
        })
        .collect()
}

/// Whether a goroutine does no more with an object than to receive from it.
fn receives(object: &Object, goid: Goid) -> bool {
    let mut own = object.queues.iter().filter(|q| q.goids.contains(&goid));
    own.all(|queue| queue.op == "receive")
}

/// Who waits for what that whom has, within a circle.
fn steps<'a>(world: &World<'a>, circle: &[Goid]) -> Vec<(Goid, &'a Object, Goid)> {
    let members: HashSet<Goid> = circle.iter().copied().collect();
    let mut steps = Vec::new();
    for &goid in circle {
        for object in waited(world, goid) {
            let next = world
                .helpers(object)
                .into_iter()
                .find(|next| members.contains(next));
            steps.extend(next.map(|next| (goid, object, next)));
        }
    }
    steps
}

fn waited<'a>(world: &World<'a>, goid: Goid) -> Vec<&'a Object> {
    match world.goroutine(goid).map(|g| world.hope(g)) {
        Some(Hope::Others(objects)) => objects,
        _ => Vec::new(),
    }
}

/// The largest sets of stuck goroutines in which each waits, over others, for each: the strongly connected
/// components (Tarjan 1972) with more than one member, each in ascending order.
pub(super) fn circles(world: &World<'_>) -> Vec<Vec<Goid>> {
    let mut search = Search::default();
    let goids: Vec<Goid> = world.snapshot.goroutines.iter().map(|g| g.goid).collect();
    for goid in goids.into_iter().filter(|&goid| world.is_stuck(goid)) {
        if !search.number.contains_key(&goid) {
            search.from(world, goid);
        }
    }
    search.found.sort();
    search.found
}

#[derive(Default)]
struct Search {
    /// In which order they were met.
    number: HashMap<Goid, usize>,
    /// The earliest that each leads back to.
    low: HashMap<Goid, usize>,
    /// Met, and not yet in a component.
    open: Vec<Goid>,
    is_open: HashSet<Goid>,
    found: Vec<Vec<Goid>>,
}

impl Search {
    /// Without recursion: a chain may be as long as there are goroutines.
    fn from(&mut self, world: &World<'_>, root: Goid) {
        let mut path: Vec<(Goid, Vec<Goid>)> = vec![(root, self.meet(world, root))];
        while let Some((goid, next)) = path.last_mut() {
            let goid = *goid;
            match next.pop() {
                Some(after) if !self.number.contains_key(&after) => {
                    let onward = self.meet(world, after);
                    path.push((after, onward));
                }
                Some(after) => {
                    if self.is_open.contains(&after) {
                        let back = self.number.get(&after).copied();
                        self.reach(goid, back);
                    }
                }
                None => {
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        let low = self.low.get(&goid).copied();
                        self.reach(*before, low);
                    }
                    if self.low.get(&goid) == self.number.get(&goid) {
                        self.close(goid);
                    }
                }
            }
        }
    }

    /// Numbers a goroutine, and gives those that it waits for.
    fn meet(&mut self, world: &World<'_>, goid: Goid) -> Vec<Goid> {
        let number = self.number.len();
        self.number.insert(goid, number);
        self.low.insert(goid, number);
        self.open.push(goid);
        self.is_open.insert(goid);
        let objects = waited(world, goid).into_iter();
        let mut next: Vec<Goid> = objects.flat_map(|object| world.helpers(object)).collect();
        next.retain(|&next| world.is_stuck(next));
        next
    }

    fn reach(&mut self, goid: Goid, low: Option<usize>) {
        if let (Some(known), Some(low)) = (self.low.get_mut(&goid), low) {
            *known = low.min(*known);
        }
    }

    fn close(&mut self, root: Goid) {
        let mut component = Vec::new();
        while let Some(goid) = self.open.pop() {
            self.is_open.remove(&goid);
            component.push(goid);
            if goid == root {
                break;
            }
        }
        if component.len() > 1 {
            component.sort_unstable();
            self.found.push(component);
        }
    }
}
