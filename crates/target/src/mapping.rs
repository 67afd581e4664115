//! What lies where in a program's memory.

use std::path::PathBuf;

use model::Addr;

/// A part of a file that is mapped into a program, or what the kernel puts there (`[vdso]`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mapping {
    /// First address.
    pub start: Addr,
    /// The address behind the last one.
    pub end: Addr,
    /// Where in the file it begins, in bytes.
    pub file_offset: u64,
    /// Device and inode of the file; 0 where they are not known, or it is no file.
    pub file: (u64, u64),
    /// The file's path as the program sees it; the kernel adds ` (deleted)` to that of a file
    /// that is no longer there. A name in brackets is the kernel's.
    pub path: PathBuf,
}

impl Mapping {
    /// Whether an address lies in it.
    pub fn contains(&self, at: Addr) -> bool {
        self.start <= at && at < self.end
    }
}
