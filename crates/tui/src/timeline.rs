//! The samples that one can go back to, and which of them is shown.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use model::{Goroutine, Snapshot};

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
    shown: usize,
    /// The one that was asked for last; not yet shown while a recording is read.
    asked: usize,
    recorded: bool,
}

struct Kept {
    snapshot: Arc<Snapshot>,
    /// About how many bytes it has, and how many of these the one before has not.
    whole: usize,
    own: usize,
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
    /// Takes in a sample of a process, and says whether it is to be shown: it is not while
    /// somebody looks at an earlier one.
    pub fn live(&mut self, snapshot: Arc<Snapshot>) -> bool {
        let follows = self.shown + 1 >= self.count;
        let kept = Kept::new(snapshot, self.kept.back().map(|kept| &*kept.snapshot));
        self.kept.push_back(kept);
        self.count += 1;
        while self.kept.len() > MAX_SAMPLES || self.kept.len() > 1 && self.bytes() > MAX_BYTES {
            self.kept.pop_front();
            self.dropped += 1;
        }
        if follows {
            self.shown = self.count - 1;
            self.asked = self.shown;
        }
        follows
    }

    /// Notes that a sample of a recording is shown, and says whether it is the one behind the last.
    pub fn recorded(&mut self, index: usize, of: usize) -> bool {
        let goes_on = self.recorded && index == self.shown + 1;
        self.recorded = true;
        (self.shown, self.asked, self.count) = (index, index, of);
        goes_on
    }

    /// About how many bytes the samples take together. What one shares with the one before is
    /// counted once.
    pub fn bytes(&self) -> usize {
        let oldest = self.kept.front().map_or(0, |oldest| oldest.whole);
        oldest + self.kept.iter().skip(1).map(|kept| kept.own).sum::<usize>()
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
        self.shown = to;
        let from = at.saturating_sub(context(kept.snapshot.goroutines.len()));
        let those = self.kept.range(from..=at);
        those.map(|kept| kept.snapshot.clone()).collect()
    }

    pub fn is_recording(&self) -> bool {
        self.recorded
    }

    /// Where one is, if that is not at the newest sample of a process.
    pub fn place(&self) -> Option<Place> {
        (self.recorded || self.shown + 1 < self.count).then_some(Place {
            number: self.shown + 1,
            of: self.count,
            first: self.dropped + 1,
        })
    }
}

impl Kept {
    fn new(snapshot: Arc<Snapshot>, before: Option<&Snapshot>) -> Kept {
        let old = before.map_or(&[][..], |before| &before.goroutines);
        let old_goroutines: HashSet<_> = old.iter().map(Arc::as_ptr).collect();
        // Equal stacks are shared by goroutines and samples.
        let mut stacks: HashSet<_> = old.iter().map(|g| Arc::as_ptr(&g.frames)).collect();
        let fixed = size_of::<Snapshot>() + size_of_val(&*snapshot.goroutines);
        let (mut whole, mut own) = (fixed, fixed);
        let mut all_stacks = HashSet::new();
        for g in &snapshot.goroutines {
            let bytes = bytes_of(g);
            let frames = size_of_val(&*g.frames);
            whole += bytes;
            if all_stacks.insert(Arc::as_ptr(&g.frames)) {
                whole += frames;
            }
            if !old_goroutines.contains(&Arc::as_ptr(g)) {
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
        Kept {
            snapshot,
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
