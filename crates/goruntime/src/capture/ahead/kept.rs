//! What the stop proves of what was read ahead.

use std::time::Duration;

use model::Addr;
use target::{CapturedMemory, ReadMemory};

use super::Ahead;
use super::proof::{Proof, Sleeper};
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
        let proof = Proof::new(&self.seen, &runtime.g, &runtime.waits);
        self.prepared.fill(target, &|copied| proof.look(copied));
        let mut is_kept = vec![false; self.gs.len()];
        let sleepers = self.seen.sleepers.iter().zip(proof.holds());
        for (sleeper, _) in sleepers.filter(|(_, holds)| *holds) {
            if let Some(is_kept) = is_kept.get_mut(sleeper.index) {
                *is_kept = true;
            }
        }
        let same_semaphores = proof.has_same_semaphores();
        let mut firsts = proof.take_new_firsts();
        memory.adopt(self.prepared);
        memory.fetch(target, &mut firsts);
        Kept {
            gs: self.gs,
            stacks: self.stacks,
            is_kept,
            sleepers: self.seen.sleepers,
            same_semaphores,
            too_long: self.too_long,
        }
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
