//! Memory that was copied while the target stood still.

use std::cell::RefCell;

use model::Addr;

use crate::layer::{Layer, Range};
use crate::{Prepared, ReadError, ReadMemory};

/// Layers of fewer bytes are put together.
const SMALL: usize = 16 << 20;

/// Bytes copied out of a target, addressed as they were there.
///
/// A read that is not covered fails with [`ReadError::NotCaptured`] and is remembered, so
/// that a walker can be run over what is there already and [`CapturedMemory::take_misses`]
/// tells what to fetch before it is run again.
#[derive(Default)]
pub struct CapturedMemory {
    layers: Vec<Layer>,
    misses: RefCell<Vec<(Addr, usize)>>,
    /// What is read from what is there, while somebody wants to know.
    hits: RefCell<Option<Vec<(Addr, usize)>>>,
    /// What was to be fetched, since somebody wants to know.
    wants: Option<Vec<(Addr, usize)>>,
    /// So many layers stay as they are.
    sealed: usize,
}

impl CapturedMemory {
    /// Nothing captured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies `ranges` (address, length in bytes) from `from`, near ones together. What was fetched before
    /// is not fetched again.
    /// What cannot be read is remembered as such; later reads of it fail with that reason.
    pub fn fetch(&mut self, from: &dyn ReadMemory, ranges: &mut Vec<(Addr, usize)>) {
        self.want(ranges.iter().copied());
        self.fetch_unnoted(from, ranges);
    }

    /// The same for what is not wanted itself: [`CapturedMemory::take_wants`] does not tell of it.
    pub fn fetch_unnoted(&mut self, from: &dyn ReadMemory, ranges: &mut Vec<(Addr, usize)>) {
        ranges.retain(|&(at, len)| {
            let is_range = len > 0 && at.checked_add(len as u64).is_some();
            is_range && self.find(at, len).is_none_or(|found| found.is_err())
        });
        if ranges.is_empty() {
            return;
        }
        let mut layer = Layer::of(ranges, usize::MAX);
        layer.fill(from, &|_| {});
        let failed = layer.take_failed();
        self.add(layer);
        self.fetch_apart(from, ranges, &failed);
    }

    /// Adds a layer. Small ones are put together, so that what is followed in a thousand steps is not
    /// looked for in a thousand layers.
    fn add(&mut self, mut layer: Layer) {
        let may_grow = |layer: &Layer| layer.bytes.len() < SMALL && !layer.has_holes();
        while may_grow(&layer)
            && self.layers.len() > self.sealed
            && let Some(last) = self
                .layers
                .pop_if(|last| may_grow(last) && last.bytes.len() / 2 <= layer.bytes.len())
        {
            layer = last.merged(&layer);
        }
        self.layers.push(layer);
    }

    /// A coalesced span may fail because of a hole between two wanted ranges:
    /// its ranges are tried again, each by itself.
    fn fetch_apart(&mut self, from: &dyn ReadMemory, ranges: &[(Addr, usize)], failed: &[Range]) {
        let mut pieces: Vec<Range> = Vec::new();
        let mut offset = 0;
        for span in failed {
            let end = span.start + span.len as u64;
            let first = ranges.partition_point(|&(at, _)| at.0 < span.start);
            for &(at, len) in ranges.iter().skip(first).take_while(|&&(at, _)| at.0 < end) {
                pieces.push(Range {
                    start: at.0,
                    len,
                    offset,
                    failed: None,
                });
                offset += len;
            }
        }
        if !pieces.is_empty() {
            let mut layer = Layer::new(pieces, offset);
            layer.fill(from, &|_| {});
            self.add(layer);
        }
    }

