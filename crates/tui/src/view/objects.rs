//! Objects: channels and locks that goroutines wait on, the most wanted first; who waits, and who refers to them.

use std::cmp::Reverse;
use std::collections::HashSet;

use foldhash::fast::RandomState;
use model::{Goid, Object};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as Text, Span};

use super::{on, padded, rows};
use crate::cursor::{Head, Id, Role};
use crate::list::Only;
use crate::outline::Line;
use crate::question::Material;
use crate::state::Model;
use crate::text::{clean, fit, thousands};

/// The objects that the filter leaves somebody at.
pub(crate) fn build(of: &Material<'_>) -> Vec<Line> {
    let snapshot = of.watch.snapshot.as_ref();
    let objects = snapshot.and_then(|snapshot| snapshot.objects.as_deref());
    let objects = objects.unwrap_or_default();
    let choice = &of.question.choice;
    let choosy = !choice.filter.is_empty() || choice.only != Only::All;
    let mut visible: HashSet<Goid, RandomState> = HashSet::default();
    if choosy {
        let rows = of.order.rows.iter();
        let rows = rows.filter_map(|&i| of.watch.rows.get(i as usize));
        visible.extend(rows.map(|row| row.goroutine.goid));
    }
    let shown = |object: &Object| {
        let mut all = object
            .waiters()
            .chain(object.holders.iter().map(|h| h.goid));
        !choosy || all.any(|goid| visible.contains(&goid))
    };
    let mut order: Vec<(usize, &Object)> = objects.iter().enumerate().collect();
    order.retain(|(_, object)| shown(object));
    order.sort_by_cached_key(|(_, object)| (Reverse(object.waiters().count()), object.addr));
    let mut lines = Vec::new();
    for (at, object) in order {
        let head = Head::Object(object.kind, object.addr);
        let open = of.is_open(Id::Head(head), false);
        let waiters = object.waiters().count();
        lines.push(Line {
            id: Id::Head(head),
            depth: 0,
            at: u32::try_from(at).unwrap_or(u32::MAX),
            under: u32::try_from(waiters).unwrap_or(u32::MAX),
            open: Some(open),
        });
        if !open {
            continue;
        }
        let under = |role, goid| Line::under(Id::Under(head, role, goid), of.watch.index_of(goid));
        for (queue, i) in object.queues.iter().zip(0u8..) {
            lines.extend(queue.goids.iter().map(|&goid| under(Role::Waits(i), goid)));
        }
        let holders = object.holders.iter();
        lines.extend(holders.map(|holder| under(Role::Refers, holder.goid)));
    }
    lines
}

const KIND: usize = 10;
const COUNT: usize = 8;
const REFERS: usize = 7;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let names = format!(
        "   {:>COUNT$}{:>REFERS$}  {:KIND$}WHICH, AND ITS STATE",
        "WAITING", "REFER", "KIND"
    );
    let nothing = match model.snapshot().map(|s| s.objects.is_some()) {
        Some(true) => "No goroutine waits on a channel or a lock.",
        Some(false) => "This sample does not tell what goroutines wait on.",
        None => "There is no sample yet.",
    };
    rows::draw_heads(model, &model.objects, frame, area, names, nothing, object);
}

fn object(model: &Model, line: &Line, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let objects = model.snapshot().and_then(|s| s.objects.as_deref());
    let Some(object) = objects.and_then(|objects| objects.get(line.at as usize)) else {
        return Text::default();
    };
    let refer = object.holders.len() + object.more_holders;
    let name = match &object.name {
        Some(name) => clean(name).into_owned(),
        None => object.addr.to_string(),
    };
    let room = columns.saturating_sub(3 + COUNT + REFERS + 2 + KIND);
    let name = fit(&name, room).into_owned();
    let state = on::state(object);
    let rest = room.saturating_sub(crate::text::width(&name) + 2);
    let state = fit(&clean(&state), rest).into_owned();
    Text::from(vec![
        Span::raw(rows::handle(line)),
        Span::styled(
            format!("{:>COUNT$}", thousands(line.under as usize)),
            theme.bold(),
        ),
        Span::styled(format!("{:>REFERS$}  ", thousands(refer)), theme.dim()),
        padded(object.kind.as_str(), KIND, theme.plain()),
        Span::styled(name, theme.bold()),
        Span::styled(format!("  {state}"), theme.dim()),
    ])
}
