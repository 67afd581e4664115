//! Goroutines that stand in the same place for the same reason.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::{Frame, Goid, Goroutine, Status};

/// Goroutines with the same calls and the same state.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// How many they are.
    pub count: usize,
    /// Who they are, in ascending order.
    pub goids: Vec<Goid>,
    /// One of them: the one with the smallest ID.
    pub sample: Arc<Goroutine>,
}

/// Groups goroutines by identical stack and state, the largest group first; of equally large
/// ones the one with the smallest ID comes first.
pub fn group(goroutines: &[Arc<Goroutine>]) -> Vec<Group> {
    let mut stacks = Stacks::default();
    let mut places: HashMap<(usize, Status, Option<&str>), usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for goroutine in goroutines {
        let stack = stacks.number(&goroutine.frames);
        let key = (stack, goroutine.status, goroutine.waitreason.as_deref());
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => {
                group.goids.push(goroutine.goid);
                if goroutine.goid < group.sample.goid {
                    group.sample = goroutine.clone();
                }
            }
            None => groups.push(Group {
                count: 0,
                goids: vec![goroutine.goid],
                sample: goroutine.clone(),
            }),
        }
    }
    for group in &mut groups {
        group.count = group.goids.len();
        group.goids.sort_unstable();
    }
    groups.sort_by_key(|group| (Reverse(group.count), group.sample.goid));
    groups
}

/// Numbers distinct stacks. Equal stacks of one snapshot usually are one allocation, so
/// comparing a million goroutines comes down to hashing a million pointers.
#[derive(Default, Debug)]
pub struct Stacks<'a> {
    by_pointer: HashMap<*const Frame, usize>,
    by_content: HashMap<&'a [Frame], usize>,
}

impl<'a> Stacks<'a> {
    /// The same number for equal stacks, from 0.
    pub fn number(&mut self, frames: &'a Arc<[Frame]>) -> usize {
        *self.by_pointer.entry(frames.as_ptr()).or_insert_with(|| {
            let next = self.by_content.len();
            *self.by_content.entry(frames).or_insert(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{frames, goroutine};

    #[test]
    fn by_stack_and_state_largest_first() {
        let (a, b) = (frames(&["main.a"]), frames(&["main.b"]));
        let all = [
            goroutine(9, "select", &b),
            goroutine(4, "chan receive", &a),
            goroutine(7, "select", &frames(&["main.a"])),
            goroutine(2, "chan receive", &frames(&["main.a"])),
            goroutine(5, "select", &a),
            goroutine(6, "chan receive", &a),
        ];
        let groups = group(&all);
        let goids: Vec<Vec<u64>> = groups
            .iter()
            .map(|g| g.goids.iter().map(|goid| goid.0).collect())
            .collect();
        assert_eq!(goids, [vec![2, 4, 6], vec![5, 7], vec![9]]);
        assert!(
            groups
                .iter()
                .all(|g| g.count == g.goids.len() && g.goids[0] == g.sample.goid)
        );

        let mut shuffled = all.to_vec();
        shuffled.reverse();
        assert_eq!(group(&shuffled), groups);
    }

    #[test]
    fn of_equally_large_groups_the_smallest_id_is_first() {
        let all =
            [5, 3, 4].map(|goid| goroutine(goid, &format!("reason {goid}"), &frames(&["main.a"])));
        let goids: Vec<u64> = group(&all).iter().map(|g| g.sample.goid.0).collect();
        assert_eq!(goids, [3, 4, 5]);
        assert_eq!(group(&[]), []);
    }
}
