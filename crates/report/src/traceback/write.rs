//! A whole snapshot as a Go dump.

use std::io::{self, Write};

use model::{Escaped, Frame, Goroutine, Snapshot};

use super::compose::{Level, compose};
use crate::caveats::{caveats, goids, listed, source};
use crate::findings::at_the_top;

/// How a snapshot is written as a traceback.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TracebackOptions {
    /// How much is told.
    pub level: Level,
    /// Whether to leave out the middle of stacks of more than a hundred frames, as Go does.
    pub elide: bool,
}

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
    lines.push(format!("{}: {} goroutines", source(s), s.goroutines.len()));
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
    let (findings, more) = at_the_top(s);
    for finding in &findings {
        let (severity, certainty) = (finding.severity.as_str(), finding.certainty.as_str());
        lines.push(format!("{severity}: {} ({certainty})", finding.sentence));
    }
    if !findings.is_empty() && more > 0 {
        lines.push(format!("{more} more findings: see `goinspect findings`"));
    }
    lines.extend(caveats(s, usize::MAX));
    let in_c = goids(s, |g| g.frames.iter().any(Frame::is_c));
    if !in_c.is_empty() {
        lines.push(format!(
            "{}: the C frames are not shown, as in Go's own text; other formats have them",
            listed(&in_c)
        ));
    }
    lines
}
