//! The line with the views' names.

use analysis::Severity;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::state::{Model, View};
use crate::text::{thousands, width};

/// `5 Findings`, shorter where there is little room.
fn name(model: &Model, view: View, i: usize, short: bool) -> String {
    let word = match (view, short) {
        (View::Goroutines, false) => "Goroutines",
        (View::Goroutines, true) => "Gs",
        (View::Groups, false) => "Groups",
        (View::Groups, true) => "Grp",
        (View::Tree, _) => "Tree",
        (View::Objects, false) => "Objects",
        (View::Objects, true) => "Obj",
        (View::Findings, false) => "Findings",
        (View::Findings, true) => "Find",
        (View::Threads, false) => "Threads",
        (View::Threads, true) => "Thr",
        (View::Overview, false) => "Overview",
        (View::Overview, true) => "Over",
    };
    let found = match (view, pressing(model)) {
        (View::Findings, n @ 1..) => format!(" {}", thousands(n)),
        _ => String::new(),
    };
    format!("{} {word}{found}", i + 1)
}

/// How many findings are more than what healthy programs have, too.
fn pressing(model: &Model) -> usize {
    let findings = model.finding_list.iter();
    findings.filter(|f| f.severity != Severity::Info).count()
}

/// The views with the columns that their names take, brackets or spaces around them.
fn places(model: &Model, columns: usize) -> Vec<(View, String)> {
    let names = |short| {
        let views = View::ALL.into_iter().enumerate();
        let named = views.map(|(i, view)| (view, name(model, view, i, short)));
        named.collect::<Vec<_>>()
    };
    let long = names(false);
    let needed: usize = long.iter().map(|(_, name)| width(name) + 2).sum();
    if needed <= columns { long } else { names(true) }
}

/// The view whose name is at a column.
pub(crate) fn at(model: &Model, columns: usize, column: usize) -> Option<View> {
    let mut end = 0;
    places(model, columns).into_iter().find_map(|(view, name)| {
        end += width(&name) + 2;
        (column < end).then_some(view)
    })
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let mut spans = Vec::new();
    for (view, name) in places(model, area.width.into()) {
        let style = match (view == model.view, view) {
            (true, _) => theme.selected(true),
            (_, View::Findings) if pressing(model) > 0 => theme.notice(),
            _ => theme.dim(),
        };
        let (before, after) = if view == model.view {
            ("[", "]")
        } else {
            (" ", " ")
        };
        spans.push(Span::styled(format!("{before}{name}{after}"), style));
    }
    frame.render_widget(Line::from(spans), area);
}
