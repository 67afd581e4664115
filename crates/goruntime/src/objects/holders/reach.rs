//! Which objects a pointer into the heap leads to, over one or two values: a struct that has a channel among its fields, the
//! variables that a closure has captured. The heap is read after the stop, so what is found may be newer than the stacks.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use model::{Addr, Object, WaitKind};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use crate::heap::{Heap, Span};

/// Values that are larger are not looked through.
const MAX_VALUE: u64 = 4096;
/// How many values are looked through in one sample.
const MAX_VALUES: usize = 50_000;

/// What a value on the heap points to.
#[derive(Default)]
struct Content {
    objects: Vec<usize>,
    /// What may be pointers to other values.
    onward: Vec<u64>,
}

pub(super) struct Reach<'a> {
    mem: &'a dyn ReadMemory,
    heap: Heap<'a>,
    wanted: FxHashMap<u64, usize>,
    /// What leads to a goroutine's own structures leads to all that it waits on.
    left_out: FxHashSet<Addr>,
    spans: FxHashMap<u64, Option<Span>>,
    values: FxHashMap<Addr, Rc<Content>>,
    /// What a value leads to, over another one, too.
    both: FxHashMap<Addr, Vec<usize>>,
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
            both: FxHashMap::default(),
            buf: RefCell::default(),
        }
    }

    /// The objects that the value points to which a word leads to.
    pub(super) fn of(&mut self, word: u64) -> &[usize] {
        let Some(value) = self.value(word) else {
            return &[];
        };
        if !self.both.contains_key(&value.start) {
            let first = self.look(&value);
            let mut found = first.objects.clone();
            for &word in first.onward.iter() {
                if let Some(next) = self.value(word) {
                    found.extend_from_slice(&self.look(&next).objects);
                }
            }
            found.sort_unstable();
            found.dedup();
            self.both.insert(value.start, found);
        }
        self.both.get(&value.start).map_or(&[], Vec::as_slice)
    }

    fn value(&mut self, word: u64) -> Option<Range<Addr>> {
        let at = Addr(word);
        let (heap, mem) = (self.heap, self.mem);
        if self.wanted.is_empty() || word >> 48 != 0 || word < 1 << 20 {
            return None;
        }
        let span = self.spans.entry(Heap::page(at));
        let span = *span.or_insert_with(|| heap.span(mem, at));
        let value = span.and_then(|span| span.object(at))?;
        let len = value.end.0 - value.start.0;
        (len <= MAX_VALUE && !self.left_out.contains(&value.start)).then_some(value)
    }

    fn look(&mut self, value: &Range<Addr>) -> Rc<Content> {
        if let Some(known) = self.values.get(&value.start) {
            return Rc::clone(known);
        }
        if self.values.len() >= MAX_VALUES {
            return Rc::default();
        }
        let content = Rc::new(self.read(value.start, value.end.0 - value.start.0));
        self.values.insert(value.start, Rc::clone(&content));
        content
    }

    /// Whether there were more values than are looked through.
    pub(super) fn is_cut(&self) -> bool {
        self.values.len() >= MAX_VALUES
    }

    fn read(&self, at: Addr, len: u64) -> Content {
        let mut content = Content::default();
        let mut buf = self.buf.borrow_mut();
        buf.resize(len as usize, 0);
        if self.mem.read(at, &mut buf).is_err() {
            return content;
        }
        let (words, _) = buf.as_chunks::<8>();
        for word in words.iter().map(|word| u64::from_le_bytes(*word)) {
            match self.wanted.get(&word) {
                Some(&index) => content.objects.push(index),
                None if word >> 48 == 0 && word >= 1 << 20 => content.onward.push(word),
                None => {}
            }
        }
        content
    }
}
