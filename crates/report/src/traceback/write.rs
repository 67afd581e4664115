//! A whole snapshot as a Go dump.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use model::{Escaped, Frame, Goroutine, Snapshot, StackEnd, Trust};

use super::compose::{Level, compose};

/// How a snapshot is written as a traceback.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TracebackOptions {
    /// How much is told.
    pub level: Level,
    /// Whether to leave out the middle of stacks of more than a hundred frames, as Go does.
    pub elide: bool,
}

/// How many goids a line of the preamble names before the rest is only counted.
const MAX_GOIDS: usize = 10;
/// How many reasons for stacks that end early are told before the rest is only counted.
const MAX_REASONS: usize = 10;

/// Writes a snapshot as Go prints its goroutines, one block each, in the order of
/// `runtime.allgs`. At the level `system`, the system stacks of threads that stand on them
/// follow as goroutine 0, as in Go's own crash texts.
///
/// What Go would not say (what was looked at, what could not be read) stands before the first
/// block in lines that begin with `# `; readers of Go dumps skip them. `out` need not be buffered.
pub fn write_traceback(
    snapshot: &Snapshot,
    out: impl Write,
    options: &TracebackOptions,
) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    let TracebackOptions { level, elide } = *options;
    for line in preamble(snapshot, level) {
        writeln!(out, "# {}", Escaped(&line))?;
    }
    let is_shown = |g: &&Goroutine| level == Level::System || !g.system;
    let goroutines = snapshot.goroutines.iter().map(|g| &**g).filter(is_shown);
    for g in goroutines.chain(system_stacks(snapshot, level)) {
        write!(out, "\n{}", compose(snapshot, g, level, elide))?;
    }
    out.flush()
}

/// The system stacks that a thread is on.
fn system_stacks(snapshot: &Snapshot, level: Level) -> impl Iterator<Item = &Goroutine> {
    let ms: &[model::M] = match level {
        Level::System => &snapshot.ms,
        Level::All => &[],
    };
    let g0s = ms.iter().map(|m| &*m.g0);
    g0s.filter(|g| !g.frames.is_empty())
}

fn preamble(s: &Snapshot, level: Level) -> Vec<String> {
    let mut lines = Vec::new();
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
    lines.push(format!(
        "{}: {} goroutines",
        told.join(", "),
        s.goroutines.len()
    ));
    let hidden = s.goroutines.iter().filter(|g| g.system).count();
    if level == Level::All && hidden > 0 {
        lines.push(format!(
            "{hidden} of them are the runtime's own and not shown; --traceback system shows them"
        ));
    }
    let without_places = |g: &Goroutine| g.traceback.places.is_empty() && !g.frames.is_empty();
    if s.goroutines.iter().any(|g| without_places(g)) {
        lines.push(
            "the snapshot does not hold the arguments of calls, nor where their frames lie".into(),
        );
    }
    for entry in &s.unreadable {
        lines.push(format!(
            "entry {} of runtime.allgs (g {}) could not be read: {}",
            entry.index, entry.g, entry.reason
        ));
    }
    lines.extend(s.diagnostics.iter().cloned());
    let mut early: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut assumed = Vec::new();
    let mut in_c = Vec::new();
    for g in &s.goroutines {
        if let StackEnd::Early(why) = &g.stack_end {
            early.entry(why).or_default().push(g.goid.0);
        }
        let mut go = g.frames.iter().filter(|frame| !frame.is_c());
        if go.any(|frame| frame.trust == Trust::Assumed) {
            assumed.push(g.goid.0);
        }
        if g.frames.iter().any(Frame::is_c) {
            in_c.push(g.goid.0);
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
    if !assumed.is_empty() {
        lines.push(format!(
            "{}: the stack is what the runtime saved last, and may be out of date",
            listed(&assumed)
        ));
    }
    if !in_c.is_empty() {
        lines.push(format!(
            "{}: the C frames are not shown, as in Go's own text; other formats have them",
            listed(&in_c)
        ));
    }
    lines
}

/// `goroutines 5, 7 and 3 more`.
fn listed(goids: &[u64]) -> String {
    let some: Vec<String> = goids.iter().take(MAX_GOIDS).map(u64::to_string).collect();
    let more = match goids.len().checked_sub(MAX_GOIDS) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    };
    let s = if goids.len() == 1 { "" } else { "s" };
    format!("goroutine{s} {}{more}", some.join(", "))
}
