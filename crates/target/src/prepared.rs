//! Reads that are prepared before the target is stopped.

use model::Addr;

use crate::layer::Layer;
use crate::{ReadMemory, Want};

/// What is read as one piece, in bytes: it is looked at when all of it is there, and so should be less than a
/// processor has at hand.
const PIECE: usize = 128 << 10;

/// Ranges that will be read in one go, with memory set aside for them. Until it is filled it holds nothing.
///
/// The kernel gives a process memory page by page, when it is first written to. Here all of it has been
/// written to before the target is stopped: otherwise more than half of the stop would be spent on that.
pub struct Prepared {
    layer: Layer,
}

impl Prepared {
    /// Sets aside memory for these ranges (address, length in bytes), near ones together.
    pub fn new(ranges: &mut Vec<(Addr, usize)>) -> Prepared {
        ranges.retain(|&(at, len)| len > 0 && at.checked_add(len as u64).is_some());
        let mut layer = Layer::of(ranges, PIECE);
        // Zeroes would be promised by the kernel, and not be there.
        layer.bytes.fill(0xff);
        Prepared { layer }
    }

    /// Whether this range is part of what will be read, and of one piece that [`Prepared::fill`] hands on.
    pub fn has(&self, at: Addr, len: usize) -> bool {
        self.layer.has(at, len)
    }

    /// Reads everything, and hands it on piece by piece, as [`ReadMemory::read_many_then`] does, in the order of addresses
    /// within a part. What cannot be read is not part of [`crate::CapturedMemory`] later.
    pub fn fill(&mut self, from: &dyn ReadMemory, then: &(dyn Fn(&[Want<'_>]) + Sync)) {
        self.layer.fill(from, then);
        self.layer.take_failed();
    }

    pub(crate) fn into_layer(self) -> Layer {
        self.layer
    }
}
