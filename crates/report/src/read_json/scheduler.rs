//! `scheduler`, read back.

use model::{GcPhase, Goid, P, PStatus, Scheduler};
use serde::Deserialize;

use super::entries::{Text, Word};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchedulerIn {
    gomaxprocs: usize,
    ps: Vec<PIn>,
    runq: Option<Vec<u64>>,
    runqsize: Option<u64>,
    gcwaiting: Option<bool>,
    gcphase: Option<Text<GcPhase>>,
    numgc: Option<u64>,
    last_gc_unix: Option<u64>,
}

#[derive(Deserialize)]
struct PIn {
    id: u64,
    status: Text<PStatus>,
    m: Option<i64>,
    runnext: Option<u64>,
    runq: Option<Vec<u64>>,
}

impl From<SchedulerIn> for Scheduler {
    fn from(s: SchedulerIn) -> Self {
        Scheduler {
            gomaxprocs: s.gomaxprocs,
            ps: s.ps.into_iter().map(P::from).collect(),
            runq: s.runq.map(queue),
            runqsize: s.runqsize,
            gcwaiting: s.gcwaiting,
            gcphase: s.gcphase.map(|phase| phase.0),
            numgc: s.numgc,
            last_gc_unix: s.last_gc_unix,
        }
    }
}

impl From<PIn> for P {
    fn from(p: PIn) -> Self {
        P {
            id: p.id,
            status: p.status.0,
            m: p.m,
            runnext: p.runnext.map(Goid),
            runq: p.runq.map(queue),
        }
    }
}

fn queue(goids: Vec<u64>) -> Vec<Goid> {
    goids.into_iter().map(Goid).collect()
}

impl Word for PStatus {
    const WHAT: &'static str = "a status of a P";

    fn from_word(word: &str) -> Option<Self> {
        PStatus::parse(word)
    }
}

impl Word for GcPhase {
    const WHAT: &'static str = "a phase of the garbage collector";

    fn from_word(word: &str) -> Option<Self> {
        GcPhase::parse(word)
    }
}
