//! The index of unwind tables, `.eh_frame_hdr` (Linux Standard Base, "The .eh_frame_hdr
//! section"), in the one form that linkers write.

use crate::bytes::u32_at;

/// Version 1; where the tables are, relative to here, in 4 bytes; how many entries there are, in 4 bytes;
/// and of each entry two numbers of 4 bytes, relative to the section.
const FORM: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// Bytes before the entries, and of an entry.
const HEAD: usize = 12;
const ENTRY: usize = 8;

/// An index at its run-time address.
#[derive(Debug)]
pub(crate) struct Index {
    at: u64,
    bytes: Vec<u8>,
    count: usize,
    /// Where the tables are.
    pub frames: u64,
}

impl Index {
    /// `None` for one in another form.
    pub(crate) fn parse(at: u64, bytes: Vec<u8>) -> Option<Index> {
        if !bytes.starts_with(&FORM) {
            return None;
        }
        let frames = at.wrapping_add(4).wrapping_add(signed(&bytes, 4)?);
        // However many there are said to be.
        let there = bytes.len().checked_sub(HEAD)? / ENTRY;
        let count = (u32_at(&bytes, 8)? as usize).min(there);
        Some(Index {
            at,
            bytes,
            count,
            frames,
        })
    }

    /// How far behind the beginning of the tables the entry is that may be the one for an address.
    pub(crate) fn find(&self, address: u64) -> Option<u64> {
        // The first entry that begins behind it comes after the one that is wanted.
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.nth(middle, 0)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let entry = self.nth(low.checked_sub(1)?, 4)?;
        entry.checked_sub(self.frames)
    }

    fn nth(&self, i: usize, field: usize) -> Option<u64> {
        let value = signed(&self.bytes, HEAD + i * ENTRY + field)?;
        Some(self.at.wrapping_add(value))
    }
}

fn signed(bytes: &[u8], at: usize) -> Option<u64> {
    Some(i64::from(u32_at(bytes, at)? as i32) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(count: u32, entries: &[(i32, i32)]) -> Vec<u8> {
        let mut bytes = FORM.to_vec();
        bytes.extend(0x100i32.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        for (address, entry) in entries {
            bytes.extend(address.to_le_bytes());
            bytes.extend(entry.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_entry_at_or_before_an_address() {
        let entries = [(-0x900, 0x104), (-0x800, 0x124), (-0x700, 0x148)];
        // One that is not there is said to be.
        let index = Index::parse(0x10000, index(4, &entries)).unwrap();
        assert_eq!(index.frames, 0x10104);
        for (address, entry) in [
            (0x10000 - 0x901, None),
            (0x10000 - 0x900, Some(0)),
            (0x10000 - 0x801, Some(0)),
            (0x10000 - 0x800, Some(0x20)),
            (0x10000 - 0x700, Some(0x44)),
            (u64::MAX, Some(0x44)),
        ] {
            assert_eq!(index.find(address), entry, "{address:#x}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let whole = index(1, &[(0, -0x1000)]);
        for len in 0..HEAD {
            assert!(Index::parse(0, whole[..len].to_vec()).is_none());
        }
        // An entry before the tables.
        assert_eq!(Index::parse(0x10000, whole).unwrap().find(0x10000), None);
        let none = Index::parse(0, index(0, &[])).unwrap();
        assert_eq!(none.find(5), None);
        let mut other = index(1, &[(0, 0)]);
        other[3] = 0x1b;
        assert!(Index::parse(0, other).is_none());
    }
}
