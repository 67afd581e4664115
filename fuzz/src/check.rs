//! What holds for whatever is shown of hostile input.

use std::fmt::Display;

use model::{Snapshot, must_escape};
use report::{
    Comparison, DiffOptions, FindingsOptions, Level, PprofOptions, Style, SummaryOptions,
    TracebackOptions,
};

/// That a terminal would print all of it and obey nothing.
pub(crate) fn harmless(what: &str, text: &str) {
    let obeyed = |c: &char| must_escape(*c) && !matches!(c, '\n' | '\t');
    if let Some(c) = text.chars().find(obeyed) {
        panic!("{what} has {c:?}: {text:?}");
    }
}

fn harmless_bytes(what: &str, text: Vec<u8>) {
    harmless(what, &String::from_utf8(text).unwrap());
}

/// What is told of a refusal. `goinspect` escapes it as a whole, so it may not be empty nor endless.
pub(crate) fn refusal(why: &impl Display) {
    let why = why.to_string();
    assert!(!why.is_empty(), "an error says nothing");
    assert!(
        why.len() < 100_000,
        "an error says {} bytes: {:.1000}",
        why.len(),
        why
    );
}

/// Writes a snapshot in every format.
pub(crate) fn written(snapshot: &Snapshot) {
    let mut json = Vec::new();
    report::write_json(snapshot, Style::Line, &mut json).unwrap();
    if let Err(why) = report::read_json(json.as_slice()) {
        panic!("what was written is not read back: {why}");
    }
    harmless_bytes("the JSON", json);
    let mut text = Vec::new();
    let options = SummaryOptions {
        include_system: true,
        ..SummaryOptions::default()
    };
    report::write_summary(snapshot, &mut text, &options).unwrap();
    harmless_bytes("the summary", std::mem::take(&mut text));
    for (level, elide) in [(Level::System, false), (Level::All, true)] {
        let options = TracebackOptions { level, elide };
        report::write_traceback(snapshot, &mut text, &options).unwrap();
        harmless_bytes("the traceback", std::mem::take(&mut text));
    }
    report::write_folded(snapshot, &mut text, true).unwrap();
    harmless_bytes("folded stacks", std::mem::take(&mut text));
    let options = PprofOptions {
        all: true,
        per_goroutine: true,
    };
    report::write_pprof(snapshot, &mut text, &options).unwrap();
    text.clear();

    let findings = analysis::findings(snapshot);
    let options = FindingsOptions::default();
    report::write_findings(snapshot, &findings, &mut text, &options).unwrap();
    harmless_bytes("findings", std::mem::take(&mut text));
    report::write_findings_json(snapshot, &findings, Style::Line, &mut text).unwrap();
    harmless_bytes("findings as JSON", std::mem::take(&mut text));
    for g in snapshot.goroutines.iter().take(3) {
        if let Some(story) = analysis::Story::new(snapshot, g.goid) {
            report::write_why(snapshot, &story, &mut text, &options).unwrap();
            harmless_bytes("the story", std::mem::take(&mut text));
        }
    }
}

/// Compares two snapshots in every format.
pub(crate) fn compared(old: &Snapshot, new: &Snapshot) {
    let comparison = Comparison::new(old, new);
    let mut text = Vec::new();
    report::write_diff(&comparison, &mut text, &DiffOptions::default()).unwrap();
    harmless_bytes("the diff", std::mem::take(&mut text));
    report::write_diff_json(&comparison, Style::Line, &mut text).unwrap();
    harmless_bytes("the diff as JSON", text);
}
