//! The detail pane of a goroutine: what it waits on, who else has to do with that, its calls, where it comes from.

use model::{Differences, Frame as Call, FrameKind, Goroutine, Site, StackEnd, Trust};
use ratatui::text::{Line, Span};

use super::detail::{Document, Link, Row as DocRow};
use super::table::since;
use super::{on, padded};
use crate::list::{created_by, creation};
use crate::text::{clean, fit, fit_end, width};
use crate::watch::{Mark, Row};

/// From this width on a call and its place fit on one line.
const ONE_LINE: usize = 70;
/// How many of those who could wake it are named, if it waits on one thing only.
const MAX_SERVERS: usize = 3;
/// How many of its ancestors.
const MAX_ANCESTORS: usize = 12;
/// How many source lines are shown before and after a call's.
const AROUND: usize = 3;

impl<'a> Document<'a> {
    pub(super) fn goroutine(&mut self, g: &'a Goroutine) {
        let theme = self.model.theme;
        for on in g.waiting_on.as_deref().unwrap_or_default() {
            self.waits_on(g, on);
        }
        if g.waiting_on.is_none() {
            self.text("! what it waits on could not be read", theme.notice());
        }
        self.findings(g);
        let labels = g.labels.as_deref().unwrap_or_default();
        if !labels.is_empty() {
            let labels: Vec<String> = labels.iter().map(|(k, v)| label(k, v)).collect();
            self.text(&format!("labels {}", labels.join(" ")), theme.plain());
        }
        for note in &g.notes {
            self.text(&format!("! {note}"), theme.notice());
        }
        self.history(g);
        self.calls(g);
        self.ancestry(g);
    }

    fn waits_on(&mut self, g: &Goroutine, on: &model::WaitingOn) {
        let theme = self.model.theme;
        let objects = self.model.snapshot().and_then(|s| s.objects.as_deref());
        let object = on.addr.and_then(|at| {
            let mut objects = objects.unwrap_or_default().iter();
            objects.find(|o| o.kind == on.kind && o.addr == at)
        });
        let link = object.map(|object| Link::Object(object.kind, object.addr));
        self.linked(&on::sentence(on, self.model), theme.bold(), link);
        let Some(object) = object else { return };
        let with = object.waiters().filter(|other| *other != g.goid).count();
        if with > 0 {
            let s = if with == 1 { "" } else { "s" };
            self.text(&format!("    {with} other{s} wait with it"), theme.dim());
        }
        // The stack should still be in sight; Enter on the object shows them all.
        let cases = g.waiting_on.as_ref().map_or(0, |on| on.len());
        let named = if cases > 1 { 1 } else { MAX_SERVERS };
        for holder in object.holders.iter().take(named) {
            self.other("who may serve it: ", holder.goid);
        }
        let all = object.holders.len() + object.more_holders;
        match all.saturating_sub(named) {
            0 if all == 0 => self.text("    no other goroutine's stack leads to it", theme.dim()),
            0 => {}
            more => self.text(&format!("    and {more} more"), theme.dim()),
        }
    }

    fn findings(&mut self, g: &Goroutine) {
        for finding in self.model.finding_list.iter() {
            if finding.goids.binary_search(&g.goid).is_ok() || finding.because_of.contains(&g.goid)
            {
                let text = format!("{}: {}", finding.severity.as_str(), finding.sentence);
                let style = super::findings::style(self.model.theme, finding.severity);
                self.text(&text, style);
            }
        }
    }

    /// The states it was in, the present one first.
    fn history(&mut self, g: &Goroutine) {
        let Some(row) = self.model.watch.row_of(g.goid) else {
            return;
        };
        if self.model.watch.counts.is_none() {
            return;
        }
        let mut text = format!("states {} ×{}", g.state(), row.samples);
        for run in row.runs.iter().rev() {
            text += &format!(" ← {} ×{}", run.state(), run.samples);
        }
        let text = fit(&clean(&text), self.columns).into_owned();
        self.text(&text, self.model.theme.dim());
    }

    /// The calls, those of the runtime folded, and how the stack ends.
    pub(super) fn calls(&mut self, g: &'a Goroutine) {
        let theme = self.model.theme;
        self.calls = &g.frames;
        self.top = g
            .top_user_frame()
            .and_then(|top| g.frames.iter().position(|f| std::ptr::eq(f, top)));
        if self.columns >= ONE_LINE {
            // Beyond the first thousand calls a name may be cut; a screen shows far fewer.
            let calls = g.frames.iter().take(1000);
            let longest = calls.map(|f| 2 + width(&name(f))).max().unwrap_or(0);
            let creator = creation(g).map_or(0, |_| width(CREATED) + width(&creator(g)));
            self.places = Some(longest.max(creator).min(self.columns * 3 / 5));
        }
        let mut at = 0;
        while let Some(call) = g.frames.get(at) {
            let rest = g.frames.iter().skip(at);
            let run = rest.take_while(|call| in_runtime(call)).count();
            // Where there is nothing else, nothing is folded.
            if self.model.fold && run > 0 && self.top.is_some() {
                self.rows.push(DocRow::Folded(run));
                at += run;
                continue;
            }
            self.rows.push(DocRow::Call(at));
            if self.places.is_none() {
                self.rows.push(DocRow::Place(at));
            }
            if self.model.source_of == Some(at) {
                self.source(call);
            }
            at += 1;
        }
        match &g.stack_end {
            StackEnd::Complete if g.frames.is_empty() => self.text("  no calls", theme.dim()),
            StackEnd::Complete => {}
            StackEnd::Early(why) => {
                let text = format!("! the stack could not be followed further: {why}");
                self.text(&text, theme.notice());
            }
        }
    }

