//! What happens when something happens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use analysis::Finding;
use model::Snapshot;
use ratatui::layout::{Position, Rect};

use crate::complete::complete;
use crate::cursor::{Cause, Cursor};
use crate::feed::{FeedEvent, Request};
use crate::keymap::{Action, Key};
use crate::layout::{Areas, areas};
use crate::list::{Only, SortKey};
use crate::run::Exit;
use crate::series::Series;
use crate::state::{FilterLine, Focus, Model, Overlay, View, Wish};
use crate::trends::Trends;
use crate::view::{detail, overlay};
use crate::{mouse, navigate};

/// Something that happened.
#[derive(Clone, Debug)]
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

/// The intervals that `+` and `-` step through, in milliseconds.
const INTERVALS: [u64; 10] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000,
];
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
                apply_filter_line(model);
            }
            None
        }
        Msg::Found(findings) => {
            model.finding_list = findings;
            model.analysed = true;
            if model.view == View::Findings {
                model.rebuild_outline(Cause::Sample);
            }
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
        Msg::Feed(event) => on_feed(model, event),
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

fn on_feed(model: &mut Model, event: FeedEvent) -> Option<Effect> {
    match event {
        FeedEvent::Snapshot(snapshot) => {
            // Whoever looks at an earlier one is not disturbed.
            if model.timeline.live(snapshot.clone()) {
                show(model, [snapshot]);
            } else {
                model.watch.trouble = None;
            }
        }
        FeedEvent::Recorded {
            index,
            of,
            before,
            sample,
            paused,
        } => {
            if !model.timeline.recorded(index, of) {
                start_over(model);
            }
            model.paused |= paused;
            show(model, before.into_iter().chain([sample]));
        }
        FeedEvent::Failed { message, hint } => model.watch.trouble = Some((message, hint)),
        // The first reason is the one that counts.
        FeedEvent::Ended { message } => {
            model.watch.ended.get_or_insert(message);
        }
        FeedEvent::Quit => return Some(Effect::Exit(Exit::Terminated)),
    }
    None
}

/// Shows the last of some samples that follow what is shown.
fn show(model: &mut Model, samples: impl IntoIterator<Item = Arc<Snapshot>>) {
    let looked_at = model.selected_goid();
    for sample in samples {
        let before = model.watch.snapshot.clone();
        model.watch.sample(sample, model.now, looked_at);
        model.trends.sample(&model.watch);
        model.series.sample(&model.watch, before.as_deref());
    }
    if let Some(shown) = &model.watch.snapshot {
        model.wishes.push(Wish::Analyse(shown.clone()));
    }
    model.rebuild(Cause::Sample);
}

/// Forgets what was seen of the samples that are shown, for the next one does not follow them.
fn start_over(model: &mut Model) {
    let seen = std::mem::take(&mut model.watch);
    model.watch.ended = seen.ended;
    model.watch.trouble = seen.trouble;
    model.watch.marked = seen.marked;
    model.trends = Trends::default();
    model.series = Series::default();
}

/// Goes to another sample. Of a recording it is asked for, and it pauses.
fn on_scrub(model: &mut Model, action: Action) -> Option<Effect> {
    let to = model.timeline.target(action)?;
    if model.timeline.is_recording() {
        model.paused = true;
        return Some(Effect::Request(Request::Show(to)));
    }
    let samples = model.timeline.go(to);
    start_over(model);
    show(model, samples);
    None
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
        on_filter_key(model, key);
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
        Action::NextView => navigate::go_to(model, model.view.step(1)),
        Action::PreviousView => navigate::go_to(model, model.view.step(View::ALL.len() - 1)),
        Action::GroupBy => {
            model.by = model.by.next();
            model.rebuild_outline(Cause::Asked);
            model.said = Some(format!("grouped by {}", model.by.word()));
        }
        Action::Mark => {
            model.watch.set_mark(model.now);
            model.rebuild(Cause::Sample);
        }
        Action::Unmark => {
            model.watch.clear_mark();
            model.rebuild(Cause::Sample);
        }
        Action::Only => {
            model.list.only = model.list.only.next();
            model.rebuild(Cause::Asked);
        }
        Action::Fold => model.fold = !model.fold,
        Action::Copy => navigate::copy(model),
        Action::Edit => navigate::edit(model),
        Action::Filter => {
            model.overlay = None;
            let before = model.list.filter_text.clone();
            model.filter_line = Some(FilterLine::new(before.clone(), before, &model.watch));
        }
        Action::System => {
            model.list.show_system = !model.list.show_system;
            model.rebuild(Cause::Asked);
        }
        Action::NextSort => sort_by(model, model.list.sort.step(1)),
        Action::PreviousSort => sort_by(model, model.list.sort.step(SortKey::ALL.len() - 1)),
        Action::Reverse => {
            model.list.reverse = !model.list.reverse;
            model.rebuild(Cause::Asked);
        }
        Action::Pause | Action::Step | Action::Longer | Action::Shorter => {
            return on_time(model, action);
        }
        Action::Earlier
        | Action::Later
        | Action::MuchEarlier
        | Action::MuchLater
        | Action::Oldest
        | Action::Newest => return on_scrub(model, action),
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

fn on_time(model: &mut Model, action: Action) -> Option<Effect> {
    if model.watch.ended.is_some() {
        return None;
    }
    let now = u64::try_from(model.interval.as_millis()).unwrap_or(u64::MAX);
    let interval = match action {
        Action::Pause => {
            model.paused = !model.paused;
            let request = if model.paused {
                Request::Pause
            } else {
                Request::Resume
            };
            return Some(Effect::Request(request));
        }
        Action::Longer => INTERVALS.into_iter().find(|ms| *ms > now),
        Action::Shorter => INTERVALS.into_iter().rev().find(|ms| *ms < now),
        _ => return Some(Effect::Request(Request::Sample)),
    };
    model.interval = Duration::from_millis(interval?);
    Some(Effect::Request(Request::SetInterval(model.interval)))
}

fn sort_by(model: &mut Model, key: SortKey) {
    model.list.sort = key;
    // Of times the longest is asked for, of all else the first.
    model.list.reverse = key == SortKey::Since;
    model.rebuild(Cause::Asked);
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
    if model.list.only != Only::All {
        model.list.only = Only::All;
        model.rebuild(Cause::Asked);
        return;
    }
    model.try_filter("");
}

fn on_filter_key(model: &mut Model, key: Key) {
    let Some(line) = &mut model.filter_line else {
        return;
    };
    match key {
        Key::Esc => {
            let before = line.before.clone();
            model.filter_line = None;
            model.try_filter(&before);
        }
        // What is wrong is not silently dropped: the line stays open.
        Key::Enter if line.error.is_none() => model.filter_line = None,
        Key::Up | Key::Down | Key::PageUp | Key::PageDown => {
            if let Some(action) = model.keymap.action(key) {
                scroll(model, action);
            }
        }
        Key::Tab => {
            line.take(&model.watch);
            apply_filter_line(model);
        }
        key => {
            if line.input.key(key) {
                line.taken = None;
                line.completion = complete(line.input.before_cursor(), &model.watch);
                apply_filter_line(model);
            }
        }
    }
}

fn apply_filter_line(model: &mut Model) {
    let Some(mut line) = model.filter_line.take() else {
        return;
    };
    line.error = model.try_filter(line.input.text());
    model.filter_line = Some(line);
}

/// Moves in whatever is on top.
fn scroll(model: &mut Model, action: Action) {
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
