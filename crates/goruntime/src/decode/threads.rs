//! The runtime's threads, and what stands on their system stacks.

use std::sync::Arc;

use model::{Addr, Goid, Goroutine, Labels, M, Status, Traceback};
use rustc_hash::FxHashMap;

use super::{Sample, bounds};
use crate::machine::read_g;
use crate::start::MThread;
use crate::unwind::Start;

impl Sample<'_> {
    /// The Ms in the order of `addresses`.
    pub(super) fn ms(&mut self, addresses: &[Addr], goroutines: &[Arc<Goroutine>]) -> Vec<M> {
        let machine = self.machine;
        let by_address: FxHashMap<Addr, Goid> = goroutines.iter().map(|g| (g.g, g.goid)).collect();
        let layout = self.runtime.scheduler.as_ref();
        let layout = layout.ok().filter(|_| self.wanted.scheduler);
        let ps = layout.map_or_else(FxHashMap::default, |layout| {
            layout.by_address(self.mem, &self.decoder.limits)
        });
        let ms = addresses.iter().filter_map(|at| machine.by_addr.get(at));
        ms.map(|m| M {
            m: m.reference(),
            thread: m.tid,
            curg: by_address.get(&m.raw.curg).copied(),
            p: m.raw.p.and_then(|p| ps.get(&p).copied()),
            g0: Arc::new(self.g0(m)),
        })
        .collect()
    }

    /// What stands on the system stack of an M, as a goroutine.
    fn g0(&mut self, m: &MThread) -> Goroutine {
        let mut notes = Vec::new();
        self.physical.clear();
        self.places.clear();
        let raw = read_g(self.mem, self.runtime, m.raw.g0);
        let start = match &raw {
            Some(_) => self.registers(m, &mut notes),
            None => Err("its g cannot be read".to_owned()),
        };
        let end = start.and_then(|now| {
            let start = Start::on_system_stack(m, now)?;
            self.walk(&start).map(|()| start.sp)
        });
        let sp = end.as_ref().ok().copied();
        let frames = self.share();
        let stack_end = self.decoder.stacks.end(end.map(drop));
        let (status, traceback) = match &raw {
            Some(g) => {
                let status = g.status().unwrap_or(Status::Idle);
                (status, self.traceback(g, status, &mut notes))
            }
            None => (Status::Idle, Traceback::default()),
        };
        Goroutine {
            goid: Goid(0),
            parent_goid: None,
            g: m.raw.g0,
            status,
            waitreason: None,
            waitsince: None,
            tracking_seq: None,
            parking_on_chan: false,
            gopc: None,
            startpc: None,
            system: true,
            thread: m.tid,
            locked_to_thread: raw.is_some_and(|g| !g.lockedm.is_null()),
            labels: Some(Labels::new()),
            waiting_on: Some(Box::default()),
            stack: raw.and_then(|g| bounds(&g, sp)),
            frames,
            stack_end,
            traceback,
            notes,
        }
    }
}
