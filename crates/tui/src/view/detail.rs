//! The detail pane: all that is known of what is selected, and links to what it has to do with.

use model::{Addr, Frame as Call, Goid, Goroutine, Snapshot, WaitKind};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{about, scheduler, stack, thousands};
use crate::cursor::{Head, Id};
use crate::layout::Areas;
use crate::state::{Focus, Model};
use crate::text::{clean, fit, width, wrap};

/// What is copied: terminals take no more than some hundred kilobytes.
const COPIED_COLUMNS: usize = 400;
const COPIED_LINES: usize = 500;

/// What the pane is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    Goroutine(Goid),
    Unreadable(usize),
    Head(Head),
}

impl Subject {
    pub fn of(id: Id) -> Subject {
        match id {
            Id::Goroutine(goid) | Id::Under(_, _, goid) => Subject::Goroutine(goid),
            Id::Unreadable(index) => Subject::Unreadable(index),
            Id::Head(head) => Subject::Head(head),
        }
    }
}

/// What Enter does on a line of the pane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    Goroutine(Goid),
    Object(WaitKind, Addr),
    /// A call, by its index: its source lines.
    Call(usize),
    /// The calls of the runtime that are folded away.
    Folded,
}

/// A line. A stack may have a hundred thousand calls, so theirs are made when they are drawn.
pub(super) enum Row {
    Text(Line<'static>, Option<Link>),
    Call(usize),
    /// Where the call is, if that has a line of its own.
    Place(usize),
    /// So many calls of the runtime.
    Folded(usize),
}

pub(crate) struct Document<'a> {
    pub(super) columns: usize,
    pub(super) model: &'a Model,
    pub(super) rows: Vec<Row>,
    pub(super) calls: &'a [Call],
    /// The call that matters, to be pointed at.
    pub(super) top: Option<usize>,
    /// The column of the places, where they are beside the functions.
    pub(super) places: Option<usize>,
}

/// What the pane shows at a width.
pub(crate) fn document(model: &Model, columns: usize) -> Document<'_> {
    let mut document = Document {
        columns,
        model,
        rows: Vec::new(),
        calls: &[],
        top: None,
        places: None,
    };
    let Some(snapshot) = model.snapshot() else {
        return document;
    };
    match model.subject() {
        Some(Subject::Goroutine(goid)) => match goroutine(model, goid) {
            Some(g) => document.goroutine(g),
            None => document.text(
                &format!("Goroutine {goid} is not in this sample."),
                model.theme.dim(),
            ),
        },
        Some(Subject::Unreadable(index)) => {
            let reason = snapshot.unreadable.iter().find(|u| u.index == index);
            let reason = reason.map_or("?", |u| &u.reason);
            document.text(
                &format!("It could not be read: {reason}"),
                model.theme.error(),
            );
        }
        Some(Subject::Head(head)) => document.head(snapshot, head),
        None => {}
    }
    document
}

/// A goroutine that is there, or is remembered.
fn goroutine(model: &Model, goid: Goid) -> Option<&Goroutine> {
    let row = model.watch.row_of(goid).map(|row| &row.goroutine);
    row.or_else(|| model.watch.ghosts.get(&goid)).map(|g| &**g)
}

impl<'a> Document<'a> {
    fn head(&mut self, snapshot: &'a Snapshot, head: Head) {
        match head {
            Head::Group(key) => about::group(self, key),
            Head::Object(kind, at) => about::object(self, snapshot, kind, at),
            Head::Finding(key) => about::finding(self, key),
            Head::Thread(id) => about::thread(self, snapshot, id),
            Head::Scheduler => scheduler::all(self, snapshot),
            Head::P(id) => scheduler::p(self, snapshot, id),
        }
    }

    /// A text, in as many lines as it takes.
    pub(super) fn text(&mut self, text: &str, style: Style) {
        self.linked(text, style, None);
    }

    /// A text that leads somewhere.
    pub(super) fn linked(&mut self, text: &str, style: Style, link: Option<Link>) {
        let lead = if link.is_some() { "→ " } else { "" };
        let lines = wrap(&clean(text), self.columns.saturating_sub(width(lead)));
        for (i, line) in lines.into_iter().enumerate() {
            let lead = if i > 0 && link.is_some() { "  " } else { lead };
            self.rows.push(Row::Text(
                Line::styled(format!("{lead}{line}"), style),
                link,
            ));
        }
    }

    /// A line that leads to a goroutine, with where it is.
    pub(super) fn other(&mut self, before: &str, goid: Goid) {
        let text = match goroutine(self.model, goid) {
            Some(g) => format!(
                "{before}goroutine {goid} [{}] {}",
                g.state(),
                crate::text::short_function(crate::list::function(g).0)
            ),
            None => format!("{before}goroutine {goid}, which is not in this sample"),
        };
        let link = goroutine(self.model, goid).map(|_| Link::Goroutine(goid));
        let text = fit(&clean(&text), self.columns.saturating_sub(2)).into_owned();
        self.linked(&text, self.model.theme.plain(), link);
    }

