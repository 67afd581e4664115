//! What is known from the samples so far.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use model::{Change, Goid, Goroutine, Snapshot, Status, diff};

pub(crate) use crate::row::{Mark, Row, Since, Tally};

/// For how many samples a goroutine that is gone stays in the list.
pub(crate) const GONE_STAYS: u32 = 5;

/// What the user wants to compare with.
#[derive(Clone)]
pub(crate) struct MarkedSample {
    snapshot: Arc<Snapshot>,
    /// When it was set, since the screen began.
    pub at: Duration,
    pub counts: Tally,
}

/// The last sample, compared with those before.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    pub snapshot: Option<Arc<Snapshot>>,
    /// The snapshot's goroutines in its order, then those that are gone.
    pub rows: Vec<Row>,
    /// Compared with the sample before; `None` for the first one.
    pub counts: Option<Tally>,
    pub marked: Option<MarkedSample>,
    /// Where in `rows` a goroutine is; of two with the same ID, the last that is not gone.
    by_goid: Arc<HashMap<Goid, u32, RandomState>>,
    /// Whether an ID is there more than once.
    has_doubles: bool,
    /// Goroutines that have ended, whose children live.
    pub ghosts: HashMap<Goid, Arc<Goroutine>>,
    /// How many are the program's own, and the runtime's; those that have ended are neither.
    pub user: usize,
    pub system: usize,
    /// When the last sample came.
    pub received: Duration,
}

impl Watch {
    /// With a new sample taken in. `looked_at` does not leave the list even if it is long gone.
    pub fn next(&self, new: Arc<Snapshot>, now: Duration, looked_at: Option<Goid>) -> Watch {
        let alive = |g: &&Arc<Goroutine>| g.status != Status::Dead;
        let alive = new.goroutines.iter().filter(alive);
        let all = alive.clone().count();
        let system = alive.filter(|g| g.system).count();
        let mut next = Watch {
            received: now,
            user: all - system,
            system,
            marked: self.marked.clone(),
            ..Watch::default()
        };
        match &self.snapshot {
            Some(old) => next.compare(self, old, &new, looked_at),
            None => next.rows = new.goroutines.iter().map(|g| Row::first(g, &new)).collect(),
        }
        next.compare_with_mark(&new);
        // Mostly nobody has come or gone.
        let goid = |row: &Row| row.goroutine.goid;
        let same = next.rows.iter().map(goid).eq(self.rows.iter().map(goid));
        match same && !self.has_doubles {
            true => next.by_goid = self.by_goid.clone(),
            false => next.index(),
        }
        next.keep_ghosts(&self.ghosts);
        next.snapshot = Some(new);
        next
    }

    /// Without anything but the mark: the next sample does not follow the last one.
    pub fn start_over(&self) -> Watch {
        Watch {
            marked: self.marked.clone(),
            ..Watch::default()
        }
    }

    /// Compares with a sample from now on: the last one, unless another came since it was looked at.
    pub fn set_mark(&mut self, marked: Arc<Snapshot>, now: Duration) {
        let Some(last) = self.snapshot.clone() else {
            return;
        };
        self.rows.truncate(last.goroutines.len());
        for row in &mut self.rows {
            row.since_mark = Mark::Same;
        }
        let is_last = Arc::ptr_eq(&marked, &last);
        self.marked = Some(MarkedSample {
            snapshot: marked,
            at: now,
            counts: Tally::default(),
        });
        if !is_last {
            self.compare_with_mark(&last);
        }
        self.index();
    }

    pub fn clear_mark(&mut self) {
        self.marked = None;
        // Those that stayed only because of it.
        self.rows
            .retain(|row| row.lingers || row.mark != Mark::Gone);
        self.index();
    }

    /// What became of a goroutine: since the user's mark, or else since the sample before.
    pub fn mark_of(&self, row: &Row) -> Mark {
        match self.marked {
            Some(_) => row.since_mark,
            None => row.mark,
        }
    }

    pub fn row_of(&self, goid: Goid) -> Option<&Row> {
        self.rows.get(self.index_of(goid)? as usize)
    }

    pub fn index_of(&self, goid: Goid) -> Option<u32> {
        self.by_goid.get(&goid).copied()
    }

    /// Whether two rows have one ID: one is gone and its ID is back, or the target is damaged.
    pub fn has_doubles(&self) -> bool {
        self.has_doubles
    }

    fn index(&mut self) {
        let mut by_goid: HashMap<_, _, RandomState> = HashMap::default();
        by_goid.reserve(self.rows.len());
        for (row, i) in self.rows.iter().zip(0u32..) {
            // The gone come last; one that is back counts more.
            let place = by_goid.entry(row.goroutine.goid);
            match row.mark {
                Mark::Gone => _ = place.or_insert(i),
                _ => _ = place.insert_entry(i),
            }
        }
        self.has_doubles = by_goid.len() < self.rows.len();
        self.by_goid = Arc::new(by_goid);
    }

