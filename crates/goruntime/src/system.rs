//! Which goroutines are the runtime's own, and how many are not.

use model::{Addr, Status};
use target::{CapturedMemory, ReadMemory};

use crate::capture::{list_gs, read_g_addresses};
use crate::error::CaptureError;
use crate::limits::Limits;
use crate::module::{Modules, Role};
use crate::runtime::Runtime;
use crate::start::RawG;

/// `runtime/mfinal.go`, `fingRunningFinalizer`.
const FING_RUNNING_FINALIZER: u64 = 2;

/// `runtime/traceback.go`, `isSystemGoroutine(gp, false)`.
pub(crate) fn is_system(modules: &Modules, g: &RawG, finalizer_runs: bool) -> bool {
    let Some(spot) = modules.find(g.startpc) else {
        return false;
    };
    match spot.role() {
        Role::Main | Role::Corostart => false,
        Role::RunFinalizers => !finalizer_runs,
        Role::RunCleanups => !g.running_cleanups,
        _ => spot
            .func
            .name_bytes()
            .is_some_and(|name| name.starts_with(b"runtime.")),
    }
}

/// Whether the finalizer goroutine is running one.
pub(crate) fn finalizer_runs(mem: &dyn ReadMemory, runtime: &Runtime) -> bool {
    let word = |at: Option<Addr>| at.and_then(|at| mem.read_u64(at).ok());
    word(runtime.fing_status).is_some_and(|status| status & FING_RUNNING_FINALIZER != 0)
        || word(runtime.fing_running).is_some_and(|running| running & 0xff != 0)
}

/// Counts the program's own live goroutines, as `runtime.NumGoroutine` does. `mem` may be that
/// of a running process; then the count is as good as any of something that moves.
pub fn count_goroutines(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
) -> Result<u64, CaptureError> {
    let (list, len) = list_gs(mem, runtime, limits)?;
    let gs = read_g_addresses(mem, list, len)?;
    let size = runtime.g.extent();
    let mut copy = CapturedMemory::new();
    copy.fetch(mem, &mut gs.iter().map(|&g| (g, size)).collect());
    let finalizer_runs = finalizer_runs(mem, runtime);
    let is_own = |&g: &Addr| {
        let g = copy
            .slice(g, size)
            .ok()
            .and_then(|bytes| RawG::parse(&runtime.g, bytes));
        g.is_some_and(|g| {
            !matches!(g.status(), None | Some(Status::Dead))
                && !is_system(&runtime.modules, &g, finalizer_runs)
        })
    };
    Ok(gs.iter().filter(|g| is_own(g)).count() as u64)
}
