//! Threads: the runtime's Ms with their Ps, and what runs on them.

use model::{M, P, Scheduler};
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

/// The scheduler; the Ms, those that run a goroutine first; the Ps that none of them has.
pub(crate) fn build(of: &Material<'_>) -> Vec<Line> {
    let Some(snapshot) = &of.watch.snapshot else {
        return Vec::new();
    };
    let line = |head, at| Line {
        id: Id::Head(head),
        depth: 0,
        at,
        under: 0,
        open: None,
    };
    let mut order: Vec<(u32, &M)> = (0u32..).zip(&snapshot.ms).collect();
    order.sort_by_key(|(_, m)| (m.curg.is_none(), m.m.id));
    let ms = order
        .into_iter()
        .map(|(at, m)| line(Head::Thread(m.m.id), at));
    let scheduler = snapshot.scheduler.as_ref();
    let all = scheduler.map(|_| line(Head::Scheduler, 0));
    let has_m = |p: &P| snapshot.ms.iter().any(|m| m.p == Some(p.id));
    let ps = scheduler.map_or(&[][..], |scheduler| &scheduler.ps);
    let ps = (0u32..).zip(ps).filter(|(_, p)| !has_m(p));
    let ps = ps.map(|(at, p)| line(Head::P(p.id), at));
    all.into_iter().chain(ms).chain(ps).collect()
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let scheduler = model.snapshot().and_then(|s| s.scheduler.as_ref());
    let of_p = match scheduler {
        Some(_) => format!(" {:>4} {:>6}", "P", "QUEUED"),
        None => String::new(),
    };
    let names = Text::raw(format!(
        "  {:>4} {:>9}{of_p}  {:>7}  {:18} WHERE",
        "M", "THREAD", "GOID", "STATE"
    ));
    let nothing = match model.snapshot() {
        Some(_) => "This sample does not tell of the runtime's threads.",
        None => "There is no sample yet.",
    };
    rows::draw(model, &model.threads, frame, area, names, nothing, |line| {
        let snapshot = model.snapshot();
        let scheduler = snapshot.and_then(|s| s.scheduler.as_ref());
        let at = line.at as usize;
        match (line.id, scheduler) {
            (Id::Head(Head::Scheduler), Some(scheduler)) => {
                let title = format!("  {}", scheduler.title());
                let title = fit_end(&title, columns.saturating_sub(1)).into_owned();
                Text::styled(title, model.theme.plain())
            }
            (Id::Head(Head::P(_)), Some(scheduler)) => scheduler
                .ps
                .get(at)
                .map_or_else(Text::default, |p| without_m(model, p)),
            (Id::Head(Head::Thread(_)), _) => {
                let m = snapshot.and_then(|s| s.ms.get(at));
                m.map_or_else(Text::default, |m| thread(model, m, scheduler, columns))
            }
            _ => Text::default(),
        }
    });
}

/// The columns of a P: its number, and how many goroutines wait for it.
fn of_p(p: Option<u64>, scheduler: &Scheduler) -> String {
    let id = p.map_or_else(String::new, |id| id.to_string());
    let queued = p.and_then(|id| scheduler.ps.iter().find(|p| p.id == id));
    let queued = match queued {
        Some(P { runq: None, .. }) => "?".to_owned(),
        Some(p) if p.queued() > 0 => p.queued().to_string(),
        Some(_) | None => String::new(),
    };
    format!(" {id:>4} {queued:>6}")
}

/// A P that none of the Ms has that are told of.
fn without_m(model: &Model, p: &P) -> Text<'static> {
    let m = p.m.map_or_else(String::new, |m| m.to_string());
    let scheduler = model.snapshot().and_then(|s| s.scheduler.as_ref());
    let columns = scheduler.map_or_else(String::new, |s| of_p(Some(p.id), s));
    let text = format!(
        "  {m:>3} {:>9}{columns}  {:>7}  P {}",
        "",
        "",
        p.status.as_str()
    );
    Text::styled(text, model.theme.dim())
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
            "internal/runtime/syscall",
            "runtime/internal/syscall",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    });
    told.next().map_or("", |frame| &frame.function.name)
}

fn thread(model: &Model, m: &M, scheduler: Option<&Scheduler>, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let thread = m.thread.map_or("?".to_owned(), |thread| thread.to_string());
    let row = m.curg.and_then(|goid| model.watch.row_of(goid));
    let (goid, state, place, style) = match (m.curg, row) {
        (Some(goid), Some(row)) => {
            let g = &row.goroutine;
            (goid.to_string(), g.state(), function(g).0, theme.plain())
        }
        (Some(goid), None) => (goid.to_string(), "?", "", theme.plain()),
        // With C, the runtime has one in hand for a thread of C's that calls Go.
        (None, _) if m.thread.is_none() => (String::new(), "no thread yet", "", theme.dim()),
        (None, _) => (String::new(), "no goroutine", idle_in(m), theme.dim()),
    };
    let of_p = scheduler.map_or_else(String::new, |scheduler| of_p(m.p, scheduler));
    let lead = format!("  {:>3} {thread:>9}{of_p}  {goid:>7}  ", m.m.id);
    let room = columns.saturating_sub(crate::text::width(&lead) + 1 + 19);
    let state = fit(&clean(state), 18).into_owned();
    let place = fit_end(&clean(&short_function(place)), room).into_owned();
    Text::from(vec![
        Span::styled(lead, theme.plain()),
        Span::styled(format!("{state:18} "), style),
        Span::styled(place, style),
    ])
}
