//! What did not change from one snapshot to the next, so that it need not be kept, or written, twice.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::{Goroutine, Object, Snapshot};

impl Snapshot {
    /// Lets go of goroutines that are equal to those of an earlier snapshot, and shares those
    /// instead: many snapshots of a program that stands still take little more room than one.
    pub fn share_unchanged(&mut self, before: &Snapshot) {
        let same = unchanged_goroutines(&before.goroutines, &self.goroutines);
        for (now, at) in self.goroutines.iter_mut().zip(same) {
            if let Some(old) = at.and_then(|at| before.goroutines.get(at)) {
                now.clone_from(old);
            }
        }
    }
}

/// For each goroutine of `now` the index of the one in `before` that it is equal to. The indices ascend.
pub fn unchanged_goroutines(
    before: &[Arc<Goroutine>],
    now: &[Arc<Goroutine>],
) -> Vec<Option<usize>> {
    // Goroutines with equal stacks share them, so this compares few frames.
    let same = |a: &Arc<Goroutine>, b: &Arc<Goroutine>| Arc::ptr_eq(a, b) || a == b;
    unchanged(before, now, |g| g.goid, same)
}

/// For each object of `now` the index of the one in `before` that it is equal to. The indices ascend.
pub fn unchanged_objects(before: &[Object], now: &[Object]) -> Vec<Option<usize>> {
    unchanged(before, now, |object| object.addr, Object::eq)
}

fn unchanged<T, K: Hash + Eq>(
    before: &[T],
    now: &[T],
    key: impl Fn(&T) -> K,
    same: impl Fn(&T, &T) -> bool,
) -> Vec<Option<usize>> {
    // Mostly both lists have the same in the same places; only where they part is it looked for.
    let mut places: Option<HashMap<K, usize>> = None;
    let mut next = 0;
    let find = |one: &T| {
        let wanted = key(one);
        let mut at = next;
        if before.get(at).is_none_or(|old| key(old) != wanted) {
            let places = places.get_or_insert_with(|| {
                // Of a key that is there twice, which only a damaged target has, the last one counts.
                before.iter().map(&key).zip(0..).collect()
            });
            at = *places.get(&wanted).filter(|at| **at >= next)?;
        }
        next = at + 1;
        before
            .get(at)
            .is_some_and(|old| same(old, one))
            .then_some(at)
    };
    now.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(before: &[(u64, char)], now: &[(u64, char)]) -> Vec<Option<usize>> {
        unchanged(before, now, |g| g.0, |a, b| a == b)
    }

    #[test]
    fn equal_ones_are_found_wherever_they_are() {
        let before = [(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')];
        assert_eq!(
            places(&before, &before),
            [Some(0), Some(1), Some(2), Some(3)]
        );
        let now = [(9, 'n'), (1, 'a'), (3, 'x'), (4, 'd'), (5, 'e')];
        assert_eq!(places(&before, &now), [None, Some(0), None, Some(3), None]);
        assert_eq!(places(&[], &now), [None; 5]);
    }

    #[test]
    fn their_indices_ascend_even_where_the_order_changed() {
        let now = [(2, 'b'), (1, 'a'), (3, 'c'), (3, 'c')];
        let before = [(1, 'a'), (2, 'b'), (3, 'c')];
        assert_eq!(places(&before, &now), [Some(1), None, Some(2), None]);
    }
}
