//! What a Go executable says of itself: its ELF file, its build, the layouts of the
//! runtime's structures (DWARF), where the runtime's variables are, and pclntab.
//!
//! Nothing here touches a process. All addresses are link-time ones ([`model::LinkAddr`]);
//! text offsets count from `moduledata.text`. This is the only crate that
//! uses gimli and object.

mod arguments;
mod binary;
mod build_version;
mod buildinfo;
mod bytes;
mod dwarf;
mod elf;
mod error;
mod layouts;
mod pclntab;
mod pointer_map;
mod types;

pub use arguments::ArgPiece;
pub use binary::{DebugInfo, GoBinary, Wanted};
pub use buildinfo::BuildInfo;
pub use elf::{Segment, Variable};
pub use error::BinaryError;
pub use layouts::{layouts_for, write_layouts};
pub use model::GoVersion;
pub use pclntab::{Func, InlinedCall, Pclntab};
pub use pointer_map::{PointerMap, StackObject};
pub use types::{Field, MAX_SIZE, PathError, Scalar, Shape, Type, TypeId, TypeTable};
