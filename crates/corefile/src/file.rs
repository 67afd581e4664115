//! The core's bytes by their place in the file, with a bounded cache.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at once. Goroutines that lie together are decoded one after the other.
const BLOCK: usize = 64 << 10;
/// Blocks kept: 64 MiB.
const BLOCKS: usize = 1024;

/// A file that is read in small pieces.
pub(crate) struct CachedFile {
    file: File,
    len: u64,
    cache: RefCell<Cache>,
}

/// Blocks by their number modulo how many there are.
struct Cache {
    blocks: Vec<Option<(u64, Box<[u8]>)>>,
    bytes_read: u64,
}

impl CachedFile {
    pub(crate) fn new(file: File) -> io::Result<CachedFile> {
        let len = file.metadata()?.len();
        let cache = Cache {
            blocks: std::iter::repeat_with(|| None).take(BLOCKS).collect(),
            bytes_read: 0,
        };
        Ok(CachedFile {
            file,
            len,
            cache: RefCell::new(cache),
        })
    }

    /// Its length when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// How many bytes were read from it so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.cache.borrow().bytes_read
    }

    /// Fills `buf` from `offset` on.
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut cache = self.cache.borrow_mut();
        if buf.len() >= BLOCK {
            self.file.read_exact_at(buf, offset)?;
            cache.bytes_read += buf.len() as u64;
            return Ok(());
        }
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let block = cache.block(&self.file, at / BLOCK as u64)?;
            let skip = (at % BLOCK as u64) as usize;
            let there = block.get(skip..).unwrap_or_default();
            let take = there.len().min(rest.len());
            if take == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (now, later) = std::mem::take(&mut rest).split_at_mut(take);
            now.copy_from_slice(there.get(..take).unwrap_or_default());
            rest = later;
            at += take as u64;
        }
        Ok(())
    }
}

impl Cache {
    /// The bytes of a block: fewer than [`BLOCK`] at the file's end.
    fn block(&mut self, file: &File, number: u64) -> io::Result<&[u8]> {
        let slot = self
            .blocks
            .get_mut((number % BLOCKS as u64) as usize)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let known = matches!(slot, Some((held, _)) if *held == number);
        if !known {
            let mut bytes = vec![0; BLOCK];
            let mut got = 0;
            let start = number.saturating_mul(BLOCK as u64);
            while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, start.saturating_add(got as u64)) {
                    Ok(0) => break,
                    Ok(n) => got += n,
                    Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                    Err(why) => return Err(why),
                }
            }
            bytes.truncate(got);
            self.bytes_read += got as u64;
            *slot = Some((number, bytes.into()));
        }
        match slot {
            Some((_, bytes)) => Ok(bytes),
            None => Ok(&[]),
        }
    }
}
