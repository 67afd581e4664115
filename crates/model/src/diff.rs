//! What changed between two snapshots of one program, goroutine by goroutine.
//!
//! A goroutine's ID is never used twice, so the same ID is the same goroutine, as long as both
//! snapshots are of one run of the program. Where they are not, some IDs give it away: see [`Diff::reused`].

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Addr, Frame, Goid, Goroutine, Site};

/// What became of goroutines. It names them by their index in the lists that were compared.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diff {
    /// For every goroutine of the new list, in its order.
    pub changes: Vec<Change>,
    /// The old list's goroutines that the new one no longer has, in the old order.
    pub gone: Vec<usize>,
    /// The new list's goroutines whose ID belonged to another goroutine in the old list. The one is new
    /// and the other is gone; and the lists are hardly of one run of a program.
    pub reused: Vec<usize>,
}

/// What became of one goroutine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// The old list does not have it.
    New,
    /// It is as it was.
    Same {
        /// Its index in the old list.
        old: usize,
    },
    /// It is there in both, and differs.
    Changed {
        /// Its index in the old list.
        old: usize,
        /// In what.
        what: Differences,
    },
}

/// In what a goroutine differs from what it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Differences {
    /// Its status or its wait reason.
    pub state: bool,
    /// Its calls: it moved.
    pub stack: bool,
    /// It stands where it stood, but ran in between: the runtime's note of when it began to wait
    /// ([`Goroutine::waitsince`]) is another one, or it has stopped running more often ([`Goroutine::tracking_seq`]).
    pub ran: bool,
    /// Its labels.
    pub labels: bool,
    /// Its thread.
    pub thread: bool,
}

impl Differences {
    /// Whether there is any.
    pub fn any(self) -> bool {
        self != Differences::default()
    }

    /// Whether the goroutine is known to have run.
    pub fn moved(self) -> bool {
        self.state || self.stack || self.ran
    }
}

/// How many goroutines became what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiffCounts {
    /// Only in the new list.
    pub new: usize,
    /// Only in the old list.
    pub gone: usize,
    /// In both, and different.
    pub changed: usize,
    /// In both, and equal.
    pub same: usize,
}

impl Diff {
    /// How many goroutines became what.
    pub fn counts(&self) -> DiffCounts {
        let mut counts = DiffCounts {
            gone: self.gone.len(),
            ..DiffCounts::default()
        };
        for change in &self.changes {
            match change {
                Change::New => counts.new += 1,
                Change::Same { .. } => counts.same += 1,
                Change::Changed { .. } => counts.changed += 1,
            }
        }
        counts
    }
}

/// Compares goroutines by ID, in linear time.
///
/// Should a damaged target hold an ID twice, each of the new ones is compared with one of the old ones,
/// and none of those is gone, if one of the new ones is the same goroutine.
pub fn diff(old: &[Arc<Goroutine>], new: &[Arc<Goroutine>]) -> Diff {
    let mut places = Places::new(old);
    let mut stays = vec![false; old.len()];
    let mut stacks = StackComparison::default();
    let mut reused = Vec::new();
    let changes = new
        .iter()
        .enumerate()
        .map(|(n, now)| {
            let before = places.find(now).and_then(|i| Some((i, old.get(i)?)));
            let Some((i, before)) = before else {
                return Change::New;
            };
            if !same_goroutine(before, now) {
                reused.push(n);
                return Change::New;
            }
            if let Some(stays) = stays.get_mut(i) {
                *stays = true;
            }
            let what = differences(before, now, &mut stacks);
            match what.any() {
                true => Change::Changed { old: i, what },
                false => Change::Same { old: i },
            }
        })
        .collect();
    Diff {
        changes,
        gone: gone(old, &stays),
        reused,
    }
}

/// Those of the old ones that do not stay. Where an ID is there twice, one that stays is enough.
fn gone(old: &[Arc<Goroutine>], stays: &[bool]) -> Vec<usize> {
    let those = |which: bool| {
        let all = old.iter().zip(stays).enumerate();
        all.filter(move |(_, (_, stays))| **stays == which)
    };
    let mut gone: HashMap<Goid, bool> = those(false).map(|(_, (g, _))| (g.goid, true)).collect();
    if gone.is_empty() {
        return Vec::new();
    }
    for (_, (g, _)) in those(true) {
        gone.entry(g.goid).and_modify(|gone| *gone = false);
    }
    let is_gone = |goid: &Goid| gone.get(goid) == Some(&true);
    let list = those(false).filter(|(_, (g, _))| is_gone(&g.goid));
    list.map(|(i, _)| i).collect()
}

/// Where in the old list a goroutine is. Mostly both lists have the same ones in the same order, and it is where the
/// last one was found, or right behind; only where they part is it looked for.
struct Places<'a> {
    old: &'a [Arc<Goroutine>],
    next: usize,
    by_goid: Option<HashMap<Goid, usize>>,
}

