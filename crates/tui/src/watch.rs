//! What is known from the samples so far.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::{Change, DiffCounts, Differences, Goid, Goroutine, Snapshot, Status, diff};

/// For how many samples a goroutine that is gone stays in the list.
pub(crate) const GONE_STAYS: u32 = 5;

/// What became of a goroutine since the sample before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    Same,
    New,
    Changed,
    Gone,
}

impl Mark {
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Same => " ",
            Mark::New => "+",
            Mark::Changed => "~",
            Mark::Gone => "-",
        }
    }
}

/// For how long a goroutine has been as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Since {
    /// At least that long; `None` where nothing is known yet.
    pub known: Option<Duration>,
    /// Whether it became so under our eyes, so that it is no longer than that (and an interval).
    pub seen: bool,
}

/// A goroutine of the list.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub goroutine: Arc<Goroutine>,
    pub mark: Mark,
    pub since: Since,
    /// In what it changed, and what it was.
    pub change: Option<(Differences, Arc<Goroutine>)>,
    /// How many samples ago it was last there.
    pub missed: u32,
    /// How long we have seen it unchanged.
    watched: Duration,
}

/// The last sample, compared with those before.
#[derive(Default)]
pub(crate) struct Watch {
    pub snapshot: Option<Arc<Snapshot>>,
    /// The snapshot's goroutines in its order, then those that are gone.
    pub rows: Vec<Row>,
    /// Compared with the sample before; `None` for the first one.
    pub counts: Option<DiffCounts>,
    /// How many are the program's own, and the runtime's; those that have ended are neither.
    pub user: usize,
    pub system: usize,
    /// When the last sample came.
    pub received: Duration,
    /// Why the last attempt to take a sample failed, and what to do.
    pub trouble: Option<(String, Option<String>)>,
    /// Why there will be no more samples.
    pub ended: Option<String>,
}

impl Watch {
    /// Takes in a new sample. `looked_at` does not leave the list even if it is long gone.
    pub fn sample(&mut self, new: Arc<Snapshot>, now: Duration, looked_at: Option<Goid>) {
        self.received = now;
        self.trouble = None;
        self.user = new.user_goroutines().count();
        let alive = |g: &&Arc<Goroutine>| g.system && g.status != Status::Dead;
        self.system = new.goroutines.iter().filter(alive).count();
        match self.snapshot.take() {
            Some(old) => self.compare(&old, &new, looked_at),
            None => {
                self.rows = new.goroutines.iter().map(|g| Row::first(g, &new)).collect();
            }
        }
        self.snapshot = Some(new);
    }

    fn compare(&mut self, old: &Snapshot, new: &Snapshot, looked_at: Option<Goid>) {
        let elapsed = elapsed(old, new);
        let diff = diff(&old.goroutines, &new.goroutines);
        self.counts = Some(diff.counts());
        let before = std::mem::take(&mut self.rows);
        let mut fresh = HashSet::new();
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
                        true => Row::arrived(goroutine, Mark::Changed, new),
                        false => Row::stayed(goroutine, Mark::Changed, before, elapsed, new),
                    };
                    let change = before.map(|before| (*what, before.goroutine.clone()));
                    Row { change, ..row }
                }
                Change::Same { old } => {
                    Row::stayed(goroutine, Mark::Same, before.get(*old), elapsed, new)
                }
            };
            self.rows.push(row);
        }
        let gone = diff.gone.iter().filter_map(|&i| before.get(i));
        let gone_before = before.iter().skip(old.goroutines.len());
        for row in gone.chain(gone_before) {
            let missed = row.missed + 1;
            let goid = row.goroutine.goid;
            let stays = missed <= GONE_STAYS || looked_at == Some(goid);
            // An ID cannot come back, unless what is read is damaged.
            if stays && !fresh.contains(&goid) {
                self.rows.push(Row {
                    mark: Mark::Gone,
                    change: None,
                    missed,
                    ..row.clone()
                });
            }
        }
    }
}

impl Row {
    /// A goroutine of the first sample.
    fn first(goroutine: &Arc<Goroutine>, snapshot: &Snapshot) -> Row {
        let waited = goroutine.waited(snapshot.capture.nanotime);
        Row {
            goroutine: goroutine.clone(),
            mark: Mark::Same,
            since: Since {
                known: waited,
                seen: false,
            },
            change: None,
            missed: 0,
            watched: Duration::ZERO,
        }
    }

    /// One that we saw come, or move.
    fn arrived(goroutine: &Arc<Goroutine>, mark: Mark, snapshot: &Snapshot) -> Row {
        let row = Row::first(goroutine, snapshot);
        let known = Some(row.since.known.unwrap_or_default());
        Row {
            mark,
            since: Since { known, seen: true },
            ..row
        }
    }

    /// One that stands where it stood.
    fn stayed(
        goroutine: &Arc<Goroutine>,
        mark: Mark,
        before: Option<&Row>,
        elapsed: Duration,
        snapshot: &Snapshot,
    ) -> Row {
        let row = Row::first(goroutine, snapshot);
        let Some(before) = before else { return row };
        let watched = before.watched.saturating_add(elapsed);
        let since = Since {
            known: row.since.known.max(Some(watched)),
            seen: before.since.seen,
        };
        Row {
            mark,
            since,
            watched,
            ..row
        }
    }
}

/// The time between two samples, by the target's own clock where it is known: the wall clock
/// may be set meanwhile.
fn elapsed(old: &Snapshot, new: &Snapshot) -> Duration {
    match (old.capture.nanotime, new.capture.nanotime) {
        (Some(old), Some(new)) => Duration::from_nanos(new.saturating_sub(old)),
        _ => new
            .captured_at
            .duration_since(old.captured_at)
            .unwrap_or_default(),
    }
}
