//! Groups: goroutines by what they have in common, the largest first, and how they grow.

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as Text, Span};

use super::table::since;
use super::{padded, rows};
use crate::cursor::{Head, Id, Role};
use crate::list::function;
use crate::outline::Line;
use crate::question::Material;
use crate::state::Model;
use crate::text::{clean, fit, fit_end, short_function, thousands};
use crate::trends::{By, Keys, Trend};
use crate::watch::Since;

/// Goroutines with something in common.
pub(crate) struct Group {
    pub key: u64,
    /// As indices of `Watch::rows`, in the order of the list.
    pub rows: Vec<u32>,
    /// How long the one that has been there longest has.
    pub since: Since,
    /// How many there were before, where that can be compared.
    trend: Option<Trend>,
}

/// Groups what the filter leaves.
pub(crate) fn groups(of: &Material<'_>) -> Vec<Group> {
    let (watch, by) = (of.watch, of.question.by);
    let only_gone = of.question.choice.only == crate::list::Only::Gone;
    let mut keys = Keys::default();
    let mut places: HashMap<u64, usize, RandomState> = HashMap::default();
    let mut groups: Vec<Group> = Vec::new();
    for &i in &of.order.rows {
        let Some(row) = watch.rows.get(i as usize) else {
            continue;
        };
        if row.mark == crate::watch::Mark::Gone && !only_gone {
            continue;
        }
        keys.each(by, &row.goroutine, |key| {
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Group {
                    key,
                    rows: Vec::new(),
                    since: row.since,
                    trend: None,
                });
            }
            if let Some(group) = groups.get_mut(place) {
                group.rows.push(i);
                if row.since.known > group.since.known {
                    group.since = row.since;
                }
            }
        });
    }
    groups.sort_by_key(|group| (Reverse(group.rows.len()), group.rows.first().copied()));
    for group in &mut groups {
        group.trend = of.trends.of(by, group.key, group.rows.len());
    }
    groups
}

/// The groups, and who is in those that are open.
pub(crate) fn lines(of: &Material<'_>, groups: &[Group]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (group, at) in groups.iter().zip(0u32..) {
        let head = Head::Group(group.key);
        let open = of.is_open(Id::Head(head), false);
        lines.push(Line {
            id: Id::Head(head),
            depth: 0,
            at,
            under: u32::try_from(group.rows.len()).unwrap_or(u32::MAX),
            open: Some(open),
        });
        for &i in group.rows.iter().filter(|_| open) {
            if let Some(row) = of.watch.rows.get(i as usize) {
                let id = Id::Under(head, Role::Member, row.goroutine.goid);
                lines.push(Line::under(id, Some(i)));
            }
        }
    }
    lines
}

/// How many, growth since the start, the line of bars.
const COUNT: usize = 8;
const GROWTH: usize = 8;
const BARS: usize = crate::trends::BARS;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let what = match model.by {
        By::Stack => "STATE AND FUNCTION",
        By::Reason => "WAIT REASON",
        By::Creator => "CREATED BY",
        By::Object => "WAITS ON",
        By::Label => "LABEL",
    };
    let names = format!(
        "   {:>COUNT$}{:>GROWTH$} {:BARS$} {:>7}  {what}",
        "COUNT", "GROWTH", "RECENT", "SINCE"
    );
    let nothing = "There are no goroutines to group.";
    rows::draw_heads(model, &model.groups, frame, area, names, nothing, group);
}

fn group(model: &Model, line: &Line, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let Some(group) = model.group_list.get(line.at as usize) else {
        return Text::default();
    };
    let count = group.rows.len();
    let trend = group.trend;
    let (growth, bars) = match trend {
        Some(trend) => {
            let growth = count as i64 - i64::from(trend.first);
            let growth = if growth == 0 {
                "=".to_owned()
            } else {
                format!("{growth:+}")
            };
            (growth, bars(trend.counts()))
        }
        None => (String::new(), String::new()),
    };
    let grows = trend.is_some_and(|trend| count as u64 > u64::from(trend.first));
    let mut spans = vec![
        Span::raw(rows::handle(line)),
        Span::styled(format!("{:>COUNT$}", thousands(count)), theme.bold()),
        Span::styled(
            format!("{growth:>GROWTH$} "),
            if grows { theme.notice() } else { theme.dim() },
        ),
        padded(&bars, BARS + 1, theme.frame()),
        Span::raw(format!("{:>7}  ", since(group.since))),
    ];
    let room = columns.saturating_sub(3 + COUNT + GROWTH + 1 + BARS + 1 + 9);
    spans.extend(title(model, group, room));
    Text::from(spans)
}

/// What the goroutines have in common.
fn title(model: &Model, group: &Group, room: usize) -> Vec<Span<'static>> {
    let theme = model.theme;
    let sample = group.rows.first();
    let Some(row) = sample.and_then(|&i| model.watch.rows.get(i as usize)) else {
        return Vec::new();
    };
    let g = &row.goroutine;
    let title = Keys::title(model.by, g, group.key);
    let title = clean(&title);
    if model.by != By::Stack {
        let name = match model.by {
            By::Creator => fit_end(&short_function(&title), room).into_owned(),
            _ => fit(&title, room).into_owned(),
        };
        return vec![Span::raw(name)];
    }
    let state = fit(&title, room / 2).into_owned();
    let rest = room.saturating_sub(crate::text::width(&state) + 1);
    let (name, is_user) = function(g);
    let style = if is_user { theme.plain() } else { theme.dim() };
    let name = fit_end(&clean(&short_function(name)), rest).into_owned();
    vec![
        Span::raw(format!("{state} ")),
        Span::styled(name, style.patch(theme.bold())),
    ]
}

/// A line of bars, each an eighth of the highest; nothing is a blank.
pub(super) fn bars(counts: impl Iterator<Item = u32> + Clone) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = counts.clone().max().unwrap_or(0).max(1);
    let bar = |count: u32| {
        if count == 0 {
            return ' ';
        }
        let level = (u64::from(count) * 8).div_ceil(u64::from(highest)) as usize;
        LEVELS.get(level.saturating_sub(1)).copied().unwrap_or('█')
    };
    counts.map(bar).collect()
}
