//! What a stopped program offers, whether it is a live process or a core file:
//! memory, threads and their registers.
//!
//! [`ReadMemory`] can be wrapped: [`CapturedMemory`] answers from ranges that were copied
//! before, and remembers what it was asked for and did not have.

mod captured;
mod layer;
mod mapping;
mod memory;
mod prepared;
mod registers;
mod stopped;

pub use captured::CapturedMemory;
pub use mapping::Mapping;
pub use memory::{ReadError, ReadMemory, Want};
pub use model::Arch;
pub use prepared::Prepared;
pub use registers::Registers;
pub use stopped::{Target, Thread};
