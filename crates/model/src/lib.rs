//! The values goinspect speaks of: addresses, goroutines, frames, snapshots,
//! and what can be said of them without asking the target again (groups,
//! differences, filters).
//!
//! No I/O and no serialisation happen here; every other crate may use this one.
//! Names are the Go runtime's own (`goid`, `parentGoid`, `gopc`, `waitreason` …),
//! in snake case, so that one can grep from here to `GOROOT/src/runtime`.

mod addr;
mod arch;
mod build_ids;
mod diff;
mod escape;
mod filter;
mod frame;
mod goroutine;
mod group;
mod ids;
mod object;
mod scheduler;
mod sharing;
mod snapshot;
#[cfg(test)]
mod testing;
mod traceback;
mod version;
mod waiting;

pub use addr::{Addr, LinkAddr, ReturnAddr};
pub use arch::Arch;
pub use build_ids::BuildIds;
pub use diff::{Change, Diff, DiffCounts, Differences, diff};
pub use escape::{Escaped, must_escape};
pub use filter::{Filter, FilterError};
pub use frame::{
    C_FRAMES_MISSING, Frame, FrameKind, Function, Site, Trust, is_name_shown_by_go, shown_by_go,
    shown_with_c,
};
pub use goroutine::{Goroutine, Labels, StackBounds, StackEnd, Status};
pub use group::{Group, Stacks, group};
pub use ids::{Goid, Pid, Tid};
pub use object::{HeldBy, Holder, Object, ObjectState, Objects, Queue};
pub use scheduler::{GcPhase, P, PStatus, Scheduler};
pub use sharing::{unchanged_goroutines, unchanged_objects};
pub use snapshot::{
    BuildInfo, CaptureInfo, LayoutSource, Snapshot, SymbolSource, TargetInfo, TargetKind,
    TextMapping, Unreadable,
};
pub use traceback::{Ancestor, Arg, Bubble, FramePlace, M, MRef, Traceback};
pub use version::{Dialect, GoVersion, LabelPlace};
pub use waiting::{ChanState, WaitKind, WaitState, WaitingOn, intent};
