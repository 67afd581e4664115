//! Which goroutines the list shows, in which order, and which one is selected.
//!
//! Filtering and sorting happen when a sample comes or what is asked for changes, never while drawing.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
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

/// Which goroutines, and in which order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Choice {
    pub sort: SortKey,
    pub reverse: bool,
    pub show_system: bool,
    pub only: Only,
    pub filter_text: String,
    pub filter: Filter,
}

impl Default for Choice {
    fn default() -> Choice {
        Choice {
            sort: SortKey::Goid,
            reverse: false,
            show_system: false,
            only: Only::All,
            filter_text: String::new(),
            filter: Filter::default(),
        }
    }
}

/// What a choice leaves of a sample.
#[derive(Default)]
pub(crate) struct Order {
    pub choice: Choice,
    /// The visible goroutines, as indices of `Watch::rows`.
    pub rows: Vec<u32>,
    /// How many system goroutines would be visible if they were not hidden.
    pub hidden: usize,
    /// How many of the snapshot's unreadable goroutines follow them.
    unreadable: usize,
    /// The widest goid and state.
    goid_width: usize,
    state_width: usize,
}

/// The list on the screen.
pub(crate) struct List {
    order: Arc<Order>,
    pub at: Cursor,
    /// The widest goid and state so far, so that columns don't jump to and fro.
    pub goid_width: usize,
    pub state_width: usize,
}

impl Default for List {
    fn default() -> List {
        List {
            order: Arc::default(),
            at: Cursor::default(),
            goid_width: 5,
            state_width: 8,
        }
    }
}

impl List {
    pub fn len(&self) -> usize {
        self.order.rows.len() + self.order.unreadable
    }

    /// What was asked for.
    pub fn choice(&self) -> &Choice {
        &self.order.choice
    }

    /// The visible goroutines, as indices of `Watch::rows`.
    #[cfg(test)]
    pub fn order(&self) -> &[u32] {
        &self.order.rows
    }

    pub fn hidden(&self) -> usize {
        self.order.hidden
    }

    /// How many goroutines can be seen, those that are gone included.
    pub fn goroutines(&self) -> usize {
        self.order.rows.len()
    }

