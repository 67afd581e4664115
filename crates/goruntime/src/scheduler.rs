//! The scheduler: the Ps with their run queues, the global run queue, and what the garbage collector is at.
//!
//! Everything here is optional. What cannot be found, or read, is not told, and a diagnostic says so.

mod read;

use gobinary::{Scalar, TypeTable};
use model::{Addr, LayoutSource, SymbolSource};
use rustc_hash::FxHashMap;
use target::{CapturedMemory, ReadMemory};

use crate::contract::{self, Mstats, Schedt};
use crate::limits::Limits;
use crate::locate::Variables;
use crate::values::Header;

pub(crate) use self::read::read;

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
    ///
    /// A layout that is `assumed` is believed where the code was found to agree with it, which it is not asked where symbols say
    /// where the variables are.
    pub(crate) fn resolve(
        types: &TypeTable,
        variables: &Variables,
        layout: LayoutSource,
        symbols: SymbolSource,
    ) -> Result<Self, String> {
        let place = |name| variables.get(name).ok_or(format!("{name} was not found"));
        let nothing = |why| format!("nothing is told of the scheduler: {why}");
        if (layout, symbols) == (LayoutSource::Assumed, SymbolSource::Symtab) {
            return Err(nothing(
                "how this Go version lays it out is not known".to_owned(),
            ));
        }
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

    /// Copies the Ps, and the Ms that have them: one that ends is no longer on `runtime.allm`.
    pub(crate) fn fetch(
        &self,
        memory: &mut CapturedMemory,
        from: &dyn ReadMemory,
        m: &contract::M,
        limits: &Limits,
    ) {
        let Ok((list, len)) = self.list(memory, limits) else {
            return;
        };
        memory.fetch(from, &mut vec![(list, 8 * len)]);
        let ps = addresses(memory, list, len);
        let ps = || ps.iter().copied().flatten();
        memory.fetch(from, &mut ps().map(|p| (p, self.p.extent())).collect());
        let ms = ps().filter_map(|p| number(memory, p, self.p.m));
        let ms = ms.filter(|&at| at != 0).map(|at| (Addr(at), m.extent()));
        let mut ms = ms.collect();
        memory.fetch(from, &mut ms);
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

fn number(mem: &dyn ReadMemory, at: Addr, field: Scalar) -> Option<u64> {
    let mut bytes = [0; 8];
    let bytes = bytes.get_mut(..field.width)?;
    mem.read(at.checked_add(field.offset as u64)?, bytes).ok()?;
    Scalar { offset: 0, ..field }.get(bytes)
}
