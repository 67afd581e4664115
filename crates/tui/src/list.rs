//! Which goroutines the list shows, in which order, and which one is selected.
//!
//! Filtering and sorting happen when a sample comes or what is asked for changes, never while drawing.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use model::{Filter, Goid, Goroutine, Site, Snapshot, Unreadable};

use crate::cursor::{Cause, Cursor, Id};
use crate::watch::{Mark, Row, Watch};

/// What the list can be ordered by: its columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SortKey {
    Goid,
    State,
    Since,
    Function,
    CreatedBy,
}

impl SortKey {
    pub const ALL: [SortKey; 5] = [
        SortKey::Goid,
        SortKey::State,
        SortKey::Since,
        SortKey::Function,
        SortKey::CreatedBy,
    ];

    /// The key `steps` columns further on, around the end.
    pub fn step(self, steps: usize) -> SortKey {
        let at = Self::ALL
            .iter()
            .position(|key| *key == self)
            .unwrap_or_default();
        Self::ALL
            .into_iter()
            .cycle()
            .nth(at + steps)
            .unwrap_or(self)
    }
}

/// What became of those that are shown, since the mark or the sample before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Only {
    All,
    New,
    Gone,
    Changed,
    Same,
}

impl Only {
    /// The next choice, around the end.
    pub fn next(self) -> Only {
        match self {
            Only::All => Only::New,
            Only::New => Only::Gone,
            Only::Gone => Only::Changed,
            Only::Changed => Only::Same,
            Only::Same => Only::All,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Only::All => "all",
            Only::New => "new",
            Only::Gone => "gone",
            Only::Changed => "changed or moved",
            Only::Same => "unchanged",
        }
    }

    /// Those that are gone leave all but their own list after some samples.
    fn shows(self, row: &Row, watch: &Watch) -> bool {
        match (self, watch.mark_of(row)) {
            (Only::All, Mark::Gone) => row.lingers,
            (Only::All, _)
            | (Only::New, Mark::New)
            | (Only::Gone, Mark::Gone)
            | (Only::Changed, Mark::Changed | Mark::Moved)
            | (Only::Same, Mark::Same) => true,
            _ => false,
        }
    }
}

