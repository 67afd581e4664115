//! What one batch of reads brought.

use model::Addr;

use crate::{ReadError, ReadMemory, Want};

/// Two wanted ranges this close are read as one: a separate piece costs the kernel about as
/// much as copying this many bytes (a page pin against a copy at several GB/s).
const COALESCE_GAP: u64 = 2048;

/// How many ranges are handed on in one go.
const AT_ONCE: usize = 1 << 14;

/// The result of one batch: ranges sorted by address. They do not overlap, but for pieces
/// around a hole that did; there a lookup may miss, and the next round fetches what it missed.
pub(crate) struct Layer {
    pub(crate) ranges: Vec<Range>,
    pub(crate) bytes: Vec<u8>,
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

impl Layer {
    /// Room for these ranges (sorted by address), near ones together; nothing is read yet.
    pub(crate) fn of(ranges: &mut [(Addr, usize)]) -> Layer {
        ranges.sort_unstable();
        let mut spans: Vec<Range> = Vec::with_capacity(ranges.len());
        let mut offset = 0;
        for &mut (at, len) in ranges {
            let end = at.0 + len as u64;
            match spans.last_mut() {
                Some(last)
                    if at.0 <= (last.start + last.len as u64).saturating_add(COALESCE_GAP) =>
                {
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
        Layer {
            ranges: spans,
            bytes: vec![0; offset],
        }
    }

    /// Reads all of it, a handful of ranges at a time: what that takes is set aside once.
    pub(crate) fn fill(&mut self, from: &dyn ReadMemory) {
        let mut rest: &mut [u8] = &mut self.bytes;
        for ranges in self.ranges.chunks_mut(AT_ONCE) {
            let mut wants = Vec::with_capacity(ranges.len());
            for range in ranges.iter() {
                let (buf, behind) = std::mem::take(&mut rest).split_at_mut(range.len);
                rest = behind;
                wants.push(Want::new(Addr(range.start), buf));
            }
            from.read_many(&mut wants);
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

    /// Where in its bytes a range is that lies wholly in one of its own, and that one.
    fn find(&self, at: Addr, len: usize) -> Option<(usize, &Range)> {
        let after = self.ranges.partition_point(|r| r.start <= at.0);
        let range = after.checked_sub(1).and_then(|i| self.ranges.get(i))?;
        let skip = (at.0 - range.start) as usize;
        let end = skip.checked_add(len)?;
        (end <= range.len).then(|| (range.offset + skip, range))
    }

    /// Where in its bytes a range is.
    pub(crate) fn place(&self, at: Addr, len: usize) -> Option<usize> {
        self.find(at, len).map(|(place, _)| place)
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
