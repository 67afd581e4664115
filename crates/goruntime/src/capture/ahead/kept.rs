//! What the stop proves of what was read ahead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::Addr;
use target::{CapturedMemory, ReadMemory};

use super::Ahead;
use super::proof::{Proof, Seen};
use crate::runtime::Runtime;

/// What the stop has proven of what was read ahead.
pub(in crate::capture) struct Kept {
    gs: Vec<Addr>,
    stacks: CapturedMemory,
    seen: Seen,
    /// For each sleeper whether it is kept.
    holds: Vec<AtomicBool>,
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
        let same_semaphores = proof.has_same_semaphores();
        let mut firsts = proof.take_new_firsts();
        let holds = proof.holds();
        memory.adopt(self.prepared);
        memory.fetch(target, &mut firsts);
        Kept {
            gs: self.gs,
            stacks: self.stacks,
            seen: self.seen,
            holds,
            same_semaphores,
            too_long: self.too_long,
        }
    }
}

impl Kept {
    /// The addresses that `runtime.allgs` holds, of which these are the bytes. The list only grows; `None` if this one
    /// does not begin with what was seen ahead.
    pub(in crate::capture) fn take_gs(&mut self, list: &[u8]) -> Option<Vec<Addr>> {
        let (words, _) = list.as_chunks::<8>();
        let (same, new) = words.split_at_checked(self.gs.len())?;
        let addr = |word: &[u8; 8]| Addr(u64::from_le_bytes(*word));
        let is_same = same.iter().map(addr).eq(self.gs.iter().copied());
        is_same.then(|| {
            // It has been there since before the stop: a million addresses take the kernel long to give memory for.
            let mut gs = std::mem::take(&mut self.gs);
            gs.extend(new.iter().map(addr));
            gs
        })
    }

    /// Whether the goroutine at this place of `runtime.allgs` has not run since it was read ahead.
    pub(in crate::capture) fn has(&self, index: usize) -> bool {
        let sleeper = self.seen.sleeper(index);
        sleeper.is_some_and(|sleeper| self.holds(sleeper))
    }

    fn holds(&self, sleeper: usize) -> bool {
        let holds = self.holds.get(sleeper);
        holds.is_some_and(|holds| holds.load(Ordering::Relaxed))
    }

    /// Whether the same semaphores have the same waiters.
    pub(in crate::capture) fn same_semaphores(&self) -> bool {
        self.same_semaphores
    }

    /// The stacks that are kept, and nothing else.
    pub(in crate::capture) fn stacks(mut self) -> CapturedMemory {
        let sleepers = self.seen.sleepers.iter().enumerate();
        let kept = sleepers.filter(|&(i, _)| self.holds(i));
        let mut pieces: Vec<(Addr, usize)> = kept.map(|(_, one)| one.facts.stack()).collect();
        self.stacks.keep_only(&mut pieces);
        self.stacks
    }

    /// How many they are.
    pub(in crate::capture) fn count(&self) -> usize {
        (0..self.holds.len()).filter(|&i| self.holds(i)).count()
    }

    /// How long it would take to copy everything, if that is too long.
    pub(in crate::capture) fn too_long(&self) -> Option<Duration> {
        self.too_long
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_only_grows() {
        let take = |now: &[u64]| {
            let mut kept = Kept {
                gs: [16, 32].map(Addr).to_vec(),
                stacks: CapturedMemory::new(),
                seen: Seen::default(),
                holds: Vec::new(),
                same_semaphores: true,
                too_long: None,
            };
            let bytes: Vec<u8> = now.iter().flat_map(|word| word.to_le_bytes()).collect();
            kept.take_gs(&bytes)
        };
        assert_eq!(take(&[16, 32]), Some(vec![Addr(16), Addr(32)]));
        assert_eq!(take(&[16, 32, 8]), Some([16, 32, 8].map(Addr).to_vec()));
        assert_eq!(take(&[16]), None);
        assert_eq!(take(&[16, 8]), None);
        assert_eq!(take(&[8, 16, 32]), None);
    }
}