    pub fn call(&self, i: usize) -> Option<&'a Call> {
        self.calls.get(i)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn link(&self, line: usize) -> Option<Link> {
        match self.rows.get(line)? {
            Row::Text(_, link) => *link,
            Row::Call(i) | Row::Place(i) => Some(Link::Call(*i)),
            Row::Folded(_) => Some(Link::Folded),
        }
    }

    /// The call at a line, or else the one that matters.
    pub fn call_at(&self, line: usize) -> Option<&'a Call> {
        let at = match self.rows.get(line) {
            Some(Row::Call(i) | Row::Place(i)) => Some(*i),
            _ => None,
        };
        self.calls.get(at.or(self.top)?)
    }

    /// The lines from `first` on, at most `count`.
    fn lines(&self, first: usize, count: usize) -> Vec<Line<'static>> {
        let rows = self.rows.iter().skip(first).take(count);
        rows.map(|row| match row {
            Row::Text(line, _) => line.clone(),
            Row::Call(i) => stack::call(self, *i),
            Row::Place(i) => stack::place_line(self, *i),
            Row::Folded(n) => {
                let s = if *n == 1 { "" } else { "s" };
                let text = format!(
                    "  … {} call{s} of the runtime (z shows them)",
                    thousands(*n)
                );
                Line::styled(text, self.model.theme.dim())
            }
        })
        .collect()
    }
}

/// The pane's title and lines without any looks, long enough for nothing to be cut.
pub(crate) fn plain_text(model: &Model) -> String {
    let document = document(model, COPIED_COLUMNS);
    let lines = document.lines(0, COPIED_LINES);
    let lines = lines.iter().map(|line| {
        let text: String = line.spans.iter().map(|span| &*span.content).collect();
        format!("{}\n", text.trim_end())
    });
    match document.len() {
        0 => String::new(),
        _ => format!("{}\n{}", title(model), lines.collect::<String>()),
    }
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, areas: &Areas) {
    let bar: Vec<Line<'_>> = areas
        .bar
        .rows()
        .map(|_| Line::styled("│", model.theme.frame()))
        .collect();
    frame.render_widget(Paragraph::new(bar), areas.bar);
    let document = document(model, areas.detail.width.into());
    draw_title(model, document.len(), frame, areas);
    let first = model.detail.offset;
    let mut lines = document.lines(first, areas.detail.height.into());
    if model.focus == Focus::Detail
        && let Some(line) = model.detail.line.checked_sub(first)
        && let Some(line) = lines.get_mut(line)
    {
        *line = std::mem::take(line).style(model.theme.selected(true));
    }
    frame.render_widget(Paragraph::new(lines), areas.detail);
}

/// What the pane is about, and how much of it is out of sight.
fn draw_title(model: &Model, lines: usize, frame: &mut Frame<'_>, areas: &Areas) {
    let area = areas.title;
    if area.height == 0 {
        return;
    }
    let theme = model.theme;
    let room = usize::from(area.width);
    let mut title = title(model);
    if !model.way.is_empty() {
        title = format!("⌫ {title}");
    }
    let above = model.detail.offset;
    let below = lines.saturating_sub(above + usize::from(areas.detail.height));
    let more = match (above, below) {
        (0, 0) => String::new(),
        (0, below) => format!(" ↓{} ", thousands(below)),
        (above, 0) => format!(" ↑{} ", thousands(above)),
        (above, below) => format!(" ↑{} ↓{} ", thousands(above), thousands(below)),
    };
    let has_focus = model.focus == Focus::Detail;
    let beside = areas.bar.width > 0;
    let pointer = if has_focus { "› " } else { "" };
    title = format!("{pointer}{title}");
    let (lead, line) = if beside { ("", " ") } else { ("──", "─") };
    let mut title = fit(&title, room.saturating_sub(width(&more) + 4)).into_owned();
    if !beside && !title.is_empty() {
        title = format!(" {title} ");
    }
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

fn title(model: &Model) -> String {
    let unreadable = |index: usize| {
        let snapshot = model.snapshot()?;
        let u = snapshot.unreadable.iter().find(|u| u.index == index)?;
        Some(format!("goroutine ? at {} (entry {index} of allgs)", u.g))
    };
    match model.subject() {
        None => String::new(),
        Some(Subject::Goroutine(goid)) => match model.watch.row_of(goid) {
            Some(row) => stack::title(row, model.watch.mark_of(row)),
            None => format!("goroutine {goid}, ended"),
        },
        Some(Subject::Unreadable(index)) => unreadable(index).unwrap_or_default(),
        Some(Subject::Head(head)) => clean(&about::title(model, head)).into_owned(),
    }
}
