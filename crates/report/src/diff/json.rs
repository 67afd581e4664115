//! The comparison as JSON: `docs/SCHEMA.md` is the contract, and [`DIFF_SCHEMA`] the same for machines.

use std::io::{self, Write};

use model::{DiffCounts, Differences, Frame, Goroutine, Snapshot, StackEnd};
use serde::Serialize;

use super::{Comparison, Group, Moved, Pair};
use crate::json::{
    BuildDto, CaptureDto, ENDS_EARLY, Each, FrameDto, SiteDto, Style, TargetDto, rfc3339,
    write_object,
};

/// The JSON Schema (2020-12) that everything [`write_diff_json`] writes conforms to.
pub const DIFF_SCHEMA: &str = include_str!("../../../../docs/diff.schema.json");

/// Writes the comparison as one JSON object and a newline: all of it, the runtime's own
/// goroutines included. `out` need not be buffered.
pub fn write_diff_json(
    comparison: &Comparison<'_>,
    style: Style,
    out: impl Write,
) -> io::Result<()> {
    write_object(&DiffDto::new(comparison), style, out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiffDto<'a> {
    schema: &'static str,
    old: SideDto<'a>,
    new: SideDto<'a>,
    interval_ns: Option<i128>,
    different_processes: bool,
    notes: &'a [String],
    counts: CountsDto,
    system_counts: CountsDto,
    new_goroutines: Each<'a, Group<'a>, GroupDto<'a>>,
    gone_goroutines: Each<'a, Group<'a>, GroupDto<'a>>,
    changed_goroutines: Each<'a, Moved<'a>, MovedDto<'a>>,
    same_goroutines: Each<'a, Group<'a>, GroupDto<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SideDto<'a> {
    name: Option<&'a str>,
    captured_at: Option<String>,
    target: TargetDto<'a>,
    build: BuildDto<'a>,
    capture: CaptureDto,
}

#[derive(Serialize)]
struct CountsDto {
    new: usize,
    gone: usize,
    changed: usize,
    same: usize,
}

#[derive(Serialize)]
struct GroupDto<'a> {
    count: usize,
    before: usize,
    now: usize,
    goids: Vec<u64>,
    system: bool,
    gopc: Option<SiteDto<'a>>,
    #[serde(flatten)]
    place: PlaceDto<'a>,
}

#[derive(Serialize)]
struct MovedDto<'a> {
    count: usize,
    changes: Vec<&'static str>,
    goids: Vec<u64>,
    system: bool,
    gopc: Option<SiteDto<'a>>,
    old: PlaceDto<'a>,
    new: PlaceDto<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceDto<'a> {
    status: &'static str,
    waitreason: Option<&'a str>,
    frames: Each<'a, Frame, FrameDto<'a>>,
    stack_end: &'static str,
    notes: Vec<String>,
}

impl<'a> DiffDto<'a> {
    fn new(c: &'a Comparison<'a>) -> Self {
        let [old, new] = c.names;
        DiffDto {
            schema: "goinspect.diff/1",
            old: SideDto::new(c.old, old),
            new: SideDto::new(c.new, new),
            interval_ns: c.interval(),
            different_processes: c.different_processes,
            notes: &c.notes,
            counts: CountsDto::new(c.counts),
            system_counts: CountsDto::new(c.system_counts),
            new_goroutines: Each(&c.came, GroupDto::new),
            gone_goroutines: Each(&c.gone, GroupDto::new),
            changed_goroutines: Each(&c.changed, MovedDto::new),
            same_goroutines: Each(&c.same, GroupDto::new),
        }
    }
}

impl<'a> SideDto<'a> {
    fn new(s: &'a Snapshot, name: Option<&'a str>) -> Self {
        SideDto {
            name,
            captured_at: rfc3339(s.captured_at),
            target: TargetDto::new(&s.target),
            build: BuildDto::new(&s.build),
            capture: CaptureDto::new(&s.capture, s.goroutines.len(), s.unreadable.len()),
        }
    }
}

impl CountsDto {
    fn new(c: DiffCounts) -> Self {
        CountsDto {
            new: c.new,
            gone: c.gone,
            changed: c.changed,
            same: c.same,
        }
    }
}

impl<'a> GroupDto<'a> {
    fn new(group: &'a Group<'a>) -> Self {
        let sample = group.sample;
        GroupDto {
            count: group.members.len(),
            before: group.before,
            now: group.now,
            goids: group.members.iter().map(|g| g.goid.0).collect(),
            system: sample.system,
            gopc: sample.gopc.as_ref().map(SiteDto::new),
            place: PlaceDto::new(sample),
        }
    }
}

impl<'a> MovedDto<'a> {
    fn new(moved: &'a Moved<'a>) -> Self {
        let Pair { was, is } = moved.sample;
        MovedDto {
            count: moved.members.len(),
            changes: changes(moved.what),
            goids: moved.members.iter().map(|pair| pair.is.goid.0).collect(),
            system: is.system,
            gopc: is.gopc.as_ref().map(SiteDto::new),
            old: PlaceDto::new(was),
            new: PlaceDto::new(is),
        }
    }
}

fn changes(what: Differences) -> Vec<&'static str> {
    [
        (what.state, "state"),
        (what.stack, "stack"),
        (what.ran, "ran"),
        (what.labels, "labels"),
        (what.thread, "thread"),
    ]
    .into_iter()
    .filter_map(|(differs, name)| differs.then_some(name))
    .collect()
}

impl<'a> PlaceDto<'a> {
    fn new(g: &'a Goroutine) -> Self {
        let (stack_end, notes) = match &g.stack_end {
            StackEnd::Complete => ("complete", Vec::new()),
            StackEnd::Early(why) => ("early", vec![format!("{ENDS_EARLY}{why}")]),
        };
        PlaceDto {
            status: g.status.as_str(),
            waitreason: g.waitreason.as_deref(),
            frames: Each(&g.frames, FrameDto::new),
            stack_end,
            notes,
        }
    }
}
