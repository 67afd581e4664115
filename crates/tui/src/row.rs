//! What is known of one goroutine from the samples so far.

use std::sync::Arc;
use std::time::Duration;

use model::{Differences, Goroutine, Snapshot, Status};

/// What became of a goroutine since the sample before, or since the user's mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    Same,
    New,
    /// Its state is another one, or its labels or thread are.
    Changed,
    /// In the same state, at another place; or it ran in between.
    Moved,
    Gone,
}

impl Mark {
    pub fn of(what: Differences) -> Mark {
        match !what.state && what.moved() {
            true => Mark::Moved,
            false => Mark::Changed,
        }
    }

    pub fn sign(self) -> &'static str {
        match self {
            Mark::Same => " ",
            Mark::New => "+",
            Mark::Changed => "~",
            Mark::Moved => ">",
            Mark::Gone => "-",
        }
    }
}

/// How many goroutines became what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub new: usize,
    pub changed: usize,
    pub moved: usize,
    pub gone: usize,
}

impl Tally {
    pub fn add(&mut self, mark: Mark) {
        match mark {
            Mark::Same => {}
            Mark::New => self.new += 1,
            Mark::Changed => self.changed += 1,
            Mark::Moved => self.moved += 1,
            Mark::Gone => self.gone += 1,
        }
    }
}

/// A state that a goroutine was in, and for how many samples.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub status: Status,
    pub waitreason: Option<Arc<str>>,
    pub samples: u32,
}

impl Run {
    pub fn state(&self) -> &str {
        match &self.waitreason {
            Some(reason) => reason,
            None => self.status.as_str(),
        }
    }
}

/// How many states before the present one are remembered of a goroutine.
const RUNS: usize = 12;

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
    /// Since the sample before.
    pub mark: Mark,
    /// Since the user's mark, if there is one.
    pub since_mark: Mark,
    pub since: Since,
    /// In what it changed, and what it was.
    pub change: Option<(Differences, Arc<Goroutine>)>,
    /// How many samples ago it was last there.
    pub missed: u32,
    /// Whether it is shown in all lists although it is gone.
    pub lingers: bool,
    /// The states before the present one, which it has been in for so many samples.
    pub runs: Arc<[Run]>,
    pub samples: u32,
    /// How long we have seen it unchanged.
    pub watched: Duration,
}

impl Row {
    /// A goroutine of the first sample.
    pub fn first(goroutine: &Arc<Goroutine>, snapshot: &Snapshot) -> Row {
        let waited = goroutine.waited(snapshot.capture.nanotime);
        Row {
            goroutine: goroutine.clone(),
            mark: Mark::Same,
            since_mark: Mark::Same,
            since: Since {
                known: waited,
                seen: false,
            },
            change: None,
            missed: 0,
            lingers: true,
            runs: Arc::default(),
            samples: 1,
            watched: Duration::ZERO,
        }
    }

    /// Its states before the next one, and for how many samples it will have been in that.
    pub fn runs_after(&self, moved: bool) -> (Arc<[Run]>, u32) {
        if !moved {
            return (self.runs.clone(), self.samples.saturating_add(1));
        }
        let skipped = (self.runs.len() + 1).saturating_sub(RUNS);
        let last = Run {
            status: self.goroutine.status,
            waitreason: self.goroutine.waitreason.clone(),
            samples: self.samples,
        };
        let runs = self.runs.iter().skip(skipped).cloned();
        (runs.chain([last]).collect(), 1)
    }

    /// One that we saw come, or move.
    pub fn arrived(goroutine: &Arc<Goroutine>, mark: Mark, snapshot: &Snapshot) -> Row {
        let row = Row::first(goroutine, snapshot);
        let known = Some(row.since.known.unwrap_or_default());
        Row {
            mark,
            since: Since { known, seen: true },
            ..row
        }
    }

    /// One that stands where it stood.
    pub fn stayed(
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
        let (runs, samples) = before.runs_after(false);
        Row {
            mark,
            since,
            watched,
            runs,
            samples,
            ..row
        }
    }
}
