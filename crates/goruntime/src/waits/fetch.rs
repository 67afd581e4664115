//! Copying what [`super::Waits`] will read, in as few rounds as there are pointers to follow.

use model::Addr;
use rustc_hash::FxHashSet;
use target::{CapturedMemory, ReadMemory};

use super::parked::{self, polls};
use super::semaphores::{self, TABLE_LEN};
use super::{WaitClass, channels, field};
use crate::contract::PollDesc;
use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::start::RawG;
use crate::type_names;

/// A goroutine that waits.
pub(crate) struct Waiter {
    pub at: Addr,
    pub g: RawG,
    pub class: WaitClass,
}

/// Small objects lie in pages of their own kind, and those not far from one another: a list of them is
/// followed with fewer reads if each brings its neighbours.
const NEIGHBOURS: u64 = 1 << 16;

/// From a type's descriptor to the end of its name.
const TYPE_ROUNDS: usize = 6;

/// Copies what `waiters` wait on; of semaphores all there are, or none.
pub(crate) fn fetch(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
    waiters: &[Waiter],
    semaphores: bool,
) {
    let of = |classes: &'static [WaitClass]| {
        let is_one = move |waiter: &&Waiter| classes.contains(&waiter.class);
        waiters.iter().filter(is_one)
    };
    fetch_channels(
        memory,
        target,
        runtime,
        of(&[WaitClass::Receive, WaitClass::Send, WaitClass::Select]),
    );
    if semaphores {
        let own = of(&[WaitClass::Semaphore]).map(|waiter| waiter.g.waiting);
        fetch_semaphores(memory, target, runtime, limits, own);
    }
    fetch_polled(
        memory,
        target,
        runtime,
        &of(&[WaitClass::Io]).collect::<Vec<_>>(),
    );
    fetch_conditions(
        memory,
        target,
        runtime,
        limits,
        &of(&[WaitClass::Cond]).collect::<Vec<_>>(),
    );
    if let Some(timer) = runtime.waits.timer {
        let sleeping = of(&[WaitClass::Sleep]).map(|w| w.g.timer);
        let mut ranges = sleeping
            .filter(|timer| !timer.is_null())
            .map(|at| (at, timer.extent()))
            .collect();
        memory.fetch(target, &mut ranges);
    }
}

/// Their `sudog`s, then the channels of those, then what the channels point to.
fn fetch_channels<'w>(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    runtime: &Runtime,
    waiters: impl Iterator<Item = &'w Waiter>,
) {
    let waits = &runtime.waits;
    let (Some(sudog), Some(hchan)) = (waits.sudog, waits.hchan) else {
        return;
    };
    let mut open: Vec<Addr> = waiters.map(|waiter| waiter.g.waiting).collect();
    let mut seen: FxHashSet<Addr> = FxHashSet::default();
    let mut found: FxHashSet<Addr> = FxHashSet::default();
    // One round for each case of the longest select.
    loop {
        open.retain(|&at| !at.is_null() && seen.insert(at));
        if open.is_empty() {
            break;
        }
        let mut ranges = open.iter().map(|&at| (at, sudog.extent())).collect();
        memory.fetch(target, &mut ranges);
        let mut next = Vec::new();
        for &at in &open {
            found.extend(channels::channel_of(memory, &sudog, at));
            next.extend(field(memory, at, sudog.waitlink).map(Addr));
        }
        open = next;
    }
    let mut ranges = found.iter().map(|&at| (at, hchan.extent())).collect();
    memory.fetch(target, &mut ranges);
    let mut types: FxHashSet<Addr> = FxHashSet::default();
    let mut ranges = Vec::new();
    for &at in &found {
        let word = |scalar| field(memory, at, scalar).map(Addr);
        types.extend(word(hchan.elemtype));
        let timer = hchan.timer.and_then(word).filter(|at| !at.is_null());
        ranges.extend(
            timer
                .zip(waits.timer)
                .map(|(at, timer)| (at, timer.extent())),
        );
        let queues = [word(hchan.recvq), word(hchan.sendq)];
        let others = queues.into_iter().flatten();
        ranges.extend(
            others
                .filter(|at| !at.is_null() && !seen.contains(at))
                .map(|at| (at, sudog.extent())),
        );
    }
    memory.fetch(target, &mut ranges);
    memory.follow(target, TYPE_ROUNDS, |memory| {
        for &at in &types {
            let _ = type_names::read(memory, &runtime.modules, at);
        }
    });
}

