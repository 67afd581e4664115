//! Memory that was copied while the target stood still.

use std::cell::RefCell;

use model::Addr;

use crate::{ReadError, ReadMemory, Want};

/// Two wanted ranges this close are read as one: a separate piece costs the kernel about as
/// much as copying this many bytes (a page pin against a copy at several GB/s).
const COALESCE_GAP: u64 = 2048;

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
}

/// The result of one batch: ranges sorted by address. They do not overlap, but for pieces
/// around a hole that did; there a lookup may miss, and the next round fetches what it missed.
struct Layer {
    ranges: Vec<Range>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Range {
    start: u64,
    len: usize,
    /// Where its bytes begin in `Layer::bytes`.
    offset: usize,
    /// Why it could not be copied, where it could not.
    failed: Option<ReadError>,
}

impl CapturedMemory {
    /// Nothing captured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies `ranges` (address, length in bytes) from `from`, near ones together.
    /// What cannot be read is remembered as such; later reads of it fail with that reason.
    pub fn fetch(&mut self, from: &dyn ReadMemory, ranges: &mut Vec<(Addr, usize)>) {
        ranges.retain(|&(at, len)| len > 0 && at.checked_add(len as u64).is_some());
        ranges.sort_unstable();
        let mut spans: Vec<Range> = Vec::with_capacity(ranges.len());
        let mut offset = 0;
        for &(at, len) in ranges.iter() {
            let end = at.0 + len as u64;
            match spans.last_mut() {
                Some(last) if at.0 <= last.start + last.len as u64 + COALESCE_GAP => {
                    let grown = (end.max(last.start + last.len as u64) - last.start) as usize;
                    offset += grown - last.len;
                    last.len = grown;
                }
                _ => {
                    spans.push(Range {
                        start: at.0,
                        len,
                        offset,
                        failed: None,
                    });
                    offset += len;
                }
            }
        }
        let mut layer = Layer {
            ranges: spans,
            bytes: vec![0; offset],
        };
        layer.fill(from);
        let failed: Vec<Range> = layer
            .ranges
            .iter()
            .filter(|r| r.failed.is_some())
            .copied()
            .collect();
        layer.ranges.retain(|r| r.failed.is_none());
        self.add(layer);
        self.fetch_apart(from, ranges, &failed);
    }

    /// Adds a layer. Small ones are put together, so that what is followed in a thousand steps is not
    /// looked for in a thousand layers.
    fn add(&mut self, mut layer: Layer) {
        let may_grow = |layer: &Layer| layer.bytes.len() < SMALL && !layer.has_holes();
        while may_grow(&layer)
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
            let mut layer = Layer {
                ranges: pieces,
                bytes: vec![0; offset],
            };
            layer.fill(from);
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

    /// The bytes of a range without copying them.
    pub fn slice(&self, at: Addr, len: usize) -> Result<&[u8], ReadError> {
        let mut reason = None;
        // Newest first: what was fetched last is what a walker is asking for now.
        for layer in self.layers.iter().rev() {
            match layer.slice(at, len) {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {}
                Err(why) => reason = Some(why),
            }
        }
        Err(reason.unwrap_or_else(|| {
            self.misses.borrow_mut().push((at, len));
            ReadError::NotCaptured { at, len }
        }))
    }
}

impl Layer {
    fn fill(&mut self, from: &dyn ReadMemory) {
        let mut rest: &mut [u8] = &mut self.bytes;
        let mut wants = Vec::with_capacity(self.ranges.len());
        for range in &self.ranges {
            let (buf, behind) = std::mem::take(&mut rest).split_at_mut(range.len);
            rest = behind;
            wants.push(Want::new(Addr(range.start), buf));
        }
        from.read_many(&mut wants);
        for (range, want) in self.ranges.iter_mut().zip(&wants) {
            range.failed = want.result.err();
        }
    }

    fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.ranges
            .iter()
            .filter_map(|r| Some((r.start, self.bytes.get(r.offset..r.offset + r.len)?)))
    }

    fn has_holes(&self) -> bool {
        self.ranges.iter().any(|range| range.failed.is_some())
    }

    /// What two layers without holes have, in one. Where both have something it is the same: the target
    /// stood still.
    fn merged(&self, other: &Layer) -> Layer {
        let mut pieces: Vec<(u64, &[u8])> = self.pieces().chain(other.pieces()).collect();
        pieces.sort_unstable_by_key(|&(start, bytes)| (start, bytes.len()));
        let mut merged = Layer {
            ranges: Vec::with_capacity(pieces.len()),
            bytes: Vec::with_capacity(self.bytes.len() + other.bytes.len()),
        };
        for (start, bytes) in pieces {
            let offset = merged.bytes.len();
            match merged.ranges.last_mut() {
                Some(last) if start <= last.start + last.len as u64 => {
                    let known = (last.start + last.len as u64 - start) as usize;
                    let new = bytes.get(known..).unwrap_or_default();
                    merged.bytes.extend_from_slice(new);
                    last.len += new.len();
                }
                _ => {
                    merged.bytes.extend_from_slice(bytes);
                    merged.ranges.push(Range {
                        start,
                        len: bytes.len(),
                        offset,
                        failed: None,
                    });
                }
            }
        }
        merged
    }

    /// `Ok(None)`: this layer has nothing to say about the range.
    fn slice(&self, at: Addr, len: usize) -> Result<Option<&[u8]>, ReadError> {
        let after = self.ranges.partition_point(|r| r.start <= at.0);
        let Some(range) = after.checked_sub(1).and_then(|i| self.ranges.get(i)) else {
            return Ok(None);
        };
        let skip = (at.0 - range.start) as usize;
        if skip.checked_add(len).is_none_or(|end| end > range.len) {
            return Ok(None);
        }
        match range.failed {
            Some(why) => Err(why),
            None => Ok(self
                .bytes
                .get(range.offset + skip..range.offset + skip + len)),
        }
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
