//! Findings: what is stuck, because of whom, and how sure that is.

use std::hash::{DefaultHasher, Hash, Hasher};

use analysis::{Certainty, Finding, Severity};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};

use super::table::since;
use super::{padded, rows};
use crate::cursor::{Head, Id, Role};
use crate::outline::Line;
use crate::question::Material;
use crate::state::Model;
use crate::text::{clean, fit, short_paths};
use crate::theme::Theme;
use crate::watch::Since;

/// The same for what is found of the same things in the next sample.
pub(crate) fn key(finding: &Finding) -> u64 {
    let mut hasher = DefaultHasher::new();
    finding.rule.hash(&mut hasher);
    finding.objects.hash(&mut hasher);
    // Others may come to it; the first stays the first.
    finding.goids.first().hash(&mut hasher);
    hasher.finish()
}

/// For how long the longest of each one's goroutines has been as it is.
pub(crate) fn since_of(of: &Material<'_>) -> Vec<Since> {
    let longest = |finding: &Finding| {
        let rows = finding.goids.iter();
        let rows = rows.filter_map(|goid| of.watch.row_of(*goid));
        let longest = rows.map(|row| row.since).max_by_key(|since| since.known);
        longest.unwrap_or(Since {
            known: None,
            seen: false,
        })
    };
    of.question.found.iter().map(longest).collect()
}

pub(crate) fn build(of: &Material<'_>) -> Vec<Line> {
    let watch = of.watch;
    let mut lines = Vec::new();
    for (finding, at) in of.question.found.iter().zip(0u32..) {
        let head = Head::Finding(key(finding));
        let open = of.is_open(Id::Head(head), false);
        lines.push(Line {
            id: Id::Head(head),
            depth: 0,
            at,
            under: u32::try_from(finding.goids.len()).unwrap_or(u32::MAX),
            open: Some(open),
        });
        if !open {
            continue;
        }
        let under = |role, goid| Line::under(Id::Under(head, role, goid), watch.index_of(goid));
        // They are few, and what one looks for; the others may be thousands.
        let causes = finding.because_of.iter();
        let causes = causes.filter(|goid| finding.goids.binary_search(goid).is_err());
        lines.extend(causes.map(|&goid| under(Role::Cause, goid)));
        lines.extend(finding.goids.iter().map(|&goid| under(Role::Member, goid)));
    }
    lines
}

/// How bad it is, in colour; the word stands beside it.
pub(super) fn style(theme: Theme, severity: Severity) -> Style {
    match severity {
        Severity::Error => theme.error(),
        Severity::Warning => theme.notice(),
        Severity::Info => theme.dim(),
    }
}

const SEVERITY: usize = 9;
/// The longest rule's name, and two.
const RULE: usize = 18;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let names = format!(
        "   {:SEVERITY$}{:>7}  {:RULE$}WHAT",
        "SEVERITY", "SINCE", "RULE"
    );
    let nothing = match (model.snapshot(), model.analysed) {
        (None, _) => "There is no sample yet.",
        (_, false) => "Looking …",
        (_, true) => "Nothing found: no rule sees a goroutine that is stuck.",
    };
    rows::draw_heads(model, &model.findings, frame, area, names, nothing, finding);
}

fn finding(model: &Model, line: &Line, columns: usize) -> Text<'static> {
    let theme = model.theme;
    let Some(finding) = model.finding_list.get(line.at as usize) else {
        return Text::default();
    };
    let waited = model.finding_since.get(line.at as usize);
    let waited = waited.map_or(String::new(), |waited| since(*waited));
    let room = columns.saturating_sub(3 + SEVERITY + 9 + RULE);
    // That it is suspected goes without saying.
    let proven = match finding.certainty {
        Certainty::Proven => "proven: ",
        Certainty::Suspected => "",
    };
    let sentence = format!("{proven}{}", short_paths(&finding.sentence));
    Text::from(vec![
        Span::raw(rows::handle(line)),
        padded(
            finding.severity.as_str(),
            SEVERITY,
            style(theme, finding.severity),
        ),
        Span::raw(format!("{waited:>7}  ")),
        padded(finding.rule, RULE, theme.dim()),
        Span::raw(fit(&clean(&sentence), room).into_owned()),
    ])
}
