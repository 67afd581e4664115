//! `goinspect findings`.

use std::collections::HashSet;

use model::{Goid, Snapshot};
use report::{FindingsOptions, Style, write_findings, write_findings_json};
use sampler::Wanted;

use crate::args::{self, Common, TextOrJson};
use crate::failure::Failure;
use crate::output::write_to;
use crate::target::Given;
use crate::tell;

/// Takes a snapshot and writes what is stuck in it.
pub fn run(command: &args::Findings, common: &Common) -> Result<(), Failure> {
    let before = match &command.since {
        Some(since) => Some(whole(since, common)?),
        None => None,
    };
    let snapshot = whole(&command.target, common)?;
    let mut findings = match &before {
        Some(before) => {
            if before.target.pid != snapshot.target.pid {
                tell("note: the earlier snapshot is of another process");
            }
            analysis::findings_since(before, &snapshot)
        }
        None => analysis::findings(&snapshot),
    };
    // The rules need all goroutines; what the filter leaves is what is shown.
    if let Some(filter) = &common.filter {
        let now = snapshot.capture.nanotime;
        let wanted = snapshot
            .goroutines
            .iter()
            .filter(|g| filter.filter.matches(g, now));
        let wanted: HashSet<Goid> = wanted.map(|g| g.goid).collect();
        findings.retain(|f| {
            f.goids
                .iter()
                .chain(&f.because_of)
                .any(|goid| wanted.contains(goid))
        });
    }
    write_to(
        command.output.as_deref(),
        |on_terminal, out| match command.format {
            TextOrJson::Json if on_terminal => {
                write_findings_json(&snapshot, &findings, Style::Pretty, out)
            }
            TextOrJson::Json => write_findings_json(&snapshot, &findings, Style::Line, out),
            TextOrJson::Text => {
                let options = FindingsOptions {
                    color: common.color.on(on_terminal),
                    width: None,
                };
                write_findings(&snapshot, &findings, out, &options)
            }
        },
    )
}

/// A snapshot with objects and without a filter.
pub fn whole(target: &str, common: &Common) -> Result<Snapshot, Failure> {
    if common.nonblocking {
        return Err(Failure::command_line(
            "--nonblocking does not go with findings and why: who holds what is true of one moment only",
        ));
    }
    let wanted = Wanted {
        objects: true,
        ..Wanted::default()
    };
    let unfiltered = Common {
        filter: None,
        ..common.clone()
    };
    Given::parse(target)?.snapshot(&unfiltered, wanted)
}
