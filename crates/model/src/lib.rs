//! The values goinspect speaks of: addresses, goroutines, frames, snapshots,
//! and what can be said of them without asking the target again (groups,
//! differences, filters).
//!
//! No I/O and no serialisation happen here; every other crate may use this one.
//! Names are the Go runtime's own (`goid`, `parentGoid`, `gopc`, `waitreason` …),
//! in snake case, so that one can grep from here to `GOROOT/src/runtime`.

mod addr;
mod arch;
mod frame;
mod goroutine;
mod ids;
mod snapshot;

pub use addr::{Addr, LinkAddr, ReturnAddr};
pub use arch::Arch;
pub use frame::{Frame, FrameKind, Function, Site, Trust, is_shown_by_go};
pub use goroutine::{Goroutine, StackBounds, StackEnd, Status};
pub use ids::{Goid, Pid, Tid};
pub use snapshot::{
    BuildInfo, CaptureInfo, LayoutSource, Snapshot, SymbolSource, TargetInfo, TargetKind,
    Unreadable,
};
