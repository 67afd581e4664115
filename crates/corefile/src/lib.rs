//! ELF core files, of any supported processor on any host, as a [`target::Target`].
//!
//! Cores of the kernel, of `gcore` and of qemu are read, compressed ones too. A core is read in
//! pieces where it lies, never loaded or mapped: one that somebody cuts short while we look at it
//! is an error here and no signal. Whatever it claims is checked; what it lacks is said
//! ([`target::Target::diagnostics`]).

mod bytes;
mod core;
mod error;
mod file;
mod headers;
mod notes;
mod unpack;

pub use crate::core::CoreFile;
pub use error::CoreError;
pub use unpack::looks_like_core;
