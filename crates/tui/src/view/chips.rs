//! The line of kept filters: `1[x] name`.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::chips::Chip;
use crate::state::Model;
use crate::text::{clean, fit, width};

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let mut spans = vec![Span::styled("kept ", theme.key())];
    let room = usize::from(area.width).saturating_sub(5);
    let chips: Vec<(usize, String)> = model
        .chips
        .list
        .iter()
        .enumerate()
        .map(|(i, chip)| (i, text((i, chip))))
        .collect();
    // What is pointed at is in sight: those before it make room.
    let mut from = 0;
    while let Some(at) = model.chips.at.filter(|at| from < *at) {
        let shown = chips.iter().skip(from).take(at - from + 1);
        if shown.map(|(_, text)| width(text) + 2).sum::<usize>() <= room {
            break;
        }
        from += 1;
    }
    let mut left = room;
    for (i, text) in chips.into_iter().skip(from) {
        let text = fit(&text, left).into_owned();
        left = left.saturating_sub(width(&text) + 2);
        let on = model.chips.list.get(i).is_some_and(|chip| chip.on);
        let style = match (model.chips.at == Some(i), on) {
            (true, _) => theme.selected(true),
            (false, true) => theme.notice(),
            (false, false) => theme.dim(),
        };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    frame.render_widget(Line::from(spans), area);
}

fn text((i, chip): (usize, &Chip)) -> String {
    let sign = if chip.on { "[x]" } else { "[ ]" };
    format!("{}{sign} {}", i + 1, clean(&chip.name))
}

/// What the keys do meanwhile.
pub(super) fn help() -> &'static str {
    "Space on, off  1-9 the same  x remove  Esc back"
}
