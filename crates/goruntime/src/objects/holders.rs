//! A scan of the stacks: each word in use (`shape.rs`) that is the address of an object, or leads into
//! the value on the heap that it is part of, makes the goroutine one of its holders.

use std::ops::Range;
use std::sync::Arc;

use model::{Addr, Goid, Goroutine, HeldBy, Holder, Object, WaitKind};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use crate::heap::Heap;
use crate::module::Modules;
use crate::objects::Memories;

/// How many holders of one object are told; the rest is counted.
const MAX_HOLDERS: usize = 100;
/// Words are first looked up by blocks of so many bytes.
const BLOCK: u64 = 64;
/// Values on the heap that are larger are known by the address of the object alone: a pointer into
/// a large array says nothing.
const MAX_PART: u64 = 16 << 10;
/// How much of one stack is looked through at a time, in bytes.
const CHUNK: u64 = 1 << 16;

mod code;
mod reach;
mod shape;

use reach::Reach;
pub(crate) use shape::{Laid, Spread};

/// What a word on a stack may lead to.
struct Places {
    span: Range<u64>,
    /// By block, the objects with the range of addresses that lead to them.
    blocks: FxHashMap<u64, Vec<(usize, Range<u64>)>>,
}

impl Places {
    fn new(mem: &dyn ReadMemory, heap: Option<Heap<'_>>, objects: &[Object]) -> Places {
        let mut places = Places {
            span: 0..0,
            blocks: FxHashMap::default(),
        };
        for (index, object) in objects.iter().enumerate() {
            let at = object.addr.0;
            let itself = at..at.saturating_add(1);
            // A channel is a value of its own.
            let part = heap.filter(|_| object.kind != WaitKind::Chan);
            let part = part.and_then(|heap| heap.object(mem, object.addr));
            let part = part.map(|part| part.start.0..part.end.0);
            let range = part.filter(|part| part.end - part.start <= MAX_PART);
            places.put(index, range.unwrap_or(itself));
        }
        places
    }

    fn put(&mut self, index: usize, range: Range<u64>) {
        self.span = match self.span.is_empty() {
            true => range.clone(),
            false => self.span.start.min(range.start)..self.span.end.max(range.end),
        };
        for block in range.start / BLOCK..=(range.end - 1) / BLOCK {
            let entries = self.blocks.entry(block).or_default();
            entries.push((index, range.clone()));
        }
    }

    fn at(&self, word: u64) -> impl Iterator<Item = usize> {
        let block = match self.span.contains(&word) {
            true => self.blocks.get(&(word / BLOCK)),
            false => None,
        };
        let entries = block.into_iter().flatten();
        entries
            .filter(move |(_, range)| range.contains(&word))
            .map(|(index, _)| *index)
    }
}

