//! From the bytes of the Ps and the variables to the scheduler.

use gobinary::Scalar;
use model::{Addr, GcPhase, Goid, P, PStatus, Scheduler};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use super::{Ring, SchedulerLayout, addresses, number};
use crate::contract::{Mstats, Schedt};
use crate::limits::Limits;
use crate::machine::Machine;
use crate::runtime::Runtime;

/// A P before its goroutines are known by their IDs.
struct RawP {
    id: u64,
    status: PStatus,
    m: Option<i64>,
    runnext: Addr,
    runq: Result<Vec<Addr>, String>,
}

/// Reads the scheduler out of what was captured. `gs` is `runtime.allgs`.
pub(crate) fn read(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
    machine: &Machine,
    gs: &[Addr],
    diagnostics: &mut Vec<String>,
) -> Option<Scheduler> {
    let layout = match &runtime.scheduler {
        Ok(layout) => layout,
        Err(why) => {
            diagnostics.push(why.clone());
            return None;
        }
    };
    diagnostics.extend(layout.missing.iter().cloned());
    let (list, len) = match layout.list(mem, limits) {
        Ok(list) => list,
        Err(why) => {
            diagnostics.push(format!(
                "nothing is told of the scheduler: runtime.allp cannot be read: {why}"
            ));
            return None;
        }
    };
    let mut ps = Vec::with_capacity(len);
    for (index, at) in addresses(mem, list, len).into_iter().enumerate() {
        let read = at.ok_or_else(|| "its address is not known".to_owned());
        match read.and_then(|at| read_p(mem, runtime, layout, index, at, machine, diagnostics)) {
            Ok(p) => ps.push(p),
            Err(why) => diagnostics.push(format!("P{index} cannot be read: {why}")),
        }
    }
    let mut sched = Globals::default();
    if let Some((at, layout)) = &layout.sched
        && let Err(why) = sched.read(mem, runtime, *at, layout, gs.len())
    {
        diagnostics.push(format!(
            "the scheduler's global run queue is not told: {why}"
        ));
    }
    let queued = ps.iter().flat_map(|p| {
        let runq = p.runq.as_ref().map_or(&[][..], Vec::as_slice);
        runq.iter().chain([&p.runnext])
    });
    let queued = queued.chain(sched.runq.iter().flatten()).copied();
    let goids = Goids::of(mem, runtime, queued.collect(), gs);
    let mut all = Vec::with_capacity(ps.len());
    for p in ps {
        let runnext = (!p.runnext.is_null()).then(|| goids.of_one(p.runnext));
        let runq = p.runq.and_then(|runq| goids.of_all(&runq));
        all.push(P {
            id: p.id,
            status: p.status,
            m: p.m,
            runnext: runnext.and_then(|goid| {
                goid.map_err(|why| {
                    diagnostics.push(format!("the next of P{} is not told: {why}", p.id))
                })
                .ok()
            }),
            runq: runq
                .map_err(|why| {
                    diagnostics.push(format!("the run queue of P{} is not told: {why}", p.id))
                })
                .ok(),
        });
    }
    let runq = sched.runq.map(|runq| goids.of_all(&runq)).transpose();
    let runq = runq.unwrap_or_else(|why| {
        diagnostics.push(format!(
            "the scheduler's global run queue is not told: {why}"
        ));
        None
    });
    let number = |at: Option<Addr>, field: Scalar| number(mem, at?, field);
    let memstats = |field: fn(&Mstats) -> Scalar| {
        let (at, layout) = layout.memstats.as_ref()?;
        number(Some(*at), field(layout))
    };
    let phase = number(layout.gcphase, PHASE);
    let scheduler = Scheduler {
        gomaxprocs: len,
        ps: all,
        runq,
        runqsize: sched.runqsize,
        gcwaiting: sched.gcwaiting,
        gcphase: phase.and_then(GcPhase::from_runtime),
        numgc: memstats(|layout| layout.numgc),
        last_gc_unix: memstats(|layout| layout.last_gc_unix),
    };
    if layout.gcphase.is_some() && scheduler.gcphase.is_none() {
        diagnostics.push("the phase of the garbage collector cannot be read".to_owned());
    }
    if layout.memstats.is_some() && (scheduler.numgc.is_none() || scheduler.last_gc_unix.is_none())
    {
        diagnostics.push("the number of garbage collections cannot be read".to_owned());
    }
    Some(scheduler)
}

/// `runtime.gcphase` itself.
const PHASE: Scalar = Scalar {
    offset: 0,
    width: 4,
    signed: false,
};

