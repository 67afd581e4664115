//! Channels (`runtime/chan.go`) and the cases of a `select` (`runtime/select.go`).

use std::sync::Arc;

use gobinary::Scalar;
use model::{Addr, ChanState, WaitKind, WaitState, WaitingOn};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use super::{Found, field, plain, read_timer};
use crate::contract::{Hchan, Sudog};
use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::type_names;

/// A `select` has no more cases (`runtime/select.go`, `selectgo`: `1<<16`).
const MAX_CASES: usize = 1 << 16;

pub(super) struct Channels<'a> {
    mem: &'a dyn ReadMemory,
    runtime: &'a Runtime,
    max_waiters: usize,
    /// The channels seen so far.
    states: FxHashMap<Addr, Option<ChanState>>,
    /// Which of the queues of the channels seen so far a `sudog` is in.
    queued: FxHashMap<Addr, &'static str>,
    walked: FxHashMap<Addr, ()>,
    names: FxHashMap<Addr, Option<Arc<str>>>,
}

impl<'a> Channels<'a> {
    pub(super) fn new(mem: &'a dyn ReadMemory, runtime: &'a Runtime, limits: &Limits) -> Self {
        Channels {
            mem,
            runtime,
            max_waiters: limits.goroutines,
            states: FxHashMap::default(),
            queued: FxHashMap::default(),
            walked: FxHashMap::default(),
            names: FxHashMap::default(),
        }
    }

    /// A single receive or send: the only entry of `g.waiting`.
    pub(super) fn operation(&mut self, waiting: Addr, op: &'static str) -> Found {
        let (sudog, hchan) = self.layouts()?;
        let at = channel_of(self.mem, &sudog, waiting)
            .ok_or("the channel it waits on cannot be read")?;
        Ok(Box::from([self.channel(&hchan, at, Some(op))?]))
    }

    /// All cases of a select that are not nil channels. Which way one goes is told by the queue it is in.
    pub(super) fn select(&mut self, waiting: Addr) -> Found {
        let (sudog, hchan) = self.layouts()?;
        let mut cases = Vec::new();
        let mut next = waiting;
        while !next.is_null() {
            if cases.len() >= MAX_CASES {
                return Err("its select has more cases than a select can have".into());
            }
            let unreadable = || format!("case {} of its select cannot be read", cases.len());
            let at = channel_of(self.mem, &sudog, next).ok_or_else(unreadable)?;
            let op = self.direction(&sudog, &hchan, at, next).ok_or_else(|| {
                format!(
                    "case {} of its select is in no queue of its channel",
                    cases.len()
                )
            })?;
            let after = field(self.mem, next, sudog.waitlink).ok_or_else(unreadable)?;
            cases.push(self.channel(&hchan, at, Some(op))?);
            next = Addr(after);
        }
        Ok(cases.into())
    }

    /// The `g`s of those that wait to receive from a channel and to send to it, the next to be served first.
    pub(super) fn queue(&self, at: Addr) -> Vec<Addr> {
        let Ok((sudog, hchan)) = self.layouts() else {
            return Vec::new();
        };
        let mut queue = Vec::new();
        for first in [hchan.recvq, hchan.sendq] {
            let first = field(self.mem, at, first).map_or(Addr(0), Addr);
            list(self.mem, &sudog, first, self.max_waiters, &mut queue);
        }
        queue
    }

    fn layouts(&self) -> Result<(Sudog, Hchan), String> {
        let layouts = self.runtime.waits.sudog.zip(self.runtime.waits.hchan);
        layouts.ok_or_else(|| "the layout of channels is not known".to_owned())
    }

    fn channel(
        &mut self,
        layout: &Hchan,
        at: Addr,
        op: Option<&'static str>,
    ) -> Result<WaitingOn, String> {
        let state = match self.states.get(&at) {
            Some(state) => state.clone(),
            None => {
                let state = self.read(layout, at);
                self.states.insert(at, state.clone());
                state
            }
        };
        let state = state.ok_or_else(|| format!("the channel at {at} cannot be read"))?;
        Ok(WaitingOn {
            addr: Some(at),
            state: WaitState::Chan(Some(state)),
            ..plain(WaitKind::Chan, op)
        })
    }

    fn read(&mut self, layout: &Hchan, at: Addr) -> Option<ChanState> {
        let mem = self.mem;
        let number = |scalar: Scalar| field(mem, at, scalar);
        let elemtype = Addr(number(layout.elemtype)?);
        let timer = layout.timer.and_then(number).map(Addr);
        let timer = timer.filter(|at| !at.is_null());
        // The buffer of a timer's channel is the runtime's own affair: `chanlen` and `chancap` say 0.
        let visible = |scalar| number(scalar).map(|n| if timer.is_some() { 0 } else { n });
        Some(ChanState {
            len: visible(layout.qcount)?,
            cap: visible(layout.dataqsiz)?,
            closed: number(layout.closed)? != 0,
            elem_type: self.type_name(elemtype),
            timer: timer.and_then(|timer| read_timer(mem, self.runtime, timer)),
        })
    }

    fn type_name(&mut self, at: Addr) -> Option<Arc<str>> {
        let (mem, runtime) = (self.mem, self.runtime);
        let read = || type_names::read(mem, &runtime.modules, at).map(Arc::from);
        self.names.entry(at).or_insert_with(read).clone()
    }

    fn direction(
        &mut self,
        sudog: &Sudog,
        hchan: &Hchan,
        at: Addr,
        case: Addr,
    ) -> Option<&'static str> {
        if self.walked.insert(at, ()).is_none() {
            for (queue, op) in [(hchan.recvq, "receive"), (hchan.sendq, "send")] {
                let mut next = Addr(field(self.mem, at, queue)?);
                let mut left = self.max_waiters;
                // A loop ends where it meets itself.
                while !next.is_null() && left > 0 && self.queued.insert(next, op).is_none() {
                    left -= 1;
                    match field(self.mem, next, sudog.next) {
                        Some(after) => next = Addr(after),
                        None => break,
                    }
                }
            }
        }
        self.queued.get(&case).copied()
    }
}

/// The `g`s of a list of `sudog`s.
pub(super) fn list(
    mem: &dyn ReadMemory,
    layout: &Sudog,
    first: Addr,
    max: usize,
    found: &mut Vec<Addr>,
) {
    let mut next = first;
    let mut seen = FxHashSet::default();
    while !next.is_null() && seen.len() < max && seen.insert(next) {
        let (Some(g), Some(after)) = (field(mem, next, layout.g), field(mem, next, layout.next))
        else {
            return;
        };
        found.push(Addr(g));
        next = Addr(after);
    }
}

/// `sudog.c`.
pub(super) fn channel_of(mem: &dyn ReadMemory, layout: &Sudog, at: Addr) -> Option<Addr> {
    let c = layout.c_vu.or(layout.c).filter(|_| !at.is_null())?;
    field(mem, at, c).map(Addr).filter(|c| !c.is_null())
}