/// Looks through the stacks of `goroutines`. Returns what the reader should know.
pub(super) fn find(
    memories: &Memories<'_>,
    modules: &Modules,
    heap: Option<Heap<'_>>,
    goroutines: &[Arc<Goroutine>],
    spread: &Spread,
    objects: &mut [Object],
) -> Option<String> {
    let places = Places::new(memories.beyond, heap, objects);
    if places.blocks.is_empty() {
        return None;
    }
    let gs = goroutines.iter().map(|g| g.g);
    let mut reach = heap.map(|heap| Reach::new(memories.beyond, heap, objects, gs));
    let mut by_code = code::References::new(modules, objects);
    let waiters: Vec<FxHashSet<Goid>> = objects.iter().map(super::waiters).collect();
    let mut memory = StackMemory::new(memories.mem);
    for g in goroutines {
        // Of several words one that is the address itself, or else the innermost; but none that
        // lies below the first frame outside the runtime.
        let mut best: FxHashMap<usize, (HeldBy, Option<usize>)> = FxHashMap::default();
        let Some((sp, hi)) = g.stack.and_then(|s| Some((s.sp?, s.hi))) else {
            continue;
        };
        let mut note = |index: usize, by, at| {
            if waiters.get(index).is_some_and(|w| w.contains(&g.goid)) {
                return;
            }
            let known: Option<&(HeldBy, Option<usize>)> = best.get(&index);
            if known.is_some_and(|(known, _)| *known <= by) {
                return;
            }
            let frame = spread.frame(g, hi, at).and_then(|n| physical(g, n));
            // What is left over is mostly where calls into the runtime come and go.
            let name = frame
                .and_then(|i| g.frames.get(i))
                .map(|f| &f.function.name);
            if name.is_none_or(|name| !name.starts_with("runtime.")) {
                best.insert(index, (by, frame));
            }
        };
        let mut see = |at: Addr, word: u64| {
            for index in places.at(word) {
                let is_address = objects.get(index).is_some_and(|o| o.addr.0 == word);
                let by = if is_address {
                    HeldBy::Address
                } else {
                    HeldBy::Part
                };
                note(index, by, at);
            }
            // What the runtime's own goroutines keep says nothing.
            for &index in reach
                .iter_mut()
                .filter(|_| !g.system)
                .flat_map(|r| r.of(word))
            {
                note(index, HeldBy::Heap, at);
            }
        };
        memory.turn_to(sp..hi);
        match spread.shape(g.g) {
            None => memory.each_word(sp..hi, see),
            Some(shape) => shape.walk(hi, |range| {
                let mut within = Vec::new();
                memory.each_word(range, |at, word| {
                    see(at, word);
                    if (sp.0..hi.0).contains(&word) {
                        within.push(Addr(word));
                    }
                });
                within
            }),
        }
        let mut found: Vec<(usize, Option<usize>, HeldBy)> = best
            .into_iter()
            .map(|(index, (by, frame))| (index, frame, by))
            .collect();
        for &(index, frame) in by_code.of(&g.frames) {
            let is_waiter = waiters.get(index).is_some_and(|w| w.contains(&g.goid));
            if !is_waiter && found.iter().all(|(known, ..)| *known != index) {
                found.push((index, Some(frame), HeldBy::Code));
            }
        }
        for (index, frame, by) in found {
            let Some(object) = objects.get_mut(index) else {
                continue;
            };
            if object.holders.len() >= MAX_HOLDERS {
                object.more_holders += 1;
                continue;
            }
            object.holders.push(Holder {
                goid: g.goid,
                frame,
                by,
            });
        }
    }
    for object in objects {
        object.holders.sort_by_key(|holder| holder.goid);
    }
    match reach {
        Some(reach) if reach.is_cut() => Some(
            "the stacks lead to more of the heap than is looked through: some that could serve those who wait are not told"
                .to_owned(),
        ),
        Some(_) => None,
        None => Some(
            "how the heap is laid out is not known: who could serve those who wait is told by addresses alone".to_owned(),
        ),
    }
}

/// The index of the `n`th physical frame: of the function that others were inlined into. Of goroutines with C frames
/// it is not told.
fn physical(g: &Goroutine, n: usize) -> Option<usize> {
    if g.frames.iter().any(|frame| frame.is_c()) {
        return None;
    }
    let frames = g.frames.iter().enumerate();
    let mut physical = frames.filter(|(_, frame)| !frame.inlined).map(|(i, _)| i);
    physical.nth(n)
}

/// The memory of one stack after the other. What is looked through is mostly single words here and there: so a stack that is
/// not large is read as a whole.
struct StackMemory<'a> {
    mem: &'a dyn ReadMemory,
    /// Where `whole` begins.
    sp: Addr,
    /// The present stack, if it is not large.
    whole: Vec<u8>,
    part: Vec<u8>,
}

impl<'a> StackMemory<'a> {
    fn new(mem: &'a dyn ReadMemory) -> StackMemory<'a> {
        StackMemory {
            mem,
            sp: Addr(0),
            whole: Vec::new(),
            part: Vec::new(),
        }
    }

    fn turn_to(&mut self, stack: Range<Addr>) {
        let len = stack.end.0.saturating_sub(stack.start.0);
        self.sp = stack.start;
        self.whole.resize(len.min(CHUNK) as usize, 0);
        if len > CHUNK || self.mem.read(self.sp, &mut self.whole).is_err() {
            self.whole.clear();
        }
    }

    fn each_word(&mut self, range: Range<Addr>, mut see: impl FnMut(Addr, u64)) {
        let mut at = (range.start.0.saturating_add(7)) & !7;
        let mut each = |at: u64, bytes: &[u8]| {
            let (words, _) = bytes.as_chunks::<8>();
            for (place, word) in (at..).step_by(8).zip(words) {
                see(Addr(place), u64::from_le_bytes(*word));
            }
        };
        let within = |at: u64| usize::try_from(at.checked_sub(self.sp.0)?).ok();
        let bytes = within(at).zip(within(range.end.0));
        if let Some(bytes) = bytes.and_then(|(from, to)| self.whole.get(from..to)) {
            return each(at, bytes);
        }
        while at < range.end.0 {
            let len = (range.end.0 - at).min(CHUNK);
            self.part.resize(len as usize, 0);
            // Where memory ends there is no more stack, whatever its bounds say.
            if self.mem.read(Addr(at), &mut self.part).is_err() {
                return;
            }
            each(at, &self.part);
            at += len;
        }
    }
}
