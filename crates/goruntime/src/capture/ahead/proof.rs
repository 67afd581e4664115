//! What the stop is asked about what was read ahead. Each piece of memory is compared by the thread that has just copied it,
//! while the processor still has it at hand: to go through all of it afterwards took as long as half of the copying.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use model::Addr;
use target::Want;

use crate::capture::facts::Facts;
use crate::contract::G;
use crate::runtime::WaitLayouts;

/// A goroutine that has waited since before the last garbage collection.
pub(super) struct Sleeper {
    /// Its place in `runtime.allgs`.
    pub(super) index: usize,
    /// Its `g`.
    pub(super) at: Addr,
    pub(super) facts: Facts,
}

/// A `sudog` through which a value may be written to the stack of a goroutine that waits
/// (`runtime/chan.go`, `sendDirect`, `closechan`).
pub(super) struct Handover {
    /// The goroutine's place among the sleepers.
    pub(super) sleeper: usize,
    pub(super) sudog: Addr,
    pub(super) hchan: Addr,
}

/// What was seen before the stop, each kind in the order of addresses.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) sleepers: Vec<Sleeper>,
    /// By `sudog`.
    pub(super) handovers: Vec<Handover>,
    /// By channel: the places among the handovers.
    by_channel: Vec<(Addr, usize)>,
    /// Each channel's first waiters: of `recvq` and of `sendq`.
    pub(super) channels: Vec<(Addr, [u64; 2])>,
    /// The roots of the trees of semaphores.
    pub(super) roots: Vec<(Addr, u64)>,
    /// The `sudog`s in these trees with their links.
    pub(super) semaphores: Vec<(Addr, [u64; 3])>,
    /// By the place in `runtime.allgs`: the place among the sleepers.
    by_index: Vec<Option<NonZero<u32>>>,
}

impl Seen {
    /// Puts everything in order.
    pub(super) fn sort(&mut self) {
        // Sleepers are referred to by their places.
        let mut order: Vec<usize> = (0..self.sleepers.len()).collect();
        order.sort_unstable_by_key(|&i| self.sleepers.get(i).map(|sleeper| sleeper.at));
        let mut new_place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            if let Some(place) = new_place.get_mut(old) {
                *place = new;
            }
        }
        for one in &mut self.handovers {
            one.sleeper = new_place.get(one.sleeper).copied().unwrap_or(usize::MAX);
        }
        self.sleepers.sort_by_key(|sleeper| sleeper.at);
        self.handovers.sort_unstable_by_key(|one| one.sudog);
        let handovers = self.handovers.iter().enumerate();
        self.by_channel = handovers.map(|(i, one)| (one.hchan, i)).collect();
        self.by_channel.sort_unstable();
        self.channels.sort_unstable();
        self.roots.sort_unstable();
        self.semaphores.sort_unstable();
        let len = self.sleepers.iter().map(|sleeper| sleeper.index + 1).max();
        self.by_index = vec![None; len.unwrap_or_default()];
        for (sleeper, behind) in self.sleepers.iter().zip(1..) {
            if let Some(place) = self.by_index.get_mut(sleeper.index) {
                *place = NonZero::new(behind);
            }
        }
    }

    /// The place among the sleepers of the goroutine at this place of `runtime.allgs`.
    pub(super) fn sleeper(&self, index: usize) -> Option<usize> {
        let behind = (*self.by_index.get(index)?)?;
        Some(behind.get() as usize - 1)
    }
}

/// What the stop has proven so far. What it does not get to see is not proven.
pub(super) struct Proof<'a> {
    seen: &'a Seen,
    g: &'a G,
    waits: &'a WaitLayouts,
    /// Which sleepers' facts hold.
    holds: Vec<AtomicBool>,
    /// Which handovers have not begun.
    is_queued: Vec<AtomicBool>,
    /// How many roots and semaphores are as they were.
    same: AtomicUsize,
    firsts: Mutex<Vec<(Addr, usize)>>,
}

