//! What a snapshot was taken of and what its reader should know beyond the goroutines, in
//! sentences: for the formats that have nothing but a place for remarks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::{Frame, Goroutine, Snapshot, StackEnd, Trust};

/// How many goids a sentence names before the rest is only counted.
const MAX_GOIDS: usize = 10;
/// How many reasons for stacks that end early are told before the rest is only counted.
const MAX_REASONS: usize = 10;

/// What was looked at: `/usr/bin/svc, pid 4242, go1.27.3, amd64`.
pub(crate) fn source(s: &Snapshot) -> String {
    let name = match (&s.target.core, &s.target.exe) {
        (Some(path), _) | (None, Some(path)) => path.to_string_lossy(),
        (None, None) => "a Go program".into(),
    };
    let pid = s
        .target
        .pid
        .map_or(String::new(), |pid| format!("pid {pid}"));
    let told = [&*name, &*pid, &*s.build.go_version, s.target.arch];
    let told: Vec<&str> = told.into_iter().filter(|word| !word.is_empty()).collect();
    told.join(", ")
}

/// What could not be read or is not certain, and what else the snapshot remarks, in `max` sentences; one more
/// counts the rest. They quote the target: whoever shows them escapes them.
pub fn caveats(s: &Snapshot, max: usize) -> Vec<String> {
    let mut lines = all(s);
    if let Some(more @ 1..) = lines.len().checked_sub(max) {
        lines.truncate(max);
        lines.push(format!("{more} more such remarks are in the JSON snapshot"));
    }
    lines
}

fn all(s: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &s.unreadable {
        lines.push(format!(
            "entry {} of runtime.allgs (g {}) could not be read: {}",
            entry.index, entry.g, entry.reason
        ));
    }
    lines.extend(s.diagnostics.iter().cloned());
    let mut early: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for g in &s.goroutines {
        if let StackEnd::Early(why) = &g.stack_end {
            early.entry(why).or_default().push(g.goid.0);
        }
    }
    let mut early: Vec<(&str, Vec<u64>)> = early.into_iter().collect();
    early.sort_by_key(|(_, goids)| Reverse(goids.len()));
    for (why, goids) in early.iter().take(MAX_REASONS) {
        lines.push(format!("{}: the stack ends early: {why}", listed(goids)));
    }
    let more: usize = early
        .iter()
        .skip(MAX_REASONS)
        .map(|(_, goids)| goids.len())
        .sum();
    if more > 0 {
        lines.push(format!(
            "{more} more stacks end early for other reasons; the JSON snapshot holds them"
        ));
    }
    let is_assumed = |f: &Frame| !f.is_c() && f.trust == Trust::Assumed;
    let assumed = goids(s, |g| g.frames.iter().any(is_assumed));
    if !assumed.is_empty() {
        lines.push(format!(
            "{}: the stack is what the runtime saved last, and may be out of date",
            listed(&assumed)
        ));
    }
    let unlabelled = goids(s, |g| g.labels.is_none());
    if !unlabelled.is_empty() {
        lines.push(format!(
            "{}: the labels could not be read",
            listed(&unlabelled)
        ));
    }
    lines
}

/// The goids of those that are meant.
pub(crate) fn goids(s: &Snapshot, is_meant: impl Fn(&Goroutine) -> bool) -> Vec<u64> {
    let meant = s.goroutines.iter().filter(|g| is_meant(g));
    meant.map(|g| g.goid.0).collect()
}

/// `goroutines 5, 7 and 3 more`.
pub(crate) fn listed(goids: &[u64]) -> String {
    let some: Vec<String> = goids.iter().take(MAX_GOIDS).map(u64::to_string).collect();
    let more = match goids.len().checked_sub(MAX_GOIDS) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    };
    let s = if goids.len() == 1 { "" } else { "s" };
    format!("goroutine{s} {}{more}", some.join(", "))
}