fn read_p(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    layout: &SchedulerLayout,
    index: usize,
    at: Addr,
    machine: &Machine,
    diagnostics: &mut Vec<String>,
) -> Result<RawP, String> {
    let mut bytes = vec![0; layout.p.extent()];
    mem.read(at, &mut bytes).map_err(|why| why.to_string())?;
    let p = &layout.p;
    let get = |field: Scalar| field.get(&bytes).ok_or("its struct is too short");
    let (id, status) = (get(p.id)?, get(p.status)?);
    if id != index as u64 {
        return Err(format!("it says that it is P{}", id.cast_signed()));
    }
    let status = PStatus::from_runtime(status);
    let m = Addr(get(p.m)?);
    let of_all = machine.by_addr.get(&m).map(|m| m.reference().id);
    let known = of_all.or_else(|| ending_m(mem, runtime, m, at));
    if known.is_none() && !m.is_null() {
        diagnostics.push(format!(
            "which M has P{id} is not told: {m} is none that is known"
        ));
    }
    let runq = Ring::of(p, &bytes).and_then(|ring| ring.gs(p, &bytes));
    Ok(RawP {
        id,
        status: status
            .ok_or_else(|| format!("its status {} is not known", get(p.status).unwrap_or(0)))?,
        m: known,
        runnext: Addr(get(p.runnext)?),
        runq: runq.ok_or_else(|| "more are in it than there is room for".to_owned()),
    })
}

/// The number of an M that is not on `runtime.allm` but has this P: one that ends leaves the list before it
/// gives its P away (`runtime/proc.go`, `mexit`).
fn ending_m(mem: &dyn ReadMemory, runtime: &Runtime, m: Addr, p: Addr) -> Option<i64> {
    let has = number(mem, m, runtime.m.p?)?;
    let id = number(mem, m, runtime.m.id)?;
    // `releasep` takes the P from the M before it takes the M from the P.
    (has == p.0 || has == 0).then_some(id.cast_signed())
}

/// What `runtime.sched` says.
#[derive(Default)]
struct Globals {
    runq: Option<Vec<Addr>>,
    runqsize: Option<u64>,
    gcwaiting: Option<bool>,
}

impl Globals {
    fn read(
        &mut self,
        mem: &dyn ReadMemory,
        runtime: &Runtime,
        at: Addr,
        layout: &Schedt,
        most: usize,
    ) -> Result<(), String> {
        let mut bytes = vec![0; layout.extent()];
        mem.read(at, &mut bytes).map_err(|why| why.to_string())?;
        let get = |field: Scalar| field.get(&bytes);
        self.gcwaiting = get(layout.gcwaiting).map(|waiting| waiting != 0);
        let size = layout.runqsize.or(layout.runq_size);
        self.runqsize = size.and_then(get).filter(|&size| size <= most as u64);
        let link = runtime.g.schedlink.ok_or("runtime.g has no schedlink")?;
        let mut next = Addr(get(layout.runq).ok_or("its struct is too short")?);
        let mut runq = Vec::new();
        while !next.is_null() {
            if runq.len() >= most {
                return Err("it has more entries than there are goroutines".to_owned());
            }
            runq.push(next);
            let after = number(mem, next, link);
            next = Addr(after.ok_or_else(|| format!("it breaks off at {next}"))?);
        }
        self.runq = Some(runq);
        Ok(())
    }
}

/// The IDs of goroutines in queues.
struct Goids(FxHashMap<Addr, Goid>);

impl Goids {
    /// Only those that are in `runtime.allgs` are goroutines.
    fn of(mem: &dyn ReadMemory, runtime: &Runtime, queued: FxHashSet<Addr>, gs: &[Addr]) -> Goids {
        if queued.is_empty() {
            return Goids(FxHashMap::default());
        }
        let there = gs.iter().filter(|&&g| !g.is_null() && queued.contains(&g));
        let goid = |&at: &Addr| {
            let goid = number(mem, at, runtime.g.goid)?;
            (goid != 0).then_some((at, Goid(goid)))
        };
        Goids(there.filter_map(goid).collect())
    }

    fn of_one(&self, at: Addr) -> Result<Goid, String> {
        let found = self.0.get(&at).copied();
        found.ok_or_else(|| format!("{at} in it is no goroutine that is known"))
    }

    fn of_all(&self, gs: &[Addr]) -> Result<Vec<Goid>, String> {
        gs.iter().map(|&at| self.of_one(at)).collect()
    }
}
