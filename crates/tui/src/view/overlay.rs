//! What lies over the screen: the help, and what there is to know about the sample.

use model::{LayoutSource, SymbolSource, TargetKind};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

use super::header::plural;
use super::padded;
use crate::keymap::{Binding, KEYMAP, Key};
use crate::state::{Model, Overlay};
use crate::text::{bytes, clean, span, thousands, wrap};

/// From this width on the help has two columns.
const TWO_COLUMNS: usize = 70;
/// Key names, before what they do.
const KEYS: usize = 14;

fn area(screen: Rect) -> Rect {
    let width = screen.width.min(84);
    let height = screen.height;
    let lowered = Rect {
        width,
        height,
        x: screen.x + (screen.width - width) / 2,
        y: screen.y,
    };
    // What is below is still seen at the edges, where there is room.
    let margin = screen.height.saturating_sub(30) / 4;
    Rect {
        y: lowered.y + margin,
        height: height - 2 * margin,
        ..lowered
    }
}

fn block() -> Block<'static> {
    Block::bordered().padding(Padding::horizontal(1))
}

/// How many lines it shows at once.
pub(crate) fn page(model: &Model) -> usize {
    let (width, height) = model.size;
    block()
        .inner(area(Rect::new(0, 0, width, height)))
        .height
        .into()
}

/// How far it can be scrolled.
pub(crate) fn last_scroll(model: &Model, which: Overlay) -> usize {
    let (width, height) = model.size;
    let inner = block().inner(area(Rect::new(0, 0, width, height)));
    lines(model, which, inner.width.into())
        .len()
        .saturating_sub(inner.height.into())
}

pub(super) fn draw(model: &Model, which: Overlay, frame: &mut Frame<'_>) {
    let outer = area(frame.area());
    let inner = block().inner(outer);
    let lines = lines(model, which, inner.width.into());
    let title = match which {
        Overlay::Help => " Keys ",
        Overlay::Diagnostics => " About this sample ",
    };
    let room = usize::from(inner.height);
    let below = lines.len().saturating_sub(model.overlay_scroll + room);
    let bottom = match below {
        0 => " Esc closes ".to_owned(),
        n => format!(" ↓{n} more, Esc closes "),
    };
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2)
        .min(outer.height);
    let outer = Rect { height, ..outer };
    let block = block()
        .border_style(model.theme.frame())
        .title(Span::styled(title, model.theme.bold()))
        .title_bottom(Span::styled(bottom, model.theme.dim()));
    let shown: Vec<Line<'_>> = lines
        .into_iter()
        .skip(model.overlay_scroll)
        .take(room)
        .collect();
    frame.render_widget(Clear, outer);
    frame.render_widget(Paragraph::new(shown).block(block), outer);
}

fn lines(model: &Model, which: Overlay, columns: usize) -> Vec<Line<'static>> {
    match which {
        Overlay::Help => help(model, columns),
        Overlay::Diagnostics => diagnostics(model, columns),
    }
}

const LANGUAGE: &[(&str, &str)] = &[
    (
        "word",
        "any function on the stack has it in its name; so func:word",
    ),
    (
        "top:word",
        "so has the function that matters; created:word its creator",
    ),
    (
        "goid:17",
        "also status:waiting  reason:\"chan receive\"  system:true",
    ),
    ("label:k=v", "the label k is v; label:k is there at all"),
    ("age:>5m", "waits for longer; < shorter; units us ms s m h"),
];

const SIGNS: &[(&str, &str)] = &[
    (
        "+ ~ > - !",
        "new, changed, moved, gone (since the mark, if set); unreadable",
    ),
    (
        "≥5m",
        "for at least that long; without ≥ it was seen to begin",
    ),
    ("›", "the selection; in a stack the function that matters"),
];

