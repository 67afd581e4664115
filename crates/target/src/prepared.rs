//! Reads that are prepared before the target is stopped.

use model::Addr;

use crate::ReadMemory;
use crate::layer::Layer;

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
        let mut layer = Layer::of(ranges);
        // Zeroes would be promised by the kernel, and not be there.
        layer.bytes.fill(0xff);
        Prepared { layer }
    }

    /// Where the bytes of a range will be; `None` if it was not prepared.
    pub fn place(&self, at: Addr, len: usize) -> Option<usize> {
        self.layer.place(at, len)
    }

    /// Reads everything. What cannot be read is not part of [`crate::CapturedMemory`] later; in [`Prepared::bytes`] there are
    /// only ones then, or what was read before the place that could not be.
    pub fn fill(&mut self, from: &dyn ReadMemory) {
        self.layer.fill(from);
        self.layer.take_failed();
    }

    /// What was read, for [`Prepared::place`].
    pub fn bytes(&self) -> &[u8] {
        &self.layer.bytes
    }

    pub(crate) fn into_layer(self) -> Layer {
        self.layer
    }
}
