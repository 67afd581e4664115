//! Reading ahead: what can be known of a program before it is stopped, so that it stands still for less.
//!
//! Two things are. Where everything lies that the stop will copy: then that is one read into memory
//! that is there already, and no pointer has to be followed. And the stacks of goroutines that do not run
//! until the stop: those are kept, if the stop proves that. `docs/PAUSE.md` has the proof.

mod kept;
mod proof;

use std::time::{Duration, Instant};

use model::{Addr, Status};
use rustc_hash::FxHashMap;
use target::{CapturedMemory, Prepared, ReadMemory};

pub(super) use self::kept::Kept;
use self::proof::{Handover, Seen, Sleeper};
use super::facts::Facts;
use super::{SmallObjects, g_at, globals, list_gs, look, ranges_of, read_g_addresses};
use crate::limits::Limits;
use crate::machine::list_ms;
use crate::runtime::Runtime;
use crate::waits::{self, Waiter};

/// So many `g`s are looked at in one go where little of them is kept.
const AT_ONCE: usize = 1 << 13;

/// What was read of a running program. None of it is true before the stop says so.
pub struct Ahead {
    gs: Vec<Addr>,
    /// The stacks of the goroutines that may be kept.
    stacks: CapturedMemory,
    /// What the stop reads in one go.
    prepared: Prepared,
    /// What the stop is asked.
    seen: Seen,
    /// How long the stop would take if everything were copied, if that is too long.
    too_long: Option<Duration>,
}

/// Reads a running program ahead of a stop. `None` if that leads nowhere: then the stop reads everything.
///
/// If to copy all stacks would take longer than `max_pause`, only those will be there that are kept or run.
pub fn read_ahead(
    process: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
    max_pause: Duration,
) -> Option<Ahead> {
    let mut memory = CapturedMemory::new();
    memory.note_wants();
    memory.fetch(process, &mut globals(runtime));
    let (list, len) = list_gs(&memory, runtime, limits).ok()?;
    memory.fetch(process, &mut vec![(list, len.saturating_mul(8))]);
    let gs = read_g_addresses(&memory, list, len).ok()?;
    if let Ok(layout) = &runtime.scheduler {
        layout.fetch(&mut memory, process, &runtime.m, limits);
    }
    let mut plan = memory.take_wants();

    plan.extend(ranges_of(runtime, gs.iter().copied()));
    let (ms, _) = list_ms(process, runtime, limits);
    plan.extend(ms.iter().map(|&m| (m, runtime.m.extent())));
    // Twice, one after the other: one look at a `g` that is being written to may see half of it.
    let mut before: Vec<Option<Facts>> = Vec::with_capacity(gs.len());
    for some in gs.chunks(AT_ONCE) {
        let first_look = look(process, runtime, some);
        let facts = |at: &Addr| Facts::of(&g_at(&first_look, runtime, *at)?, runtime);
        before.extend(some.iter().map(facts));
    }
    let began = Instant::now();
    let second_look = look(process, runtime, &gs);
    let speed = Speed::of(second_look.bytes(), began.elapsed());

    let mut memory = CapturedMemory::new();
    let mut stacks = Vec::new();
    let mut others = Vec::new();
    let mut waiting = Vec::new();
    let mut small = SmallObjects::default();
    let mut total = 0u64;
    for ((index, &at), before) in gs.iter().enumerate().zip(before) {
        let Some(g) = g_at(&second_look, runtime, at) else {
            continue;
        };
        if matches!(g.status(), None | Some(Status::Dead)) {
            continue;
        }
        small.of(&g);
        if g.status() != Some(Status::Waiting) || !g.holds(g.sched_sp) {
            continue;
        }
        let bytes = g.hi.0 - g.sched_sp.0;
        total = total.saturating_add(bytes);
        if bytes > limits.stack_bytes || total > limits.all_stack_bytes {
            continue;
        }
        let facts = Facts::of(&g, runtime).filter(|now| before.as_ref() == Some(now));
        let piece = (g.sched_sp, bytes as usize);
        match facts {
            Some(_) => stacks.push(piece),
            None => others.push(piece),
        }
        let class = runtime.wait_class(g.waitreason);
        waiting.push((index, Waiter { at, g, class }, facts));
    }
    // Only now, that the `g`s have been read: what is kept must be later than what proves it.
    memory.fetch(process, &mut stacks);
    memory.seal();
    let later = others.clone();
    memory.fetch(process, &mut others);
    memory.put_above(second_look);
    memory.note_wants();
    small.follow(&mut memory, process, runtime, limits);
    let (waiting, facts): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .map(|(index, waiter, facts)| (waiter, (index, facts)))
        .unzip();
    waits::fetch(&mut memory, process, runtime, limits, &waiting, true);
    // Some are guesses, and lead nowhere.
    let mut wants = memory.take_wants();
    wants.retain(|&(at, len)| memory.slice(at, len).is_ok());
    plan.extend(wants);
    let _ = memory.take_misses();
    let bytes = plan.iter().chain(&later).map(|&(_, len)| len as u64).sum();
    let too_long = Some(speed.time(bytes)).filter(|&time| time > max_pause);
    if too_long.is_none() {
        plan.extend(later);
    }

    let mut ahead = Ahead {
        prepared: Prepared::new(&mut plan),
        stacks: CapturedMemory::new(),
        seen: Seen::default(),
        too_long,
        gs,
    };
    let mut channels = FxHashMap::default();
    for (waiter, (index, facts)) in waiting.iter().zip(facts) {
        let sudogs = waits::channel_sudogs(&memory, runtime, waiter);
        for &(_, _, hchan) in sudogs.iter().flatten() {
            channels.entry(hchan).or_insert(());
        }
        let (Some(facts), Some(sudogs)) = (facts, sudogs) else {
            continue;
        };
        let (sp, bytes) = facts.stack();
        if memory.slice(sp, bytes).is_ok() {
            ahead.add(waiter, index, facts, &sudogs, runtime);
        }
    }
    ahead.note_channels(&memory, channels.into_keys(), runtime);
    ahead.note_semaphores(&mut memory, runtime, limits);
    ahead.seen.sort();
    memory.back_to_seal();
    ahead.stacks = memory;
    Some(ahead)
}

