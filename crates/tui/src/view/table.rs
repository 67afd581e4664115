//! The list of goroutines. Only the rows on the screen are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::header::plural;
use super::padded;
use crate::list::{Item, SortKey, created_by, function};
use crate::state::{Focus, Model};
use crate::text::{age, clean, fit, fit_end, short_function, thousands};
use crate::watch::{Mark, Row, Since};

/// The columns' widths; one that is not shown has none.
struct Columns {
    goid: usize,
    state: usize,
    since: usize,
    function: usize,
    created_by: usize,
}

/// Before the goid: the cursor, the mark, a space.
const MARGIN: usize = 3;
const SINCE: usize = 7;
/// Narrower than that, a function's name says too little.
const FUNCTION: usize = 18;
/// From this width on there is room for the creator, too.
const WITH_CREATOR: usize = 42;

impl Columns {
    fn new(model: &Model, width: usize) -> Columns {
        let goid = model.list.goid_width;
        let longest = if width >= 100 { 26 } else { 18 };
        let mut state = model.list.state_width.min(longest);
        let mut since = SINCE;
        let mut rest = width.saturating_sub(MARGIN + goid + 1 + state + 1 + since + 2);
        if rest < FUNCTION {
            let narrow = state.min(12);
            rest += state - narrow;
            state = narrow;
        }
        if rest < FUNCTION {
            rest += since + 1;
            since = 0;
        }
        // Both get enough, or the function that matters gets it all.
        let created_by = if rest >= WITH_CREATOR {
            (rest - 1) * 2 / 5
        } else {
            0
        };
        let function = rest.saturating_sub(created_by + usize::from(created_by > 0));
        Columns {
            goid,
            state,
            since,
            function,
            created_by,
        }
    }

    /// A line of the table; `texts` are those of goid, state, since, function and creator.
    fn line(&self, margin: Span<'static>, texts: [&str; 5], styles: [Style; 5]) -> Line<'static> {
        let [goid, state, since, function, created_by] = texts;
        let [
            goid_style,
            state_style,
            since_style,
            function_style,
            created_style,
        ] = styles;
        let goid = format!("{:>w$} ", fit(goid, self.goid), w = self.goid);
        let mut spans = vec![
            margin,
            Span::styled(goid, goid_style),
            padded(&fit(state, self.state), self.state + 1, state_style),
        ];
        if self.since > 0 {
            let since = format!("{:>w$}", fit(since, self.since), w = self.since);
            spans.push(padded(&since, self.since + 2, since_style));
        }
        let function = fit_end(function, self.function);
        spans.push(padded(&function, self.function, function_style));
        if self.created_by > 0 {
            spans.push(Span::raw(" "));
            spans.push(padded(
                &fit_end(created_by, self.created_by),
                self.created_by,
                created_style,
            ));
        }
        Line::from(spans)
    }
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = Columns::new(model, area.width.into());
    let mut lines = vec![names(model, &columns)];
    let rows = usize::from(area.height.saturating_sub(1));
    for line in (model.list.offset..model.list.len()).take(rows) {
        let Some(item) = model.list.item(&model.watch, line) else {
            break;
        };
        let is_selected = line == model.list.cursor;
        let mut drawn = match item {
            Item::Goroutine(row) => goroutine(model, &columns, row, is_selected),
            Item::Unreadable(unreadable) => {
                let theme = model.theme;
                let margin = Span::styled(format!("{}! ", cursor(is_selected)), theme.error());
                let reason = clean(&unreadable.reason);
                // The reason takes the place of all columns.
                let text = format!("{:>w$} unreadable: {reason}", "?", w = columns.goid);
                let text = fit(&text, usize::from(area.width).saturating_sub(MARGIN));
                Line::from(vec![margin, Span::raw(text.into_owned())])
            }
        };
        if is_selected {
            drawn = drawn.style(model.theme.selected(model.focus == Focus::List));
        }
        lines.push(drawn);
    }
    let empty = lines.len() == 1;
    // A style of the line colours all of it, up to the edge.
    frame.render_widget(Paragraph::new(lines), area);
    if empty {
        let below = Rect {
            y: area.y + 2,
            height: area.height.saturating_sub(2),
            ..area
        };
        frame.render_widget(Paragraph::new(nothing(model)).centered(), below);
    }
}

fn names(model: &Model, columns: &Columns) -> Line<'static> {
    let list = &model.list;
    let name = |key: SortKey, name: &str| match (list.sort == key, list.reverse) {
        (false, _) => name.to_owned(),
        (true, false) => format!("{name}▲"),
        (true, true) => format!("{name}▼"),
    };
    let texts = [
        name(SortKey::Goid, "GOID"),
        name(SortKey::State, "STATE"),
        name(SortKey::Since, "SINCE"),
        name(SortKey::Function, "FUNCTION"),
        name(SortKey::CreatedBy, "CREATED BY"),
    ];
    let style = model.theme.frame().patch(model.theme.bold());
    columns.line(
        Span::raw("   "),
        texts.each_ref().map(String::as_str),
        [style; 5],
    )
}

fn cursor(is_selected: bool) -> &'static str {
    if is_selected { "›" } else { " " }
}

fn goroutine(model: &Model, columns: &Columns, row: &Row, is_selected: bool) -> Line<'static> {
    let theme = model.theme;
    let g = &row.goroutine;
    let (function, is_user) = function(g);
    let texts = [
        g.goid.to_string(),
        clean(g.state()).into_owned(),
        since(row.since),
        clean(&short_function(function)).into_owned(),
        clean(&short_function(created_by(g))).into_owned(),
    ];
    let mark = theme.mark(row.mark);
    let styles = match row.mark {
        Mark::Gone => [mark; 5],
        _ => {
            let function = if is_user { theme.plain() } else { theme.dim() };
            [theme.plain(), mark, theme.plain(), function, theme.dim()]
        }
    };
    let margin = format!("{}{} ", cursor(is_selected), row.mark.sign());
    columns.line(
        Span::styled(margin, mark),
        texts.each_ref().map(String::as_str),
        styles,
    )
}

/// `≥` says that it may have been longer: that it was so already when we first looked, or
/// that only the runtime's own note tells.
pub(super) fn since(since: Since) -> String {
    match since {
        Since { known: None, .. } => "?".into(),
        Since {
            known: Some(d),
            seen: true,
        } => age(d),
        Since {
            known: Some(d),
            seen: false,
        } => format!("≥{}", age(d)),
    }
}

/// Why the list is empty.
fn nothing(model: &Model) -> Vec<Line<'static>> {
    let watch = &model.watch;
    if watch.snapshot.is_none() {
        let ended = watch.ended.is_some() || watch.trouble.is_some();
        let text = if ended {
            "There is no sample yet."
        } else {
            "Waiting for the first sample …"
        };
        return vec![Line::raw(text)];
    }
    let mut lines = Vec::new();
    if model.list.filter_text.is_empty() {
        lines.push(Line::raw("There are no goroutines to show."));
    } else {
        lines.push(Line::raw("No goroutine matches the filter."));
    }
    let hidden = model.list.hidden;
    if hidden > 0 {
        let text = format!(
            "{} system{} would; s shows them.",
            thousands(hidden),
            plural(hidden, " goroutine")
        );
        lines.push(Line::raw(text));
    }
    lines
}