    /// How many bytes were copied.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|l| l.bytes.len() as u64).sum()
    }

    /// What was asked for since the last call and was not there, each range once.
    pub fn take_misses(&self) -> Vec<(Addr, usize)> {
        let mut misses = self.misses.take();
        misses.sort_unstable();
        misses.dedup();
        misses
    }

    /// Runs a reader over what is there, fetches what it missed, and so on, until it misses nothing more, for
    /// `rounds` at most. All that it reads is wanted, also what was there by chance.
    pub fn follow(
        &mut self,
        from: &dyn ReadMemory,
        rounds: usize,
        mut read: impl FnMut(&CapturedMemory),
    ) {
        let _ = self.take_misses();
        for _ in 0..rounds {
            self.hits.replace(self.wants.as_ref().map(|_| Vec::new()));
            read(self);
            let hits = self.hits.take();
            self.want(hits.into_iter().flatten());
            let mut misses = self.take_misses();
            if misses.is_empty() {
                return;
            }
            self.fetch(from, &mut misses);
        }
    }

    /// The bytes of a range without copying them.
    pub fn slice(&self, at: Addr, len: usize) -> Result<&[u8], ReadError> {
        if let Some(hits) = &mut *self.hits.borrow_mut() {
            hits.push((at, len));
        }
        self.find(at, len).unwrap_or_else(|| {
            self.misses.borrow_mut().push((at, len));
            Err(ReadError::NotCaptured { at, len })
        })
    }

    /// The same, and `None` for what was never fetched.
    fn find(&self, at: Addr, len: usize) -> Option<Result<&[u8], ReadError>> {
        let mut reason = None;
        // Newest first: what was fetched last is what a walker is asking for now.
        for layer in self.layers.iter().rev() {
            match layer.slice(at, len) {
                Ok(Some(bytes)) => return Some(Ok(bytes)),
                Ok(None) => {}
                Err(why) => reason = Some(Err(why)),
            }
        }
        reason
    }

    /// From now on what is to be fetched is noted, for [`CapturedMemory::take_wants`].
    pub fn note_wants(&mut self) {
        self.wants = Some(Vec::new());
    }

    /// Notes what is wanted, whether or not it is there.
    pub fn want(&mut self, ranges: impl Iterator<Item = (Addr, usize)>) {
        if let Some(wants) = &mut self.wants {
            wants.extend(ranges);
        }
    }

    /// What was to be fetched since [`CapturedMemory::note_wants`].
    pub fn take_wants(&mut self) -> Vec<(Addr, usize)> {
        self.wants.take().unwrap_or_default()
    }

    /// Takes in what was prepared and filled. It hides what was fetched before.
    pub fn adopt(&mut self, prepared: Prepared) {
        self.layers.push(prepared.into_layer());
    }

    /// Nothing that is fetched later is put together with what is here now.
    pub fn seal(&mut self) {
        self.sealed = self.layers.len();
    }

    /// Forgets what was fetched after [`CapturedMemory::seal`].
    pub fn back_to_seal(&mut self) {
        self.layers.truncate(self.sealed);
    }

    /// Forgets all but these pieces, which must not overlap. None of them may have been fetched in parts.
    pub fn keep_only(&mut self, pieces: &mut [(Addr, usize)]) {
        pieces.sort_unstable();
        for layer in &mut self.layers {
            layer.keep_only(pieces);
        }
        self.layers.retain(|layer| !layer.is_empty());
    }

    /// Puts what was captured before, by other means, below all that was fetched here.
    pub fn put_below(&mut self, older: CapturedMemory) {
        self.sealed += older.layers.len();
        self.layers.splice(..0, older.layers);
    }

    /// Takes in what another one has. It hides what was fetched here before.
    pub fn put_above(&mut self, newer: CapturedMemory) {
        self.layers.extend(newer.layers);
    }
}

impl ReadMemory for CapturedMemory {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        buf.copy_from_slice(self.slice(at, buf.len())?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory in which every byte is the low byte of its address, with a hole at 0x5000..0x6000.
    struct Pattern;

    impl ReadMemory for Pattern {
        fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
            let end = at.0 + buf.len() as u64;
            if at.0 < 0x6000 && end > 0x5000 {
                return Err(ReadError::Unmapped { at, len: buf.len() });
            }
            for (i, b) in buf.iter_mut().enumerate() {
                *b = (at.0 as usize + i) as u8;
            }
            Ok(())
        }
    }

