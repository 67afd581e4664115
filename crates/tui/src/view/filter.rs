//! The filter line, and what is wrong with it.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Bar;
use crate::filter_line::FilterLine;
use crate::state::Model;
use crate::text::{clean, fit, thousands, width, wrap};

/// Before the text: the slash.
const PROMPT: &str = "/";

/// The line itself: being edited, or as a reminder of what is in force.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if area.height == 0 {
        return;
    }
    let theme = model.theme;
    let mut bar = Bar::default();
    let text = match &model.filter_line {
        Some(line) => line.input.text(),
        None => &model.asked.choice.filter_text,
    };
    bar.left(
        0,
        [Span::styled(PROMPT, theme.key()), Span::raw(clean(text))],
    );
    // What is wrong is not in force, so nothing is said to match it.
    if model
        .filter_line
        .as_ref()
        .is_none_or(|line| line.error.is_none())
    {
        let shown = thousands(model.list.goroutines());
        bar.right(1, [Span::styled(format!("{shown} match"), theme.dim())]);
    }
    bar.draw(frame, area);
    if let Some(line) = &model.filter_line {
        let column = width(PROMPT) + width(&clean(line.input.before_cursor()));
        let column = column.min(usize::from(area.width.saturating_sub(1)));
        frame.set_cursor_position((area.x + u16::try_from(column).unwrap_or(0), area.y));
    }
}

/// Below it: the error, pointing at its place, or what can be written.
pub(crate) fn help(model: &Model, line: &FilterLine, columns: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let is_writing = line
        .error
        .as_ref()
        .is_none_or(|error| error.at.end >= line.input.before_cursor().len());
    let offered = offered(line, columns);
    let Some(error) = &line.error else {
        return vec![Line::styled(offered, theme.dim())];
    };
    let text = line.input.text();
    let part = |range: Range<usize>| text.get(range).map_or(0, |t| width(&clean(t)));
    let start = (width(PROMPT) + part(0..error.at.start)).min(columns.saturating_sub(1));
    let carets = "^".repeat(part(error.at.clone()).clamp(1, (columns - start).max(1)));
    let message = clean(&error.message);
    let pointer = format!("{}{carets}", " ".repeat(start));
    let lines = if start + carets.len() + 1 + width(&message) <= columns {
        vec![format!("{pointer} {message}")]
    } else {
        let mut lines = vec![pointer];
        lines.extend(wrap(&message, columns));
        lines
    };
    let lines = lines
        .into_iter()
        .map(|line| Line::styled(line, theme.error()));
    // A term that is being written is wrong until it is complete.
    let offered = is_writing.then(|| Line::styled(offered, theme.dim()));
    lines
        .chain(offered.filter(|_| !line.completion.words.is_empty()))
        .collect()
}

/// What Tab would write.
fn offered(line: &FilterLine, columns: usize) -> String {
    let words = &line.completion.words;
    if words.is_empty() {
        return String::new();
    }
    let mut text = "Tab ".to_owned();
    let first = line.taken.map_or(0, |(at, _)| at);
    for word in words.iter().skip(first) {
        text += &format!(" {}", clean(word));
        if width(&text) > columns {
            break;
        }
    }
    fit(&text, columns).into_owned()
}
