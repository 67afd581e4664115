//! The pane of the selected goroutine: its whole stack, and what else is known of it.

use model::{Differences, Frame as Call, FrameKind, Goroutine, Site, StackEnd, Status, Trust};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::table::since;
use super::{padded, thousands};
use crate::layout::Areas;
use crate::list::{Item, created_by, creation, function};
use crate::state::{Focus, Model};
use crate::text::{clean, fit, fit_end, width, wrap};
use crate::theme::Theme;
use crate::watch::{Mark, Row};

/// From this width on a call and its place fit on one line.
const ONE_LINE: usize = 70;

/// All lines of the pane. A stack may have a hundred thousand calls, so theirs are made when
/// they are drawn.
pub(crate) struct Document<'a> {
    theme: Theme,
    columns: usize,
    head: Vec<Line<'static>>,
    calls: &'a [Call],
    /// The call that matters, to be pointed at.
    top: Option<usize>,
    /// The column of the places, where they are beside the functions.
    places: Option<usize>,
    tail: Vec<Line<'static>>,
}

/// What the pane shows at a width.
pub(crate) fn document(model: &Model, columns: usize) -> Document<'_> {
    let theme = model.theme;
    let mut document = Document {
        theme,
        columns,
        head: Vec::new(),
        calls: &[],
        top: None,
        places: None,
        tail: Vec::new(),
    };
    match model.list.selected_item(&model.watch) {
        Some(Item::Goroutine(row)) => document.fill(model, &row.goroutine),
        Some(Item::Unreadable(unreadable)) => {
            let text = format!("It could not be read: {}", unreadable.reason);
            document.head = text_lines(&text, columns, theme.error());
        }
        None => {}
    }
    document
}

impl<'a> Document<'a> {
    fn fill(&mut self, model: &Model, g: &'a Goroutine) {
        let theme = self.theme;
        let labels = g.labels.as_deref().unwrap_or_default();
        if !labels.is_empty() {
            let labels: Vec<String> = labels.iter().map(|(k, v)| label(k, v)).collect();
            self.head.extend(text_lines(
                &format!("labels {}", labels.join(" ")),
                self.columns,
                theme.plain(),
            ));
        }
        for note in &g.notes {
            self.head.extend(text_lines(
                &format!("! {note}"),
                self.columns,
                theme.notice(),
            ));
        }
        self.calls = &g.frames;
        self.top = g
            .top_user_frame()
            .and_then(|top| g.frames.iter().position(|f| std::ptr::eq(f, top)));
        if self.columns >= ONE_LINE {
            // Beyond the first thousand calls a name may be cut; a screen shows far fewer.
            let longest = g
                .frames
                .iter()
                .take(1000)
                .map(|f| 2 + width(&name(f)))
                .max()
                .unwrap_or(0);
            let creator = creation(g).map_or(0, |_| width(CREATED) + width(&creator(g)));
            self.places = Some(longest.max(creator).min(self.columns * 3 / 5));
        }
        match &g.stack_end {
            StackEnd::Complete => {}
            StackEnd::Early(why) => {
                let text = format!("! the stack could not be followed further: {why}");
                self.tail
                    .extend(text_lines(&text, self.columns, theme.notice()));
            }
        }
        if g.frames.is_empty() && g.stack_end == StackEnd::Complete {
            self.tail.push(Line::styled("  no calls", theme.dim()));
        }
        self.tail.extend(self.creation(model, g));
    }

