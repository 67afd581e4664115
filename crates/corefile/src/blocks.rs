//! A file read in blocks, some of which are kept.
//!
//! The file is not mapped: one that somebody cuts short would end us by a signal. It is not
//! loaded either: cores are larger than memory. A decoder reads a few bytes here and a few
//! there, mostly close to what it read before, so blocks are kept up to a fixed amount.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustc_hash::FxHashMap;

/// Bytes of a block. Larger ones make far apart reads slow (with 64 KiB three times as slow
/// as with this), smaller ones make reads of a file that is not in the page cache slow.
const BLOCK: usize = 1 << 14;

/// A file, and the blocks of it that were read last.
pub(crate) struct Blocks {
    file: File,
    len: u64,
    cache: RefCell<Cache>,
}

struct Cache {
    slots: Vec<Slot>,
    by_number: FxHashMap<u64, usize>,
    most_slots: usize,
    /// The clock's hand: the slot to be looked at next when room is needed.
    hand: usize,
    /// The slot that was read from last: mostly the one that is wanted next.
    last: usize,
    failure: Option<String>,
}

struct Slot {
    number: u64,
    bytes: Vec<u8>,
    /// Whether it was read from since the hand last passed.
    used: bool,
}

impl Blocks {
    /// `cache_bytes`: how much memory the blocks may take.
    pub(crate) fn new(file: File, cache_bytes: usize) -> io::Result<Blocks> {
        Ok(Blocks {
            len: file.metadata()?.len(),
            file,
            cache: RefCell::new(Cache {
                slots: Vec::new(),
                by_number: FxHashMap::default(),
                most_slots: (cache_bytes / BLOCK).max(1),
                hand: 0,
                last: 0,
                failure: None,
            }),
        })
    }

    /// The file's length in bytes when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What went wrong when the file was read, if anything but its end did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.cache.borrow().failure.clone()
    }

    /// Fills `buf` from `offset` on; `None` where the file does not reach so far, or cannot be read.
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> Option<()> {
        if offset.checked_add(buf.len() as u64)? > self.len {
            return None;
        }
        let mut cache = self.cache.borrow_mut();
        if buf.len() >= BLOCK {
            let got = self.file.read_exact_at(buf, offset);
            return cache.note(got);
        }
        let mut offset = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let block = cache.block(&self.file, offset / BLOCK as u64)?;
            let skip = (offset % BLOCK as u64) as usize;
            let n = rest.len().min(BLOCK - skip);
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(block.get(skip..skip + n)?);
            offset += n as u64;
            rest = later;
        }
        Some(())
    }

    /// Fills an array.
    pub(crate) fn read_array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let mut buf = [0; N];
        self.read(offset, &mut buf)?;
        Some(buf)
    }
}

impl Cache {
    /// A block's bytes; the last block of a file is shorter than others.
    fn block(&mut self, file: &File, number: u64) -> Option<&[u8]> {
        if self.slots.get(self.last).is_none_or(|s| s.number != number) {
            self.last = match self.by_number.get(&number) {
                Some(&slot) => slot,
                None => self.load(file, number)?,
            };
        }
        let slot = self.slots.get_mut(self.last)?;
        slot.used = true;
        Some(&slot.bytes)
    }

    fn load(&mut self, file: &File, number: u64) -> Option<usize> {
        let slot = self.free_slot();
        let place = self.slots.get_mut(slot)?;
        self.by_number.remove(&place.number);
        // No file has that many blocks: what fails to load is not found later.
        place.number = u64::MAX;
        place.bytes.resize(BLOCK, 0);
        let got = read_up_to(file, number * BLOCK as u64, &mut place.bytes);
        place.bytes.truncate(*got.as_ref().unwrap_or(&0));
        self.note(got)?;
        self.slots.get_mut(slot)?.number = number;
        self.by_number.insert(number, slot);
        Some(slot)
    }

    /// A new slot while there may be more, or else one that was not used for a while.
    fn free_slot(&mut self) -> usize {
        if self.slots.len() < self.most_slots {
            self.slots.push(Slot {
                number: u64::MAX,
                bytes: Vec::new(),
                used: false,
            });
            return self.slots.len() - 1;
        }
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            match self.slots.get_mut(at) {
                Some(slot) if slot.used => slot.used = false,
                _ => return at,
            }
        }
    }

    fn note<T>(&mut self, got: io::Result<T>) -> Option<T> {
        got.inspect_err(|error| self.failure = Some(error.to_string()))
            .ok()
    }
}

/// Reads until the buffer is full or the file ends, and says how many bytes there were.
fn read_up_to(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(len: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|i| (i / 7 + i / BLOCK) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn any_range_is_what_the_file_has_however_few_blocks_are_kept() {
        let (file, bytes) = file(5 * BLOCK + 123);
        let blocks = Blocks::new(file, 2 * BLOCK).unwrap();
        let mut at = 12_345;
        for round in 0..2_000 {
            at = (at * 1_103_515_245 + 12_345) % bytes.len();
            let len = [8, 500, BLOCK - 1, BLOCK, 2 * BLOCK][round % 5].min(bytes.len() - at);
            let mut buf = vec![0; len];
            blocks.read(at as u64, &mut buf).unwrap();
            assert!(buf == bytes[at..at + len], "{len} bytes at {at}");
        }
        assert!(blocks.cache.borrow().slots.len() <= 2);
        assert_eq!(blocks.failure(), None);
    }

    #[test]
    fn beyond_its_end_a_file_has_nothing() {
        let (file, bytes) = file(100);
        let blocks = Blocks::new(file, BLOCK).unwrap();
        let mut buf = [0; 8];
        assert!(blocks.read(92, &mut buf).is_some());
        assert_eq!(buf, bytes[92..]);
        for offset in [93, 100, u64::MAX - 3] {
            assert!(blocks.read(offset, &mut buf).is_none());
        }
    }

    #[test]
    fn a_file_cut_while_it_is_read_is_no_crash_and_no_zeros() {
        let (file, _) = file(3 * BLOCK);
        let blocks = Blocks::new(file.try_clone().unwrap(), 8 * BLOCK).unwrap();
        file.set_len(BLOCK as u64 + 10).unwrap();
        let mut buf = [0; 16];
        assert!(blocks.read(0, &mut buf).is_some());
        assert!(blocks.read(BLOCK as u64, &mut buf).is_none());
        assert!(blocks.read(2 * BLOCK as u64, &mut buf).is_none());
        assert!(blocks.read(0, &mut vec![0; 3 * BLOCK]).is_none());
    }
}