impl<'a> Proof<'a> {
    pub(super) fn new(seen: &'a Seen, g: &'a G, waits: &'a WaitLayouts) -> Proof<'a> {
        let all_false = |len| {
            std::iter::repeat_with(AtomicBool::default)
                .take(len)
                .collect()
        };
        Proof {
            holds: all_false(seen.sleepers.len()),
            is_queued: all_false(seen.handovers.len()),
            same: AtomicUsize::new(0),
            firsts: Mutex::default(),
            seen,
            g,
            waits,
        }
    }

    /// Looks at what has been copied, in the order of addresses.
    pub(super) fn look(&self, copied: &[Want<'_>]) {
        let set = |all: &[AtomicBool], i: usize, to: bool| {
            if let Some(one) = all.get(i) {
                // Two may say so of a handover. Who reads it has waited for the threads that copy.
                one.fetch_or(to, Ordering::Relaxed);
            }
        };
        let (seen, waits) = (self.seen, self.waits);
        merge(
            &seen.sleepers,
            |one| one.at,
            copied,
            |i, sleeper, g| {
                set(&self.holds, i, sleeper.facts.hold(g, self.g));
            },
        );
        let (Some(sudog), Some(hchan)) = (waits.sudog, waits.hchan) else {
            return;
        };
        // Whoever takes a sudog out of the queue has perhaps begun to write. One that is in it has another before
        // it, or is the first.
        merge(
            &seen.handovers,
            |one| one.sudog,
            copied,
            |i, _, bytes| {
                let prev = sudog.prev.get(bytes);
                set(&self.is_queued, i, prev.is_some_and(|prev| prev != 0));
            },
        );
        merge(
            &seen.by_channel,
            |one| one.0,
            copied,
            |_, &(_, i), bytes| {
                let own = seen.handovers.get(i).map(|one| one.sudog.0);
                let is_first = |queue: gobinary::Scalar| own.is_some() && queue.get(bytes) == own;
                set(
                    &self.is_queued,
                    i,
                    is_first(hchan.recvq) || is_first(hchan.sendq),
                );
            },
        );
        merge(
            &seen.channels,
            |one| one.0,
            copied,
            |_, (_, then), bytes| {
                for (queue, &then) in [hchan.recvq, hchan.sendq].into_iter().zip(then) {
                    if let Some(now) = queue.get(bytes).filter(|&now| now != 0 && now != then) {
                        let mut firsts = self.firsts.lock().unwrap_or_else(PoisonError::into_inner);
                        firsts.push((Addr(now), sudog.extent()));
                    }
                }
            },
        );
        let Some((treap, _)) = waits.treap else {
            return;
        };
        let mut same = 0;
        let root = gobinary::Scalar { offset: 0, ..treap };
        merge(
            &seen.roots,
            |one| one.0,
            copied,
            |_, (_, then), bytes| {
                same += usize::from(root.get(bytes) == Some(*then));
            },
        );
        let fields = [sudog.prev, sudog.next, sudog.waitlink];
        merge(
            &seen.semaphores,
            |one| one.0,
            copied,
            |_, (_, then), bytes| {
                let mut links = fields.iter().zip(then);
                same += usize::from(links.all(|(field, link)| field.get(bytes) == Some(*link)));
            },
        );
        self.same.fetch_add(same, Ordering::Relaxed);
    }

    /// Those who are now the first to wait for a channel and were not.
    pub(super) fn take_new_firsts(&self) -> Vec<(Addr, usize)> {
        std::mem::take(&mut *self.firsts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the same semaphores have the same waiters.
    pub(super) fn has_same_semaphores(&self) -> bool {
        let all = self.seen.roots.len() + self.seen.semaphores.len();
        let waits = self.waits;
        waits.sudog.is_none() || waits.treap.is_none() || self.same.load(Ordering::Relaxed) == all
    }

    /// For each sleeper whether it has not run, and nobody has written to its stack.
    pub(super) fn holds(mut self) -> Vec<AtomicBool> {
        for (one, is_queued) in self.seen.handovers.iter().zip(&mut self.is_queued) {
            if let Some(holds) = self.holds.get_mut(one.sleeper) {
                *holds.get_mut() &= *is_queued.get_mut();
            }
        }
        self.holds
    }
}

/// Calls `see` for each of `sorted` that lies in what was copied, with the bytes from there on.
fn merge<T>(
    sorted: &[T],
    at: impl Fn(&T) -> Addr,
    copied: &[Want<'_>],
    mut see: impl FnMut(usize, &T, &[u8]),
) {
    let Some(first) = copied.first() else {
        return;
    };
    let mut next = sorted.partition_point(|one| at(one) < first.at);
    for want in copied {
        while let Some(one) = sorted.get(next)
            && let Some(bytes) = usize::try_from(at(one).0.saturating_sub(want.at.0)).ok()
            && bytes < want.buf.len()
        {
            // Not what lies before it, between two pieces.
            if want.at <= at(one) && want.result.is_ok() {
                see(next, one, want.buf.get(bytes..).unwrap_or_default());
            }
            next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use gobinary::{Scalar, layouts_for};
    use model::{Arch, GoVersion};
    use target::ReadError;

    use super::*;
    use crate::contract::{Hchan, Sudog};

    #[test]
    fn each_is_seen_once_and_with_its_bytes() {
        let mut memory: Vec<u8> = (0..100).collect();
        let (first, rest) = memory.split_at_mut(10);
        let (second, third) = rest.split_at_mut(10);
        let mut copied = [
            Want::new(Addr(100), first),
            // Right behind it, but another piece; then one that could not be read, and a gap.
            Want::new(Addr(110), second),
            Want::new(Addr(200), third),
            Want::new(Addr(u64::MAX - 1), &mut []),
        ];
        copied[1].result = Err(ReadError::Gone);
        let at = [0, 99, 100, 108, 110, 119, 120, 199, 200, 279, 280, u64::MAX];
        let mut seen = Vec::new();
        merge(
            &at,
            |&at| Addr(at),
            &copied,
            |i, &at, bytes| {
                seen.push((i, at, bytes[0], bytes.len()));
            },
        );
        let expected = [
            (2, 100, 0, 10),
            (3, 108, 8, 2),
            (8, 200, 20, 80),
            (9, 279, 99, 1),
        ];
        assert_eq!(seen, expected);
        merge(&at, |&at| Addr(at), &[], |_, _, _| unreachable!());
    }

    /// A goroutine that waits to receive onto its stack, through one `sudog`.
    const G_AT: u64 = 0x1000;
    const SUDOG_AT: u64 = 0x2000;
    const HCHAN_AT: u64 = 0x3000;

    /// Whether what was read of it is kept, if its `sudog` and its channel say this in the stop.
    fn is_kept(prev: u64, firsts: [u64; 2], hchan_is_read: bool) -> bool {
        let version = GoVersion::parse("go1.27").unwrap();
        let (_, types) = layouts_for(version, Arch::Amd64).unwrap();
        let g_layout = G::resolve(&types).unwrap();
        let sudog = Sudog::resolve(&types).unwrap();
        let hchan = Hchan::resolve(&types).unwrap();
        let waits = WaitLayouts {
            sudog: Some(sudog),
            hchan: Some(hchan),
            ..WaitLayouts::default()
        };
        let bytes = |size: usize, words: &[(Scalar, u64)]| {
            let mut bytes = vec![0; size];
            for (field, value) in words {
                let to = &mut bytes[field.offset..][..field.width];
                to.copy_from_slice(&value.to_le_bytes()[..field.width]);
            }
            bytes
        };
        let waiting = (g_layout.atomicstatus, 4);
        let mut g = bytes(g_layout.extent(), &[waiting]);
        let mut sudog = bytes(sudog.extent(), &[(sudog.prev, prev)]);
        let queues = [(hchan.recvq, firsts[0]), (hchan.sendq, firsts[1])];
        let mut hchan = bytes(hchan.extent(), &queues);
        let mut seen = Seen {
            sleepers: vec![Sleeper {
                index: 0,
                at: Addr(G_AT),
                facts: Facts::default(),
            }],
            handovers: vec![Handover {
                sleeper: 0,
                sudog: Addr(SUDOG_AT),
                hchan: Addr(HCHAN_AT),
            }],
            ..Seen::default()
        };
        seen.sort();
        let proof = Proof::new(&seen, &g_layout, &waits);
        let mut hchan = Want::new(Addr(HCHAN_AT), &mut hchan);
        if !hchan_is_read {
            hchan.result = Err(ReadError::Gone);
        }
        // Whoever copies it is done with it at any time.
        proof.look(&[hchan]);
        proof.look(&[
            Want::new(Addr(G_AT), &mut g),
            Want::new(Addr(SUDOG_AT), &mut sudog),
        ]);
        proof.holds().iter_mut().all(|holds| *holds.get_mut())
    }

    #[test]
    fn whoever_left_the_queue_may_have_been_written_to() {
        let other = 0x2100;
        assert!(is_kept(0, [SUDOG_AT, 0], true), "the first to receive");
        assert!(is_kept(0, [0, SUDOG_AT], true), "the first to send");
        assert!(is_kept(other, [other, 0], true), "behind another");
        assert!(!is_kept(0, [other, 0], true), "taken out, others are left");
        assert!(!is_kept(0, [0, 0], true), "taken out, the last one");
        assert!(!is_kept(0, [SUDOG_AT, 0], false), "not known");
    }

    #[test]
    fn handovers_follow_their_sleepers_when_all_is_sorted() {
        let facts = |at| Sleeper {
            index: at as usize,
            at: Addr(at),
            facts: Facts::default(),
        };
        let handover = |sleeper, sudog, hchan| Handover {
            sleeper,
            sudog: Addr(sudog),
            hchan: Addr(hchan),
        };
        let mut seen = Seen {
            sleepers: vec![facts(30), facts(10), facts(20)],
            handovers: vec![handover(0, 7, 3), handover(1, 9, 1), handover(2, 8, 2)],
            ..Seen::default()
        };
        seen.sort();
        let of = |one: &Handover| (seen.sleepers[one.sleeper].index, one.sudog.0);
        let pairs: Vec<_> = seen.handovers.iter().map(of).collect();
        assert_eq!(pairs, [(30, 7), (20, 8), (10, 9)]);
        let sudogs = seen
            .by_channel
            .iter()
            .map(|&(hchan, i)| (hchan.0, seen.handovers[i].sudog.0));
        assert_eq!(sudogs.collect::<Vec<_>>(), [(1, 9), (2, 8), (3, 7)]);
        let at_index = |index| Some(seen.sleepers[seen.sleeper(index)?].at.0);
        let found = [0, 10, 20, 29, 30, 31].map(at_index);
        assert_eq!(found, [None, Some(10), Some(20), None, Some(30), None]);
    }
}
