//! The scheduler's variables. All may be missing: what is not beyond doubt is left out.

use std::collections::BTreeSet;

use gobinary::{Scalar, TypeTable};
use model::{Addr, PStatus};
use rustc_hash::FxHashSet;

use super::{ATTEMPTS, Finder};
use crate::contract::{self, Mstats, P, Schedt};
use crate::limits::Limits;
use crate::scheduler::Ring;
use crate::values::Header;

/// Functions whose code refers to them.
const SCHEDTRACE: &str = "runtime.schedtrace";
/// What it calls for the number of Ms, inlined unless nothing is.
const MCOUNT: &str = "runtime.mcount";
const GC_MARK_TERMINATION: &str = "runtime.gcMarkTermination";
/// All of these look at `runtime.gcphase`, and hardly at anything else that all of them look at.
const LOOK_AT_PHASE: [&str; 6] = [
    "runtime.gcTrigger.test",
    "runtime.gcMark",
    "runtime.gcMarkDone",
    "runtime.stackfree",
    "runtime.freeSomeWbufs",
    "runtime.gcControllerCommit",
];
/// So many of them must be there.
const ENOUGH: usize = 4;

/// All whose code is looked at.
pub(super) fn functions() -> impl Iterator<Item = &'static str> {
    [SCHEDTRACE, MCOUNT, GC_MARK_TERMINATION]
        .into_iter()
        .chain(LOOK_AT_PHASE)
}

