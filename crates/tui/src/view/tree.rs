//! Tree: who created whom. Those that have ended stay, as ghosts, where their children live.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use model::Goid;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as Text, Span};

use super::rows;
use crate::cursor::Id;
use crate::list::function;
use crate::outline::Line;
use crate::question::Material;
use crate::state::Model;
use crate::text::{clean, fit_end, short_function, thousands, width};
use crate::watch::Mark;

/// Nodes with more children than that are closed at first.
const MANY: usize = 12;

/// Puts the tree together: what the filter leaves, and all that leads there.
pub(crate) fn build(of: &Material<'_>) -> Vec<Line> {
    let watch = of.watch;
    let mut children: HashMap<Goid, Vec<Goid>, RandomState> = HashMap::default();
    let mut roots: Vec<Goid> = Vec::new();
    let mut known: HashSet<Goid, RandomState> = HashSet::default();
    // Of two with one ID, which only damage explains, the other is a leaf of its own.
    let mut doubles = Vec::new();
    let mut open: Vec<Goid> = Vec::new();
    for &i in of.order.rows.iter().rev() {
        let Some(row) = watch.rows.get(i as usize) else {
            continue;
        };
        let goid = row.goroutine.goid;
        match watch.index_of(goid) == Some(i) {
            true => open.push(goid),
            false => doubles.push((goid, i)),
        }
    }
    // What has ended is shown, but no longer below anybody; unless it is what was asked for.
    let only_gone = of.question.choice.only == crate::list::Only::Gone;
    let counts = |goid: &Goid| {
        let row = watch.row_of(*goid);
        row.is_some_and(|row| only_gone || row.mark != Mark::Gone)
    };
    let matched: HashSet<Goid, RandomState> = open.iter().copied().filter(counts).collect();
    while let Some(goid) = open.pop() {
        if !known.insert(goid) {
            continue;
        }
        let row = watch.row_of(goid).map(|row| &row.goroutine);
        match row
            .or_else(|| watch.ghosts.get(&goid))
            .and_then(|g| g.parent_goid)
        {
            Some(parent) => {
                children.entry(parent).or_default().push(goid);
                open.push(parent);
            }
            None => roots.push(goid),
        }
    }
    for list in children.values_mut() {
        list.sort_unstable();
    }
    roots.sort_unstable();
    let (order, counts) = walk(&roots, &children, &matched);
    // In a circle, which only damage explains, nobody is reached from a root: they become roots.
    let reached: HashSet<Goid, RandomState> = order.iter().map(|(goid, _)| *goid).collect();
    let mut lost: Vec<Goid> = known.difference(&reached).copied().collect();
    lost.sort_unstable();
    let lost = lost.into_iter().map(|goid| (goid, 0));
    let mut lines: Vec<Line> = Vec::new();
    let mut closed: Option<u16> = None;
    for (goid, depth) in order.into_iter().chain(lost) {
        if closed.is_some_and(|above| depth > above) {
            continue;
        }
        closed = None;
        let below = if reached.contains(&goid) {
            children.get(&goid).map_or(0, Vec::len)
        } else {
            0
        };
        let id = Id::Goroutine(goid);
        let is_open = of.is_open(id, below <= MANY || goid == Goid(1));
        if !is_open && below > 0 {
            closed = Some(depth);
        }
        lines.push(Line {
            id,
            depth,
            at: watch.index_of(goid).unwrap_or(Line::GONE),
            under: counts.get(&goid).copied().unwrap_or(0),
            open: (below > 0).then_some(is_open),
        });
    }
    lines.extend(doubles.into_iter().rev().map(|(goid, i)| Line {
        depth: 0,
        ..Line::under(Id::Goroutine(goid), Some(i))
    }));
    lines
}

/// All nodes in the order they are shown in, with their depths; and how many of those that match are below each.
fn walk(
    roots: &[Goid],
    children: &HashMap<Goid, Vec<Goid>, RandomState>,
    matched: &HashSet<Goid, RandomState>,
) -> (Vec<(Goid, u16)>, HashMap<Goid, u32, RandomState>) {
    let mut order: Vec<(Goid, u16)> = Vec::new();
    let mut open: Vec<(Goid, u16)> = roots.iter().rev().map(|&goid| (goid, 0)).collect();
    let mut seen: HashSet<Goid, RandomState> = HashSet::default();
    while let Some((goid, depth)) = open.pop() {
        if !seen.insert(goid) {
            continue;
        }
        order.push((goid, depth));
        let below = children.get(&goid).into_iter().flatten().rev();
        open.extend(below.map(|&child| (child, depth.saturating_add(1))));
    }
    let mut counts: HashMap<Goid, u32, RandomState> = HashMap::default();
    // Children come after their parents, so backwards all counts of theirs are known.
    for (goid, _) in order.iter().rev() {
        let below = children.get(goid).into_iter().flatten();
        let count = below.map(|child| {
            counts.get(child).copied().unwrap_or(0) + u32::from(matched.contains(child))
        });
        let count = count.sum();
        counts.insert(*goid, count);
    }
    (order, counts)
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let names = Text::raw("   BELOW  WHO STARTED WHOM");
    let nothing = "There are no goroutines to show.";
    rows::draw(model, &model.tree, frame, area, names, nothing, |line| {
        node(model, line, columns)
    });
}

fn node(model: &Model, line: &Line, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let row = model.watch.rows.get(line.at as usize);
    let mark = row.map_or(Mark::Gone, |row| model.watch.mark_of(row));
    let under = match line.under {
        0 => String::new(),
        n => thousands(n as usize),
    };
    let lead = format!(
        "{}{under:>7}  {}{}",
        mark.sign(),
        rows::indent(line),
        rows::handle(line)
    );
    let mut rest = columns.saturating_sub(width(&lead) + 1);
    let mut spans = vec![Span::styled(lead, theme.mark(mark))];
    let mut push = |text: String, style| {
        let text = fit_end(&text, rest).into_owned();
        rest = rest.saturating_sub(width(&text));
        spans.push(Span::styled(text, style));
    };
    match row {
        Some(row) => {
            let g = &row.goroutine;
            let gone = row.mark == Mark::Gone;
            let style = if gone { theme.dim() } else { theme.plain() };
            let (name, _) = function(g);
            push(format!("{} ", g.goid), style.patch(theme.bold()));
            push(clean(&short_function(name)).into_owned(), style);
            let state = if gone { "ended" } else { g.state() };
            push(format!(" [{}]", clean(state)), theme.mark(mark));
        }
        None => {
            let goid = line.id.goid().unwrap_or(Goid(0));
            push(format!("{goid} "), theme.dim());
            if let Some(ghost) = model.watch.ghosts.get(&goid) {
                push(
                    clean(&short_function(function(ghost).0)).into_owned() + " ",
                    theme.dim(),
                );
            }
            push("[ended]".to_owned(), theme.dim());
        }
    }
    Text::from(spans)
}
