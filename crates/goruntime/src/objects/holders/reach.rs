//! Which objects a pointer into the heap leads to, over one value: a struct that has a channel among its fields, the
//! variables that a closure has captured. The heap is read after the stop, so what is found may be newer than the stacks.

use std::cell::RefCell;

use model::{Addr, Object, WaitKind};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use crate::heap::{Heap, Span};

/// Values that are larger are not looked through.
const MAX_VALUE: u64 = 4096;
/// How many values are looked through in one sample.
const MAX_VALUES: usize = 50_000;

pub(super) struct Reach<'a> {
    mem: &'a dyn ReadMemory,
    heap: Heap<'a>,
    wanted: FxHashMap<u64, usize>,
    /// What leads to a goroutine's own structures leads to all that it waits on.
    left_out: FxHashSet<Addr>,
    spans: FxHashMap<u64, Option<Span>>,
    values: FxHashMap<Addr, Vec<usize>>,
    buf: RefCell<Vec<u8>>,
}

impl<'a> Reach<'a> {
    /// Of those objects that are values of their own; the others are looked for by what they are part of.
    pub(super) fn new(
        mem: &'a dyn ReadMemory,
        heap: Heap<'a>,
        objects: &[Object],
        gs: impl Iterator<Item = Addr>,
    ) -> Reach<'a> {
        let channels = objects.iter().enumerate();
        let channels = channels.filter(|(_, object)| object.kind == WaitKind::Chan);
        let wanted: FxHashMap<u64, usize> = channels.map(|(i, o)| (o.addr.0, i)).collect();
        let channels = wanted.keys().map(|&at| Addr(at));
        Reach {
            mem,
            heap,
            left_out: gs.chain(channels).collect(),
            wanted,
            spans: FxHashMap::default(),
            values: FxHashMap::default(),
            buf: RefCell::default(),
        }
    }

    /// The objects that the value points to which a word leads to.
    pub(super) fn of(&mut self, word: u64) -> &[usize] {
        let at = Addr(word);
        let (heap, mem) = (self.heap, self.mem);
        if self.wanted.is_empty() || word >> 48 != 0 || word < 1 << 20 {
            return &[];
        }
        let span = self.spans.entry(Heap::page(at));
        let span = *span.or_insert_with(|| heap.span(mem, at));
        let Some(value) = span.and_then(|span| span.object(at)) else {
            return &[];
        };
        let len = value.end.0 - value.start.0;
        if len > MAX_VALUE || self.left_out.contains(&value.start) {
            return &[];
        }
        if !self.values.contains_key(&value.start) {
            if self.values.len() >= MAX_VALUES {
                return &[];
            }
            let found = self.read(value.start, len);
            self.values.insert(value.start, found);
        }
        self.values.get(&value.start).map_or(&[], Vec::as_slice)
    }

    /// Whether there were more values than are looked through.
    pub(super) fn is_cut(&self) -> bool {
        self.values.len() >= MAX_VALUES
    }

    fn read(&self, at: Addr, len: u64) -> Vec<usize> {
        let mut buf = self.buf.borrow_mut();
        buf.resize(len as usize, 0);
        if self.mem.read(at, &mut buf).is_err() {
            return Vec::new();
        }
        let (words, _) = buf.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        words
            .filter_map(|word| self.wanted.get(&word))
            .copied()
            .collect()
    }
}