    /// The source lines around a call, as they are on this machine now.
    fn source(&mut self, call: &Call) {
        let theme = self.model.theme;
        let path = std::path::Path::new(&*call.file);
        let lines = match self.model.sources.get(path) {
            None => return self.text("      reading …", theme.dim()),
            Some(None) => {
                return self.text("      the file is not on this machine", theme.dim());
            }
            Some(Some(lines)) => lines,
        };
        let line = call.line as usize;
        if line == 0 || line > lines.len() {
            return self.text(
                "      the file on this machine has no such line",
                theme.dim(),
            );
        }
        self.text("      as it is on this machine now:", theme.dim());
        let first = line.saturating_sub(AROUND + 1);
        for (n, text) in (first + 1..).zip(lines.iter().skip(first).take(2 * AROUND + 1)) {
            let pointer = if n == line { "▶" } else { " " };
            let text = format!("    {pointer}{n:>6} {}", text.replace('\t', "    "));
            let text = fit(&clean(&text), self.columns).into_owned();
            let style = if n == line { theme.bold() } else { theme.dim() };
            self.rows
                .push(DocRow::Text(Line::styled(text, style), None));
        }
    }

    /// Who created it, and who created those.
    fn ancestry(&mut self, g: &Goroutine) {
        let theme = self.model.theme;
        if let Some(site) = creation(g) {
            let lines = call_lines(self, CREATED, &creator(g), &place(site), theme.plain());
            self.rows
                .extend(lines.into_iter().map(|line| DocRow::Text(line, None)));
        }
        let mut seen = vec![g.goid];
        let mut parent = g.parent_goid;
        while let Some(goid) = parent.filter(|goid| !seen.contains(goid)) {
            if seen.len() > MAX_ANCESTORS {
                self.text("and more before", theme.dim());
                break;
            }
            seen.push(goid);
            let row = self.model.watch.row_of(goid);
            let known = row.map(|row| &row.goroutine);
            let known = known.or_else(|| self.model.watch.ghosts.get(&goid));
            let ended = row.is_none_or(|row| row.mark == Mark::Gone);
            let before = if seen.len() == 2 {
                "parent: "
            } else {
                "before: "
            };
            match known {
                Some(_) if !ended => self.other(before, goid),
                _ => self.text(&format!("{before}goroutine {goid} has ended"), theme.dim()),
            }
            parent = known.and_then(|g| g.parent_goid);
        }
    }
}

/// Whether a call is one that all goroutines have who wait like that.
fn in_runtime(call: &Call) -> bool {
    call.function.name.starts_with("runtime.") && !call.is_c()
}

/// A call, with its place if that is beside it.
pub(super) fn call(document: &Document<'_>, i: usize) -> Line<'static> {
    let theme = document.model.theme;
    let Some(call) = document.calls.get(i) else {
        return Line::default();
    };
    let is_top = document.top == Some(i);
    let margin = if is_top { "› " } else { "  " };
    let style = match (is_top, in_runtime(call) || call.kind == FrameKind::Wrapper) {
        (true, _) => theme.bold(),
        (_, true) => theme.dim(),
        _ => theme.plain(),
    };
    let lines = call_lines(document, margin, &name(call), &place_of(call), style);
    lines.into_iter().next().unwrap_or_default()
}

/// A call's place on a line of its own.
pub(super) fn place_line(document: &Document<'_>, i: usize) -> Line<'static> {
    let Some(call) = document.calls.get(i) else {
        return Line::default();
    };
    let place = place_of(call);
    let place = fit_end(&place, document.columns.saturating_sub(6));
    Line::styled(format!("      {place}"), document.model.theme.dim())
}

fn place_of(call: &Call) -> String {
    match call.object() {
        // C that was built without debug information: its object is all that is known.
        Some(object) if call.line == 0 => clean(object).into_owned(),
        _ => format!("{}:{}", clean(&call.file), call.line),
    }
}

fn call_lines(
    document: &Document<'_>,
    margin: &str,
    name: &str,
    place: &str,
    style: ratatui::style::Style,
) -> Vec<Line<'static>> {
    let dim = document.model.theme.dim();
    let columns = document.columns;
    let name = clean(name);
    let wide = document.places.unwrap_or(columns);
    let name = format!(
        "{margin}{}",
        fit_end(&name, wide.saturating_sub(width(margin)))
    );
    match document.places {
        Some(column) => {
            let place = fit_end(place, columns.saturating_sub(column + 2)).into_owned();
            vec![Line::from(vec![
                padded(&name, column + 2, style),
                Span::styled(place, dim),
            ])]
        }
        None => {
            let place = fit_end(place, columns.saturating_sub(6));
            vec![
                Line::styled(name, style),
                Line::styled(format!("      {place}"), dim),
            ]
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

pub(super) fn title(row: &Row, mark: Mark) -> String {
    let g = &row.goroutine;
    let mut title = format!("goroutine {} [{}]", g.goid, clean(g.state()));
    if row.since.known.is_some() {
        title += &format!(" for {}", since(row.since));
    }
    match (mark, &row.change) {
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
