//! The screen, drawn from the model. One file for each part of it.

mod about;
mod chips;
pub(crate) mod detail;
pub(crate) mod filter;
pub(crate) mod findings;
pub(crate) mod groups;
mod header;
pub(crate) mod objects;
mod on;
pub(crate) mod overlay;
mod overview;
mod rows;
mod scheduler;
mod stack;
mod table;
pub(crate) mod tabs;
pub(crate) mod threads;
mod time;
pub(crate) mod tree;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::keymap::{self, Action};
use crate::layout::{areas, notice};
use crate::save::SaveLine;
use crate::state::{Model, View};
use crate::text::{clean, thousands, width};

/// Draws everything.
pub(crate) fn view(model: &Model, frame: &mut Frame<'_>) {
    let areas = areas(model, frame.area());
    header::draw(model, frame, areas.header);
    tabs::draw(model, frame, areas.tabs);
    match model.view {
        View::Goroutines => table::draw(model, frame, areas.table),
        View::Groups => groups::draw(model, frame, areas.table),
        View::Tree => tree::draw(model, frame, areas.table),
        View::Objects => objects::draw(model, frame, areas.table),
        View::Findings => findings::draw(model, frame, areas.table),
        View::Threads => threads::draw(model, frame, areas.table),
        View::Overview => overview::draw(model, frame, areas.table),
    }
    if areas.title.height > 0 {
        detail::draw(model, frame, &areas);
    }
    draw_notice(model, frame, areas.notice);
    if areas.chips.height > 0 {
        chips::draw(model, frame, areas.chips);
    }
    filter::draw(model, frame, areas.filter);
    match &model.filter_line {
        Some(line) => {
            let lines = filter::help(model, line, areas.footer.width.into());
            frame.render_widget(Paragraph::new(lines), areas.footer);
        }
        None => match &model.save_line {
            Some(line) => draw_save(model, line, frame, areas.footer),
            None => draw_footer(model, frame, areas.footer),
        },
    }
    if let Some(which) = model.overlay {
        overlay::draw(model, which, frame);
    }
}

fn draw_notice(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let style = match model.ended {
        Some(_) => model.theme.notice(),
        None => model.theme.error(),
    };
    let lines = notice(model, area.width.into());
    let lines: Vec<Line<'_>> = lines.into_iter().map(|l| Line::styled(l, style)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The question for a file's name.
fn draw_save(model: &Model, line: &SaveLine, frame: &mut Frame<'_>, area: Rect) {
    const PROMPT: &str = "write to ";
    let input = &line.input;
    let mut bar = Bar::default();
    let text = Span::raw(clean(input.text()));
    bar.left(0, [Span::styled(PROMPT, model.theme.key()), text]);
    let keys = Span::styled("Enter write  Esc do not", model.theme.dim());
    bar.right(1, [keys]);
    bar.draw(frame, area);
    let column = width(PROMPT) + width(&clean(input.before_cursor()));
    let column = column.min(usize::from(area.width.saturating_sub(1)));
    frame.set_cursor_position((area.x + u16::try_from(column).unwrap_or(0), area.y));
}

/// The keys that one needs most, and where in the list one is.
fn draw_footer(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let mut bar = Bar::default();
    if model.chips.at.is_some() {
        bar.left(1, [Span::styled(chips::help(), model.theme.dim())]);
        bar.draw(frame, area);
        return;
    }
    if let Some(said) = &model.said {
        bar.left(
            1,
            [Span::styled(clean(said).into_owned(), model.theme.notice())],
        );
    }
    let hinted = keymap::bindings().filter(|b| !b.hint.is_empty());
    for (binding, rank) in hinted.filter(|b| model.can(b.action)).zip(2..) {
        let key = model.keymap.keys(binding).first().map(|k| k.name());
        let Some(key) = key else { continue };
        // Whoever knows these two finds all others.
        let rank = match binding.action {
            Action::Help | Action::Quit => 2,
            _ => rank,
        };
        bar.left(
            rank,
            [
                Span::styled(key, model.theme.key()),
                Span::raw(format!(" {}", binding.hint)),
            ],
        );
    }
    if model.len() > 0 {
        let line = thousands(model.cursor().line + 1);
        let place = format!("{line} of {}", thousands(model.len()));
        bar.right(1, [Span::styled(place, model.theme.dim())]);
    }
    bar.draw(frame, area);
}

/// A line of parts, left and right. When it is too long, those of the highest rank are left out.
#[derive(Default)]
struct Bar<'a> {
    parts: Vec<(u8, bool, Vec<Span<'a>>)>,
}

const GAP: usize = 2;

impl<'a> Bar<'a> {
    fn left(&mut self, rank: u8, spans: impl IntoIterator<Item = Span<'a>>) {
        self.parts.push((rank, false, spans.into_iter().collect()));
    }

    fn right(&mut self, rank: u8, spans: impl IntoIterator<Item = Span<'a>>) {
        self.parts.push((rank, true, spans.into_iter().collect()));
    }

    fn draw(mut self, frame: &mut Frame<'_>, area: Rect) {
        let room = usize::from(area.width);
        let part_width = |(_, _, spans): &(u8, bool, Vec<Span<'_>>)| {
            spans.iter().map(|s| width(&s.content)).sum::<usize>()
        };
        let total = |parts: &[(u8, bool, Vec<Span<'_>>)]| {
            parts
                .iter()
                .map(|p| part_width(p) + GAP)
                .sum::<usize>()
                .saturating_sub(GAP)
        };
        // One part always remains; drawing cuts it.
        while self.parts.len() > 1 && total(&self.parts) > room {
            let highest = self.parts.iter().map(|(rank, ..)| *rank).max().unwrap_or(0);
            let Some(at) = self.parts.iter().rposition(|(rank, ..)| *rank == highest) else {
                break;
            };
            self.parts.remove(at);
        }
        let spare = room.saturating_sub(total(&self.parts));
        let mut spans: Vec<Span<'_>> = Vec::new();
        let (left, right): (Vec<_>, Vec<_>) =
            self.parts.into_iter().partition(|(_, right, _)| !right);
        let has_left = !left.is_empty();
        for (i, (_, _, part)) in left.into_iter().enumerate() {
            spans.push(Span::raw(if i == 0 { "" } else { "  " }));
            spans.extend(part);
        }
        spans.push(Span::raw(" ".repeat(spare)));
        for (i, (_, _, part)) in right.into_iter().enumerate() {
            spans.push(Span::raw(if i == 0 && !has_left { "" } else { "  " }));
            spans.extend(part);
        }
        frame.render_widget(Line::from(spans), area);
    }
}

/// A text filled up with spaces to a column's width.
fn padded(text: &str, columns: usize, style: Style) -> Span<'static> {
    let fill = columns.saturating_sub(width(text));
    Span::styled(format!("{text}{}", " ".repeat(fill)), style)
}