/// All trees of `runtime.semtable`, and what has the semaphores.
fn fetch_semaphores(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
    own: impl Iterator<Item = Addr>,
) {
    /// The largest of package `sync`, before and behind its semaphore.
    const AROUND: u64 = 24;
    let (Some(sudog), Some((_, stride))) = (runtime.waits.sudog, runtime.waits.treap) else {
        return;
    };
    let tables = runtime.waits.semtables.iter();
    let mut ranges = tables
        .map(|&at| (at, (TABLE_LEN * stride) as usize))
        .collect();
    memory.fetch(target, &mut ranges);
    // Since Go 1.26 goroutines lead to their entries; before, the trees have to be walked.
    let mut ranges = own
        .filter(|at| !at.is_null())
        .map(|at| (at, sudog.extent()))
        .collect();
    memory.fetch(target, &mut ranges);
    let mut semas = FxHashSet::default();
    walk_semaphores(
        memory,
        runtime,
        limits,
        |memory, open| fetch_with_neighbours(memory, target, open, sudog.extent()),
        |_, elem, _| {
            semas.insert(elem);
        },
    );
    let around = |sema: &Addr| (Addr(sema.0.saturating_sub(AROUND)), 2 * AROUND as usize);
    memory.fetch(target, &mut semas.iter().map(around).collect());
}

/// Walks all trees, breadth first: `fetch` gets what is looked at next, `found` each node that is there, with
/// its semaphore and its links.
fn walk_semaphores(
    memory: &mut CapturedMemory,
    runtime: &Runtime,
    limits: &Limits,
    fetch: impl Fn(&mut CapturedMemory, &[Addr]),
    mut found: impl FnMut(Addr, Addr, [Addr; 3]),
) {
    let Some(sudog) = runtime.waits.sudog else {
        return;
    };
    let roots = semaphores::roots(memory, runtime);
    let mut open: Vec<Addr> = roots.into_iter().map(|(root, _)| root).collect();
    let mut seen = FxHashSet::default();
    while !open.is_empty() && seen.len() <= limits.goroutines {
        open.retain(|&at| !at.is_null() && seen.insert(at));
        fetch(memory, &open);
        let mut next = Vec::new();
        for &at in &open {
            if let Some((elem, links)) = semaphores::node(memory, &sudog, at) {
                found(at, elem, links);
                next.extend(links);
            }
        }
        open = next;
    }
}

/// The nodes of all trees, with their links: `prev`, `next`, `waitlink`.
pub(crate) fn semaphore_nodes(
    memory: &mut CapturedMemory,
    runtime: &Runtime,
    limits: &Limits,
) -> Vec<(Addr, [u64; 3])> {
    let mut nodes = Vec::new();
    walk_semaphores(
        memory,
        runtime,
        limits,
        |_, _| {},
        |at, _, links| nodes.push((at, links.map(|link| link.0))),
    );
    nodes
}

/// A `sudog`, what its `elem` points to, and its channel.
pub(crate) type ChannelSudog = (Addr, Addr, Addr);

/// The `sudog`s through which others may write to the stack of one who waits; `None` if they cannot all be read.
pub(crate) fn channel_sudogs(
    memory: &CapturedMemory,
    runtime: &Runtime,
    waiter: &Waiter,
) -> Option<Vec<ChannelSudog>> {
    /// A `select` has no more cases (`runtime/select.go`, `selectgo`: `1<<16`).
    const MAX_CASES: usize = 1 << 16;
    let mut found = Vec::new();
    if !matches!(waiter.class, WaitClass::Receive | WaitClass::Select) {
        return Some(found);
    }
    let sudog = runtime.waits.sudog?;
    let elem = sudog.elem_vu.or(sudog.elem)?;
    let mut next = waiter.g.waiting;
    while !next.is_null() {
        if found.len() >= MAX_CASES {
            return None;
        }
        let hchan = channels::channel_of(memory, &sudog, next)?;
        found.push((next, Addr(field(memory, next, elem)?), hchan));
        next = Addr(field(memory, next, sudog.waitlink)?);
    }
    Some(found)
}

/// What is not there yet, each with the page it lies in.
fn fetch_with_neighbours(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    wanted: &[Addr],
    size: usize,
) {
    let is_missing = |at: &&Addr| memory.slice(**at, size).is_err();
    let missing: Vec<Addr> = wanted.iter().filter(is_missing).copied().collect();
    memory.want(wanted.iter().map(|&at| (at, size)));
    let pages: FxHashSet<u64> = missing.iter().map(|at| at.0 / NEIGHBOURS).collect();
    let mut ranges = pages
        .into_iter()
        .map(|page| (Addr(page * NEIGHBOURS), NEIGHBOURS as usize))
        .collect();
    memory.fetch_unnoted(target, &mut ranges);
    let is_missing = |at: &&Addr| memory.slice(**at, size).is_err();
    let mut ranges: Vec<_> = missing
        .iter()
        .filter(is_missing)
        .map(|&at| (at, size))
        .collect();
    if !ranges.is_empty() {
        memory.fetch(target, &mut ranges);
    }
}