/// What a line of the list shows.
#[derive(Clone, Copy)]
pub(crate) enum Item<'a> {
    Goroutine(&'a Row),
    Unreadable(&'a Unreadable),
}

pub(crate) struct List {
    pub sort: SortKey,
    pub reverse: bool,
    pub show_system: bool,
    pub only: Only,
    pub filter_text: String,
    filter: Filter,
    /// The visible goroutines, as indices of `Watch::rows`.
    order: Vec<u32>,
    /// How many system goroutines would be visible if they were not hidden.
    pub hidden: usize,
    /// How many of the snapshot's unreadable goroutines follow them.
    unreadable: usize,
    pub at: Cursor,
    /// The widest goid and state so far, so that columns don't jump to and fro.
    pub goid_width: usize,
    pub state_width: usize,
}

impl Default for List {
    fn default() -> List {
        List {
            sort: SortKey::Goid,
            reverse: false,
            show_system: false,
            only: Only::All,
            filter_text: String::new(),
            filter: Filter::default(),
            order: Vec::new(),
            hidden: 0,
            unreadable: 0,
            at: Cursor::default(),
            goid_width: 5,
            state_width: 8,
        }
    }
}

impl List {
    pub fn len(&self) -> usize {
        self.order.len() + self.unreadable
    }

    /// The visible goroutines, as indices of `Watch::rows`.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// How many goroutines can be seen, those that are gone included.
    pub fn goroutines(&self) -> usize {
        self.order.len()
    }

    pub fn set_filter(&mut self, text: &str, filter: Filter) {
        self.filter_text = text.to_owned();
        self.filter = filter;
    }

    pub fn item<'a>(&self, watch: &'a Watch, line: usize) -> Option<Item<'a>> {
        match self.order.get(line) {
            Some(&row) => watch.rows.get(row as usize).map(Item::Goroutine),
            None => {
                let line = line.checked_sub(self.order.len())?;
                let unreadable = &watch.snapshot.as_ref()?.unreadable;
                unreadable
                    .get(line)
                    .filter(|_| line < self.unreadable)
                    .map(Item::Unreadable)
            }
        }
    }

    /// Selects a line, or the last one if there are fewer.
    pub fn select(&mut self, watch: &Watch, line: usize) {
        let mut at = std::mem::take(&mut self.at);
        at.select(line, self.len(), |line| {
            self.item(watch, line).map(Item::id)
        });
        self.at = at;
    }

    /// Filters and sorts anew, and finds the selection again.
    pub fn rebuild(&mut self, watch: &Watch, cause: Cause) {
        let Some(snapshot) = &watch.snapshot else {
            return;
        };
        (self.order, self.hidden) = self.choose(watch, snapshot);
        self.sort(&watch.rows);
        // What could not be read matches no question; without a question it is there.
        self.unreadable = if self.filter.is_empty() && self.only == Only::All {
            snapshot.unreadable.len()
        } else {
            0
        };
        for &row in &self.order {
            let Some(row) = watch.rows.get(row as usize) else {
                continue;
            };
            let g = &row.goroutine;
            let digits = g.goid.0.checked_ilog10().unwrap_or(0) as usize + 1;
            self.goid_width = self.goid_width.max(digits);
            self.state_width = self.state_width.max(g.state().len());
        }
        let mut at = std::mem::take(&mut self.at);
        at.find_again(cause, self.len(), |line| {
            self.item(watch, line).map(Item::id)
        });
        self.at = at;
    }

    /// The rows that are to be seen, and how many more would be but for being system goroutines.
    fn choose(&self, watch: &Watch, snapshot: &Snapshot) -> (Vec<u32>, usize) {
        let hide_system = !self.show_system && !self.filter.asks_for_system();
        let nanotime = snapshot.capture.nanotime;
        let mut matcher = self.filter.matcher(nanotime);
        let rows = watch.rows.iter().zip(0u32..);
        let mut hidden = 0;
        let mut order = Vec::new();
        for (row, i) in rows.filter(|(row, _)| matcher.matches(&row.goroutine)) {
            if !self.only.shows(row, watch) {
                continue;
            }
            if hide_system && row.goroutine.system {
                hidden += 1;
            } else {
                order.push(i);
            }
        }
        (order, hidden)
    }

    fn sort(&mut self, rows: &[Row]) {
        let row = |i: &u32| rows.get(*i as usize);
        let visible = || self.order.iter().filter_map(row);
        let keys: Vec<u64> = match self.sort {
            SortKey::Goid => visible().map(|row| row.goroutine.goid.0).collect(),
            // What is known to be the longest is what is stuck; nothing known sorts as the shortest.
            SortKey::Since => visible()
                .map(|row| row.since.known.map_or(0, |d| d.as_nanos() as u64 + 1))
                .collect(),
            SortKey::State => ranks(visible().map(|row| row.goroutine.state()).collect()),
            SortKey::Function => ranks(visible().map(|row| function(&row.goroutine).0).collect()),
            SortKey::CreatedBy => ranks(visible().map(|row| created_by(&row.goroutine)).collect()),
        };
        // Equal ones stand in the order of their IDs, whichever way round.
        let goids = visible().map(|row| row.goroutine.goid);
        let mut keyed: Vec<(u64, Goid, u32)> = keys
            .into_iter()
            .zip(goids)
            .zip(&self.order)
            .map(|((k, g), i)| (k, g, *i))
            .collect();
        if self.reverse {
            keyed.sort_unstable_by_key(|&(key, goid, i)| (Reverse(key), goid, i));
        } else {
            keyed.sort_unstable();
        }
        self.order = keyed.into_iter().map(|(_, _, i)| i).collect();
    }
}

impl Item<'_> {
    pub fn id(self) -> Id {
        match self {
            Item::Goroutine(row) => Id::Goroutine(row.goroutine.goid),
            Item::Unreadable(unreadable) => Id::Unreadable(unreadable.index),
        }
    }
}

/// Each text's rank among them: comparing numbers is what makes sorting 100,000 rows fast.
fn ranks(texts: Vec<&str>) -> Vec<u64> {
    let distinct: HashSet<&str> = texts.iter().copied().collect();
    let mut distinct: Vec<&str> = distinct.into_iter().collect();
    distinct.sort_unstable();
    let rank: HashMap<&str, u64> = distinct.into_iter().zip(0..).collect();
    texts
        .iter()
        .map(|text| rank.get(text).copied().unwrap_or_default())
        .collect()
}

/// The function that matters, and whether it is the program's own: the innermost outside the
/// runtime. The runtime's own goroutines have none; what they started with says what they are.
pub(crate) fn function(g: &Goroutine) -> (&str, bool) {
    if let Some(frame) = g.top_user_frame() {
        return (&frame.function.name, true);
    }
    let start = g.startpc.as_ref().and_then(|site| site.function.as_ref());
    // `runtime.goexit` below everything tells nothing.
    let outermost = || {
        g.frames
            .iter()
            .rev()
            .map(|f| &f.function)
            .find(|f| &*f.name != "runtime.goexit")
    };
    (
        start
            .or_else(outermost)
            .map_or("", |function| &function.name),
        false,
    )
}

/// The `go` statement that made it. The main goroutine was made by the runtime's start, which
/// nobody wants to know; Go's traceback leaves it out, too.
pub(crate) fn creation(g: &Goroutine) -> Option<&Site> {
    g.gopc.as_ref().filter(|_| g.goid != Goid(1))
}

/// The function with the `go` statement.
pub(crate) fn created_by(g: &Goroutine) -> &str {
    let function = creation(g).and_then(|site| site.function.as_ref());
    function.map_or("", |function| &function.name)
}
