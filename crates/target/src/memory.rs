//! Reading bytes at an address.

use model::Addr;

/// Why bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing is mapped there, or it may not be read.
    #[error("no readable memory at {at} ({len} bytes)")]
    Unmapped {
        /// First byte wanted.
        at: Addr,
        /// How many.
        len: usize,
    },
    /// The range was not copied while the target was stopped.
    #[error("{at} ({len} bytes) was not captured")]
    NotCaptured {
        /// First byte wanted.
        at: Addr,
        /// How many.
        len: usize,
    },
    /// The target ended, or replaced itself by another program.
    #[error("the process is gone")]
    Gone,
    /// The target runs again: the longest pause that was allowed is over.
    #[error("the process was let go on before this was read")]
    LetGo,
    /// Reading its memory is not allowed.
    #[error("not permitted to read the target's memory")]
    NotPermitted,
}

/// One range in a batch: where it is, where the bytes go, and how it went.
#[derive(Debug)]
pub struct Want<'a> {
    /// First byte in the target.
    pub at: Addr,
    /// Where the bytes go; its length is the number of bytes wanted.
    pub buf: &'a mut [u8],
    /// Set by [`ReadMemory::read_many`]; undefined before. A failed want's buffer holds anything.
    pub result: Result<(), ReadError>,
}

impl<'a> Want<'a> {
    /// A range to be read.
    pub fn new(at: Addr, buf: &'a mut [u8]) -> Self {
        Want {
            at,
            buf,
            result: Ok(()),
        }
    }
}

/// Memory of a program that stands still.
pub trait ReadMemory {
    /// Fills `buf` from `at` on, or fails as a whole.
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Reads many ranges at once; each carries its own result.
    fn read_many(&self, wants: &mut [Want<'_>]) {
        for want in wants {
            want.result = self.read(want.at, want.buf);
        }
    }

    /// The same, and hands each part of them to `then` once it has been read, in the order of `wants` within a part; perhaps
    /// from several threads at once, and while other parts are still being read. What [`Want::result`] says in the end counts.
    fn read_many_then(&self, wants: &mut [Want<'_>], then: &(dyn Fn(&[Want<'_>]) + Sync)) {
        self.read_many(wants);
        then(wants);
    }

    /// Reads a little-endian word of 8 bytes.
    fn read_u64(&self, at: Addr) -> Result<u64, ReadError> {
        let mut buf = [0; 8];
        self.read(at, &mut buf)?;
        Ok(u64::from_le_bytes(buf))
    }
}

impl<M: ReadMemory + ?Sized> ReadMemory for &M {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        (**self).read(at, buf)
    }
    fn read_many(&self, wants: &mut [Want<'_>]) {
        (**self).read_many(wants);
    }
    fn read_many_then(&self, wants: &mut [Want<'_>], then: &(dyn Fn(&[Want<'_>]) + Sync)) {
        (**self).read_many_then(wants, then);
    }
}
