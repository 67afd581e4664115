//! Tree: who created whom. Those that have ended stay, as ghosts, where their children live.

use std::collections::HashMap;

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
use crate::watch::{Mark, Watch};

/// Nodes with more children than that are closed at first.
const MANY: usize = 12;

/// Puts the tree together: what the filter leaves, and all that leads there.
pub(crate) fn build(of: &Material<'_>) -> Vec<Line> {
    let nodes = Nodes::new(of);
    let (order, under) = nodes.walk();
    // In a circle, which only damage explains, nobody is reached from a root: they become roots.
    let mut reached = vec![false; nodes.goids.len()];
    for (node, _) in &order {
        set(&mut reached, *node, true);
    }
    let lost = nodes.sorted.iter().filter(|node| !get(&reached, **node));
    let mut lines: Vec<Line> = Vec::new();
    let mut closed: Option<u16> = None;
    for (node, depth) in order.into_iter().chain(lost.map(|node| (*node, 0))) {
        if closed.is_some_and(|above| depth > above) {
            continue;
        }
        closed = None;
        let goid = nodes.goid(node);
        let below = match get(&reached, node) {
            true => nodes.children(node).len(),
            false => 0,
        };
        let id = Id::Goroutine(goid);
        let is_open = of.is_open(id, below <= MANY || goid == Goid(1));
        if !is_open && below > 0 {
            closed = Some(depth);
        }
        lines.push(Line {
            id,
            depth,
            at: if nodes.is_row(node) { node } else { Line::GONE },
            under: get(&under, node),
            open: (below > 0).then_some(is_open),
        });
    }
    lines.extend(nodes.doubles.iter().rev().map(|&(goid, i)| Line {
        depth: 0,
        ..Line::under(Id::Goroutine(goid), Some(i))
    }));
    lines
}

const NONE: u32 = u32::MAX;

/// Who is in the tree, by numbers: those of their rows, and behind these those of whom only the ID is known,
/// or that have ended.
#[derive(Default)]
struct Nodes {
    rows: usize,
    /// By number.
    goids: Vec<Goid>,
    parents: Vec<u32>,
    /// Whether one counts as below its parents.
    counts: Vec<bool>,
    /// The numbers of those that are in the tree, by their IDs.
    sorted: Vec<u32>,
    /// All children, those of one parent together; and where those of each begin.
    below: Vec<u32>,
    begin: Vec<u32>,
    /// Of two with one ID, which only damage explains, the other is a leaf of its own.
    doubles: Vec<(Goid, u32)>,
}

fn get<T: Copy + Default>(list: &[T], node: u32) -> T {
    list.get(node as usize).copied().unwrap_or_default()
}

fn set<T>(list: &mut [T], node: u32, value: T) {
    if let Some(place) = list.get_mut(node as usize) {
        *place = value;
    }
}

impl Nodes {
    fn new(of: &Material<'_>) -> Nodes {
        let watch = of.watch;
        let mut nodes = Nodes {
            rows: watch.rows.len(),
            goids: watch.rows.iter().map(|row| row.goroutine.goid).collect(),
            ..Nodes::default()
        };
        nodes.parents = vec![NONE; nodes.rows];
        nodes.counts = vec![false; nodes.rows];
        // What has ended is shown, but no longer below anybody; unless it is what was asked for.
        let only_gone = of.question.choice.only == crate::list::Only::Gone;
        let mut open: Vec<u32> = Vec::new();
        for &i in of.order.rows.iter().rev() {
            let Some(row) = watch.rows.get(i as usize) else {
                continue;
            };
            let goid = row.goroutine.goid;
            if watch.has_doubles() && watch.index_of(goid) != Some(i) {
                nodes.doubles.push((goid, i));
                continue;
            }
            open.push(i);
            set(&mut nodes.counts, i, only_gone || row.mark != Mark::Gone);
        }
        nodes.climb(watch, open);
        nodes.sort();
        nodes
    }

    /// Finds the parents of all that are there, and theirs.
    fn climb(&mut self, watch: &Watch, mut open: Vec<u32>) {
        let mut known = vec![false; self.rows];
        let mut others: HashMap<Goid, u32, RandomState> = HashMap::default();
        // Many have the same parent as the one before.
        let mut last = (Goid(0), NONE);
        while let Some(node) = open.pop() {
            if get(&known, node) {
                continue;
            }
            set(&mut known, node, true);
            self.sorted.push(node);
            let goroutine = match watch.rows.get(node as usize) {
                Some(row) => Some(&row.goroutine),
                None => watch.ghosts.get(&self.goid(node)),
            };
            let Some(parent) = goroutine.and_then(|g| g.parent_goid) else {
                continue;
            };
            if last.0 != parent || last.1 == NONE {
                let number = watch.index_of(parent).unwrap_or_else(|| {
                    *others.entry(parent).or_insert_with(|| {
                        self.goids.push(parent);
                        self.parents.push(NONE);
                        self.counts.push(false);
                        known.push(false);
                        u32::try_from(self.goids.len() - 1).unwrap_or(NONE)
                    })
                });
                last = (parent, number);
            }
            set(&mut self.parents, node, last.1);
            if !get(&known, last.1) {
                open.push(last.1);
            }
        }
    }

    fn sort(&mut self) {
        let goids = &self.goids;
        self.sorted
            .sort_unstable_by_key(|node| get_goid(goids, *node));
        // Where the children of each begin: behind those of all before.
        let mut begin = vec![0u32; self.goids.len() + 1];
        for &node in &self.sorted {
            let parent = get(&self.parents, node);
            if let Some(count) = begin.get_mut((parent as usize).saturating_add(1)) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for place in &mut begin {
            sum += *place;
            *place = sum;
        }
        let mut next = begin.clone();
        self.below = vec![NONE; sum as usize];
        for &node in &self.sorted {
            if let Some(place) = next.get_mut(get(&self.parents, node) as usize) {
                set(&mut self.below, *place, node);
                *place += 1;
            }
        }
        self.begin = begin;
    }

    fn goid(&self, node: u32) -> Goid {
        get_goid(&self.goids, node)
    }

    fn is_row(&self, node: u32) -> bool {
        (node as usize) < self.rows
    }

    /// In the order of their IDs.
    fn children(&self, node: u32) -> &[u32] {
        let begin = get(&self.begin, node) as usize;
        let end = get(&self.begin, node.saturating_add(1)) as usize;
        self.below.get(begin..end).unwrap_or_default()
    }

    /// All that are below a root in the order they are shown in, with their depths; and how many count below each.
    fn walk(&self) -> (Vec<(u32, u16)>, Vec<u32>) {
        let is_root = |node: &&u32| get(&self.parents, **node) == NONE;
        let roots = self.sorted.iter().rev().filter(is_root);
        let mut open: Vec<(u32, u16)> = roots.map(|&node| (node, 0)).collect();
        let mut order = Vec::with_capacity(self.sorted.len());
        while let Some((node, depth)) = open.pop() {
            order.push((node, depth));
            let below = self.children(node).iter().rev();
            open.extend(below.map(|&child| (child, depth.saturating_add(1))));
        }
        let mut under = vec![0u32; self.goids.len()];
        // Children come after their parents, so backwards all counts of theirs are known.
        for &(node, _) in order.iter().rev() {
            let all = get(&under, node) + u32::from(get(&self.counts, node));
            if let Some(parent) = under.get_mut(get(&self.parents, node) as usize) {
                *parent += all;
            }
        }
        (order, under)
    }
}

fn get_goid(goids: &[Goid], node: u32) -> Goid {
    goids.get(node as usize).copied().unwrap_or(Goid(0))
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
