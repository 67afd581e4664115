//! The C part of a stack: from registers and bytes to calls of native code. Nothing here
//! knows Go.
//!
//! [`CFrames::walk`] goes from frame to frame by the unwind tables of the objects (executable, shared
//! libraries, vDSO) that are mapped into the program, and [`CFrames::calls`] says which calls, inlined ones
//! included, a frame stands for. Objects are looked into when an address in them is met, and
//! remembered as long as they stay mapped.
//!
//! The tables are evaluated by the letter, with all general registers, and where one does not
//! say enough the walk ends and says why: unwinders made for profilers guess on. Only where an object has no
//! tables at all frame pointers are followed, and what is found so is [`model::Trust::Assumed`].
#![forbid(unsafe_code)]

mod bytes;
mod elf;
mod expression;
mod image;
mod index;
mod lines;
mod object;
mod objects;
mod state;
mod symbols;
mod tables;
mod walk;

pub use image::{Loaded, ObjectFile, Program};
pub use objects::CFrames;
pub use state::State;
pub use walk::{Around, CFrame, Called, End, Start, Text, Walk};

/// A call of native code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The function; for one that has no name its place, `libfoo.so+0x1230`.
    pub name: String,
    /// Where the physical function starts, or the call where that is not known.
    pub entry: model::Addr,
    /// Its source file, where debug information has it.
    pub file: Option<String>,
    /// The line, 1-based; 0 where it is not known.
    pub line: u32,
    /// Whether it was inlined into the next one.
    pub inlined: bool,
}
