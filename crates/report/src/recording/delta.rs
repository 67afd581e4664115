//! What has changed since the sample before, as it is written.

use std::io::{self, Write};
use std::sync::Arc;

use model::{Goroutine, Object, Snapshot, unchanged_goroutines, unchanged_objects};
use serde::Serialize;

use super::DELTA_VERSION;
use crate::json::{
    BuildDto, CaptureDto, Each, GoroutineDto, Style, TargetDto, UnreadableDto, rfc3339,
    write_object,
};
use crate::objects::ObjectDto;
use crate::read_json::Run;
use crate::scheduler::SchedulerDto;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeltaDto<'a> {
    schema: &'static str,
    captured_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetDto<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<BuildDto<'a>>,
    capture: CaptureDto,
    same_goroutines: Vec<Run>,
    goroutines: Each<'a, &'a Arc<Goroutine>, GoroutineDto<'a>>,
    same_objects: Vec<Run>,
    objects: Option<Each<'a, &'a Object, ObjectDto<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler: Option<Option<SchedulerDto<'a>>>,
    unreadable: Each<'a, model::Unreadable, UnreadableDto<'a>>,
    diagnostics: &'a [String],
}

/// Writes what of `now` is not as it was `before`, on one line.
pub(super) fn write_delta(before: &Snapshot, now: &Snapshot, out: impl Write) -> io::Result<()> {
    let same = unchanged_goroutines(&before.goroutines, &now.goroutines);
    let (same_goroutines, goroutines) = split(&now.goroutines, &same);
    let (old, new) = (before.objects.as_deref(), now.objects.as_deref());
    let same = unchanged_objects(old.unwrap_or_default(), new.unwrap_or_default());
    let (same_objects, objects) = split(new.unwrap_or_default(), &same);
    let delta = DeltaDto {
        schema: DELTA_VERSION,
        captured_at: rfc3339(now.captured_at),
        target: (before.target != now.target).then(|| TargetDto::new(&now.target)),
        build: (before.build != now.build).then(|| BuildDto::new(&now.build)),
        capture: CaptureDto::new(&now.capture, now.goroutines.len(), now.unreadable.len()),
        same_goroutines,
        goroutines: Each(&goroutines, |g| GoroutineDto::new(g)),
        same_objects,
        objects: new.map(|_| Each(&objects[..], |object| ObjectDto::new(object))),
        scheduler: (before.scheduler != now.scheduler)
            .then(|| now.scheduler.as_ref().map(SchedulerDto::new)),
        unreadable: Each(&now.unreadable, UnreadableDto::new),
        diagnostics: &now.diagnostics,
    };
    write_object(&delta, Style::Line, out)
}

/// Where the entries that are the same are, and those that are not.
fn split<'a, T>(all: &'a [T], same: &[Option<usize>]) -> (Vec<Run>, Vec<&'a T>) {
    let mut runs: Vec<Run> = Vec::new();
    let mut others = Vec::new();
    let mut told = 0;
    for (one, same) in all.iter().zip(same) {
        let Some(at) = *same else {
            others.push(one);
            continue;
        };
        let fresh = others.len() - told;
        told = others.len();
        match runs.last_mut() {
            Some([_, from, count]) if fresh == 0 && *from + *count == at => *count += 1,
            _ => runs.push([fresh, at, 1]),
        }
    }
    (runs, others)
}
