//! Where one is in a view: the selected line, whatever line that is, and what is on the screen.

use model::{Addr, Goid, WaitKind};

/// What a line stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Id {
    Goroutine(Goid),
    /// By its index in `runtime.allgs`.
    Unreadable(usize),
    Head(Head),
    /// A goroutine under a head; it may be under several.
    Under(Head, Role, Goid),
}

/// What has goroutines under it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Head {
    /// By a hash of what its goroutines have in common.
    Group(u64),
    Object(WaitKind, Addr),
    /// By a hash of what it is about.
    Finding(u64),
    /// `m.id`.
    Thread(i64),
    /// What is told of all Ps together.
    Scheduler,
    /// `p.id`.
    P(u64),
}

/// What a goroutine has to do with the head that it is under.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Role {
    /// It is one of them: in a group, stuck by a finding.
    Member,
    /// It waits on the object, in the queue of this number.
    Waits(u8),
    /// It refers to the object.
    Refers,
    /// The others are stuck because of it.
    Cause,
}

impl Id {
    /// The goroutine that the line is about.
    pub fn goid(self) -> Option<Goid> {
        match self {
            Id::Goroutine(goid) | Id::Under(_, _, goid) => Some(goid),
            Id::Unreadable(_) | Id::Head(_) => None,
        }
    }
}

/// Why a view is put together anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The user asked for another order or choice: whoever is at the top wants to see its top.
    Asked,
    /// A sample came: what is looked at stays where it is.
    Sample,
}

/// The selection, and the first line on the screen.
#[derive(Clone, Default, Debug)]
pub(crate) struct Cursor {
    pub selected: Option<Id>,
    pub line: usize,
    pub offset: usize,
}

impl Cursor {
    /// Selects a line, or the last one if there are fewer.
    pub fn select(&mut self, line: usize, len: usize, id_at: impl Fn(usize) -> Option<Id>) {
        self.line = line.min(len.saturating_sub(1));
        self.selected = id_at(self.line);
    }

    /// Scrolls as little as needed for the selection to be among `height` lines.
    pub fn scroll(&mut self, len: usize, height: usize) {
        let height = height.max(1);
        let last = len.saturating_sub(height);
        let lowest = self.line.saturating_sub(height - 1);
        self.offset = self.offset.min(last).clamp(lowest, self.line);
    }

    /// Finds the selection again after the lines have changed; `find` says where a line is.
    pub fn find_again(
        &mut self,
        cause: Cause,
        len: usize,
        find: impl FnOnce(Id) -> Option<usize>,
        id_at: impl Fn(usize) -> Option<Id>,
    ) {
        if cause == Cause::Asked && self.line == 0 {
            self.offset = 0;
            self.select(0, len, id_at);
            return;
        }
        // Usually nothing moved.
        let stays = self.selected.is_some() && id_at(self.line) == self.selected;
        let found = match stays {
            true => Some(self.line),
            false => self.selected.and_then(find),
        };
        let line = found.unwrap_or(self.line);
        if self.offset > 0 {
            // The selection stays on its line of the screen while others come and go above it.
            self.offset = (self.offset + line).saturating_sub(self.line);
        }
        self.select(line, len, id_at);
    }
}