impl<'a> Places<'a> {
    fn new(old: &'a [Arc<Goroutine>]) -> Places<'a> {
        Places {
            old,
            next: 0,
            by_goid: None,
        }
    }

    fn find(&mut self, now: &Arc<Goroutine>) -> Option<usize> {
        // The list is that of the runtime, which puts a new goroutine where one has ended, or at the end.
        for at in [self.next, self.next + 1] {
            let is_it = |old: &Arc<Goroutine>| Arc::ptr_eq(old, now) || old.goid == now.goid;
            if self.old.get(at).is_some_and(is_it) {
                self.next = at + 1;
                return Some(at);
            }
        }
        let old = self.old;
        let by_goid = self
            .by_goid
            .get_or_insert_with(|| old.iter().map(|g| g.goid).zip(0..).collect());
        let found = by_goid.get(&now.goid).copied();
        // One that is new mostly is where another one was.
        self.next = found.unwrap_or(self.next) + 1;
        found
    }
}

/// Whether two goroutines of the same ID can be one. What is compared stays as it is as long as a
/// goroutine lives: its `g`, the `go` statement, and the function it started with. What is not known differs from nothing.
fn same_goroutine(old: &Goroutine, new: &Goroutine) -> bool {
    let may_be_one = |old: Option<Addr>, new: Option<Addr>| match (old, new) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    };
    let known = |addr: Addr| (!addr.is_null()).then_some(addr);
    let pc = |site: &Option<Site>| site.as_ref().map(|site| site.pc);
    may_be_one(known(old.g), known(new.g))
        && may_be_one(pc(&old.gopc), pc(&new.gopc))
        && may_be_one(pc(&old.startpc), pc(&new.startpc))
}

fn differences<'a>(
    old: &'a Arc<Goroutine>,
    new: &'a Arc<Goroutine>,
    stacks: &mut StackComparison,
) -> Differences {
    if Arc::ptr_eq(old, new) {
        return Differences::default();
    }
    let state = old.status != new.status || old.waitreason != new.waitreason;
    let stack = !stacks.equal(&old.frames, &new.frames);
    Differences {
        state,
        stack,
        ran: !state && !stack && has_run(old, new),
        labels: old.labels != new.labels,
        thread: old.thread != new.thread,
    }
}

fn has_run(old: &Goroutine, new: &Goroutine) -> bool {
    // Waking up clears the note; that the note is made at last says nothing.
    let woke = old.waitsince.is_some() && old.waitsince != new.waitsince;
    let counts = old.tracking_seq.zip(new.tracking_seq);
    woke || counts.is_some_and(|(old, new)| old != new)
}

/// Compares stacks, each pair once: many goroutines share few stacks.
#[derive(Default)]
struct StackComparison {
    known: HashMap<(*const Frame, *const Frame), bool>,
}

impl StackComparison {
    fn equal(&mut self, old: &Arc<[Frame]>, new: &Arc<[Frame]>) -> bool {
        if Arc::ptr_eq(old, new) {
            return true;
        }
        let pair = (old.as_ptr(), new.as_ptr());
        *self
            .known
            .entry(pair)
            .or_insert_with(|| same_place(old, new))
    }
}