    fn compare_with_mark(&mut self, new: &Snapshot) {
        let Some(marked) = &mut self.marked else {
            return;
        };
        let old = &marked.snapshot.goroutines;
        let diff = diff(old, &new.goroutines);
        let mut counts = Tally::default();
        for (row, change) in self.rows.iter_mut().zip(&diff.changes) {
            row.since_mark = match change {
                Change::New => Mark::New,
                Change::Same { .. } => Mark::Same,
                Change::Changed { what, .. } => Mark::of(*what),
            };
            counts.add(row.since_mark);
        }
        counts.gone = diff.gone.len();
        marked.counts = counts;
        let shown: HashSet<Goid, RandomState> =
            self.rows.iter().map(|row| row.goroutine.goid).collect();
        for goroutine in diff.gone.iter().filter_map(|&i| old.get(i)) {
            if !shown.contains(&goroutine.goid) {
                let row = Row::first(goroutine, new);
                self.rows.push(Row {
                    mark: Mark::Gone,
                    since_mark: Mark::Gone,
                    missed: GONE_STAYS + 1,
                    lingers: false,
                    ..row
                });
            }
        }
    }

    /// Remembers those that have ended as long as children of theirs, or of such, live.
    fn keep_ghosts(&mut self, before: &HashMap<Goid, Arc<Goroutine>>) {
        let is_alive = |row: &&Row| row.mark != Mark::Gone;
        let mut known: HashMap<_, _, RandomState> = HashMap::default();
        known.extend(before.iter().map(|(goid, g)| (*goid, g.clone())));
        let gone = self.rows.iter().filter(|row| row.mark == Mark::Gone);
        known.extend(gone.map(|row| (row.goroutine.goid, row.goroutine.clone())));
        if known.is_empty() {
            return;
        }
        for row in self.rows.iter().filter(is_alive) {
            known.remove(&row.goroutine.goid);
        }
        let parents = self.rows.iter().filter(is_alive);
        let mut wanted: Vec<Goid> = parents
            .filter_map(|row| row.goroutine.parent_goid)
            .collect();
        while let Some(goid) = wanted.pop() {
            if let Some(ghost) = known.remove(&goid) {
                wanted.extend(ghost.parent_goid);
                self.ghosts.insert(goid, ghost);
            }
        }
    }

    fn compare(&mut self, last: &Watch, old: &Snapshot, new: &Snapshot, looked_at: Option<Goid>) {
        let elapsed = elapsed(old, new);
        let diff = diff(&old.goroutines, &new.goroutines);
        let mut counts = Tally {
            gone: diff.gone.len(),
            ..Tally::default()
        };
        let before = &last.rows;
        let mut fresh: HashSet<Goid, RandomState> = HashSet::default();
        self.rows.reserve(new.goroutines.len() + diff.gone.len());
        for (goroutine, change) in new.goroutines.iter().zip(&diff.changes) {
            // The rows begin with the old snapshot's goroutines, so its indices are theirs.
            let row = match change {
                Change::New => {
                    fresh.insert(goroutine.goid);
                    Row::arrived(goroutine, Mark::New, new)
                }
                Change::Changed { old, what } => {
                    let before = before.get(*old);
                    let row = match what.moved() {
                        true => Row::arrived(goroutine, Mark::of(*what), new),
                        false => Row::stayed(goroutine, Mark::of(*what), before, elapsed, new),
                    };
                    let change = before.map(|before| (*what, before.goroutine.clone()));
                    let (runs, samples) = match before {
                        Some(before) => before.runs_after(what.moved()),
                        None => (Arc::default(), 1),
                    };
                    Row {
                        change,
                        runs,
                        samples,
                        ..row
                    }
                }
                Change::Same { old } => {
                    Row::stayed(goroutine, Mark::Same, before.get(*old), elapsed, new)
                }
            };
            counts.add(row.mark);
            self.rows.push(row);
        }
        self.counts = Some(counts);
        let marked = self.marked.is_some();
        let gone = diff.gone.iter().filter_map(|&i| before.get(i));
        let gone_before = before.iter().skip(old.goroutines.len());
        for row in gone.chain(gone_before) {
            let missed = row.missed + 1;
            let goid = row.goroutine.goid;
            let lingers = missed <= GONE_STAYS || looked_at == Some(goid);
            // The mark had it, so it can be asked for.
            let was_marked = marked && row.since_mark != Mark::New;
            // An ID cannot come back, unless what is read is damaged.
            if (lingers || was_marked) && !fresh.contains(&goid) {
                self.rows.push(Row {
                    mark: Mark::Gone,
                    since_mark: Mark::Gone,
                    lingers,
                    change: None,
                    missed,
                    ..row.clone()
                });
            }
        }
    }
}

/// The time between two samples, by the target's own clock where it is known: the wall clock
/// may be set meanwhile.
pub(crate) fn elapsed(old: &Snapshot, new: &Snapshot) -> Duration {
    match (old.capture.nanotime, new.capture.nanotime) {
        (Some(old), Some(new)) => Duration::from_nanos(new.saturating_sub(old)),
        _ => new
            .captured_at
            .duration_since(old.captured_at)
            .unwrap_or_default(),
    }
}
