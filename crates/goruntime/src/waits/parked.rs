//! What only the stack of a parked goroutine leads to: the file that it polls (`runtime/netpoll.go`), the
//! condition that it waits for (`runtime/sema.go`, `notifyListWait`).
//!
//! The innermost frames have a pointer to it, and the object points back: a `pollDesc` has the `g`, the
//! list of a `sync.Cond` a `sudog` with it. What does not point back is not it.

use std::borrow::Cow;

use gobinary::Scalar;
use model::{Addr, WaitKind, WaitState, WaitingOn};
use rustc_hash::FxHashMap;
use target::ReadMemory;

use super::{field, plain};
use crate::contract::{NotifyList, PollDesc, Sudog};
use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::start::RawG;

/// How many words from the stack pointer on are looked at: the frames of `gopark`, of what called it, and
/// some more.
pub(super) const WORDS: usize = 64;

/// `sync/cond.go`, `Cond.notify`: behind `noCopy` and the interface `L`; the same in Go 1.19 to 1.27.
pub const COND_NOTIFY: u64 = 16;

pub(super) struct Parked<'a> {
    mem: &'a dyn ReadMemory,
    runtime: &'a Runtime,
    max_waiters: usize,
    /// On which list a goroutine is, of the lists walked so far.
    by_g: FxHashMap<Addr, Addr>,
    walked: FxHashMap<Addr, ()>,
}

impl<'a> Parked<'a> {
    pub(super) fn new(mem: &'a dyn ReadMemory, runtime: &'a Runtime, limits: &Limits) -> Self {
        Parked {
            mem,
            runtime,
            max_waiters: limits.goroutines,
            by_g: FxHashMap::default(),
            walked: FxHashMap::default(),
        }
    }

    /// The file that the goroutine whose `g` is at `at` waits for.
    pub(super) fn file(&self, at: Addr, g: &RawG) -> Result<WaitingOn, String> {
        let layout = self.runtime.waits.poll_desc;
        let layout = layout.ok_or("the layout of runtime.pollDesc is not known")?;
        let found = candidates(self.mem, g)
            .into_iter()
            .find_map(|desc| Some((desc, polls(self.mem, &layout, desc, at)?)));
        let (desc, reads) = found.ok_or("the file that it polls was not found from its stack")?;
        let number = |scalar: Scalar| field(self.mem, desc, scalar);
        let deadline = if reads { layout.rd } else { layout.wd };
        Ok(WaitingOn {
            op: Some(Cow::Borrowed(if reads { "read" } else { "write" })),
            addr: Some(desc),
            state: WaitState::File {
                fd: number(layout.fd).and_then(|fd| i32::try_from(fd).ok()),
                file: None,
                deadline: number(deadline)
                    .map(u64::cast_signed)
                    .filter(|&deadline| deadline > 0),
            },
            ..plain(WaitKind::Netpoll, None)
        })
    }

    /// The condition that the goroutine whose `g` is at `at` waits for.
    pub(super) fn cond(&mut self, at: Addr, g: &RawG) -> Result<WaitingOn, String> {
        let layouts = self.runtime.waits.sudog.zip(self.runtime.waits.notify_list);
        let (sudog, list) = layouts.ok_or("the layout of sync.Cond is not known")?;
        // Since Go 1.26 the goroutine itself leads there.
        let own = sudog
            .elem_vu
            .filter(|_| !g.waiting.is_null())
            .and_then(|elem| field(self.mem, g.waiting, elem));
        let found = own.map(Addr).or_else(|| {
            candidates(self.mem, g).into_iter().find(|&candidate| {
                self.walk(&sudog, &list, candidate);
                self.by_g.get(&at) == Some(&candidate)
            })
        });
        let found = found.ok_or("the condition that it waits for was not found from its stack")?;
        Ok(WaitingOn {
            addr: Some(Addr(found.0.wrapping_sub(COND_NOTIFY))),
            ..plain(WaitKind::Cond, Some("wait"))
        })
    }

    /// The `g`s of those that wait on a `sync.Cond`, the next to be woken first.
    pub(super) fn queue(&self, at: Addr) -> Vec<Addr> {
        let mut queue = Vec::new();
        let layouts = self.runtime.waits.sudog.zip(self.runtime.waits.notify_list);
        let at = at.checked_add(COND_NOTIFY);
        if let (Some((sudog, list)), Some(at)) = (layouts, at) {
            let first = field(self.mem, at, list.head).map_or(Addr(0), Addr);
            super::channels::list(self.mem, &sudog, first, self.max_waiters, &mut queue);
        }
        queue
    }

    /// Takes note of who is on a list, if there is one. The place 8 bytes behind a list looks like one, with its
    /// last entry as the first (and the runtime has a pointer to the lock there): what tells is that the
    /// last entry is met.
    fn walk(&mut self, sudog: &Sudog, list: &NotifyList, at: Addr) {
        if self.walked.insert(at, ()).is_some() {
            return;
        }
        let word = |at, scalar| field(self.mem, at, scalar).map(Addr);
        let (Some(mut next), Some(tail)) = (word(at, list.head), word(at, list.tail)) else {
            return;
        };
        let mut met = FxHashMap::default();
        while !next.is_null() && met.len() < self.max_waiters {
            let (Some(g), Some(after)) = (word(next, sudog.g), word(next, sudog.next)) else {
                return;
            };
            // Another list's, or the same entry again.
            if self.by_g.contains_key(&g) || met.insert(next, g).is_some() {
                return;
            }
            next = after;
        }
        if met.contains_key(&tail) {
            self.by_g.extend(met.into_values().map(|g| (g, at)));
        }
    }
}

/// Whether the goroutine at `g` polls this, and whether to read. The address of a `g` may lie anywhere, also where the
/// stack leads by chance; a `pollDesc` has its own address in it besides (`poll_runtime_pollOpen`).
pub(super) fn polls(mem: &dyn ReadMemory, layout: &PollDesc, desc: Addr, g: Addr) -> Option<bool> {
    if field(mem, desc, layout.itself)? != desc.0 {
        return None;
    }
    if field(mem, desc, layout.rg)? == g.0 {
        return Some(true);
    }
    (field(mem, desc, layout.wg)? == g.0).then_some(false)
}

/// The words on the stack that may be pointers to something off it.
pub(super) fn candidates(mem: &dyn ReadMemory, g: &RawG) -> Vec<Addr> {
    words(mem, g).map(|(_, at)| at).collect()
}

/// The same with their places, in words from the stack pointer on.
pub(super) fn words(mem: &dyn ReadMemory, g: &RawG) -> impl Iterator<Item = (usize, Addr)> + use<> {
    /// Nothing is mapped below, on any machine.
    const LOWEST: u64 = 1 << 16;
    let sp = g.sched_sp;
    let room = g.hi.0.saturating_sub(sp.0) / 8;
    let len = (room as usize).min(WORDS);
    let mut bytes = vec![0; 8 * len];
    if !g.holds(sp) || mem.read(sp, &mut bytes).is_err() {
        bytes.clear();
    }
    let (lo, hi) = (g.lo, g.hi);
    let (chunks, _) = bytes.as_chunks::<8>();
    let words: Vec<u64> = chunks
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect();
    let mut seen = Vec::new();
    words.into_iter().enumerate().filter_map(move |(i, word)| {
        let at = Addr(word);
        let may_be = word >= LOWEST && word % 8 == 0 && word >> 56 == 0 && !(lo <= at && at < hi);
        if !may_be || seen.contains(&word) {
            return None;
        }
        seen.push(word);
        Some((i, at))
    })
}