    /// Who created it: the `go` statement, and the goroutine that ran it.
    fn creation(&self, model: &Model, g: &Goroutine) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        if let Some(site) = creation(g) {
            lines.extend(self.call_lines(CREATED, &creator(g), &place(site), self.theme.plain()));
        }
        if let Some(parent) = g.parent_goid {
            let rows = &model.watch.rows;
            let alive = rows
                .iter()
                .find(|row| row.goroutine.goid == parent && row.mark != Mark::Gone);
            let text = match alive.map(|row| &row.goroutine) {
                Some(p) if p.status == Status::Dead => format!("parent {parent} has ended"),
                Some(p) => format!("parent {parent} [{}] {}", p.state(), function(p).0),
                None => format!("parent {parent} is gone"),
            };
            lines.extend(text_lines(&text, self.columns, self.theme.dim()));
        }
        lines
    }

    fn lines_per_call(&self) -> usize {
        if self.places.is_some() { 1 } else { 2 }
    }

    pub fn len(&self) -> usize {
        self.head.len() + self.calls.len() * self.lines_per_call() + self.tail.len()
    }

    /// The lines from `first` on, at most `count`.
    fn lines(&self, first: usize, count: usize) -> Vec<Line<'static>> {
        let per_call = self.lines_per_call();
        let in_calls = first.saturating_sub(self.head.len());
        let skipped = (in_calls / per_call).min(self.calls.len());
        let head = self.head.iter().cloned();
        let calls = self.calls.iter().enumerate().skip(skipped);
        let calls = calls
            .take(count + 1)
            .flat_map(|(i, call)| self.call(i, call));
        // When calls are skipped, all of the head is, too.
        let begun = if in_calls == 0 {
            first
        } else {
            self.head.len() + in_calls - skipped * per_call
        };
        let after_calls = in_calls.saturating_sub(self.calls.len() * per_call);
        if after_calls > 0 {
            return self
                .tail
                .iter()
                .skip(after_calls)
                .take(count)
                .cloned()
                .collect();
        }
        head.chain(calls)
            .skip(begun)
            .chain(self.tail.iter().cloned())
            .take(count)
            .collect()
    }

    fn call(&self, i: usize, call: &Call) -> Vec<Line<'static>> {
        let is_top = self.top == Some(i);
        let margin = if is_top { "› " } else { "  " };
        let in_runtime = call.function.name.starts_with("runtime.");
        let style = match (is_top, in_runtime || call.kind == FrameKind::Wrapper) {
            (true, _) => self.theme.bold(),
            (_, true) => self.theme.dim(),
            _ => self.theme.plain(),
        };
        let place = match call.object() {
            // C that was built without debug information: its object is all that is known.
            Some(object) if call.line == 0 => clean(object).into_owned(),
            _ => format!("{}:{}", clean(&call.file), call.line),
        };
        self.call_lines(margin, &name(call), &place, style)
    }

    fn call_lines(
        &self,
        margin: &str,
        name: &str,
        place: &str,
        style: ratatui::style::Style,
    ) -> Vec<Line<'static>> {
        let name = clean(name);
        match self.places {
            Some(column) => {
                let name = format!(
                    "{margin}{}",
                    fit_end(&name, column.saturating_sub(width(margin)))
                );
                let room = self.columns.saturating_sub(column + 2);
                let place = fit_end(place, room).into_owned();
                vec![Line::from(vec![
                    padded(&name, column + 2, style),
                    Span::styled(place, self.theme.dim()),
                ])]
            }
            None => {
                let name = format!(
                    "{margin}{}",
                    fit_end(&name, self.columns.saturating_sub(width(margin)))
                );
                let place = fit_end(place, self.columns.saturating_sub(6));
                vec![
                    Line::styled(name, style),
                    Line::styled(format!("      {place}"), self.theme.dim()),
                ]
            }
        }
    }
}

const CREATED: &str = "created by ";

/// Which function created it, and in which goroutine.
fn creator(g: &Goroutine) -> String {
    let by = match created_by(g) {
        "" => "an unknown function".into(),
        by => clean(by),
    };
    match g.parent_goid {
        None => by.into_owned(),
        Some(parent) => format!("{by} in goroutine {parent}"),
    }
}

/// A label as the filter takes it.
fn label(key: &str, value: &str) -> String {
    if value.contains(' ') {
        format!("{key}=\"{value}\"")
    } else {
        format!("{key}={value}")
    }
}

/// A call's function, and what must be known of it.
fn name(call: &Call) -> String {
    let mut name = clean(&call.function.name).into_owned();
    if call.is_c() {
        name += " [C]";
    }
    if call.inlined {
        name += " (inlined)";
    }
    if call.kind == FrameKind::Wrapper {
        name += " (wrapper)";
    }
    if call.trust == Trust::Assumed {
        name += " (assumed)";
    }
    name
}

