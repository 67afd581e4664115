//! The findings JSON, version 1 (docs/SCHEMA.md).

use std::io::{self, Write};

use analysis::{Finding, Trend};
use model::{Goid, Snapshot};
use serde::Serialize;

use crate::caveats::caveats;
use crate::json::{BuildDto, CaptureDto, Each, Hex, Style, TargetDto, rfc3339, write_object};

/// The JSON Schema of [`write_findings_json`]'s output (`docs/findings.schema.json`).
pub const FINDINGS_SCHEMA: &str = include_str!("../../../../docs/findings.schema.json");

/// How many notes are written before the rest is only counted.
const MAX_NOTES: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingsDto<'a> {
    schema: &'static str,
    captured_at: Option<String>,
    target: TargetDto<'a>,
    build: BuildDto<'a>,
    capture: CaptureDto,
    notes: Vec<String>,
    findings: Each<'a, Finding, FindingDto<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingDto<'a> {
    rule: &'static str,
    severity: &'static str,
    certainty: &'static str,
    sentence: &'a str,
    details: &'a [String],
    goids: Each<'a, Goid, u64>,
    because_of: Each<'a, Goid, u64>,
    objects: Vec<ObjectRef>,
    waited_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<usize>,
}

#[derive(Serialize)]
struct ObjectRef {
    kind: &'static str,
    addr: Hex,
}

impl<'a> FindingDto<'a> {
    fn new(finding: &'a Finding) -> FindingDto<'a> {
        let (trend, before) = match finding.trend {
            None => (None, None),
            Some(Trend::New) => (Some("new"), Some(0)),
            Some(Trend::Grown(before)) => (Some("grown"), Some(before)),
            Some(Trend::Same) => (Some("same"), Some(finding.goids.len())),
            Some(Trend::Shrunk(before)) => (Some("shrunk"), Some(before)),
        };
        let objects = finding.objects.iter().map(|&(kind, addr)| ObjectRef {
            kind: kind.as_str(),
            addr: Hex(addr),
        });
        FindingDto {
            rule: finding.rule,
            severity: finding.severity.as_str(),
            certainty: finding.certainty.as_str(),
            sentence: &finding.sentence,
            details: &finding.details,
            goids: Each(&finding.goids, |goid| goid.0),
            because_of: Each(&finding.because_of, |goid| goid.0),
            objects: objects.collect(),
            waited_ns: finding.waited,
            trend,
            before,
        }
    }
}

/// Writes findings as one JSON object and a newline. `out` need not be buffered.
pub fn write_findings_json(
    snapshot: &Snapshot,
    findings: &[Finding],
    style: Style,
    out: impl Write,
) -> io::Result<()> {
    let object = FindingsDto {
        schema: "goinspect.findings/1",
        captured_at: rfc3339(snapshot.captured_at),
        target: TargetDto::new(&snapshot.target),
        build: BuildDto::new(&snapshot.build),
        capture: CaptureDto::new(
            &snapshot.capture,
            snapshot.goroutines.len(),
            snapshot.unreadable.len(),
        ),
        notes: caveats(snapshot, MAX_NOTES),
        findings: Each(findings, FindingDto::new),
    };
    write_object(&object, style, out)
}