/// Whether two stacks stand at the same instructions. How far their frames
/// can be trusted is no difference in where they stand.
fn same_place(old: &[Frame], new: &[Frame]) -> bool {
    old.len() == new.len()
        && old.iter().zip(new).all(|(old, new)| {
            old.pc == new.pc && old.function.name == new.function.name && old.line == new.line
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{frames, goroutine};
    use crate::{Status, Tid};

    #[test]
    fn new_gone_changed_same() {
        let a = frames(&["main.a"]);
        let old = [1, 2, 3, 4, 5, 6].map(|goid| goroutine(goid, "select", &a));
        let edit = |goid, edit: fn(&mut Goroutine)| {
            let mut g = Goroutine::clone(&goroutine(goid, "select", &a));
            edit(&mut g);
            Arc::new(g)
        };
        let new = [
            goroutine(7, "select", &a),
            edit(6, |g| g.thread = Some(Tid(1))),
            goroutine(5, "chan receive", &a),
            goroutine(3, "select", &frames(&["main.a"])),
            goroutine(2, "select", &frames(&["main.a", "main.b"])),
            edit(1, |g| g.labels = Some(vec![("k".into(), "v".into())])),
        ];
        let diff = diff(&old, &new);
        let none = Differences::default();
        assert_eq!(
            diff.changes,
            [
                Change::New,
                Change::Changed {
                    old: 5,
                    what: Differences {
                        thread: true,
                        ..none
                    }
                },
                Change::Changed {
                    old: 4,
                    what: Differences {
                        state: true,
                        ..none
                    }
                },
                Change::Same { old: 2 },
                Change::Changed {
                    old: 1,
                    what: Differences {
                        stack: true,
                        ..none
                    }
                },
                Change::Changed {
                    old: 0,
                    what: Differences {
                        labels: true,
                        ..none
                    }
                },
            ]
        );
        assert_eq!(diff.gone, [3]);
        assert_eq!(
            diff.counts(),
            DiffCounts {
                new: 1,
                gone: 1,
                changed: 4,
                same: 1
            }
        );
    }

    /// Whether one that waits is said to have run, its wait noted and its stops counted as given.
    fn ran(old: (Option<u64>, Option<u8>), new: (Option<u64>, Option<u8>)) -> bool {
        let waits = |(since, stops)| {
            let mut g = Goroutine::clone(&goroutine(1, "select", &frames(&["main.a"])));
            (g.waitsince, g.tracking_seq) = (since, stops);
            [Arc::new(g)]
        };
        match diff(&waits(old), &waits(new)).changes[..] {
            [Change::Changed { what, .. }] => {
                what == Differences { ran: true, ..what } && what.moved()
            }
            _ => false,
        }
    }

    #[test]
    fn a_new_note_of_the_wait_means_that_it_ran() {
        let noted = |old, new| ran((old, None), (new, None));
        assert!(noted(Some(5), None));
        assert!(noted(Some(5), Some(6)));
        assert!(!noted(None, Some(6)));
        assert!(!noted(Some(5), Some(5)));
    }

    #[test]
    fn whoever_stopped_running_once_more_ran() {
        let counted = |old, new| ran((None, old), (None, new));
        assert!(counted(Some(5), Some(6)));
        assert!(counted(Some(255), Some(0)));
        assert!(!counted(Some(5), Some(5)));
        // Of one of them it is not known.
        assert!(!counted(None, Some(6)));
        assert!(!counted(Some(5), None));
    }

    #[test]
    fn a_status_is_a_state() {
        let with = |status| {
            let mut g = Goroutine::clone(&goroutine(1, "x", &frames(&[])));
            (g.status, g.waitreason) = (status, None);
            Arc::new(g)
        };
        let diff = diff(&[with(Status::Runnable)], &[with(Status::Running)]);
        assert!(matches!(
            diff.changes[..],
            [Change::Changed {
                what: Differences { state: true, .. },
                ..
            }]
        ));
    }

    #[test]
    fn an_id_that_another_goroutine_had_is_gone_and_new() {
        let a = frames(&["main.a"]);
        let with = |goid, edit: fn(&mut Goroutine)| {
            let mut g = Goroutine::clone(&goroutine(goid, "select", &a));
            g.gopc = site(0x10);
            edit(&mut g);
            Arc::new(g)
        };
        fn site(pc: u64) -> Option<Site> {
            Some(Site {
                pc: Addr(pc),
                function: None,
                file: "?".into(),
                line: 0,
            })
        }
        let old = [1, 2, 3, 4, 5].map(|goid| with(goid, |g| g.startpc = site(0x20)));
        let new = [
            with(1, |g| g.startpc = site(0x21)),
            with(2, |g| g.gopc = site(0x11)),
            with(3, |g| g.g = Addr(0xd000)),
            // Not known is no difference.
            with(4, |g| (g.g, g.gopc) = (Addr::NULL, None)),
            with(5, |g| g.startpc = site(0x20)),
        ];
        let diff = diff(&old, &new);
        assert_eq!(
            diff.changes,
            [
                Change::New,
                Change::New,
                Change::New,
                Change::Same { old: 3 },
                Change::Same { old: 4 },
            ]
        );
        assert_eq!(diff.gone, [0, 1, 2]);
        assert_eq!(diff.reused, [0, 1, 2]);
    }

    proptest! {
        /// Even when a damaged target holds an ID twice.
        #[test]
        fn every_goroutine_is_counted_once(
            old in prop::collection::vec((0u64..20, 0usize..3), 0..30),
            new in prop::collection::vec((0u64..20, 0usize..3), 0..30),
        ) {
            let stacks = [frames(&["main.a"]), frames(&["main.b"]), frames(&["main.a", "main.b"])];
            let make = |list: Vec<(u64, usize)>| -> Vec<Arc<Goroutine>> {
                list.into_iter().map(|(goid, i)| goroutine(goid, "select", &stacks[i])).collect()
            };
            let (old, new) = (make(old), make(new));
            let diff = diff(&old, &new);
            prop_assert_eq!(diff.changes.len(), new.len());
            for (change, g) in diff.changes.iter().zip(&new) {
                match change {
                    Change::New => prop_assert!(old.iter().all(|o| o.goid != g.goid)),
                    Change::Same { old: i } => prop_assert_eq!(&old[*i], g),
                    Change::Changed { old: i, what } => {
                        prop_assert_eq!(old[*i].goid, g.goid);
                        prop_assert!(what.stack && old[*i].frames != g.frames);
                    }
                }
            }
            let gone: Vec<usize> =
                (0..old.len()).filter(|&i| new.iter().all(|g| g.goid != old[i].goid)).collect();
            prop_assert_eq!(diff.gone, gone);
            prop_assert_eq!(diff.reused, []);
        }
    }
}
