//! What the views with heads have in common: drawing lines, and goroutines under heads.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::Paragraph;

use super::table::since;
use super::{on, padded};
use crate::cursor::Role;
use crate::list::function;
use crate::outline::{Line, Outline};
use crate::state::{Focus, Model};
use crate::text::{clean, fit, fit_end, short_function};
use crate::watch::{Mark, Row};

/// How many columns one level is to the right of the one above.
const STEP: usize = 2;
/// Deeper levels are no longer shown further right.
const MAX_INDENT: usize = 24;

/// Draws the lines on the screen, the names of the columns above; `nothing` if there are none.
pub(super) fn draw(
    model: &Model,
    outline: &Outline,
    frame: &mut Frame<'_>,
    area: Rect,
    names: Text<'static>,
    nothing: &str,
    line: impl Fn(&Line) -> Text<'static>,
) {
    let mut texts = vec![names.style(model.theme.frame().patch(model.theme.bold()))];
    let rows = usize::from(area.height.saturating_sub(1));
    let shown = outline.lines.iter().enumerate().skip(outline.at.offset);
    for (i, shown) in shown.take(rows) {
        let mut text = line(shown);
        let is_selected = i == outline.at.line;
        let pointer = Span::raw(if is_selected { "›" } else { " " });
        text.spans.insert(0, pointer);
        if is_selected {
            text = text.style(model.theme.selected(model.focus == Focus::List));
        }
        texts.push(text);
    }
    let empty = texts.len() == 1;
    frame.render_widget(Paragraph::new(texts), area);
    if empty {
        let below = Rect {
            y: area.y + 2,
            height: area.height.saturating_sub(2),
            ..area
        };
        let lines: Vec<Text<'_>> = crate::text::wrap(nothing, area.width.into())
            .into_iter()
            .map(Text::raw)
            .collect();
        frame.render_widget(Paragraph::new(lines).centered(), below);
    }
}

/// `▸` what can be opened, `▾` what is open.
pub(super) fn handle(line: &Line) -> &'static str {
    match line.open {
        Some(true) => "▾ ",
        Some(false) => "▸ ",
        None => "  ",
    }
}

pub(super) fn indent(line: &Line) -> String {
    " ".repeat((usize::from(line.depth) * STEP).min(MAX_INDENT))
}

/// What a goroutine has to do with its head.
fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "",
        Role::Waits(_) => "waits ",
        Role::Refers => "refers ",
        Role::Cause => "cause ",
    }
}

/// A goroutine under a head.
pub(super) fn goroutine(
    model: &Model,
    line: &Line,
    as_what: Role,
    columns: usize,
) -> Text<'static> {
    let indent = indent(line);
    let row = model.watch.rows.get(line.at as usize);
    let Some(row) = row.filter(|_| line.at != Line::GONE) else {
        let goid = line.id.goid().map(|goid| goid.to_string());
        let text = format!(
            "{indent}   {}goroutine {} is not in this sample",
            role(as_what),
            goid.unwrap_or_default()
        );
        return Text::styled(text, model.theme.dim());
    };
    let mark = model.watch.mark_of(row);
    let lead = format!("{}{indent}  {}", mark.sign(), role(as_what));
    about(model, row, lead, columns)
}

/// A goroutine in one line: its ID, state, since when, on what, where.
pub(super) fn about(model: &Model, row: &Row, lead: String, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let g = &row.goroutine;
    let mark = model.watch.mark_of(row);
    let (function, is_user) = function(g);
    let gone = mark == Mark::Gone;
    let or_gone = |style: Style| if gone { theme.dim() } else { style };
    let used = crate::text::width(&lead) + 2;
    let state_width = model.list.state_width.min(18);
    let goid = model.list.goid_width;
    let rest = columns.saturating_sub(used + goid + 1 + state_width + 1 + 9);
    let on_width = if rest >= 60 { rest / 3 } else { 0 };
    let mut spans = vec![
        Span::styled(lead, theme.mark(mark)),
        Span::styled(format!("{:>goid$} ", g.goid.0), or_gone(theme.plain())),
        padded(
            &fit(&clean(g.state()), state_width),
            state_width + 1,
            or_gone(theme.mark(mark)),
        ),
        Span::styled(format!("{:>7}  ", since(row.since)), or_gone(theme.plain())),
    ];
    if on_width > 0 {
        let on = on::short(g, model);
        spans.push(padded(
            &fit_end(&on, on_width.saturating_sub(1)),
            on_width,
            or_gone(theme.plain()),
        ));
    }
    let name = short_function(function).into_owned();
    let style = if is_user { theme.plain() } else { theme.dim() };
    let name = fit_end(&clean(&name), rest.saturating_sub(on_width)).into_owned();
    spans.push(Span::styled(name, or_gone(style)));
    Text::from(spans)
}
