//! Addresses are types: a run-time address, a link-time address and a return
//! address are three things, and mixing them up is how debuggers show wrong lines.

use std::fmt;

/// An address in the target's memory while it runs (load bias included).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(pub u64);

/// An address as the linker wrote it into the executable file. For a
/// position-independent executable it differs from [`Addr`] by the load bias.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LinkAddr(pub u64);

/// A run-time address that a call will return to. It points behind the call
/// instruction, so it may belong to the next line, or even to the next function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ReturnAddr(pub u64);

impl Addr {
    /// The nil pointer.
    pub const NULL: Addr = Addr(0);

    /// Whether this is the nil pointer.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on, or `None` where the address space ends.
    pub fn checked_add(self, bytes: u64) -> Option<Addr> {
        self.0.checked_add(bytes).map(Addr)
    }
}

impl ReturnAddr {
    /// An address inside the call instruction: what symbolisation wants
    /// (`runtime/traceback.go`, `(*unwinder).symPC`).
    pub fn call_site(self) -> Addr {
        Addr(self.0.saturating_sub(1))
    }
}

macro_rules! hex_fmt {
    ($($t:ty),*) => {$(
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($t), "({:#x})"), self.0)
            }
        }
    )*};
}
hex_fmt!(Addr, LinkAddr, ReturnAddr);
