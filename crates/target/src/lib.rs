//! What a stopped program offers, whether it is a live process or a core file:
//! memory, threads and their registers.
//!
//! [`ReadMemory`] can be wrapped: [`CapturedMemory`] answers from ranges that were copied
//! before, and remembers what it was asked for and did not have.

mod arch;
mod captured;
mod memory;
mod stopped;

pub use arch::{Arch, Registers};
pub use captured::CapturedMemory;
pub use memory::{ReadError, ReadMemory, Want};
pub use stopped::{Target, Thread};
