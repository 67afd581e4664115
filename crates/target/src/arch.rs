//! Processors that goinspect knows, and the registers it needs of them.

use model::Addr;

/// A processor architecture of a target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Arch {
    /// Go's name for it (`GOARCH`).
    pub fn goarch(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }
}

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
