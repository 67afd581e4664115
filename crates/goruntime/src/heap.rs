//! Which object on the heap an address lies in (`runtime/mheap.go`, `spanOf`; `runtime/mbitmap.go`, `findObject`).

use std::ops::Range;

use gobinary::TypeTable;
use model::{Addr, Arch};
use rustc_hash::FxHashSet;
use target::{CapturedMemory, ReadMemory, Target};

use crate::contract::{HeapArena, Mspan};
use crate::locate::Variables;

/// `runtime/malloc.go`, `heapArenaBytes`, on Linux.
const ARENA_BYTES: u64 = 64 << 20;
/// `runtime/malloc.go`, `pageSize`.
const PAGE: u64 = 8192;
/// `runtime/mheap.go`, `mSpanInUse`.
const IN_USE: u64 = 1;
/// From `mheap_.arenas` over the arena and its spans to the span.
const STEPS: usize = 5;
/// Larger objects are no structs with a lock in them.
const MAX_BYTES: u64 = 1 << 20;

/// Where the heap is described.
#[derive(Debug)]
pub(crate) struct HeapLayout {
    /// Where `runtime.mheap_.arenas` is; several places where that could not be told.
    arenas: Vec<Addr>,
    arena: HeapArena,
    span: Mspan,
}

impl HeapLayout {
    /// `None` where something of it is not known.
    pub(crate) fn resolve(types: &TypeTable, variables: &Variables) -> Option<HeapLayout> {
        Some(HeapLayout {
            arenas: variables.arenas.clone(),
            arena: HeapArena::resolve(types).ok()?,
            span: Mspan::resolve(types).ok()?,
        })
    }
}

/// The heap of one sample.
#[derive(Clone, Copy)]
pub(crate) struct Heap<'a> {
    layout: &'a HeapLayout,
    arch: Arch,
    arenas: Addr,
}

impl<'a> Heap<'a> {
    /// The heap that has the struct of a goroutine at `g`. Where it is not certain where the table of arenas
    /// is, only one that has it in an object of that size is believed.
    pub(crate) fn find(
        layout: &'a HeapLayout,
        mem: &dyn ReadMemory,
        arch: Arch,
        (g, size): (Addr, usize),
    ) -> Option<Heap<'a>> {
        let candidates = layout.arenas.iter().map(|&arenas| Heap {
            layout,
            arch,
            arenas,
        });
        let has_it = |heap: &Heap<'_>| {
            let found = heap.object(mem, g);
            found.is_some_and(|found| found.start == g && (found.end.0 - g.0) as usize >= size)
        };
        let mut fitting = candidates.filter(has_it);
        let heap = fitting.next()?;
        fitting
            .all(|other| other.arenas == heap.arenas)
            .then_some(heap)
    }

    /// The object that has the byte at `at`; `None` for what is not on the heap.
    pub(crate) fn object(&self, mem: &dyn ReadMemory, at: Addr) -> Option<Range<Addr>> {
        // `runtime/malloc.go`, `arenaIndex` and `arenaBaseOffset`; the first level has one entry.
        let base = match self.arch {
            Arch::Amd64 => 0xffff_8000_0000_0000,
            Arch::Arm64 => 0,
        };
        let index = at.0.wrapping_sub(base) / ARENA_BYTES;
        let pointer = |at: Option<Addr>| {
            let word = mem.read_u64(at?).ok()?;
            (word != 0).then_some(Addr(word))
        };
        let table = pointer(Some(self.arenas))?;
        let arena = pointer(table.checked_add(index.checked_mul(8)?))?;
        let slot = self.layout.arena.spans.offset as u64 + at.0 / PAGE % (ARENA_BYTES / PAGE) * 8;
        let span = pointer(arena.checked_add(slot))?;
        let layout = &self.layout.span;
        let mut bytes = vec![0; layout.extent()];
        mem.read(span, &mut bytes).ok()?;
        let start = layout.start_addr.get(&bytes)?;
        let len = layout.npages.get(&bytes)?.checked_mul(PAGE)?;
        let size = layout.elemsize.get(&bytes)?;
        let within = at.0.checked_sub(start)?;
        if layout.state.get(&bytes)? != IN_USE || within >= len || size == 0 || size > MAX_BYTES {
            return None;
        }
        let start = start.checked_add(within / size * size)?;
        Some(Addr(start)..Addr(start.checked_add(size)?))
    }
}

/// Copies what [`Heap::object`] will read for these addresses.
pub(crate) fn fetch(
    memory: &mut CapturedMemory,
    target: &dyn Target,
    layout: &HeapLayout,
    g: (Addr, usize),
    wanted: &FxHashSet<Addr>,
) {
    let _ = memory.take_misses();
    for _ in 0..STEPS {
        if let Some(heap) = Heap::find(layout, memory, target.arch(), g) {
            for &at in wanted {
                heap.object(memory, at);
            }
        }
        let mut misses = memory.take_misses();
        if misses.is_empty() {
            return;
        }
        memory.fetch(target, &mut misses);
    }
}
