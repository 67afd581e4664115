//! The list of goroutines. Only the rows on the screen are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::header::plural;
use super::{on, padded};
use crate::list::{Item, SortKey, created_by, function};
use crate::state::{Focus, Model};
use crate::text::{age, clean, fit, fit_end, short_function, thousands};
use crate::watch::{Mark, Row, Since};

/// The columns' widths; one that is not shown has none.
struct Columns {
    goid: usize,
    state: usize,
    since: usize,
    on: usize,
    function: usize,
    created_by: usize,
    labels: usize,
    thread: usize,
}

/// Before the goid: the cursor, the mark, a space.
const MARGIN: usize = 3;
const SINCE: usize = 7;
/// Narrower than that, a function's name says too little.
const FUNCTION: usize = 18;
/// From this width on there is room for what it waits on, too; from the next one on for the creator, and so on.
const WITH_ON: usize = 42;
const WITH_CREATOR: usize = 58;
const WITH_LABELS: usize = 100;
const WITH_THREAD: usize = 120;
const THREAD: usize = 8;

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
        let mut columns = Columns {
            goid,
            state,
            since,
            on: 0,
            function: 0,
            created_by: 0,
            labels: 0,
            thread: 0,
        };
        if rest >= WITH_THREAD {
            columns.thread = THREAD;
            rest -= THREAD + 1;
        }
        if rest >= WITH_LABELS {
            columns.labels = rest / 5;
            rest -= columns.labels + 1;
        }
        let whole = rest;
        // Each gets enough, or the function that matters gets it all.
        if whole >= WITH_ON {
            let share = if whole < WITH_CREATOR { 4 } else { 3 };
            columns.on = whole * share / 10;
            rest -= columns.on + 1;
        }
        if whole >= WITH_CREATOR {
            columns.created_by = (rest - 1) * 2 / 5;
            rest -= columns.created_by + 1;
        }
        columns.function = rest;
        columns
    }

    /// A line of the table; `texts` are those of goid, state, since, on, function, creator, labels and thread.
    fn line(&self, margin: Span<'static>, texts: [&str; 8], styles: [Style; 8]) -> Line<'static> {
        let widths = [
            self.goid,
            self.state,
            self.since,
            self.on,
            self.function,
            self.created_by,
            self.labels,
            self.thread,
        ];
        let mut spans = vec![margin];
        for (i, ((text, style), width)) in texts.into_iter().zip(styles).zip(widths).enumerate() {
            if width == 0 {
                continue;
            }
            // Numbers and times stand right; of names the end tells more.
            let (text, gap) = match i {
                0 => (format!("{:>width$}", fit(text, width)), 1),
                2 => (format!("{:>width$}", fit(text, width)), 2),
                3..=5 => (fit_end(text, width).into_owned(), 1),
                _ => (fit(text, width).into_owned(), 1),
            };
            spans.push(padded(&text, width + gap, style));
        }
        Line::from(spans)
    }
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = Columns::new(model, area.width.into());
    let mut lines = vec![names(model, &columns)];
    let rows = usize::from(area.height.saturating_sub(1));
    for line in (model.list.at.offset..model.list.len()).take(rows) {
        let Some(item) = model.list.item(&model.watch, line) else {
            break;
        };
        let is_selected = line == model.list.at.line;
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
    let choice = list.choice();
    let name = |key: SortKey, name: &str| match (choice.sort == key, choice.reverse) {
        (false, _) => name.to_owned(),
        (true, false) => format!("{name}▲"),
        (true, true) => format!("{name}▼"),
    };
    let texts = [
        name(SortKey::Goid, "GOID"),
        name(SortKey::State, "STATE"),
        name(SortKey::Since, "SINCE"),
        "WAITS ON".to_owned(),
        name(SortKey::Function, "FUNCTION"),
        name(SortKey::CreatedBy, "CREATED BY"),
        "LABELS".to_owned(),
        "THREAD".to_owned(),
    ];
    let style = model.theme.frame().patch(model.theme.bold());
    columns.line(
        Span::raw("   "),
        texts.each_ref().map(String::as_str),
        [style; 8],
    )
}

fn cursor(is_selected: bool) -> &'static str {
    if is_selected { "›" } else { " " }
}

fn goroutine(model: &Model, columns: &Columns, row: &Row, is_selected: bool) -> Line<'static> {
    let theme = model.theme;
    let g = &row.goroutine;
    let (function, is_user) = function(g);
    let on = match columns.on {
        0 => String::new(),
        _ => on::short(g, model),
    };
    let labels = match (columns.labels, &g.labels) {
        (0, _) => String::new(),
        (_, None) => "?".to_owned(),
        (_, Some(labels)) => {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            clean(&labels.join(" ")).into_owned()
        }
    };
    let texts = [
        g.goid.to_string(),
        clean(g.state()).into_owned(),
        since(row.since),
        on,
        clean(&short_function(function)).into_owned(),
        clean(&short_function(created_by(g))).into_owned(),
        labels,
        g.thread.map_or(String::new(), |thread| thread.to_string()),
    ];
    let mark = model.watch.mark_of(row);
    let style = theme.mark(mark);
    let (plain, dim) = (theme.plain(), theme.dim());
    let styles = match mark {
        Mark::Gone => [style; 8],
        _ => {
            let function = if is_user { plain } else { dim };
            [plain, style, plain, plain, function, dim, dim, dim]
        }
    };
    let margin = format!("{}{} ", cursor(is_selected), mark.sign());
    columns.line(
        Span::styled(margin, style),
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
        let ended = model.ended.is_some() || model.trouble.is_some();
        let text = if ended {
            "There is no sample yet."
        } else {
            "Waiting for the first sample …"
        };
        return vec![Line::raw(text)];
    }
    let mut lines = Vec::new();
    if model.list.choice().only != crate::list::Only::All {
        let text = format!(
            "No goroutine is {}; c shows others.",
            model.list.choice().only.word()
        );
        lines.push(Line::raw(text));
    } else if model.list.choice().filter.is_empty() {
        lines.push(Line::raw("There are no goroutines to show."));
    } else {
        lines.push(Line::raw("No goroutine matches the filter."));
    }
    let hidden = model.list.hidden();
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
