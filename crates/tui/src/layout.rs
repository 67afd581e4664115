//! Where things are on the screen. Moving by pages and the mouse need to know it as well as drawing.

use ratatui::layout::Rect;

use crate::state::{Focus, Model, View};
use crate::text::{clean, wrap};
use crate::view::filter;

/// From this width on the stack stands beside the list, below that under it.
const SIDE_BY_SIDE: u16 = 140;
/// With fewer lines than that for both, only the one that has the focus is shown.
const BOTH: u16 = 8;

/// The parts of the screen; one that is not shown is empty.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Areas {
    pub header: Rect,
    /// The views' names.
    pub tabs: Rect,
    /// The names of the columns, and the rows.
    pub table: Rect,
    /// The line between list and stack, with the goroutine's title.
    pub title: Rect,
    pub detail: Rect,
    /// The bar between list and stack when they are side by side.
    pub bar: Rect,
    pub notice: Rect,
    /// The filters that are kept.
    pub chips: Rect,
    pub filter: Rect,
    pub footer: Rect,
}

impl Areas {
    /// How many rows the list has room for.
    pub fn rows(&self) -> usize {
        usize::from(self.table.height.saturating_sub(1))
    }
}

pub(crate) fn areas(model: &Model, screen: Rect) -> Areas {
    let mut rest = screen;
    let header = take_top(&mut rest, if screen.height < 10 { 1 } else { 2 });
    let tabs = take_top(&mut rest, u16::from(screen.height >= 8));
    let footer = match &model.filter_line {
        Some(line) => filter::help(model, line, screen.width.into()).len(),
        None => 1,
    };
    let footer = take_bottom(&mut rest, u16::try_from(footer).unwrap_or(1));
    let filter = take_bottom(&mut rest, u16::from(model.shows_filter_line()));
    let chips = take_bottom(&mut rest, u16::from(!model.chips.list.is_empty()));
    let lines = notice(model, usize::from(screen.width)).len().min(3);
    let notice = take_bottom(&mut rest, u16::try_from(lines).unwrap_or(0));
    let areas = Areas {
        header,
        tabs,
        notice,
        chips,
        filter,
        footer,
        ..Areas::default()
    };
    let list_has_focus = model.focus == Focus::List;
    if model.view == View::Overview && model.way.is_empty() {
        Areas {
            table: rest,
            ..areas
        }
    } else if screen.width >= SIDE_BY_SIDE {
        let mut side = rest;
        side.width = (rest.width * 2 / 5).min(100);
        side.x = rest.right() - side.width;
        let table = Rect {
            width: rest.width - side.width - 1,
            ..rest
        };
        let bar = Rect { width: 1, ..side };
        side.x += 2;
        side.width -= 2;
        let title = take_top(&mut side, 1);
        Areas {
            table,
            bar,
            title,
            detail: side,
            ..areas
        }
    } else if rest.height < BOTH && list_has_focus {
        Areas {
            table: rest,
            ..areas
        }
    } else if rest.height < BOTH {
        let title = take_top(&mut rest, 1);
        Areas {
            title,
            detail: rest,
            ..areas
        }
    } else {
        // The pane that has the focus is the larger one.
        let table = if list_has_focus {
            rest.height * 11 / 20
        } else {
            rest.height * 3 / 10
        };
        let table = take_top(&mut rest, table);
        let title = take_top(&mut rest, 1);
        Areas {
            table,
            title,
            detail: rest,
            ..areas
        }
    }
}

/// What must be said about the feed: that it ended, or why there was no sample.
pub(crate) fn notice(model: &Model, columns: usize) -> Vec<String> {
    match (&model.ended, &model.trouble) {
        (Some(message), _) => wrap(&clean(message), columns),
        (None, Some((message, hint))) => {
            let mut lines = wrap(&format!("error: {}", clean(message)), columns);
            if let Some(hint) = hint {
                lines.extend(wrap(&format!("hint: {}", clean(hint)), columns));
            }
            lines
        }
        (None, None) => Vec::new(),
    }
}

fn take_top(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let taken = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    taken
}

fn take_bottom(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    rest.height -= height;
    Rect {
        y: rest.bottom(),
        height,
        ..*rest
    }
}
