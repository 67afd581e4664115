//! The state of an object, by its own words.

use model::{Addr, ObjectState, WaitKind, WaitState, WaitingOn};
use target::ReadMemory;

/// `sync/mutex.go`, `mutexLocked`; the same from Go 1.19 to 1.27.
const LOCKED: u32 = 1;
/// `mutexStarving`.
const STARVING: u32 = 4;
/// `mutexWaiterShift`.
const WAITER_SHIFT: u32 = 3;
/// `sync/rwmutex.go`, `rwmutexMaxReaders`.
const MAX_READERS: i32 = 1 << 30;

/// From an `RWMutex` to its `readerCount`, and to `readerWait` (`sync/rwmutex.go`).
const READER_COUNT: u64 = 16;
const READER_WAIT: u64 = 20;

/// What is known of the object at `at` that somebody waits on.
pub(super) fn read(mem: &dyn ReadMemory, on: &WaitingOn, at: Addr) -> ObjectState {
    let word = |offset| {
        let mut bytes = [0; 4];
        mem.read(at.checked_add(offset)?, &mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let known = match (&on.state, on.kind) {
        (WaitState::Chan(Some(state)), _) => Some(ObjectState::Chan(state.clone())),
        (&WaitState::WaitGroup { counter, waiters }, _) => {
            Some(ObjectState::WaitGroup { counter, waiters })
        }
        (_, WaitKind::Mutex) => word(0).map(|state| ObjectState::Mutex {
            locked: state & LOCKED != 0,
            starving: state & STARVING != 0,
            waiters: state >> WAITER_SHIFT,
        }),
        (_, WaitKind::RwMutex) => word(READER_COUNT)
            .zip(word(READER_WAIT))
            .map(|(count, wait)| {
                // A writer makes it negative, so that readers wait.
                let count = count.cast_signed();
                let writer = count < 0;
                let readers = if writer {
                    count.wrapping_add(MAX_READERS)
                } else {
                    count
                };
                ObjectState::RwMutex {
                    readers: readers.max(0).cast_unsigned(),
                    writer,
                    departing: wait.cast_signed().max(0).cast_unsigned(),
                }
            }),
        _ => None,
    };
    known.unwrap_or(ObjectState::Unknown)
}