/// How fast the program's memory can be copied here and now.
struct Speed {
    ns_per_byte: f64,
}

impl Speed {
    fn of(bytes: u64, time: Duration) -> Speed {
        // Of a few bytes nothing can be told: then as slow as a tenth of a GB/s.
        let ns_per_byte = match bytes {
            0..=0xf_ffff => 10.0,
            _ => time.as_secs_f64() * 1e9 / bytes as f64,
        };
        Speed { ns_per_byte }
    }

    fn time(&self, bytes: u64) -> Duration {
        Duration::from_nanos((bytes as f64 * self.ns_per_byte) as u64)
    }
}

impl Ahead {
    fn add(
        &mut self,
        waiter: &Waiter,
        index: usize,
        facts: Facts,
        sudogs: &[(Addr, Addr, Addr)],
        runtime: &Runtime,
    ) {
        if !self.prepared.has(waiter.at, runtime.g.extent()) {
            return;
        }
        let sleeper = self.seen.sleepers.len();
        let begun = self.seen.handovers.len();
        for &(sudog, _, hchan) in sudogs.iter().filter(|(_, elem, _)| facts.holds(*elem)) {
            if !self.will_see(sudog, hchan, runtime) {
                self.seen.handovers.truncate(begun);
                return;
            }
            self.seen.handovers.push(Handover {
                sleeper,
                sudog,
                hchan,
            });
        }
        self.seen.sleepers.push(Sleeper {
            index,
            at: waiter.at,
            facts,
        });
    }

    fn will_see(&self, sudog: Addr, hchan: Addr, runtime: &Runtime) -> bool {
        let waits = &runtime.waits;
        let has = |at, extent| self.prepared.has(at, extent);
        waits
            .sudog
            .is_some_and(|layout| has(sudog, layout.extent()))
            && waits
                .hchan
                .is_some_and(|layout| has(hchan, layout.extent()))
    }

    /// Notes who is the first in the queues of these channels.
    fn note_channels(
        &mut self,
        memory: &CapturedMemory,
        channels: impl Iterator<Item = Addr>,
        runtime: &Runtime,
    ) {
        let Some(layout) = runtime.waits.hchan else {
            return;
        };
        let prepared = &self.prepared;
        let noted = channels.filter_map(|at| {
            let bytes = memory.slice(at, layout.extent()).ok()?;
            let queues = [layout.recvq.get(bytes)?, layout.sendq.get(bytes)?];
            prepared.has(at, layout.extent()).then_some((at, queues))
        });
        self.seen.channels = noted.collect();
    }

    /// Notes how the trees of semaphores hang together.
    fn note_semaphores(&mut self, memory: &mut CapturedMemory, runtime: &Runtime, limits: &Limits) {
        let Some(layout) = runtime.waits.sudog else {
            return;
        };
        for (slot, root) in waits::semaphore_roots(memory, runtime) {
            if let Some(root) = root.filter(|_| self.prepared.has(slot, 8)) {
                self.seen.roots.push((slot, root));
            }
        }
        for (at, links) in waits::semaphore_nodes(memory, runtime, limits) {
            if self.prepared.has(at, layout.extent()) {
                self.seen.semaphores.push((at, links));
            }
        }
    }
}
