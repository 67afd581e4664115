//! The scheduler: the Ps with their run queues, the global run queue, and what the garbage collector is at.
//!
//! Everything here is optional. What cannot be found, or read, is not told, and a diagnostic says so.

use gobinary::{Scalar, TypeTable};
use model::{Addr, GcPhase, Goid, P, PStatus, Scheduler};
use rustc_hash::{FxHashMap, FxHashSet};
use target::{CapturedMemory, ReadMemory};

use crate::contract::{self, Mstats, Schedt};
use crate::limits::Limits;
use crate::locate::Variables;
use crate::machine::Machine;
use crate::runtime::Runtime;
use crate::values::Header;

/// The layouts and places of what is known of the scheduler.
#[derive(Debug)]
pub(crate) struct SchedulerLayout {
    allp: Addr,
    p: contract::P,
    sched: Option<(Addr, Schedt)>,
    memstats: Option<(Addr, Mstats)>,
    gcphase: Option<Addr>,
    /// What is missing, in sentences.
    missing: Vec<String>,
}

impl SchedulerLayout {
    /// Why nothing is known, if that is so.
    pub(crate) fn resolve(types: &TypeTable, variables: &Variables) -> Result<Self, String> {
        let place = |name| variables.get(name).ok_or(format!("{name} was not found"));
        let nothing = |why| format!("nothing is told of the scheduler: {why}");
        let p = contract::P::resolve(types).map_err(|why| nothing(why.to_string()))?;
        Ring::slots(&p).ok_or_else(|| nothing("runtime.p is not understood".to_owned()))?;
        let mut missing = Vec::new();
        let mut or_missing = |what: &str, why: String| {
            missing.push(format!("{what} is not told: {why}"));
        };
        let sched = place(contract::SCHED)
            .and_then(|at| Ok((at, Schedt::resolve(types).map_err(|why| why.to_string())?)))
            .map_err(|why| or_missing("the scheduler's global run queue", why));
        let memstats = place(contract::MEMSTATS)
            .and_then(|at| Ok((at, Mstats::resolve(types).map_err(|why| why.to_string())?)))
            .map_err(|why| or_missing("the number of garbage collections", why));
        let gcphase = place(contract::GCPHASE)
            .map_err(|why| or_missing("the phase of the garbage collector", why));
        Ok(SchedulerLayout {
            allp: place(contract::ALLP).map_err(nothing)?,
            p,
            sched: sched.ok(),
            memstats: memstats.ok(),
            gcphase: gcphase.ok(),
            missing,
        })
    }

    /// The variables, as ranges to be copied.
    pub(crate) fn globals(&self) -> impl Iterator<Item = (Addr, usize)> {
        let sched = self.sched.iter().map(|(at, s)| (*at, s.extent()));
        let fields = self.memstats.iter().flat_map(|(at, layout)| {
            let fields = [layout.numgc, layout.last_gc_unix].into_iter();
            fields.filter_map(|field| Some((at.checked_add(field.offset as u64)?, field.width)))
        });
        let phase = self.gcphase.iter().map(|&at| (at, 4));
        [(self.allp, HEADER)]
            .into_iter()
            .chain(sched)
            .chain(fields)
            .chain(phase)
    }

    /// Copies the Ps.
    pub(crate) fn fetch(
        &self,
        memory: &mut CapturedMemory,
        from: &dyn ReadMemory,
        limits: &Limits,
    ) {
        let Some((list, len)) = self.list(memory, limits).ok() else {
            return;
        };
        memory.fetch(from, &mut vec![(list, 8 * len)]);
        let ps = addresses(memory, list, len).into_iter().flatten();
        let mut ranges = ps.map(|p| (p, self.p.extent())).collect();
        memory.fetch(from, &mut ranges);
    }

    /// The numbers of the Ps by their addresses.
    pub(crate) fn by_address(&self, mem: &dyn ReadMemory, limits: &Limits) -> FxHashMap<Addr, u64> {
        let ps = self.list(mem, limits);
        let ps = ps.map_or_else(|_| Vec::new(), |(list, len)| addresses(mem, list, len));
        ps.into_iter()
            .zip(0..)
            .filter_map(|(p, index)| Some((p?, index)))
            .collect()
    }

    fn list(&self, mem: &dyn ReadMemory, limits: &Limits) -> Result<(Addr, usize), String> {
        let list = Header::read(mem, self.allp).map_err(|why| why.to_string())?;
        match usize::try_from(list.len) {
            Ok(len) if len <= limits.ps => Ok((list.at, len)),
            _ => Err(format!("it has {} entries", list.len)),
        }
    }
}

/// Bytes of a slice's address and length.
const HEADER: usize = 16;

/// The addresses of the Ps, `None` where there is none. (While their number grows, there may be fewer yet.)
fn addresses(mem: &dyn ReadMemory, list: Addr, len: usize) -> Vec<Option<Addr>> {
    let entry = |i: usize| {
        let at = list.checked_add(8 * i as u64)?;
        mem.read_u64(at).ok().filter(|&p| p != 0).map(Addr)
    };
    (0..len).map(entry).collect()
}

/// Where in the ring of a P its run queue is.
pub(crate) struct Ring {
    head: u32,
    len: u32,
    slots: u32,
}

impl Ring {
    /// How many goroutines there is room for: `runnext` lies behind the last of them.
    fn slots(layout: &contract::P) -> Option<u32> {
        let bytes = layout.runnext.offset.checked_sub(layout.runq.offset)?;
        let slots = u32::try_from(bytes / 8).ok()?;
        (slots.is_power_of_two() && slots <= 1 << 12).then_some(slots)
    }

    /// `None` if there cannot be so many in it.
    pub(crate) fn of(layout: &contract::P, bytes: &[u8]) -> Option<Ring> {
        let slots = Ring::slots(layout)?;
        let counter = |field: Scalar| u32::try_from(field.get(bytes)?).ok();
        let head = counter(layout.runqhead)?;
        // Both only grow, and overflow.
        let len = counter(layout.runqtail)?.wrapping_sub(head);
        (len <= slots).then_some(Ring { head, len, slots })
    }

    /// The `g`s in it, the first to run first.
    fn gs(&self, layout: &contract::P, bytes: &[u8]) -> Option<Vec<Addr>> {
        let slot = |i: u32| {
            let slot = self.head.wrapping_add(i) % self.slots;
            let place = Scalar {
                offset: layout.runq.offset + 8 * slot as usize,
                ..layout.runq
            };
            place.get(bytes).map(Addr)
        };
        (0..self.len).map(slot).collect()
    }
}

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
        match read.and_then(|at| read_p(mem, layout, index, at, machine, diagnostics)) {
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

fn number(mem: &dyn ReadMemory, at: Addr, field: Scalar) -> Option<u64> {
    let mut bytes = [0; 8];
    let bytes = bytes.get_mut(..field.width)?;
    mem.read(at.checked_add(field.offset as u64)?, bytes).ok()?;
    Scalar { offset: 0, ..field }.get(bytes)
}

fn read_p(
    mem: &dyn ReadMemory,
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
    let known = machine.by_addr.get(&m).map(|m| m.reference().id);
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
