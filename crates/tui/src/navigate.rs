//! Going to views, into what is selected, along links, and back.

use std::path::PathBuf;

use crate::cursor::{Cause, Head};
use crate::layout::areas;
use crate::state::{Focus, Model, View, Wish};
use crate::view::detail::{self, Link, Subject};

/// How many steps along links are remembered.
const MAX_WAY: usize = 100;

/// Shows a view.
pub(crate) fn go_to(model: &mut Model, view: View) {
    model.asked.view = view;
    model.focus = Focus::List;
    model.way.clear();
    model.overlay = None;
    model.ask(Cause::Sample);
}

/// Selects a line of the view.
pub(crate) fn select(model: &mut Model, line: usize) {
    model.way.clear();
    model.select(line);
}

/// Opens what is selected: a head in place, a goroutine in the detail pane, there a link.
pub(crate) fn open(model: &mut Model) {
    if model.focus == Focus::Detail {
        return follow(model);
    }
    let can_open = |line: crate::outline::Line| line.open.is_some() && model.view != View::Tree;
    match model
        .outline()
        .and_then(|o| o.selected())
        .is_some_and(can_open)
    {
        true => toggle(model),
        false => into_detail(model),
    }
}

fn into_detail(model: &mut Model) {
    if model.subject().is_some() {
        model.focus = Focus::Detail;
    }
}

/// Opens or closes the selected head.
pub(crate) fn toggle(model: &mut Model) {
    let selected = model.outline().and_then(|outline| outline.selected());
    if let Some(open) = selected.and_then(|line| line.open) {
        set_open(model, !open);
    }
}

fn set_open(model: &mut Model, open: bool) {
    if let Some(outline) = model.outline_mut()
        && let Some(line) = outline.selected()
    {
        outline.set_open(line.id, open);
        model.ask(Cause::Sample);
    }
}

/// Opens a head; what is open, or has nothing to open, is gone into.
pub(crate) fn unfold(model: &mut Model) {
    if model.focus == Focus::Detail {
        return;
    }
    match model
        .outline()
        .and_then(|o| o.selected())
        .and_then(|l| l.open)
    {
        Some(false) => set_open(model, true),
        _ => into_detail(model),
    }
}

/// Leaves the detail pane, closes what is open, or goes to the head above.
pub(crate) fn shut(model: &mut Model) {
    if model.focus == Focus::Detail {
        model.focus = Focus::List;
        model.way.clear();
        return;
    }
    let Some(outline) = model.outline() else {
        return;
    };
    match outline.selected().and_then(|line| line.open) {
        Some(true) => set_open(model, false),
        _ => {
            if let Some(above) = outline.parent(outline.at.line) {
                select(model, above);
            }
        }
    }
}

fn columns(model: &Model) -> usize {
    let (width, height) = model.size;
    let screen = ratatui::layout::Rect::new(0, 0, width, height);
    areas(model, screen).detail.width.into()
}

/// Goes where the line of the detail pane leads.
fn follow(model: &mut Model) {
    let document = detail::document(model, columns(model));
    let subject = match document.link(model.detail.line) {
        None => return,
        Some(Link::Folded) => {
            model.fold = false;
            return;
        }
        Some(Link::Call(i)) => {
            let file = document.call(i).map(|call| PathBuf::from(&*call.file));
            return show_source(model, i, file);
        }
        Some(Link::Goroutine(goid)) => Subject::Goroutine(goid),
        Some(Link::Object(kind, at)) => Subject::Head(Head::Object(kind, at)),
    };
    if model.way.len() >= MAX_WAY {
        model.way.remove(0);
    }
    model.way.push(subject);
}

fn show_source(model: &mut Model, call: usize, file: Option<PathBuf>) {
    if model.source_of == Some(call) {
        model.source_of = None;
        return;
    }
    model.source_of = Some(call);
    if let Some(file) = file.filter(|file| !model.sources.contains_key(file)) {
        model.wishes.push(Wish::Read(file));
    }
}

/// Copies what the detail pane shows.
pub(crate) fn copy(model: &mut Model) {
    let text = detail::plain_text(model);
    let lines = text.lines().count();
    if lines > 0 {
        model.said = Some(format!(
            "copied {lines} lines, if the terminal lets programs copy"
        ));
        model.wishes.push(Wish::Copy(text));
    }
}

/// Opens the place of the call that is pointed at, or that matters.
pub(crate) fn edit(model: &mut Model) {
    let document = detail::document(model, columns(model));
    let line = match model.focus {
        Focus::Detail => model.detail.line,
        Focus::List => usize::MAX,
    };
    let place = document.call_at(line).filter(|call| call.line > 0);
    let place = place.map(|call| (PathBuf::from(&*call.file), call.line));
    match place {
        Some((file, line)) => model.wishes.push(Wish::Edit(file, line)),
        None => model.said = Some("there is no call here whose place is known".to_owned()),
    }
}
