//! Overview: the program in numbers, from sample to sample.

use std::cmp::Reverse;

use model::Status;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::Paragraph;

use super::groups::bars;
use super::padded;
use crate::series::Point;
use crate::state::Model;
use crate::text::{clean, fit, fit_end, short_function, span, thousands};

/// A name and a number before the bars.
const NAME: usize = 22;
const NUMBER: usize = 10;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let lines = lines(model, area.width.into(), area.height.into());
    frame.render_widget(Paragraph::new(lines), area);
}

fn lines(model: &Model, columns: usize, height: usize) -> Vec<Text<'static>> {
    let theme = model.theme;
    let points = &model.series.points;
    let Some(last) = points.back() else {
        return vec![Text::raw("There is no sample yet.")];
    };
    let room = columns.saturating_sub(NAME + NUMBER + 2);
    // One column is one sample, the newest at the right.
    let shown = points.iter().skip(points.len().saturating_sub(room));
    let row = |name: &str, number: String, counts: Vec<u32>| {
        let bars = if points.len() > 1 {
            bars(counts.into_iter())
        } else {
            String::new()
        };
        Text::from(vec![
            padded(&fit(&clean(name), NAME - 1), NAME, theme.plain()),
            Span::styled(format!("{number:>NUMBER$}  "), theme.bold()),
            Span::styled(bars, theme.frame()),
        ])
    };
    let of = |value: &dyn Fn(&Point) -> u32| {
        shown
            .clone()
            .map(|point| value(point))
            .collect::<Vec<u32>>()
    };
    let heading = |text: String| Text::styled(text, theme.frame().patch(theme.bold()));
    let samples = match points.len() {
        1 => "one sample".to_owned(),
        n => format!("{} samples, the last at the right", n.min(room)),
    };
    let mut lines = vec![
        heading(format!("GOROUTINES   {samples}")),
        row("all", thousands(last.user as usize), of(&|p| p.user)),
    ];
    for (i, status) in Status::ALL.into_iter().enumerate() {
        let count = |p: &Point| p.by_status.get(i).copied().unwrap_or(0);
        if points.iter().any(|p| count(p) > 0) {
            lines.push(row(
                status.as_str(),
                thousands(count(last) as usize),
                of(&count),
            ));
        }
    }
    if points.len() > 1 {
        let rate = |n: u32, p: &Point| match p.elapsed.as_secs_f64() {
            0.0 => 0.0,
            seconds => f64::from(n) / seconds,
        };
        let per_second = |n: f64| format!("{n:.1}/s");
        let created = |p: &Point| rate(p.created, p).round() as u32;
        let ended = |p: &Point| rate(p.ended, p).round() as u32;
        lines.push(row(
            "created, at least",
            per_second(rate(last.created, last)),
            of(&created),
        ));
        lines.push(row(
            "ended, at least",
            per_second(rate(last.ended, last)),
            of(&ended),
        ));
    }
    if let Some(pause) = last.pause {
        let micros = |p: &Point| {
            p.pause
                .map_or(0, |d| u32::try_from(d.as_micros()).unwrap_or(u32::MAX))
        };
        lines.push(row("stopped for", span(pause), of(&micros)));
    }
    let half = height.saturating_sub(lines.len() + 4) / 2;
    lines.push(Text::default());
    lines.push(heading("BY STATE".to_owned()));
    let mut states: Vec<(&String, u32)> = last.by_state.iter().map(|(s, n)| (s, *n)).collect();
    states.sort_by_key(|(state, n)| (Reverse(*n), (*state).clone()));
    for (state, n) in states.into_iter().take(half.max(1)) {
        let count = |p: &Point| p.by_state.get(state).copied().unwrap_or(0);
        lines.push(row(state, thousands(n as usize), of(&count)));
    }
    lines.push(Text::default());
    lines.push(heading("WHERE MOST ARE".to_owned()));
    let left = height.saturating_sub(lines.len());
    for (name, n) in model.series.places.iter().take(left) {
        let name = fit_end(
            &clean(&short_function(name)),
            columns.saturating_sub(NUMBER + 2),
        )
        .into_owned();
        lines.push(Text::from(vec![
            Span::styled(format!("{:>NUMBER$}  ", thousands(*n)), theme.bold()),
            Span::raw(name),
        ]));
    }
    lines
}