/// The files that goroutines poll. All park in the same function, so where one has the pointer on its
/// stack, most have it: that place is tried first.
fn fetch_polled(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    runtime: &Runtime,
    waiters: &[&Waiter],
) {
    /// How many goroutines are looked at to learn the places.
    const TEACHERS: usize = 4;
    let Some(layout) = runtime.waits.poll_desc else {
        return;
    };
    let (teachers, others) = waiters.split_at(waiters.len().min(TEACHERS));
    let mut places = FxHashSet::default();
    try_places(memory, target, &layout, teachers, &mut places, |_| true);
    let known = places.clone();
    let left = try_places(memory, target, &layout, others, &mut places, |place| {
        known.contains(&place)
    });
    try_places(memory, target, &layout, &left, &mut places, |_| true);
}

/// Copies what the stacks of `waiters` lead to from the places that `is_wanted`. Adds to `places` those where a file
/// was, and returns the waiters for whom there was none.
fn try_places<'w>(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    layout: &PollDesc,
    waiters: &[&'w Waiter],
    places: &mut FxHashSet<usize>,
    is_wanted: impl Fn(usize) -> bool,
) -> Vec<&'w Waiter> {
    let mut ranges = Vec::new();
    for waiter in waiters {
        let words = parked::words(memory, &waiter.g).filter(|&(place, _)| is_wanted(place));
        ranges.extend(words.map(|(_, at)| (at, layout.extent())));
    }
    memory.fetch(target, &mut ranges);
    let mut left = Vec::new();
    for &waiter in waiters {
        let mut words = parked::words(memory, &waiter.g);
        match words.find(|&(_, at)| polls(memory, layout, at, waiter.at).is_some()) {
            Some((place, at)) => {
                places.insert(place);
                // It may have been there by chance, between two others.
                memory.want([(at, layout.extent())].into_iter());
            }
            None => left.push(waiter),
        }
    }
    left
}

/// The lists of the conditions that goroutines wait for.
fn fetch_conditions(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
    waiters: &[&Waiter],
) {
    let waits = &runtime.waits;
    let (Some(sudog), Some(list)) = (waits.sudog, waits.notify_list) else {
        return;
    };
    if let Some(elem) = sudog.elem_vu {
        let sudogs = waiters.iter().map(|waiter| waiter.g.waiting);
        let mut ranges = sudogs
            .filter(|at| !at.is_null())
            .map(|at| (at, sudog.extent()))
            .collect();
        memory.fetch(target, &mut ranges);
        let own = waiters
            .iter()
            .filter_map(|w| field(memory, w.g.waiting, elem));
        let lists: FxHashSet<Addr> = own.map(Addr).collect();
        memory.fetch(
            target,
            &mut lists.iter().map(|&at| (at, list.extent())).collect(),
        );
        return;
    }
    let mut lists: FxHashSet<Addr> = FxHashSet::default();
    for waiter in waiters {
        lists.extend(parked::candidates(memory, &waiter.g));
    }
    memory.fetch(
        target,
        &mut lists.iter().map(|&at| (at, list.extent())).collect(),
    );
    let gs: FxHashSet<Addr> = waiters.iter().map(|waiter| waiter.at).collect();
    let heads = lists.iter().filter_map(|&at| field(memory, at, list.head));
    let mut open: Vec<Addr> = heads.map(Addr).filter(|head| head.0 % 8 == 0).collect();
    let mut seen = FxHashSet::default();
    while !open.is_empty() && seen.len() <= limits.goroutines {
        open.retain(|&at| !at.is_null() && seen.insert(at));
        let mut ranges = open.iter().map(|&at| (at, sudog.extent())).collect();
        memory.fetch(target, &mut ranges);
        let mut next = Vec::new();
        for &at in &open {
            // Most of the candidates are something else, which leads anywhere.
            let g = field(memory, at, sudog.g).map(Addr);
            if g.is_some_and(|g| gs.contains(&g)) {
                next.extend(field(memory, at, sudog.next).map(Addr));
            }
        }
        open = next;
    }
}
