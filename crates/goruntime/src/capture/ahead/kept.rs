//! What the stop proves of what was read ahead.

use std::time::Duration;

use model::Addr;
use target::{CapturedMemory, ReadMemory};

use super::{Ahead, Sleeper};
use crate::runtime::Runtime;

/// What the stop has proven of what was read ahead.
pub(in crate::capture) struct Kept {
    gs: Vec<Addr>,
    stacks: CapturedMemory,
    /// By the place in `runtime.allgs`.
    is_kept: Vec<bool>,
    sleepers: Vec<Sleeper>,
    same_semaphores: bool,
    too_long: Option<Duration>,
}

impl Ahead {
    /// Copies, from a program that stands still now, what was planned, and tells what of the rest still holds.
    pub(in crate::capture) fn take(
        mut self,
        target: &dyn ReadMemory,
        memory: &mut CapturedMemory,
        runtime: &Runtime,
    ) -> Kept {
        self.prepared.fill(target);
        let bytes = self.prepared.bytes();
        let from = |place: usize| bytes.get(place..).unwrap_or_default();
        let mut holds: Vec<bool> = Vec::with_capacity(self.sleepers.len());
        holds.extend(
            self.sleepers
                .iter()
                .map(|sleeper| sleeper.facts.hold(from(sleeper.place), runtime)),
        );
        if let (Some(sudog), Some(hchan)) = (runtime.waits.sudog, runtime.waits.hchan) {
            for one in &self.handovers {
                let channel = from(one.hchan);
                let is_first = |queue: gobinary::Scalar| queue.get(channel) == Some(one.at);
                let prev = sudog.prev.get(from(one.sudog));
                // Only ones: it could not be read.
                let has_prev = prev.is_some_and(|at| at != 0 && at != u64::MAX);
                // Whoever takes it out of the queue has perhaps begun to write.
                let is_queued = has_prev || is_first(hchan.recvq) || is_first(hchan.sendq);
                if let Some(holds) = holds.get_mut(one.sleeper) {
                    *holds &= is_queued;
                }
            }
        }
        let same_semaphores = self.has_same_semaphores(runtime);
        let mut firsts = self.new_firsts(runtime);
        let mut is_kept = vec![false; self.gs.len()];
        for (sleeper, _) in self.sleepers.iter().zip(holds).filter(|(_, holds)| *holds) {
            if let Some(is_kept) = is_kept.get_mut(sleeper.index) {
                *is_kept = true;
            }
        }
        memory.adopt(self.prepared);
        memory.fetch(target, &mut firsts);
        Kept {
            gs: self.gs,
            stacks: self.stacks,
            is_kept,
            sleepers: self.sleepers,
            same_semaphores,
            too_long: self.too_long,
        }
    }

    fn has_same_semaphores(&self, runtime: &Runtime) -> bool {
        let bytes = self.prepared.bytes();
        let from = |place: usize| bytes.get(place..).unwrap_or_default();
        let Some((layout, (treap, _))) = runtime.waits.sudog.zip(runtime.waits.treap) else {
            return true;
        };
        let root = gobinary::Scalar { offset: 0, ..treap };
        let fields = [layout.prev, layout.next, layout.waitlink];
        let same_node = |&(place, links): &(usize, [u64; 3])| {
            let node = from(place);
            fields
                .iter()
                .zip(links)
                .all(|(field, link)| field.get(node) == Some(link))
        };
        self.roots
            .iter()
            .all(|&(place, then)| root.get(from(place)) == Some(then))
            && self.semaphores.iter().all(same_node)
    }

    /// Those who are now the first to wait for a channel and were not.
    fn new_firsts(&self, runtime: &Runtime) -> Vec<(Addr, usize)> {
        let bytes = self.prepared.bytes();
        let mut firsts = Vec::new();
        if let (Some(sudog), Some(hchan)) = (runtime.waits.sudog, runtime.waits.hchan) {
            for &(place, then) in &self.channels {
                let channel = bytes.get(place..).unwrap_or_default();
                for (queue, then) in [hchan.recvq, hchan.sendq].into_iter().zip(then) {
                    let now = queue.get(channel).filter(|&now| now != 0 && now != then);
                    firsts.extend(now.map(|now| (Addr(now), sudog.extent())));
                }
            }
        }
        firsts
    }
}

impl Kept {
    /// What `runtime.allgs` began with.
    pub(in crate::capture) fn gs(&self) -> &[Addr] {
        &self.gs
    }

    /// Whether the goroutine at this place of `runtime.allgs` has not run since it was read ahead.
    pub(in crate::capture) fn has(&self, index: usize) -> bool {
        self.is_kept.get(index).is_some_and(|&is_kept| is_kept)
    }

    /// Whether the same semaphores have the same waiters.
    pub(in crate::capture) fn same_semaphores(&self) -> bool {
        self.same_semaphores
    }

    /// The stacks that are kept, and nothing else.
    pub(in crate::capture) fn stacks(mut self) -> CapturedMemory {
        let sleepers = self.sleepers.iter().filter(|one| self.has(one.index));
        let mut pieces: Vec<(Addr, usize)> = sleepers.map(|one| one.facts.stack()).collect();
        self.stacks.keep_only(&mut pieces);
        self.stacks
    }

    /// How many they are.
    pub(in crate::capture) fn count(&self) -> usize {
        self.is_kept.iter().filter(|&&is_kept| is_kept).count()
    }

    /// How long it would take to copy everything, if that is too long.
    pub(in crate::capture) fn too_long(&self) -> Option<Duration> {
        self.too_long
    }
}
