//! The two lines at the top: what is looked at, how many goroutines, what changed, how it was read.

use model::TargetKind;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::{Bar, time};
use crate::list::Only;
use crate::state::Model;
use crate::text::{age, clean, span, thousands};
use crate::watch::Mark;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let line = |i| Rect {
        y: area.y + i,
        height: 1,
        ..area
    };
    if area.height > 0 {
        program(model).draw(frame, line(0));
    }
    if area.height > 1 {
        numbers(model).draw(frame, line(1));
    }
}

/// What is looked at, for how long that stopped it, and when.
fn program(model: &Model) -> Bar<'_> {
    let theme = model.theme;
    let mut bar = Bar::default();
    // Nothing came before it and nothing will come: a file, or a program that was gone at once.
    let only_state = model.ended.is_some() && model.watch.counts.is_none();
    let title = if model.title.is_empty() {
        "?"
    } else {
        &model.title
    };
    bar.left(0, [Span::styled(clean(title), theme.bold())]);
    if let Some(snapshot) = &model.watch.snapshot {
        if let Some(pid) = snapshot.target.pid {
            bar.left(2, [Span::raw(format!("pid {pid}"))]);
        }
        bar.left(
            3,
            [Span::raw(clean(&snapshot.build.go_version).into_owned())],
        );
        bar.left(6, [Span::raw(snapshot.target.arch)]);
        let place = model.timeline.place();
        if let Some(place) = place {
            let text = time::place(place, snapshot.captured_at);
            bar.right(1, [Span::styled(text, theme.notice())]);
        }
        let since = age(model.now.saturating_sub(model.watch.received));
        let stop = match snapshot.capture.pause {
            Some(pause) if place.is_some() => format!("stopped {}", span(pause)),
            Some(pause) => format!("stopped {}, {since} ago", span(pause)),
            None => format!("sample {since} ago"),
        };
        if !only_state {
            bar.right(5, [Span::raw(stop)]);
        } else if snapshot.target.kind == TargetKind::Core {
            bar.right(1, [Span::styled("CORE FILE", theme.notice())]);
            return bar;
        }
    }
    if model.ended.is_some() {
        bar.right(1, [Span::styled("ENDED", theme.notice())]);
        return bar;
    }
    let mut interval = format!("every {}", span(model.effective_interval()));
    if let Some(share) = model.series.overhead() {
        let limit = match model.max_overhead {
            Some(limit) => format!(" of {}%", percent(limit)),
            None => String::new(),
        };
        interval += &format!(", {}%{limit} stopped", percent(share));
    }
    if model.paused {
        bar.right(4, [Span::styled(interval, theme.dim())]);
        bar.right(1, [Span::styled("PAUSED", theme.notice())]);
    } else {
        bar.right(4, [Span::raw(interval)]);
    }
    bar
}

/// How many goroutines, and what became of them.
fn numbers(model: &Model) -> Bar<'_> {
    let theme = model.theme;
    let mut bar = Bar::default();
    let watch = &model.watch;
    let Some(snapshot) = &watch.snapshot else {
        return bar;
    };
    bar.left(
        0,
        [
            Span::styled(thousands(watch.user), theme.bold()),
            Span::raw(plural(watch.user, " goroutine")),
        ],
    );
    bar.left(
        5,
        [Span::raw(format!("{} system", thousands(watch.system)))],
    );
    let unreadable = snapshot.unreadable.len();
    if unreadable > 0 {
        bar.left(
            1,
            [Span::styled(
                format!("!{} unreadable", thousands(unreadable)),
                theme.error(),
            )],
        );
    }
    let counts = match &watch.marked {
        Some(marked) => {
            let since = age(model.now.saturating_sub(marked.at));
            bar.left(
                4,
                [Span::styled(
                    format!("since mark {since} ago:"),
                    theme.notice(),
                )],
            );
            Some(marked.counts)
        }
        None => watch.counts,
    };
    if let Some(counts) = counts {
        let changes = [
            (Mark::New, counts.new, "new"),
            (Mark::Changed, counts.changed, "changed"),
            (Mark::Moved, counts.moved, "moved"),
            (Mark::Gone, counts.gone, "gone"),
        ];
        for (mark, count, word) in changes {
            let style = if count == 0 {
                theme.dim()
            } else {
                theme.mark(mark)
            };
            let text = format!("{}{} {word}", mark.sign(), thousands(count));
            bar.left(3, [Span::styled(text, style)]);
        }
    }
    if model.list.choice().only != Only::All {
        let text = format!("only {} (c)", model.list.choice().only.word());
        bar.right(1, [Span::styled(text, theme.notice())]);
    }
    if model.is_late() {
        bar.right(0, [Span::styled("working …", theme.notice())]);
    }
    let notes = snapshot.diagnostics.len();
    if notes > 0 {
        let text = format!("{notes}{} (d)", plural(notes, " note"));
        bar.right(2, [Span::styled(text, theme.notice())]);
    }
    bar
}

/// `0.3`, `12`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent >= 9.95 {
        true => format!("{percent:.0}"),
        false => format!("{percent:.1}"),
    }
}

pub(super) fn plural(n: usize, word: &str) -> String {
    format!("{word}{}", if n == 1 { "" } else { "s" })
}
