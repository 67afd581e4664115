//! The synctest bubble of a goroutine (`runtime/synctest.go`, Go 1.24 and later).

use model::{Addr, Bubble, Status};
use target::{ReadError, ReadMemory};

use crate::machine::read_g;
use crate::runtime::Runtime;
use crate::start::RawG;

/// The bubble that `g` lives in; `None` where it lives in none or it cannot be read.
pub(crate) fn read(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    g: &RawG,
    status: Status,
) -> Option<Bubble> {
    if g.bubble.is_null() {
        return None;
    }
    let waits = status == Status::Waiting || runtime.binary().version.calls_any_status_durable();
    let idle = usize::try_from(g.waitreason)
        .ok()
        .and_then(|reason| runtime.idle_in_synctest.get(reason));
    Some(Bubble {
        id: id(mem, runtime, g.bubble).ok()??,
        durable: waits && idle == Some(&true),
    })
}

/// The number that headers of tracebacks call it by; `Ok(None)` where its layout is not known.
pub(crate) fn id(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    at: Addr,
) -> Result<Option<u64>, ReadError> {
    let word = |offset: usize| mem.read_u64(Addr(at.0.wrapping_add(offset as u64)));
    match (runtime.bubble, runtime.sync_group) {
        (Some(bubble), _) => word(bubble.id.offset).map(Some),
        (None, Some(group)) => {
            let root = Addr(word(group.root.offset)?);
            Ok(read_g(mem, runtime, root).map(|g| g.goid))
        }
        (None, None) => Ok(None),
    }
}
