//! An executable or a library as it lies in a program's memory.

use std::sync::Arc;

use gobinary::GoBinary;
use model::{Addr, LinkAddr, TextMapping};

/// The smallest page size: segments begin in the file where they begin in a page, whatever its size.
const PAGE: u64 = 4096;

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

    /// Where the loaded part of the file lies that holds the address `at`. Whole pages are loaded.
    pub(crate) fn mapping_of(&self, at: Addr) -> Option<TextMapping> {
        let link = at.0.wrapping_sub(self.bias);
        let mut segments = self.binary.segments().iter();
        let segment =
            segments.find(|s| link.checked_sub(s.at.0).is_some_and(|in_| in_ < s.size))?;
        let before = segment.at.0 % PAGE;
        let start = segment.at.0.wrapping_sub(before).wrapping_add(self.bias);
        let len = before
            .checked_add(segment.size)?
            .checked_next_multiple_of(PAGE)?;
        Some(TextMapping {
            start: Addr(start),
            end: Addr(start.checked_add(len)?),
            file_offset: segment.offset.checked_sub(before)?,
        })
    }

    pub(crate) fn at_run_time(&self, link: LinkAddr) -> Addr {
        Addr(link.0.wrapping_add(self.bias))
    }
}