    pub fn item<'a>(&self, watch: &'a Watch, line: usize) -> Option<Item<'a>> {
        match self.order.rows.get(line) {
            Some(&row) => watch.rows.get(row as usize).map(Item::Goroutine),
            None => {
                let line = line.checked_sub(self.order.rows.len())?;
                let unreadable = &watch.snapshot.as_ref()?.unreadable;
                unreadable
                    .get(line)
                    .filter(|_| line < self.order.unreadable)
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

    /// Shows another order, gives the one before back, and finds the selection again.
    pub fn replace(&mut self, order: Arc<Order>, watch: &Watch, cause: Cause) -> Arc<Order> {
        self.goid_width = self.goid_width.max(order.goid_width);
        self.state_width = self.state_width.max(order.state_width);
        let before = std::mem::replace(&mut self.order, order);
        let mut at = std::mem::take(&mut self.at);
        let id_at = |line: usize| self.item(watch, line).map(Item::id);
        let find = |id: Id| match (id, watch.has_doubles()) {
            // A million numbers are looked through faster than what they stand for.
            (Id::Goroutine(goid), false) => {
                let row = watch.index_of(goid)?;
                self.order.rows.iter().position(|other| *other == row)
            }
            _ => (0..self.len()).find(|line| id_at(*line) == Some(id)),
        };
        at.find_again(cause, self.len(), find, id_at);
        self.at = at;
        before
    }
}

impl Order {
    /// Filters and sorts.
    pub fn new(choice: &Choice, watch: &Watch) -> Order {
        let mut order = Order {
            choice: choice.clone(),
            ..Order::default()
        };
        let Some(snapshot) = &watch.snapshot else {
            return order;
        };
        order.choose(watch, snapshot);
        order.sort(&watch.rows);
        // What could not be read matches no question; without a question it is there.
        if choice.filter.is_empty() && choice.only == Only::All {
            order.unreadable = snapshot.unreadable.len();
        }
        order
    }

    /// Takes the rows that are to be seen, and counts those that would be but for being system goroutines.
    fn choose(&mut self, watch: &Watch, snapshot: &Snapshot) {
        let choice = &self.choice;
        let hide_system = !choice.show_system && !choice.filter.asks_for_system();
        let mut matcher = choice.filter.matcher(snapshot.capture.nanotime);
        let mut longest = 0;
        for (row, i) in watch.rows.iter().zip(0u32..) {
            let g = &*row.goroutine;
            if !choice.only.shows(row, watch) || !matcher.matches(g) {
                continue;
            }
            if hide_system && g.system {
                self.hidden += 1;
            } else {
                self.rows.push(i);
                longest = longest.max(g.goid.0);
                self.state_width = self.state_width.max(g.state().len());
            }
        }
        self.goid_width = longest.checked_ilog10().unwrap_or(0) as usize + 1;
    }

    fn sort(&mut self, rows: &[Row]) {
        let row = |i: &u32| rows.get(*i as usize);
        let visible = || self.rows.iter().filter_map(row);
        let keys: Vec<u64> = match self.choice.sort {
            SortKey::Goid => visible().map(|row| row.goroutine.goid.0).collect(),
            // What is known to be the longest is what is stuck; nothing known sorts as the shortest.
            SortKey::Since => visible()
                .map(|row| row.since.known.map_or(0, |d| d.as_nanos() as u64 + 1))
                .collect(),
            SortKey::State => ranks(visible().map(|row| row.goroutine.state()).collect()),
            SortKey::Function => ranks(functions(visible().map(|row| &*row.goroutine))),
            SortKey::CreatedBy => ranks(visible().map(|row| created_by(&row.goroutine)).collect()),
        };
        // Equal ones stand in the order of their IDs, whichever way round.
        let goids = visible().map(|row| row.goroutine.goid);
        let mut keyed: Vec<(u64, Goid, u32)> = keys
            .into_iter()
            .zip(goids)
            .zip(&self.rows)
            .map(|((k, g), i)| (k, g, *i))
            .collect();
        if self.choice.reverse {
            keyed.sort_unstable_by_key(|&(key, goid, i)| (Reverse(key), goid, i));
        } else {
            keyed.sort_unstable();
        }
        self.rows = keyed.into_iter().map(|(_, _, i)| i).collect();
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

/// Each text's rank among them: comparing numbers is what makes sorting 100,000 rows fast. The same text mostly
/// is in the same place, which is faster to see than what it says.
fn ranks(texts: Vec<&str>) -> Vec<u64> {
    let mut places: HashMap<(*const u8, usize), u32, RandomState> = HashMap::default();
    let mut found: Vec<&str> = Vec::new();
    let mut which = Vec::with_capacity(texts.len());
    for text in texts {
        let place = places.entry((text.as_ptr(), text.len()));
        which.push(*place.or_insert_with(|| {
            found.push(text);
            u32::try_from(found.len() - 1).unwrap_or(u32::MAX)
        }));
    }
    let mut distinct = found.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let rank = |text: &&str| distinct.binary_search(text).unwrap_or_else(|at| at) as u64;
    let ranks: Vec<u64> = found.iter().map(rank).collect();
    which
        .into_iter()
        .map(|at| ranks.get(at as usize).copied().unwrap_or_default())
        .collect()
}

/// The function that matters of each; of those that share their calls it is looked for once.
fn functions<'a>(goroutines: impl Iterator<Item = &'a Goroutine>) -> Vec<&'a str> {
    let mut known: HashMap<_, &'a str, RandomState> = HashMap::default();
    goroutines
        .map(|g| {
            let start = g.startpc.as_ref().map(|site| site.pc);
            *known
                .entry((g.frames.as_ptr(), start))
                .or_insert_with(|| function(g).0)
        })
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
