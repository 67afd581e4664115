//! Core files as a [`target::Target`]: what a program was when it crashed, or when somebody
//! took a picture of it. Any supported processor on any host.
//!
//! Cores come from the kernel (`fs/binfmt_elf.c`), from gdb's `gcore`, and from qemu's user
//! mode emulation, compressed or not, whole or cut short. What a core leaves out is an error
//! for whoever reads there, and a sentence in the diagnostics; it is never made up.
//!
//! Addresses ([`model::Addr`]) are run-time ones; offsets into files are plain `u64` and are
//! named so. Nothing here knows Go, but for the note that holds its build ID.
#![forbid(unsafe_code)]

mod blocks;
mod bytes;
mod core_file;
mod elf;
mod error;
mod executable;
mod foreign;
mod memory;
mod note;
mod notes;
mod options;
mod records;
mod unpack;

pub use core_file::CoreFile;
pub use error::CoreError;
pub use executable::Executable;
pub use memory::FileSegment;
pub use notes::Signal;
pub use options::{Limits, OpenOptions};
pub use records::MappedFile;
