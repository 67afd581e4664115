//! What goroutines wait on, each object once, and who else has a pointer to it on the stack.

mod holders;
mod state;
mod variables;

use std::borrow::Cow;
use std::sync::Arc;

use model::{Addr, Goid, Goroutine, Object, Queue, WaitKind, WaitingOn};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use crate::heap::Heap;
use crate::module::Modules;
use crate::waits::Waits;

pub(crate) use holders::{Laid, Spread};

/// Where bytes come from.
#[derive(Clone, Copy)]
pub(crate) struct Memories<'a> {
    /// What was copied while the program stood still.
    pub mem: &'a dyn ReadMemory,
    /// What else of its memory can be had, perhaps newer.
    pub beyond: &'a dyn ReadMemory,
}

/// Reads the objects that `goroutines` wait on, in the order in which goroutines name them.
/// `spread` tells where their frames lie. With them comes what the reader should know.
pub(crate) fn read(
    memories: &Memories<'_>,
    modules: &Modules,
    waits: &Waits<'_>,
    heap: Option<Heap<'_>>,
    goroutines: &[Arc<Goroutine>],
    spread: &Spread,
) -> (Vec<Object>, Option<String>) {
    let by_g: FxHashMap<Addr, Goid> = goroutines.iter().map(|g| (g.g, g.goid)).collect();
    let mut places: FxHashMap<(WaitKind, Addr), usize> = FxHashMap::default();
    let mut objects: Vec<Object> = Vec::new();
    for g in goroutines {
        for (on, at) in waited(g) {
            let place = *places.entry((on.kind, at)).or_insert(objects.len());
            if place == objects.len() {
                objects.push(Object {
                    kind: on.kind,
                    addr: at,
                    name: on.name.clone(),
                    variable: None,
                    state: state::read(memories.mem, on, at),
                    queues: Vec::new(),
                    holders: Vec::new(),
                    more_holders: 0,
                });
            }
            if let Some(object) = objects.get_mut(place) {
                put(&mut object.queues, on, g.goid);
            }
        }
    }
    for object in &mut objects {
        let order: Vec<Goid> = waits
            .queue(object.kind, object.addr)
            .iter()
            .filter_map(|g| by_g.get(g).copied())
            .collect();
        for queue in &mut object.queues {
            sort(queue, &order);
        }
        object.queues.sort_by(|a, b| a.op.cmp(&b.op));
    }
    variables::note(memories.beyond, modules, &mut objects);
    let remark = holders::find(memories, modules, heap, goroutines, spread, &mut objects);
    (objects, remark)
}

/// What of a goroutine's waits is an object, with its address.
fn waited(g: &Goroutine) -> impl Iterator<Item = (&WaitingOn, Addr)> {
    let all = g.waiting_on.iter().flat_map(|list| list.iter());
    all.filter(|on| on.kind.is_object())
        .filter_map(|on| Some((on, on.addr?)))
}

/// A select may name a channel more than once.
fn put(queues: &mut Vec<Queue>, on: &WaitingOn, goid: Goid) {
    let op = on.op.clone().unwrap_or(Cow::Borrowed(""));
    match queues.iter_mut().find(|queue| queue.op == op) {
        Some(queue) if queue.goids.last() == Some(&goid) => {}
        Some(queue) => queue.goids.push(goid),
        None => queues.push(Queue {
            op,
            goids: vec![goid],
        }),
    }
}

/// Those whose place in the queue is not known come last.
fn sort(queue: &mut Queue, order: &[Goid]) {
    let mut places: FxHashMap<Goid, usize> = FxHashMap::default();
    for (place, &goid) in order.iter().enumerate() {
        places.entry(goid).or_insert(place);
    }
    queue
        .goids
        .sort_by_key(|goid| places.get(goid).copied().unwrap_or(usize::MAX));
}

/// The goroutines that wait on an object.
fn waiters(object: &Object) -> FxHashSet<Goid> {
    object.waiters().collect()
}
