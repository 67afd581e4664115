//! `scheduler` in JSON (docs/SCHEMA.md).

use model::{GcPhase, Goid, P, Scheduler};
use serde::Serialize;

use crate::json::Each;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchedulerDto<'a> {
    gomaxprocs: usize,
    ps: Each<'a, P, PDto<'a>>,
    runq: Option<Each<'a, Goid, u64>>,
    runqsize: Option<u64>,
    gcwaiting: Option<bool>,
    gcphase: Option<&'static str>,
    numgc: Option<u64>,
    last_gc_unix: Option<u64>,
}

#[derive(Serialize)]
struct PDto<'a> {
    id: u64,
    status: &'static str,
    m: Option<i64>,
    runnext: Option<u64>,
    runq: Option<Each<'a, Goid, u64>>,
}

impl<'a> SchedulerDto<'a> {
    pub(crate) fn new(scheduler: &'a Scheduler) -> Self {
        SchedulerDto {
            gomaxprocs: scheduler.gomaxprocs,
            ps: Each(&scheduler.ps, PDto::new),
            runq: queue(scheduler.runq.as_ref()),
            runqsize: scheduler.runqsize,
            gcwaiting: scheduler.gcwaiting,
            gcphase: scheduler.gcphase.map(GcPhase::as_str),
            numgc: scheduler.numgc,
            last_gc_unix: scheduler.last_gc_unix,
        }
    }
}

impl<'a> PDto<'a> {
    fn new(p: &'a P) -> Self {
        PDto {
            id: p.id,
            status: p.status.as_str(),
            m: p.m,
            runnext: p.runnext.map(|goid| goid.0),
            runq: queue(p.runq.as_ref()),
        }
    }
}

fn queue(goids: Option<&Vec<Goid>>) -> Option<Each<'_, Goid, u64>> {
    goids.map(|goids| Each(goids.as_slice(), |goid| goid.0))
}
