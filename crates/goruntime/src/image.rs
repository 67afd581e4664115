//! An executable or a library as it lies in a program's memory.

use std::sync::Arc;

use gobinary::GoBinary;
use model::{Addr, LinkAddr};

/// An ELF file that has Go code, and where it was loaded.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file.
    pub binary: Arc<GoBinary>,
    /// By how many bytes its run-time addresses are above those it was linked for.
    pub bias: u64,
}

impl Image {
    /// The executable of a program whose entry point is at `entry` at run time (`AT_ENTRY`).
    pub fn at_entry(binary: Arc<GoBinary>, entry: Addr) -> Image {
        Image {
            bias: entry.0.wrapping_sub(binary.entry.0),
            binary,
        }
    }

    /// A file of which the byte at `offset` lies at `at`; `None` if it is none of those that are loaded.
    pub fn mapped(binary: Arc<GoBinary>, offset: u64, at: Addr) -> Option<Image> {
        let link = binary.segments().iter().find_map(|segment| {
            let inside = offset.checked_sub(segment.offset)?;
            (inside < segment.size).then(|| segment.at.0.wrapping_add(inside))
        })?;
        Some(Image {
            bias: at.0.wrapping_sub(link),
            binary,
        })
    }

    pub(crate) fn at_run_time(&self, link: LinkAddr) -> Addr {
        Addr(link.0.wrapping_add(self.bias))
    }
}