fn place(site: &Site) -> String {
    format!("{}:{}", clean(&site.file), site.line)
}

fn text_lines(text: &str, columns: usize, style: ratatui::style::Style) -> Vec<Line<'static>> {
    wrap(&clean(text), columns)
        .into_iter()
        .map(|l| Line::styled(l, style))
        .collect()
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, areas: &Areas) {
    let bar: Vec<Line<'_>> = areas
        .bar
        .rows()
        .map(|_| Line::styled("│", model.theme.frame()))
        .collect();
    frame.render_widget(Paragraph::new(bar), areas.bar);
    let document = document(model, areas.stack.width.into());
    draw_title(model, document.len(), frame, areas);
    let lines = document.lines(model.stack_scroll, areas.stack.height.into());
    frame.render_widget(Paragraph::new(lines), areas.stack);
}

/// Which goroutine, its state, its thread, and how much of the pane is out of sight.
fn draw_title(model: &Model, lines: usize, frame: &mut Frame<'_>, areas: &Areas) {
    let area = areas.title;
    if area.height == 0 {
        return;
    }
    let theme = model.theme;
    let room = usize::from(area.width);
    let mut title = match model.list.selected_item(&model.watch) {
        Some(Item::Goroutine(row)) => title(row),
        Some(Item::Unreadable(u)) => format!("goroutine ? at {} (entry {} of allgs)", u.g, u.index),
        None => String::new(),
    };
    let below = lines.saturating_sub(model.stack_scroll + usize::from(areas.stack.height));
    let more = match (model.stack_scroll, below) {
        (0, 0) => String::new(),
        (0, below) => format!(" ↓{} ", thousands(below)),
        (above, 0) => format!(" ↑{} ", thousands(above)),
        (above, below) => format!(" ↑{} ↓{} ", thousands(above), thousands(below)),
    };
    let has_focus = model.focus == Focus::Stack;
    let pointer = if has_focus { "› " } else { "" };
    title = format!("{pointer}{title}");
    let line = if areas.bar.width > 0 { " " } else { "─" };
    let title = fit(&title, room.saturating_sub(width(&more) + 4)).into_owned();
    let title = if title.is_empty() {
        title
    } else {
        format!(" {title} ")
    };
    let title = if areas.bar.width > 0 {
        title.trim_start().to_owned()
    } else {
        title
    };
    let lead = if areas.bar.width > 0 { "" } else { "──" };
    let fill = room.saturating_sub(width(lead) + width(&title) + width(&more) + 2);
    let style = if has_focus {
        theme.selected(true)
    } else {
        theme.bold()
    };
    let spans = vec![
        Span::styled(lead, theme.frame()),
        Span::styled(title, style),
        Span::styled(line.repeat(fill), theme.frame()),
        Span::styled(more, theme.dim()),
        Span::styled(line.repeat(2), theme.frame()),
    ];
    frame.render_widget(Line::from(spans), Rect { height: 1, ..area });
}

/// What changed, if not the state.
fn change(what: Differences) -> &'static str {
    match what {
        Differences { stack: true, .. } => ", moved",
        Differences { ran: true, .. } => ", ran meanwhile",
        Differences { labels: true, .. } => ", other labels",
        Differences { thread: true, .. } => ", other thread",
        _ => "",
    }
}

fn title(row: &Row) -> String {
    let g = &row.goroutine;
    let mut title = format!("goroutine {} [{}]", g.goid, clean(g.state()));
    if row.since.known.is_some() {
        title += &format!(" for {}", since(row.since));
    }
    match (row.mark, &row.change) {
        (Mark::New, _) => title += ", new",
        (Mark::Gone, _) => title += ", gone",
        (_, Some((_, was))) if was.state() != g.state() => {
            title += &format!(", was [{}]", clean(was.state()));
        }
        (_, Some((what, _))) => title += change(*what),
        (_, None) => {}
    }
    if g.system {
        title += ", system";
    }
    if let Some(thread) = g.thread {
        title += &format!(", thread {thread}");
    }
    if g.locked_to_thread {
        title += ", locked to its thread";
    }
    title
}
