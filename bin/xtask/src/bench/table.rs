//! The figures as a page of Markdown, and its place in a document.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Costs, Trial};
use crate::field;

const END: &str = "<!-- end of what is written -->\n";

/// All trials, a table each.
pub(super) fn page(trials: &[Trial], go: &str, rounds: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let mut page = format!(
        "{}; Go {go}; {cores} cores, load {load} at the end; medians of {rounds} rounds (debuggers: fewer).\n",
        field::circumstances()
    );
    for trial in trials {
        let _ = write!(
            page,
            "\n| {} goroutines | largest stall: median (least, most) | of debug=2's | of debug=1's | time | CPU | memory | pace lost at 1/s |\n\
             |---|---|---|---|---|---|---|---|\n",
            trial.goroutines
        );
        let of = |name: &str| {
            let costs = trial.costs.iter().find(|costs| costs.name == name)?;
            median(&costs.stalls)
        };
        let (two, one) = (of("pprof debug=2"), of("pprof debug=1"));
        for costs in &trial.costs {
            let _ = writeln!(page, "{}", row(costs, two, one));
        }
    }
    page
}

fn row(costs: &Costs, two: Option<Duration>, one: Option<Duration>) -> String {
    if let Some(why) = &costs.skipped {
        return format!("| {} | not measured: {why} | | | | | | |", costs.name);
    }
    let stall = median(&costs.stalls);
    let ratio = |to: Option<Duration>| match stall.zip(to) {
        Some((stall, to)) if !to.is_zero() => {
            format!("{:.2}", stall.as_secs_f64() / to.as_secs_f64())
        }
        _ => String::new(),
    };
    let stalls = match (stall, costs.stalls.iter().min(), costs.stalls.iter().max()) {
        (Some(median), Some(least), Some(most)) => {
            format!("{} ({}, {})", short(median), short(*least), short(*most))
        }
        _ => String::new(),
    };
    let time = |times: &[Duration]| median(times).map_or(String::new(), short);
    let memory = median(&costs.memory);
    let cells = [
        costs.name.clone(),
        stalls,
        ratio(two),
        ratio(one),
        time(&costs.times),
        time(&costs.cpu),
        memory.map_or(String::new(), |bytes| format!("{} MB", bytes >> 20)),
        costs
            .lost
            .map_or(String::new(), |percent| format!("{percent:.0} %")),
    ];
    format!("| {} |", cells.join(" | "))
}

fn median<T: Ord + Copy>(values: &[T]) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn short(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

/// The document with this page between the marks; `None` if they are not there.
pub(super) fn put(document: &str, chore: &str, page: &str) -> Option<String> {
    let begin = format!("<!-- written by `cargo xtask {chore} --write` -->\n");
    let (before, rest) = document.split_once(&begin)?;
    let (_, behind) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n{page}\n{END}{behind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let begin = "<!-- written by `cargo xtask bench --write` -->\n";
        let document = format!("before\n{begin}old\n{END}behind\n");
        let new = put(&document, "bench", "new").unwrap();
        assert_eq!(new, format!("before\n{begin}\nnew\n{END}behind\n"));
        assert_eq!(put(&new, "bench", "new").as_deref(), Some(new.as_str()));
        assert_eq!(put(&new, "soak", "new"), None);
        assert_eq!(put("nothing", "bench", "new"), None);
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(&[3, 1, 2]), Some(2));
        assert_eq!(median::<u64>(&[]), None);
    }
}
