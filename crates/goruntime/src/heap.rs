//! Which object on the heap an address lies in (`runtime/mheap.go`, `spanOf`; `runtime/mbitmap.go`, `findObject`).

use std::ops::Range;

use gobinary::TypeTable;
use model::{Addr, Arch};
use target::ReadMemory;

use crate::contract::{HeapArena, Mspan};
use crate::locate::Variables;

/// `runtime/malloc.go`, `heapArenaBytes`, on Linux.
const ARENA_BYTES: u64 = 64 << 20;
/// `runtime/malloc.go`, `pageSize`.
const PAGE: u64 = 8192;
/// `runtime/mheap.go`, `mSpanInUse`.
const IN_USE: u64 = 1;
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
        self.span(mem, at)?.object(at)
    }

    /// The pages that have the byte at `at`, if they are for objects.
    pub(crate) fn span(&self, mem: &dyn ReadMemory, at: Addr) -> Option<Span> {
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
        let span = Span {
            start: Addr(layout.start_addr.get(&bytes)?),
            len: layout.npages.get(&bytes)?.checked_mul(PAGE)?,
            size: layout.elemsize.get(&bytes)?,
        };
        let is_used = layout.state.get(&bytes)? == IN_USE && span.size > 0;
        (is_used && span.size <= MAX_BYTES).then_some(span)
    }

    /// The number of the page that has the byte at `at`.
    pub(crate) fn page(at: Addr) -> u64 {
        at.0 / PAGE
    }
}

/// Pages for objects of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: Addr,
    len: u64,
    size: u64,
}

impl Span {
    /// The object of it that has the byte at `at`.
    pub(crate) fn object(&self, at: Addr) -> Option<Range<Addr>> {
        let within =
            at.0.checked_sub(self.start.0)
                .filter(|&within| within < self.len)?;
        let start = self.start.checked_add(within / self.size * self.size)?;
        Some(start..start.checked_add(self.size)?)
    }
}
