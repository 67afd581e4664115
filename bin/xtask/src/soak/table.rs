//! The outcomes as a table of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::trial::Outcome;
use crate::field;

/// The table, the sums, and what failed.
pub(super) fn page(outcomes: &[Outcome], took: Duration) -> String {
    let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    let sent: u64 = outcomes.iter().map(|o| o.signals.sent).sum();
    let received: u64 = outcomes.iter().map(|o| o.signals.received).sum();
    let mut page = format!(
        "{}; {} minutes.\n\n\
         **{} samples** in one process, {} by a goinspect of their own, {} goinspects killed ({} while the program stood still), \
         {sent} signals sent and {received} received at the last look, **{} failures**.\n\n\
         | program | Go | samples | runs | killed (in a stop) | signals sent, received | pause µs: median, 99 %, longest | \
         not consistent | running stacks that end early | memory growth | failures |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        field::circumstances(),
        took.as_secs() / 60,
        sum(|o| o.samples),
        sum(|o| o.runs),
        sum(|o| o.kills),
        sum(|o| o.in_a_stop),
        sum(|o| o.failures.len()),
    );
    for outcome in outcomes {
        let _ = writeln!(page, "{}", row(outcome));
    }
    let mut failures = String::new();
    for outcome in outcomes {
        for failure in &outcome.failures {
            let _ = writeln!(
                failures,
                "- {}, Go {}: {}",
                outcome.title,
                outcome.go,
                failure.replace('\n', " ")
            );
        }
    }
    let mut early: BTreeMap<&str, usize> = BTreeMap::new();
    for (why, times) in outcomes.iter().flat_map(|o| &o.early) {
        *early.entry(why).or_default() += times;
    }
    if !early.is_empty() {
        page += "\nWhat is said of the stacks that end early:\n\n";
        for (why, times) in early {
            let _ = writeln!(page, "- {times}×: {why}");
        }
    }
    if !failures.is_empty() {
        page += "\nFailures:\n";
        let _ = write!(page, "\n{failures}");
    }
    page
}

fn row(outcome: &Outcome) -> String {
    let signals = match outcome.signals.sent {
        0 => String::new(),
        sent => format!("{sent}, {}", outcome.signals.received),
    };
    let mut pauses = outcome.pauses.clone();
    pauses.sort_unstable();
    let at = |part: f64| -> u128 {
        let index = (pauses.len() as f64 * part) as usize;
        let value = pauses.get(index).or(pauses.last());
        value.map_or(0, Duration::as_micros)
    };
    let cells = [
        outcome.title.clone(),
        outcome.go.clone(),
        outcome.samples.to_string(),
        outcome.runs.to_string(),
        format!("{} ({})", outcome.kills, outcome.in_a_stop),
        signals,
        format!("{}, {}, {}", at(0.5), at(0.99), at(1.0)),
        outcome.inconsistent.to_string(),
        outcome.early.values().sum::<usize>().to_string(),
        format!("{:.1} MB", outcome.growth as f64 / 1e6),
        outcome.failures.len().to_string(),
    ];
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_in_the_table_and_told_below_it() {
        let outcome = Outcome {
            title: "churn".to_owned(),
            go: "1.27.3".to_owned(),
            samples: 3,
            pauses: [3, 1, 2].map(Duration::from_micros).into(),
            failures: vec!["lost".to_owned()],
            ..Outcome::default()
        };
        let page = page(&[outcome], Duration::from_secs(61));
        assert!(page.contains("| churn | 1.27.3 | 3 |"), "{page}");
        assert!(page.contains("| 2, 3, 3 |"), "{page}");
        assert!(page.contains("**1 failures**"), "{page}");
        assert!(page.contains("- churn, Go 1.27.3: lost"), "{page}");
    }
}
