//! The lines of a view that has goroutines under heads.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cursor::{Cause, Cursor, Id};

/// A line; what it shows is looked up when it is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub id: Id,
    /// How many heads it is under.
    pub depth: u16,
    /// The index of what it shows, in whatever the view keeps; of a goroutine in `Watch::rows`.
    /// [`Line::GONE`] where only its ID is known.
    pub at: u32,
    /// How many goroutines are under it.
    pub under: u32,
    /// `None` if there is nothing to open.
    pub open: Option<bool>,
}

impl Line {
    pub const GONE: u32 = u32::MAX;

    /// A goroutine under a head.
    pub fn under(id: Id, at: Option<u32>) -> Line {
        Line {
            id,
            depth: 1,
            at: at.unwrap_or(Line::GONE),
            under: 0,
            open: None,
        }
    }
}

#[derive(Default)]
pub(crate) struct Outline {
    pub lines: Vec<Line>,
    pub at: Cursor,
    /// What the user has opened or closed.
    pub touched: Arc<HashMap<Id, bool>>,
}

impl Outline {
    pub fn set_open(&mut self, id: Id, open: bool) {
        Arc::make_mut(&mut self.touched).insert(id, open);
    }

    /// Shows other lines, and gives those before back.
    pub fn replace(&mut self, lines: Vec<Line>, cause: Cause) -> Vec<Line> {
        let before = std::mem::replace(&mut self.lines, lines);
        let lines = &self.lines;
        let id_at = |line: usize| lines.get(line).map(|line| line.id);
        let find = |id| lines.iter().position(|line| line.id == id);
        self.at.find_again(cause, lines.len(), find, id_at);
        before
    }

    pub fn select(&mut self, line: usize) {
        let lines = &self.lines;
        let id_at = |line: usize| lines.get(line).map(|line| line.id);
        self.at.select(line, lines.len(), id_at);
    }

    pub fn selected(&self) -> Option<Line> {
        self.lines.get(self.at.line).copied()
    }

    /// The line of the head that a line is under.
    pub fn parent(&self, line: usize) -> Option<usize> {
        let depth = self.lines.get(line)?.depth;
        (0..line)
            .rev()
            .find(|&at| self.lines.get(at).is_some_and(|l| l.depth < depth))
    }
}
