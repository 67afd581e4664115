//! What one batch of reads brought.

use std::cell::Cell;

use model::Addr;

use crate::{ReadError, ReadMemory, Want};

/// Two wanted ranges this close are read as one: a separate piece costs the kernel about as much as copying this many
/// bytes, and giving us the memory for them. (Unused parts of small stacks are a little larger.)
const COALESCE_GAP: u64 = 1024;

/// How many ranges are handed on in one go.
const AT_ONCE: usize = 1 << 14;

/// The result of one batch: ranges sorted by address. They do not overlap, but for pieces
/// around a hole that did; there a lookup may miss, and the next round fetches what it missed.
pub(crate) struct Layer {
    pub(crate) ranges: Vec<Range>,
    pub(crate) bytes: Vec<u8>,
    /// Where was looked last.
    last: Cell<Spot>,
}

/// The addresses from the beginning of a range to that of the next one.
#[derive(Clone, Copy, Default)]
struct Spot {
    from: u64,
    /// Behind them.
    to: u64,
    /// How many ranges begin before them.
    after: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) len: usize,
    /// Where its bytes begin in `Layer::bytes`.
    pub(crate) offset: usize,
    /// Why it could not be copied, where it could not.
    pub(crate) failed: Option<ReadError>,
}

impl Range {
    /// Whether what begins at `at`, not before this does, is to be part of this.
    fn goes_on_to(&self, at: u64, enough: usize) -> bool {
        let end = self.start + self.len as u64;
        at < end || self.len < enough && at <= end.saturating_add(COALESCE_GAP)
    }
}

impl Layer {
    /// These ranges, sorted by address; `len` bytes of zeroes.
    pub(crate) fn new(ranges: Vec<Range>, len: usize) -> Layer {
        Layer {
            ranges,
            bytes: vec![0; len],
            last: Cell::default(),
        }
    }

    /// Room for these ranges, near ones together, but no more of them than `enough` bytes unless they overlap;
    /// nothing is read yet. `ranges` are sorted by address.
    pub(crate) fn of(ranges: &mut [(Addr, usize)], enough: usize) -> Layer {
        ranges.sort_unstable();
        let mut spans: Vec<Range> = Vec::with_capacity(ranges.len());
        let mut offset = 0;
        for &mut (at, len) in ranges {
            let end = at.0 + len as u64;
            match spans.last_mut() {
                Some(last) if last.goes_on_to(at.0, enough) => {
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
        Layer::new(spans, offset)
    }

    /// Reads all of it, a handful of ranges at a time: what that takes is set aside once.
    /// `then` is as in [`ReadMemory::read_many_then`].
    pub(crate) fn fill(&mut self, from: &dyn ReadMemory, then: &(dyn Fn(&[Want<'_>]) + Sync)) {
        let mut rest: &mut [u8] = &mut self.bytes;
        for ranges in self.ranges.chunks_mut(AT_ONCE) {
            let mut wants = Vec::with_capacity(ranges.len());
            for range in ranges.iter() {
                let (buf, behind) = std::mem::take(&mut rest).split_at_mut(range.len);
                rest = behind;
                wants.push(Want::new(Addr(range.start), buf));
            }
            from.read_many_then(&mut wants, then);
            for (range, want) in ranges.iter_mut().zip(&wants) {
                range.failed = want.result.err();
            }
        }
    }

    /// The ranges that could not be read; they are no longer part of it.
    pub(crate) fn take_failed(&mut self) -> Vec<Range> {
        let failed = |r: &&Range| r.failed.is_some();
        let taken = self.ranges.iter().filter(failed).copied().collect();
        self.ranges.retain(|r| r.failed.is_none());
        self.last.take();
        taken
    }

    /// Forgets all but these pieces, as far as it has them; they are sorted.
    pub(crate) fn keep_only(&mut self, pieces: &[(Addr, usize)]) {
        let mut kept = Vec::new();
        for range in self.ranges.iter().filter(|range| range.failed.is_none()) {
            let end = range.start + range.len as u64;
            let first = pieces.partition_point(|&(at, _)| at.0 < range.start);
            let inside = pieces.iter().skip(first).take_while(|(at, _)| at.0 < end);
            kept.extend(
                inside
                    .filter(|&&(at, len)| at.0 + len as u64 <= end)
                    .map(|&(at, len)| Range {
                        start: at.0,
                        len,
                        offset: range.offset + (at.0 - range.start) as usize,
                        failed: None,
                    }),
            );
        }
        self.ranges = kept;
        self.last.take();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.ranges
            .iter()
            .filter_map(|r| Some((r.start, self.bytes.get(r.offset..r.offset + r.len)?)))
    }

    pub(crate) fn has_holes(&self) -> bool {
        self.ranges.iter().any(|range| range.failed.is_some())
    }

    /// What two layers without holes have, in one. Where both have something it is the same: the target
    /// stood still.
    pub(crate) fn merged(&self, other: &Layer) -> Layer {
        let mut pieces: Vec<(u64, &[u8])> = self.pieces().chain(other.pieces()).collect();
        pieces.sort_unstable_by_key(|&(start, bytes)| (start, bytes.len()));
        let mut merged = Layer {
            ranges: Vec::with_capacity(pieces.len()),
            bytes: Vec::with_capacity(self.bytes.len() + other.bytes.len()),
            last: Cell::default(),
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

    /// How many ranges begin at or before `at`. What is read next mostly lies beside what was read last, such as on the
    /// same stack.
    fn after(&self, at: u64) -> usize {
        let last = self.last.get();
        if last.from <= at && at < last.to {
            return last.after;
        }
        let after = self.ranges.partition_point(|r| r.start <= at);
        let start = |i: usize| self.ranges.get(i).map(|range| range.start);
        self.last.set(Spot {
            from: after.checked_sub(1).and_then(start).unwrap_or(0),
            to: start(after).unwrap_or(u64::MAX),
            after,
        });
        after
    }

    /// Where in its bytes a range is that lies wholly in one of its own, and that one.
    fn find(&self, at: Addr, len: usize) -> Option<(usize, &Range)> {
        let after = self.after(at.0);
        let range = after.checked_sub(1).and_then(|i| self.ranges.get(i))?;
        let skip = (at.0 - range.start) as usize;
        let end = skip.checked_add(len)?;
        (end <= range.len).then(|| (range.offset + skip, range))
    }

    /// Whether a range is part of it.
    pub(crate) fn has(&self, at: Addr, len: usize) -> bool {
        self.find(at, len).is_some()
    }

    /// `Ok(None)`: this layer has nothing to say about the range.
    pub(crate) fn slice(&self, at: Addr, len: usize) -> Result<Option<&[u8]>, ReadError> {
        match self.find(at, len) {
            None => Ok(None),
            Some((
                _,
                Range {
                    failed: Some(why), ..
                },
            )) => Err(*why),
            Some((place, _)) => Ok(self.bytes.get(place..place + len)),
        }
    }
}
