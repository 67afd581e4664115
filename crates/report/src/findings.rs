//! Findings, for people and for programs.

mod json;

use std::io::{self, Write};

use analysis::{Finding, Severity, Trend};
use model::{Escaped, Snapshot};

pub use json::{FINDINGS_SCHEMA, write_findings_json};

use crate::caveats::caveats;
use crate::page::{Page, Paint, program};
use crate::words::{counted, long_time};

/// How findings are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FindingsOptions {
    /// Whether to use colours (ANSI escape sequences).
    pub color: bool,
    /// Columns that the lists of goids may take; 80 unless given.
    pub width: Option<usize>,
}

/// How many remarks on the snapshot are told before the rest is only counted.
const MAX_NOTES: usize = 5;
/// How many findings stand at the top of other texts.
const MAX_AT_TOP: usize = 5;

/// Writes findings for a reader at a terminal. `out` need not be buffered.
pub fn write_findings(
    snapshot: &Snapshot,
    findings: &[Finding],
    out: impl Write,
    options: &FindingsOptions,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let dialect = snapshot.build.dialect();
    let mut page = Page::new(&mut out, options.color, options.width, dialect);
    let name = program(snapshot);
    write!(page, "{}", page.paint.bold(Escaped(&name)))?;
    if let Some(pid) = snapshot.target.pid {
        write!(page, " (pid {pid})")?;
    }
    let goroutines = snapshot.user_goroutines().count();
    write!(page, ", {}", Escaped(&snapshot.build.go_version))?;
    writeln!(
        page,
        ", {}: {}",
        counted(goroutines, "goroutine"),
        counted(findings.len(), "finding")
    )?;
    if snapshot.objects.is_none() {
        let text = "what goroutines wait on is not part of it: most rules have nothing to go by";
        writeln!(page, "{}", page.paint.warning(text))?;
    }
    for note in caveats(snapshot, MAX_NOTES) {
        writeln!(page, "{} {}", page.paint.warning("note:"), Escaped(&note))?;
    }
    for finding in findings {
        writeln!(page)?;
        writeln!(
            page,
            "{} {}",
            severity(page.paint, finding),
            Escaped(&finding.sentence)
        )?;
        writeln!(page, "    {}", page.paint.dim(facts(finding)))?;
        for detail in &finding.details {
            writeln!(page, "    {}", Escaped(detail))?;
        }
        page.goids(&finding.goids)?;
    }
    if findings.is_empty() {
        writeln!(
            page,
            "nothing that the rules know of; that does not mean that all is well"
        )?;
    }
    out.flush()
}

/// The sentences of those that matter, for the top of other texts, with how many there are beyond.
pub(crate) fn at_the_top(snapshot: &Snapshot) -> (Vec<Finding>, usize) {
    if snapshot.objects.is_none() {
        return (Vec::new(), 0);
    }
    let mut all = analysis::findings(snapshot);
    let mut shown: Vec<Finding> = Vec::new();
    let total = all.len();
    all.retain(|finding| finding.severity < Severity::Info);
    shown.extend(all.into_iter().take(MAX_AT_TOP));
    let more = total - shown.len();
    (shown, more)
}

/// `error:`, in its colour.
pub(crate) fn severity(paint: Paint, finding: &Finding) -> String {
    let word = format!("{}:", finding.severity.as_str());
    match finding.severity {
        Severity::Error | Severity::Warning => paint.warning(word).to_string(),
        Severity::Info => paint.dim(word).to_string(),
    }
}

/// `wait-cycle, suspected, for more than 5 minutes, grown from 3`.
fn facts(finding: &Finding) -> String {
    let mut facts = vec![
        finding.rule.to_owned(),
        finding.certainty.as_str().to_owned(),
    ];
    if let Some(waited) = finding.waited.filter(|&waited| waited >= 1_000_000_000) {
        facts.push(format!("for more than {}", long_time(waited.into())));
    }
    facts.extend(finding.trend.map(|trend| match trend {
        Trend::New => "new".to_owned(),
        Trend::Grown(before) => format!("grown: it was {}", counted(before, "goroutine")),
        Trend::Shrunk(before) => format!("shrunk: it was {}", counted(before, "goroutine")),
        Trend::Same => "as before".to_owned(),
    }));
    facts.join(", ")
}
