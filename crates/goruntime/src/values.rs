//! Go's strings and slices as they lie in memory.

use model::Addr;
use target::{ReadError, ReadMemory};

/// A string or slice header: address and length; a slice's capacity is not needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub at: Addr,
    pub len: u64,
}

/// Bytes a string takes up in a struct or an array.
pub(crate) const STRING_SIZE: u64 = 16;

impl Header {
    /// Reads the two words at `at`.
    pub(crate) fn read(mem: &dyn ReadMemory, at: Addr) -> Result<Header, ReadError> {
        let mut words = [0; 16];
        mem.read(at, &mut words)?;
        let (data, len) = words.split_at(8);
        let word = |b: &[u8]| b.try_into().map(u64::from_le_bytes).unwrap_or(0);
        Ok(Header {
            at: Addr(word(data)),
            len: word(len),
        })
    }

    /// The text of a string, at most `limit` bytes of it. What is not UTF-8 is replaced,
    /// and a cut is marked with `…`.
    pub(crate) fn text(self, mem: &dyn ReadMemory, limit: usize) -> Result<String, ReadError> {
        if self.len == 0 {
            return Ok(String::new());
        }
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(limit)];
        mem.read(self.at, &mut bytes)?;
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if len > limit {
            text.push('…');
        }
        Ok(text)
    }
}