impl Finder<'_> {
    /// Those that were found, by their names.
    pub(super) fn scheduler(&self, types: &TypeTable, allm: Addr) -> Vec<(&'static str, Addr)> {
        let mut found = Vec::new();
        if let Some((allp, sched)) = self.allp_and_sched(types, allm) {
            found.push((contract::ALLP, allp));
            found.extend(sched.map(|sched| (contract::SCHED, sched)));
        }
        found.extend(self.gcphase().map(|at| (contract::GCPHASE, at)));
        found.extend(self.memstats(types).map(|at| (contract::MEMSTATS, at)));
        found
    }

    /// `runtime.allp` and, if it is found, too, `runtime.sched`: what `schedtrace` refers to.
    fn allp_and_sched(&self, types: &TypeTable, allm: Addr) -> Option<(Addr, Option<Addr>)> {
        let layout = P::resolve(types).ok()?;
        let schedt = Schedt::resolve(types).ok();
        let mut references = self.references(SCHEDTRACE);
        references.extend(self.references(MCOUNT));
        let mut found = None;
        // Other threads are at it: what is not as it should be is looked at again.
        for _ in 0..ATTEMPTS {
            let ms = self.mem.read_u64(allm).ok();
            let Some(ms) = ms.and_then(|head| self.list_of_ms(Addr(head))) else {
                continue;
            };
            let ms: FxHashSet<Addr> = ms.into_iter().collect();
            let lists = references
                .iter()
                .filter_map(|&at| Some((at, self.list_of_ps(&layout, at, &ms)?)));
            let lists: Vec<_> = lists.collect();
            let [(allp, ps)] = lists.as_slice() else {
                continue;
            };
            let sched = schedt.and_then(|s| self.sched(&s, &references, &ms, ps));
            let idle = sched.is_some_and(|(_, pidle)| !pidle.is_null());
            // Ps that nobody has might be anything.
            if idle || ps.iter().any(|&p| self.is_owned(&layout, p)) {
                found = Some((*allp, sched.map(|(at, _)| at)));
            }
            if sched.is_some() && found.is_some() {
                break;
            }
        }
        found
    }

    /// The Ps of the slice at an address, if that is what they are: each knows its place, and is on a known M if on any.
    fn list_of_ps(&self, layout: &P, at: Addr, ms: &FxHashSet<Addr>) -> Option<Vec<Addr>> {
        let list = Header::read(self.mem, at).ok()?;
        let len = usize::try_from(list.len).ok()?;
        (1..=Limits::default().ps).contains(&len).then_some(())?;
        let mut ps = Vec::with_capacity(len);
        let mut bytes = vec![0; layout.extent()];
        for index in 0..list.len {
            let p = Addr(self.mem.read_u64(list.at.checked_add(8 * index)?).ok()?);
            self.mem.read(p, &mut bytes).ok()?;
            let m = Addr(layout.m.get(&bytes)?);
            let is_p = layout.id.get(&bytes) == Some(index)
                && PStatus::from_runtime(layout.status.get(&bytes)?).is_some()
                && (m.is_null() || ms.contains(&m))
                && Ring::of(layout, &bytes).is_some();
            is_p.then(|| ps.push(p))?;
        }
        Some(ps)
    }

    /// Whether a P has an M that has it.
    fn is_owned(&self, layout: &P, p: Addr) -> bool {
        let word = |at: Addr, field: Scalar| {
            let at = at.checked_add(field.offset as u64)?;
            self.mem.read_u64(at).ok().map(Addr)
        };
        let m = word(p, layout.m).filter(|m| !m.is_null());
        m.zip(self.m.p).and_then(|(m, field)| word(m, field)) == Some(p)
    }

    /// `runtime.sched`, and the first of the idle Ps.
    fn sched(
        &self,
        layout: &Schedt,
        references: &BTreeSet<Addr>,
        ms: &FxHashSet<Addr>,
        ps: &[Addr],
    ) -> Option<(Addr, Addr)> {
        let runqsize = layout.runqsize.or(layout.runq_size)?;
        let fields = [
            layout.mnext,
            layout.nmfreed,
            layout.npidle,
            layout.gcwaiting,
            runqsize,
        ];
        let is_it = |at: Addr| -> Option<(Addr, Addr)> {
            let mut bytes = vec![0; layout.extent()];
            self.mem.read(at, &mut bytes).ok()?;
            let get = |field: Scalar| field.get(&bytes);
            let pidle = Addr(get(layout.pidle)?);
            let head = get(layout.runq)?;
            let is_it = get(layout.mnext)?.checked_sub(get(layout.nmfreed)?)? == ms.len() as u64
                && (pidle.is_null() || ps.contains(&pidle))
                && get(layout.npidle)? <= ps.len() as u64
                && get(layout.gcwaiting)? <= 1
                && (head == 0) == (get(runqsize)? == 0)
                && get(layout.goidgen)? > 0;
            is_it.then_some((at, pidle))
        };
        let found = bases(references, &fields).into_iter().filter_map(is_it);
        let [one] = found.collect::<Vec<_>>().try_into().ok()?;
        Some(one)
    }

    /// `runtime.memstats`: `gcMarkTermination` refers to several of its fields, two of which say the same.
    fn memstats(&self, types: &TypeTable) -> Option<Addr> {
        let layout = Mstats::resolve(types).ok()?;
        let Mstats {
            last_gc_unix,
            pause_end,
            pause_ns,
            numgc,
            ..
        } = layout;
        let references = self.references(GC_MARK_TERMINATION);
        let is_it = |at: &Addr| {
            let read = || {
                let mut bytes = vec![0; layout.extent()];
                self.mem.read(*at, &mut bytes).ok()?;
                let last = numgc.get(&bytes)?.checked_sub(1);
                let ended = last.map(|last| Scalar {
                    offset: pause_end.offset + 8 * (last % 256) as usize,
                    ..pause_end
                });
                let ended = ended.map_or(Some(0), |ended| ended.get(&bytes))?;
                Some(last_gc_unix.get(&bytes)? == ended && (ended == 0) == last.is_none())
            };
            // One may just be coming to its end.
            (0..ATTEMPTS).any(|_| read() == Some(true))
        };
        let found = bases(&references, &[last_gc_unix, pause_end, pause_ns, numgc]);
        let [one] = found
            .into_iter()
            .filter(is_it)
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        Some(one)
    }

    /// `runtime.gcphase`: all look at it, and it is one of three.
    fn gcphase(&self) -> Option<Addr> {
        let all = LOOK_AT_PHASE.iter().map(|name| self.references(name));
        let all: Vec<BTreeSet<Addr>> = all.filter(|found| !found.is_empty()).collect();
        let (first, others) = all.split_first()?;
        (all.len() >= ENOUGH).then_some(())?;
        let is_phase = |at: &&Addr| {
            let mut bytes = [0; 4];
            at.0.is_multiple_of(4)
                && (self.noptrbss.contains(at) || self.noptrdata.contains(at))
                && others.iter().all(|found| found.contains(at))
                && self.mem.read(**at, &mut bytes).is_ok()
                && u32::from_le_bytes(bytes) <= 2
        };
        let [one] = first
            .iter()
            .filter(is_phase)
            .copied()
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        Some(one)
    }
}

/// Where a struct may begin so that the code refers to all of these fields at their places: so they are right, too, where
/// the layout is that of another version.
fn bases(references: &BTreeSet<Addr>, fields: &[Scalar]) -> BTreeSet<Addr> {
    let offsets = || fields.iter().map(|field| field.offset as u64);
    let begin = |reference: &Addr| {
        let at = reference.0;
        offsets().filter_map(move |offset| Some(Addr(at.checked_sub(offset)?)))
    };
    let is_base = |base: &Addr| {
        let mut places = offsets().map(|offset| base.checked_add(offset));
        let all = places.all(|at| at.is_some_and(|at| references.contains(&at)));
        base.0.is_multiple_of(8) && all
    };
    references.iter().flat_map(begin).filter(is_base).collect()
}
