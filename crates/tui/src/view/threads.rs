//! Threads: the runtime's Ms, and what runs on them.

use model::M;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as Text, Span};

use super::rows;
use crate::cursor::{Head, Id};
use crate::list::function;
use crate::outline::Line;
use crate::question::Material;
use crate::state::Model;
use crate::text::{clean, fit, fit_end, short_function};

/// Those that run a goroutine first.
pub(crate) fn build(of: &Material<'_>) -> Vec<Line> {
    let snapshot = of.watch.snapshot.as_ref();
    let ms = snapshot.map(|s| s.ms.as_slice()).unwrap_or_default();
    let mut order: Vec<(u32, &M)> = (0u32..).zip(ms).collect();
    order.sort_by_key(|(_, m)| (m.curg.is_none(), m.m.id));
    let line = |(at, m): (u32, &M)| Line {
        id: Id::Head(Head::Thread(m.m.id)),
        depth: 0,
        at,
        under: 0,
        open: None,
    };
    order.into_iter().map(line).collect()
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let names = Text::raw(format!(
        "  {:>4} {:>9}  {:>7}  {:18} WHERE",
        "M", "THREAD", "GOID", "STATE"
    ));
    let nothing = match model.snapshot() {
        Some(_) => "This sample does not tell of the runtime's threads.",
        None => "There is no sample yet.",
    };
    rows::draw(model, &model.threads, frame, area, names, nothing, |line| {
        thread(model, line, columns)
    });
}

/// Where a thread without a goroutine is, by its system stack.
pub(super) fn idle_in(m: &M) -> &str {
    let frames = m.g0.frames.iter();
    // What all idle threads stand in tells nothing; who called that does.
    let mut told = frames.filter(|frame| {
        let name = &*frame.function.name;
        ![
            "runtime.futex",
            "runtime.notesleep",
            "runtime.note",
            "runtime.mPark",
            "runtime.epollwait",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    });
    told.next().map_or("", |frame| &frame.function.name)
}

fn thread(model: &Model, line: &Line, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let ms = model
        .snapshot()
        .map(|s| s.ms.as_slice())
        .unwrap_or_default();
    let Some(m) = ms.get(line.at as usize) else {
        return Text::default();
    };
    let thread = m.thread.map_or("?".to_owned(), |thread| thread.to_string());
    let row = m.curg.and_then(|goid| model.watch.row_of(goid));
    let (goid, state, place, style) = match (m.curg, row) {
        (Some(goid), Some(row)) => {
            let g = &row.goroutine;
            (goid.to_string(), g.state(), function(g).0, theme.plain())
        }
        (Some(goid), None) => (goid.to_string(), "?", "", theme.plain()),
        (None, _) => (String::new(), "no goroutine", idle_in(m), theme.dim()),
    };
    let lead = format!("  {:>3} {thread:>9}  {goid:>7}  ", m.m.id);
    let room = columns.saturating_sub(crate::text::width(&lead) + 1 + 19);
    let state = fit(&clean(state), 18).into_owned();
    let place = fit_end(&clean(&short_function(place)), room).into_owned();
    Text::from(vec![
        Span::styled(lead, theme.plain()),
        Span::styled(format!("{state:18} "), style),
        Span::styled(place, style),
    ])
}
