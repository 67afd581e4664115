//! The findings as a page of Markdown.

use std::fmt::Write as _;

use super::judge::Findings;
use super::{Outcome, Why};

/// What docs/FIELD-TESTS.md says before the table.
const HEADER: &str = include_str!("header.md");

/// The whole document.
pub(super) fn document(page: &str) -> String {
    format!("{HEADER}\n{page}")
}

/// The table, and below it what is remarkable about each program.
pub(super) fn page(outcomes: &[Outcome], circumstances: &str) -> String {
    let mut page = format!(
        "{circumstances}\n\n\
         | program | from | Go, linked | layouts, symbols | requests | goroutines | seen | unreadable | \
         early ends: explained, not | waits unknown: passing, not | pause µs: median, longest | equal to Go's text | moved |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for outcome in outcomes {
        if let Ok(findings) = &outcome.result {
            let _ = writeln!(page, "{}", row(outcome, findings));
        }
    }
    let mut remarks = String::new();
    for outcome in outcomes {
        for line in lines(&outcome.result) {
            let _ = writeln!(remarks, "- {}: {line}", outcome.name);
        }
    }
    if !remarks.is_empty() {
        let _ = write!(page, "\n{remarks}");
    }
    page
}

fn row(outcome: &Outcome, findings: &Findings) -> String {
    let Findings {
        sums,
        served,
        oracle,
        ..
    } = findings;
    let [least, most] = sums.goroutines;
    let (median, longest) = median_and_longest(&sums.pauses);
    let total = |counts: &std::collections::BTreeMap<String, usize>| counts.values().sum::<usize>();
    let cgo = if sums.cgo { ", cgo" } else { "" };
    let stripped = if sums.symbols == "found" {
        ", stripped"
    } else {
        ""
    };
    let cells = [
        outcome.name.to_owned(),
        outcome.from.clone(),
        format!("{}, {}{cgo}{stripped}", sums.go_version, findings.elf),
        format!("{}, {}", sums.layout, sums.symbols),
        served.requests.to_string(),
        format!("{least}–{most}"),
        sums.seen.to_string(),
        total(&sums.unreadable).to_string(),
        format!("{}, {}", total(&sums.explained), total(&sums.unexplained)),
        format!(
            "{}, {}",
            total(&sums.passing_waits),
            total(&sums.unknown_waits)
        ),
        format!("{median}, {longest}"),
        format!("{} of {}", oracle.equal, oracle.compared),
        oracle.moved.to_string(),
    ];
    format!(
        "| {} |",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    )
}

/// What the table does not say of a program.
fn lines(result: &Result<Findings, Why>) -> Vec<String> {
    let findings = match result {
        Ok(findings) => findings,
        Err(Why::NotAvailable(why)) => return vec![format!("not available: {why}")],
        Err(Why::Failed(why)) => return vec![format!("**failed**: {why}")],
    };
    let Findings {
        sums,
        served,
        oracle,
        signal,
        ..
    } = findings;
    let mut lines = Vec::new();
    if *signal != "QUIT" {
        lines.push(format!("handles SIGQUIT itself; SIG{signal} ended it"));
    }
    if served.unanswered > 0 {
        lines.push(format!("{} requests got no answer", served.unanswered));
    }
    if sums.inconsistent > 0 {
        lines.push(format!(
            "**{} snapshots are not consistent**",
            sums.inconsistent
        ));
    }
    let found = [
        ("**unreadable**", &sums.unreadable),
        ("**early end**", &sums.unexplained),
        ("**wait unknown**", &sums.unknown_waits),
        ("early end", &sums.explained),
        ("passing wait", &sums.passing_waits),
        ("remark", &sums.remarks),
    ];
    for (what, counts) in found {
        lines.extend(
            counts
                .iter()
                .map(|(reason, n)| format!("{what}, {n}×: {reason}")),
        );
    }
    if oracle.compared == 0 {
        lines.push("**nothing could be compared with Go's own text**".to_owned());
    }
    for [ours, _] in &oracle.differ {
        let first = ours.lines().next().unwrap_or_default();
        lines.push(format!("**differs from Go's own text**: {first}"));
    }
    lines
}

fn median_and_longest(pauses: &[u64]) -> (u64, u64) {
    let mut sorted = pauses.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    (median, sorted.last().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Oracle, Sums};
    use super::super::load::Served;
    use super::*;

    fn outcome(result: Result<Findings, Why>) -> Outcome {
        Outcome {
            name: "some",
            from: "npm, 1.0".to_owned(),
            result,
        }
    }

    #[test]
    fn the_row_and_what_is_below() {
        let findings = Findings {
            sums: Sums {
                snapshots: 3,
                go_version: "go1.27.3".to_owned(),
                layout: "table".to_owned(),
                symbols: "found".to_owned(),
                goroutines: [4, 9],
                seen: 20,
                unreadable: [("why".to_owned(), 2)].into(),
                pauses: vec![900, 100, 200],
                ..Sums::default()
            },
            elf: "static".to_owned(),
            served: Served {
                requests: 7,
                unanswered: 0,
            },
            oracle: Oracle {
                told: 5,
                compared: 4,
                equal: 4,
                moved: 1,
                differ: Vec::new(),
            },
            signal: "QUIT",
        };
        let page = page(&[outcome(Ok(findings))], "today");
        let expected = "| some | npm, 1.0 | go1.27.3, static, stripped | table, found | 7 | 4–9 | 20 | 2 | 0, 0 | 0, 0 | 200, 900 | 4 of 4 | 1 |\n\
                        \n- some: **unreadable**, 2×: why\n";
        assert!(page.ends_with(expected), "{page}");
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let missing = Why::NotAvailable("npm: no such package".to_owned());
        let page = page(&[outcome(Err(missing))], "today");
        assert!(
            page.ends_with("\n- some: not available: npm: no such package\n"),
            "{page}"
        );
    }
}