fn help(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let heading = |text: &str| vec![Span::styled(text.to_owned(), theme.bold())];
    let row =
        |keys: &str, text: &str| vec![padded(keys, KEYS, theme.key()), Span::raw(text.to_owned())];
    let section = |(name, bindings): &(&str, &[Binding])| {
        let mut lines = vec![heading(name)];
        lines.extend(bindings.iter().map(|b| {
            let keys = model.keymap.keys(b);
            let keys: Vec<String> = keys.into_iter().map(Key::name).collect();
            row(&keys.join(" "), b.help)
        }));
        lines
    };
    let sections: Vec<Vec<Vec<Span<'static>>>> = KEYMAP.iter().map(section).collect();
    let mut lines: Vec<Line<'static>> = Vec::new();
    if columns >= TWO_COLUMNS {
        // Every other section on the right.
        let column = |right: usize| sections.iter().skip(right).step_by(2).flatten();
        let (mut left, mut right) = (column(0), column(1));
        loop {
            let (left, right) = (left.next(), right.next());
            if left.is_none() && right.is_none() {
                break;
            }
            let mut spans = left.cloned().unwrap_or_default();
            let used: usize = spans.iter().map(Span::width).sum();
            spans.push(Span::raw(" ".repeat((columns / 2).saturating_sub(used))));
            spans.extend(right.cloned().unwrap_or_default());
            lines.push(Line::from(spans));
        }
    } else {
        lines.extend(sections.into_iter().flatten().map(Line::from));
    }
    lines.push(Line::from(heading(
        "Filter: all terms must hold, a -term must not",
    )));
    let rows = LANGUAGE.iter().chain(SIGNS);
    lines.extend(rows.map(|(keys, text)| Line::from(row(keys, text))));
    lines
}

fn diagnostics(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let Some(snapshot) = &model.watch.snapshot else {
        return vec![Line::raw("There is no sample yet.")];
    };
    let mut lines = Vec::new();
    let mut list = |heading: &str, texts: Vec<String>| {
        lines.push(Line::styled(heading.to_owned(), theme.bold()));
        for text in texts {
            let wrapped = wrap(&clean(&text), columns.saturating_sub(2));
            lines.extend(wrapped.into_iter().enumerate().map(|(i, line)| {
                let bullet = if i == 0 { "· " } else { "  " };
                Line::raw(format!("{bullet}{line}"))
            }));
        }
    };
    if snapshot.diagnostics.is_empty() {
        list("Notes", vec!["none".into()]);
    } else {
        list("Notes", snapshot.diagnostics.clone());
    }
    if !snapshot.unreadable.is_empty() {
        let count = snapshot.unreadable.len();
        let goroutines = plural(count, " goroutine");
        let text = format!(
            "{}{goroutines} could not be read; see the end of the list",
            thousands(count)
        );
        list("Unreadable", vec![text]);
    }
    let (capture, target, build) = (&snapshot.capture, &snapshot.target, &snapshot.build);
    let mut how = Vec::new();
    if let Some(pause) = capture.pause {
        how.push(format!("the program was stopped for {}", span(pause)));
    }
    how.push(format!("{} copied out of it", bytes(capture.bytes_read)));
    if !capture.consistent {
        how.push("not all of it was read while every thread stood still".into());
    }
    let layout = match build.layout {
        LayoutSource::Dwarf => "the executable's debug information",
        LayoutSource::DebugFile => "a separate debug file",
        LayoutSource::Table => "goinspect's table for this Go version",
        LayoutSource::Assumed => "the program's own type descriptors",
    };
    let symbols = match build.symbols {
        SymbolSource::Symtab => "the symbol table",
        SymbolSource::Found => "their place in the program",
    };
    how.push(format!(
        "structures are known from {layout}, variables from {symbols}"
    ));
    list("How it was read", how);
    let mut what = Vec::new();
    let kind = match target.kind {
        TargetKind::Process => "process",
        TargetKind::Core => "core file",
    };
    let exe = target
        .exe
        .as_ref()
        .map_or("?".into(), |exe| exe.display().to_string());
    what.push(format!("{kind}, {} threads, {exe}", target.threads));
    what.push(format!("{} {}", build.go_version, target.arch));
    if let Some(main) = build.main.as_ref().or(build.path.as_ref()) {
        what.push(main.clone());
    }
    list("What was read", what);
    lines
}
