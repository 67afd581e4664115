//! The samples that one can go back to, and which of them is shown.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use model::{Goroutine, Snapshot, unchanged_goroutines};

use crate::keymap::Action;

/// How many samples are kept at most: an hour, one each second.
const MAX_SAMPLES: usize = 3600;
/// How much memory they may take together. The newest is kept in any case.
const MAX_BYTES: usize = 256 << 20;
/// How far one goes at once with the larger steps.
const LEAP: usize = 10;

/// How many samples before one tell enough of what has just changed, and for how long what did not has
/// been as it is. With many goroutines they are few: going back should be quick.
pub fn context(goroutines: usize) -> usize {
    (100_000 / goroutines.max(1)).clamp(6, 300)
}

/// Of a process: the samples so far, of which the oldest may have been dropped. Of a recording: where in it
/// one is; whoever reads it has the samples.
#[derive(Default)]
pub(crate) struct Timeline {
    kept: VecDeque<Kept>,
    /// How many were there before those that are kept.
    dropped: usize,
    /// How many there are, with those that were dropped.
    count: usize,
    /// The one on the screen.
    shown: usize,
    /// The one that was taken in last; not yet shown while that is done.
    taken: usize,
    /// The one that was asked for last; not yet taken in while a recording is read.
    asked: usize,
    recorded: bool,
}

struct Kept {
    snapshot: Arc<Snapshot>,
    /// Known a little later.
    weight: Weight,
}

/// How much memory a sample takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Weight {
    /// About how many bytes it has, and how many of these the one before has not.
    whole: usize,
    pub own: usize,
}

/// Where one is, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub number: usize,
    pub of: usize,
    /// The oldest that is kept.
    pub first: usize,
}

impl Timeline {
    /// Takes in a sample of a process. Gives its number, and whether it is to be shown: it is not while
    /// somebody looks at an earlier one.
    pub fn live(&mut self, snapshot: Arc<Snapshot>) -> (usize, bool) {
        let follows = self.taken + 1 >= self.count;
        let weight = Weight::default();
        self.kept.push_back(Kept { snapshot, weight });
        self.count += 1;
        if self.kept.len() > MAX_SAMPLES {
            self.kept.pop_front();
            self.dropped += 1;
        }
        if follows {
            self.taken = self.count - 1;
            self.asked = self.taken;
        }
        (self.count - 1, follows)
    }

    /// Notes how much memory a sample takes. Gives those that there is no more room for.
    pub fn weighed(&mut self, index: usize, weight: Weight) -> Vec<Arc<Snapshot>> {
        let at = index.checked_sub(self.dropped);
        if let Some(kept) = at.and_then(|at| self.kept.get_mut(at)) {
            kept.weight = weight;
        }
        let mut without = Vec::new();
        while self.kept.len() > 1 && self.bytes() > MAX_BYTES {
            without.extend(self.kept.pop_front().map(|kept| kept.snapshot));
            self.dropped += 1;
        }
        without
    }

    /// Notes which sample is on the screen.
    pub fn show(&mut self, index: usize) {
        self.shown = index;
    }

    /// Notes that a sample of a recording is shown, and says whether it is the one behind the last.
    pub fn recorded(&mut self, index: usize, of: usize) -> bool {
        let goes_on = self.recorded && index == self.taken + 1;
        self.recorded = true;
        (self.taken, self.asked, self.count) = (index, index, of);
        goes_on
    }

    /// About how many bytes the samples take together. What one shares with the one before is
    /// counted once.
    pub fn bytes(&self) -> usize {
        let oldest = self.kept.front().map_or(0, |oldest| oldest.weight.whole);
        let others = self.kept.iter().skip(1).map(|kept| kept.weight.own);
        oldest + others.sum::<usize>()
    }

    /// The sample that an action leads to, by its index; `None` if that is where one is.
    pub fn target(&mut self, action: Action) -> Option<usize> {
        let last = self.count.checked_sub(1)?;
        let to = match action {
            Action::Earlier => self.asked.saturating_sub(1),
            Action::Later => self.asked + 1,
            Action::MuchEarlier => self.asked.saturating_sub(LEAP),
            Action::MuchLater => self.asked.saturating_add(LEAP),
            Action::Oldest => 0,
            _ => last,
        };
        let to = to.clamp(self.dropped.min(last), last);
        let from = std::mem::replace(&mut self.asked, to);
        (from != to).then_some(to)
    }

    /// Goes to a sample of a process: gives it, and behind those before it that tell what had just changed.
    pub fn go(&mut self, to: usize) -> Vec<Arc<Snapshot>> {
        let at = to.saturating_sub(self.dropped);
        let Some(kept) = self.kept.get(at) else {
            return Vec::new();
        };
        self.taken = to;
        let from = at.saturating_sub(context(kept.snapshot.goroutines.len()));
        let those = self.kept.range(from..=at);
        those.map(|kept| kept.snapshot.clone()).collect()
    }

    pub fn is_recording(&self) -> bool {
        self.recorded
    }

    /// Where one is, if that is not at the newest sample of a process.
    pub fn place(&self) -> Option<Place> {
        (self.recorded || self.taken + 1 < self.count).then_some(Place {
            number: self.shown + 1,
            of: self.count,
            first: self.dropped + 1,
        })
    }
}

impl Weight {
    /// Of a sample; `before` is the one before it.
    pub fn of(snapshot: &Snapshot, before: Option<&Snapshot>) -> Weight {
        let old = before.map_or(&[][..], |before| &before.goroutines);
        // Equal stacks are shared by goroutines and samples.
        let mut stacks: HashSet<_, RandomState> = HashSet::default();
        stacks.extend(old.iter().map(|g| Arc::as_ptr(&g.frames)));
        let mut all_stacks: HashSet<_, RandomState> = HashSet::default();
        let fixed = size_of::<Snapshot>() + size_of_val(&*snapshot.goroutines);
        let (mut whole, mut own) = (fixed, fixed);
        let places = unchanged_goroutines(old, &snapshot.goroutines);
        for (g, place) in snapshot.goroutines.iter().zip(places) {
            let bytes = bytes_of(g);
            let frames = size_of_val(&*g.frames);
            whole += bytes;
            if all_stacks.insert(Arc::as_ptr(&g.frames)) {
                whole += frames;
            }
            // What is equal is not always shared: it is not where the samples were made apart.
            let old = place.and_then(|at| old.get(at));
            if !old.is_some_and(|old| Arc::ptr_eq(old, g)) {
                own += bytes;
                if stacks.insert(Arc::as_ptr(&g.frames)) {
                    own += frames;
                }
            }
        }
        let objects = snapshot.objects.as_deref().map_or(0, |objects| {
            let waiting = |o: &model::Object| {
                size_of_val(&*o.holders) + o.queues.iter().map(size_of_val).sum::<usize>()
            };
            size_of_val(objects) + objects.iter().map(waiting).sum::<usize>()
        });
        Weight {
            whole: whole + objects,
            own: own + objects,
        }
    }
}

/// What a goroutine has for itself. Strings are counted as if it alone had them, if only those that vary.
fn bytes_of(g: &Goroutine) -> usize {
    let labels = g.labels.as_deref().map_or(0, size_of_val);
    let waits = g.waiting_on.as_deref().map_or(0, size_of_val);
    let notes: usize = g
        .notes
        .iter()
        .map(|note| size_of_val(note) + note.len())
        .sum();
    // Two counters of the `Arc`.
    size_of::<Goroutine>() + 2 * size_of::<usize>() + labels + waits + notes
}