    #[test]
    fn near_ranges_are_one_span_and_far_ones_are_not() {
        let mut mem = CapturedMemory::new();
        mem.fetch(
            &Pattern,
            &mut vec![(Addr(0x1100), 16), (Addr(0x1000), 16), (Addr(0x9000), 8)],
        );
        assert_eq!(
            mem.slice(Addr(0x1080), 4).unwrap(),
            [0x80, 0x81, 0x82, 0x83],
            "the gap came along"
        );
        assert_eq!(mem.slice(Addr(0x9000), 2).unwrap(), [0x00, 0x01]);
        assert_eq!(mem.bytes(), 0x110 + 8);
        assert!(mem.take_misses().is_empty());
    }

    #[test]
    fn small_batches_become_one_layer() {
        let mut mem = CapturedMemory::new();
        // Overlapping, adjacent, within one another, far apart.
        let wanted = [
            (0x1000, 64),
            (0x1020, 64),
            (0x1060, 32),
            (0x1008, 8),
            (0x9000, 16),
            (0x900, 8),
        ];
        for (at, len) in wanted {
            mem.fetch(&Pattern, &mut vec![(Addr(at), len)]);
        }
        assert!(mem.layers.len() <= 3);
        for (at, len) in wanted {
            let expected: Vec<u8> = (at..at + len as u64).map(|at| at as u8).collect();
            assert_eq!(mem.slice(Addr(at), len).unwrap(), expected);
        }
        assert_eq!(mem.slice(Addr(0x1000), 128).unwrap().len(), 128);
        assert!(mem.slice(Addr(0x1000), 129).is_err());
    }

    #[test]
    fn misses_are_told_once() {
        let mem = CapturedMemory::new();
        for _ in 0..2 {
            let at = Addr(0x40);
            assert_eq!(mem.slice(at, 8), Err(ReadError::NotCaptured { at, len: 8 }));
        }
        assert_eq!(mem.take_misses(), [(Addr(0x40), 8)]);
        assert!(mem.take_misses().is_empty());
    }

    #[test]
    fn what_is_there_by_chance_is_wanted_too() {
        let mut mem = CapturedMemory::new();
        mem.fetch(&Pattern, &mut vec![(Addr(0x1000), 8), (Addr(0x1100), 8)]);
        mem.note_wants();
        let mut pointers = vec![Addr(0x1080), Addr(0x9000)];
        mem.follow(&Pattern, 4, |mem| {
            pointers.retain(|&at| mem.slice(at, 8).is_err());
        });
        assert!(pointers.is_empty());
        let mut wants = mem.take_wants();
        wants.sort_unstable();
        wants.dedup();
        assert_eq!(wants, [(Addr(0x1080), 8), (Addr(0x9000), 8)]);
    }

    #[test]
    fn an_address_at_the_end_of_all_is_a_miss() {
        let mut mem = CapturedMemory::new();
        // The second one's bytes do not begin at 0.
        mem.fetch(&Pattern, &mut vec![(Addr(0x100), 8), (Addr(0x9000), 8)]);
        let at = Addr(u64::MAX);
        assert_eq!(mem.slice(at, 1), Err(ReadError::NotCaptured { at, len: 1 }));
        let at = Addr(u64::MAX - 7);
        assert_eq!(mem.slice(at, 8), Err(ReadError::NotCaptured { at, len: 8 }));
    }

    #[test]
    fn a_hole_fails_only_what_lies_in_it() {
        let mut mem = CapturedMemory::new();
        mem.fetch(
            &Pattern,
            &mut vec![(Addr(0x4ff0), 16), (Addr(0x5100), 16), (Addr(0x6000), 16)],
        );
        assert!(mem.slice(Addr(0x4ff0), 16).is_ok());
        assert_eq!(
            mem.slice(Addr(0x5100), 16),
            Err(ReadError::Unmapped {
                at: Addr(0x5100),
                len: 16
            })
        );
        assert!(mem.slice(Addr(0x6000), 16).is_ok());
        assert!(
            mem.take_misses().is_empty(),
            "a hole is no miss: it would be asked for again for ever"
        );
    }
}
