//! What happens when something happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use analysis::Finding;
use ratatui::layout::{Position, Rect};

use crate::cursor::{Cause, Cursor};
use crate::feed::{FeedEvent, Request};
use crate::filter_line::FilterLine;
use crate::keymap::{Action, Key};
use crate::layout::{Areas, areas};
use crate::list::{Only, SortKey};
use crate::past::{Answer, Step};
use crate::run::Exit;
use crate::state::{Focus, Model, Overlay, View, Wish};
use crate::view::{detail, overlay};
use crate::{chips, filter_line, mouse, navigate, samples, save};

/// Something that happened.
pub(crate) enum Msg {
    Key(Key),
    /// At a column and a line.
    Mouse(Mouse, u16, u16),
    Paste(String),
    /// The screen's columns and lines.
    Resize(u16, u16),
    Feed(FeedEvent),
    /// What is stuck in the last sample that there was time to look through.
    Found(Vec<Finding>),
    /// What was asked for.
    Answer(Box<Answer>),
    /// A source file's lines, if it could be read.
    Source(PathBuf, Option<Arc<[String]>>),
    /// Something to be said in the line of keys.
    Said(String),
    /// The time since the screen began.
    Tick(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mouse {
    WheelUp,
    WheelDown,
    Click,
}

/// What the loop has to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    Request(Request),
    Exit(Exit),
}

/// How many source files are kept.
const MAX_SOURCES: usize = 50;

pub(crate) fn update(model: &mut Model, msg: Msg) -> Option<Effect> {
    let subject = model.subject();
    let effect = match msg {
        Msg::Tick(now) => {
            model.now = now;
            return None;
        }
        Msg::Key(key) => on_key(model, key),
        Msg::Paste(text) => {
            if let Some(line) = &mut model.filter_line {
                line.input.insert(&text);
                filter_line::apply(model);
            } else if let Some(line) = &mut model.save_line {
                line.input.insert(&text);
            }
            None
        }
        Msg::Found(findings) => {
            model.asked.found = findings.into();
            model.analysed = true;
            // The view shows them when its lines are there.
            match model.asked.view == View::Findings {
                true => model.ask(Cause::Sample),
                false => model.finding_list = model.asked.found.clone(),
            }
            None
        }
        Msg::Answer(answer) => {
            samples::on_answer(model, *answer);
            None
        }

        Msg::Source(path, lines) => {
            if model.sources.len() >= MAX_SOURCES {
                model.sources.clear();
            }
            model.sources.insert(path, lines);
            None
        }
        Msg::Said(text) => {
            model.said = Some(text);
            None
        }
        Msg::Mouse(mouse, column, line) => {
            mouse::on_mouse(model, mouse, Position::new(column, line));
            None
        }
        Msg::Resize(width, height) => {
            model.size = (width, height);
            None
        }
        Msg::Feed(event) => samples::on_feed(model, event),
    };
    if model.subject() != subject {
        model.detail = Cursor::default();
        model.source_of = None;
    }
    settle(model);
    effect
}

/// Keeps what is scrolled within its bounds, whatever changed.
fn settle(model: &mut Model) {
    let areas = screen_areas(model);
    let len = model.len();
    match model.outline_mut() {
        Some(outline) => outline.at.scroll(len, areas.rows()),
        None => model.list.at.scroll(model.list.len(), areas.rows()),
    }
    let lines = detail::document(model, areas.detail.width.into()).len();
    model.detail.line = model.detail.line.min(lines.saturating_sub(1));
    model.detail.scroll(lines, areas.detail.height.into());
    if let Some(which) = model.overlay {
        let last = overlay::last_scroll(model, which);
        model.overlay_scroll = model.overlay_scroll.min(last);
    }
}

pub(crate) fn screen_areas(model: &Model) -> Areas {
    let (width, height) = model.size;
    areas(model, Rect::new(0, 0, width, height))
}

fn on_key(model: &mut Model, key: Key) -> Option<Effect> {
    if key == Key::Ctrl('c') {
        return Some(Effect::Exit(Exit::Quit));
    }
    if key == Key::Ctrl('z') {
        model.wishes.push(Wish::Suspend);
        return None;
    }
    if model.filter_line.is_some() {
        filter_line::on_key(model, key);
        return None;
    }
    if model.save_line.is_some() {
        save::on_key(model, key);
        return None;
    }
    if model.chips.at.is_some() {
        chips::on_key(model, key);
        return None;
    }
    model.said = None;
    let action = model
        .keymap
        .action(key)
        .filter(|action| model.can(*action))?;
    match action {
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::Top
        | Action::Bottom => {
            scroll(model, action);
        }
        Action::Open => navigate::open(model),
        Action::Back => {
            model.way.pop();
        }
        Action::Unfold => navigate::unfold(model),
        Action::Shut => navigate::shut(model),
        Action::View(view) => navigate::go_to(model, view),
        Action::NextView => navigate::go_to(model, model.asked.view.step(1)),
        Action::PreviousView => navigate::go_to(model, model.asked.view.step(View::ALL.len() - 1)),
        Action::GroupBy => {
            model.asked.by = model.asked.by.next();
            model.ask(Cause::Asked);
            model.said = Some(format!("grouped by {}", model.asked.by.word()));
        }
        Action::Mark => {
            if let Some(shown) = model.watch.snapshot.clone() {
                model.work(vec![Step::Mark(shown, model.now)]);
            }
        }
        Action::Unmark => {
            model.work(vec![Step::Unmark]);
        }
        Action::Only => {
            model.asked.choice.only = model.asked.choice.only.next();
            model.ask(Cause::Asked);
        }
        Action::Fold => model.fold = !model.fold,
        Action::Copy => navigate::copy(model),
        Action::Save => save::ask(model),
        Action::Keep => chips::keep(model),
        Action::Kept => chips::enter(model),
        Action::Edit => navigate::edit(model),
        Action::Filter => {
            model.overlay = None;
            let before = model.asked.choice.filter_text.clone();
            model.filter_line = Some(FilterLine::new(before.clone(), before));
            model.ask(Cause::Sample);
        }
        Action::System => {
            model.asked.choice.show_system = !model.asked.choice.show_system;
            model.ask(Cause::Asked);
        }
        Action::NextSort => sort_by(model, model.asked.choice.sort.step(1)),
        Action::PreviousSort => {
            sort_by(model, model.asked.choice.sort.step(SortKey::ALL.len() - 1))
        }
        Action::Reverse => {
            model.asked.choice.reverse = !model.asked.choice.reverse;
            model.ask(Cause::Asked);
        }
        Action::Pause | Action::Step | Action::Longer | Action::Shorter => {
            return samples::on_time(model, action);
        }
        Action::Earlier
        | Action::Later
        | Action::MuchEarlier
        | Action::MuchLater
        | Action::Oldest
        | Action::Newest => return samples::on_scrub(model, action),
        Action::Suspend => model.wishes.push(Wish::Suspend),
        Action::Help => toggle(model, Overlay::Help),
        Action::Diagnostics => toggle(model, Overlay::Diagnostics),
        Action::Close => close(model),
        // Who reads the help and wants to leave it should not leave the program.
        Action::Quit if model.overlay.is_some() => model.overlay = None,
        Action::Quit | Action::QuitAtOnce => return Some(Effect::Exit(Exit::Quit)),
    }
    None
}

fn sort_by(model: &mut Model, key: SortKey) {
    model.asked.choice.sort = key;
    // Of times the longest is asked for, of all else the first.
    model.asked.choice.reverse = key == SortKey::Since;
    model.ask(Cause::Asked);
}

fn toggle(model: &mut Model, overlay: Overlay) {
    model.overlay_scroll = 0;
    model.overlay = Some(overlay).filter(|_| model.overlay != Some(overlay));
}

/// Closes one thing: what lies on top, then what the focus is in, then the filter.
fn close(model: &mut Model) {
    if model.overlay.take().is_some() {
        return;
    }
    if model.focus == Focus::Detail {
        model.focus = Focus::List;
        model.way.clear();
        return;
    }
    if model.asked.choice.only != Only::All {
        model.asked.choice.only = Only::All;
        model.ask(Cause::Asked);
        return;
    }
    if model.asked.choice.filter_text.is_empty() {
        model.chips.turn_off();
    }
    model.try_filter("");
}

/// Moves in whatever is on top.
pub(crate) fn scroll(model: &mut Model, action: Action) {
    let areas = screen_areas(model);
    if let Some(which) = model.overlay {
        let page = overlay::page(model);
        model.overlay_scroll = moved(
            model.overlay_scroll,
            action,
            page,
            overlay::last_scroll(model, which),
        );
    } else if model.focus == Focus::Detail {
        // `settle` knows where the end is.
        let page = areas.detail.height.into();
        model.detail.line = moved(model.detail.line, action, page, usize::MAX - 1);
    } else {
        let last = model.len().saturating_sub(1);
        let line = moved(model.cursor().line, action, areas.rows(), last);
        navigate::select(model, line);
    }
}

fn moved(from: usize, action: Action, page: usize, last: usize) -> usize {
    // A line of the page before remains in sight.
    let page = page.saturating_sub(1).max(1);
    let to = match action {
        Action::Up => from.saturating_sub(1),
        Action::Down => from.saturating_add(1),
        Action::PageUp => from.saturating_sub(page),
        Action::PageDown => from.saturating_add(page),
        Action::Top => 0,
        Action::Bottom => last,
        _ => from,
    };
    to.min(last)
}
