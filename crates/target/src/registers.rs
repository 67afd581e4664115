//! The registers that goinspect needs.

use model::Addr;

/// The registers that unwinding Go code needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// Program counter.
    pub pc: Addr,
    /// Stack pointer.
    pub sp: Addr,
    /// Link register; `None` on architectures that have none.
    pub lr: Option<Addr>,
    /// Frame pointer (`rbp`, `x29`).
    pub fp: Addr,
    /// The register that Go code keeps the current `g` in (`r14` on amd64, `x28` on arm64).
    /// C code uses it for other things.
    pub g: Addr,
}
