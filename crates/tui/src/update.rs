//! What happens when something happens.

use std::sync::Arc;
use std::time::Duration;

use model::Snapshot;
use ratatui::layout::{Position, Rect};

use crate::feed::{FeedEvent, Request};
use crate::input::Input;
use crate::keymap::{Action, Key, action};
use crate::layout::{Areas, areas};
use crate::list::{Cause, SortKey};
use crate::run::Exit;
use crate::state::{FilterLine, Focus, Model, Overlay};
use crate::view::{overlay, stack};

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
/// How many lines one notch of the wheel is.
const NOTCH: usize = 3;

pub(crate) fn update(model: &mut Model, msg: Msg) -> Option<Effect> {
    let selected = model.list.selected;
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
        Msg::Mouse(mouse, column, line) => {
            on_mouse(model, mouse, Position::new(column, line));
            None
        }
        Msg::Resize(width, height) => {
            model.size = (width, height);
            None
        }
        Msg::Feed(event) => on_feed(model, event),
    };
    if model.list.selected != selected {
        model.stack_scroll = 0;
    }
    settle(model);
    effect
}

/// Keeps what is scrolled within its bounds, whatever changed.
fn settle(model: &mut Model) {
    let areas = screen_areas(model);
    model.list.scroll_to_selection(areas.rows());
    let lines = stack::document(model, areas.stack.width.into()).len();
    model.stack_scroll = model
        .stack_scroll
        .min(lines.saturating_sub(areas.stack.height.into()));
    if let Some(which) = model.overlay {
        let last = overlay::last_scroll(model, which);
        model.overlay_scroll = model.overlay_scroll.min(last);
    }
}

fn screen_areas(model: &Model) -> Areas {
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
        model.watch.sample(sample, model.now, looked_at);
    }
    model.list.rebuild(&model.watch, Cause::Sample);
}

/// Forgets what was seen of the samples that are shown, for the next one does not follow them.
fn start_over(model: &mut Model) {
    let seen = std::mem::take(&mut model.watch);
    model.watch.ended = seen.ended;
    model.watch.trouble = seen.trouble;
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
    if model.filter_line.is_some() {
        on_filter_key(model, key);
        return None;
    }
    let action = action(key)?;
    match action {
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::Top
        | Action::Bottom => {
            scroll(model, action);
        }
        Action::Focus => {
            model.focus = match model.focus {
                Focus::List => Focus::Stack,
                Focus::Stack => Focus::List,
            };
        }
        Action::Filter => {
            model.overlay = None;
            let before = model.list.filter_text.clone();
            let input = Input::new(before.clone());
            model.filter_line = Some(FilterLine {
                input,
                error: None,
                before,
            });
        }
        Action::System => {
            model.list.show_system = !model.list.show_system;
            model.list.rebuild(&model.watch, Cause::Asked);
        }
        Action::NextSort => sort_by(model, model.list.sort.step(1)),
        Action::PreviousSort => sort_by(model, model.list.sort.step(SortKey::ALL.len() - 1)),
        Action::Reverse => {
            model.list.reverse = !model.list.reverse;
            model.list.rebuild(&model.watch, Cause::Asked);
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
    model.list.rebuild(&model.watch, Cause::Asked);
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
    if model.focus == Focus::Stack {
        model.focus = Focus::List;
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
            if let Some(action) = action(key) {
                scroll(model, action);
            }
        }
        key => {
            if line.input.key(key) {
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
    } else if model.focus == Focus::Stack {
        // `settle` knows where the end is.
        model.stack_scroll = moved(
            model.stack_scroll,
            action,
            areas.stack.height.into(),
            usize::MAX,
        );
    } else {
        let last = model.list.len().saturating_sub(1);
        let line = moved(model.list.cursor, action, areas.rows(), last);
        model.list.select(&model.watch, line);
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

fn on_mouse(model: &mut Model, mouse: Mouse, at: Position) {
    let areas = screen_areas(model);
    if model.overlay.is_some() {
        match mouse {
            Mouse::WheelUp => model.overlay_scroll = model.overlay_scroll.saturating_sub(NOTCH),
            Mouse::WheelDown => model.overlay_scroll += NOTCH,
            Mouse::Click => model.overlay = None,
        }
    } else if areas.table.contains(at) {
        match mouse {
            Mouse::WheelUp => model
                .list
                .select(&model.watch, model.list.cursor.saturating_sub(NOTCH)),
            Mouse::WheelDown => model.list.select(&model.watch, model.list.cursor + NOTCH),
            Mouse::Click => {
                model.focus = Focus::List;
                let line = model.list.offset + usize::from(at.y - areas.table.y).saturating_sub(1);
                // Neither the names of the columns nor the emptiness below the rows.
                if at.y > areas.table.y && line < model.list.len() {
                    model.list.select(&model.watch, line);
                }
            }
        }
    } else if areas.stack.contains(at) || areas.title.contains(at) {
        match mouse {
            Mouse::WheelUp => model.stack_scroll = model.stack_scroll.saturating_sub(NOTCH),
            Mouse::WheelDown => model.stack_scroll += NOTCH,
            Mouse::Click => model.focus = Focus::Stack,
        }
    }
}
