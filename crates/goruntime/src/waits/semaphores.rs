//! Who waits for a semaphore (`runtime/sema.go`, `semtable`), and what of package `sync` it belongs to.

use gobinary::Scalar;
use model::{Addr, Frame, WaitKind, WaitState, WaitingOn};
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

use super::{field, plain};
use crate::contract::Sudog;
use crate::limits::Limits;
use crate::runtime::Runtime;

/// `runtime/sema.go`, `semTabSize`.
pub(super) const TABLE_LEN: u64 = 251;

/// From a value of package `sync` to the semaphores in it, in bytes; the same in Go 1.19 to 1.27
/// (`sync/mutex.go`, since 1.24 `internal/sync/mutex.go`; `sync/rwmutex.go`; `sync/waitgroup.go`).
pub mod offsets {
    /// `Mutex.sema`.
    pub const MUTEX: u64 = 4;
    /// `RWMutex.writerSem`.
    pub const WRITER: u64 = 8;
    /// `RWMutex.readerSem`.
    pub const READER: u64 = 12;
    /// `WaitGroup.sema`.
    pub const WAIT_GROUP: u64 = 8;
}

/// `sync/waitgroup.go`, `waitGroupBubbleFlag` (Go 1.25 and later), among the bits of the waiters.
const BUBBLE_FLAG: u32 = 0x8000_0000;

/// The semaphores that goroutines wait for, by the address of the `g`.
#[derive(Default)]
pub(super) struct Semaphores {
    by_g: FxHashMap<Addr, Addr>,
    /// By the `sudog`: the `g`, and the next that waits for the same.
    links: FxHashMap<Addr, (Addr, Addr)>,
    /// By the semaphore, the `sudog` that is a node of the tree: the first of those that wait.
    heads: FxHashMap<Addr, Addr>,
}

impl Semaphores {
    /// Walks all trees.
    pub(super) fn read(mem: &dyn ReadMemory, runtime: &Runtime, limits: &Limits) -> Semaphores {
        let mut found = Semaphores::default();
        let Some(layout) = runtime.waits.sudog else {
            return found;
        };
        let mut seen = FxHashSet::default();
        for (root, hash) in roots(mem, runtime) {
            let mut open = vec![root];
            while let Some(at) = open.pop() {
                if at.is_null() || !seen.insert(at) || seen.len() > limits.goroutines {
                    continue;
                }
                let Some((elem, links)) = node(mem, &layout, at) else {
                    continue;
                };
                // Whatever hangs elsewhere is no entry of this table.
                if !belongs(elem, hash) {
                    continue;
                }
                // The first that waits is on the tree, the others hang on it (`semaRoot.queue`).
                let [prev, next, waitlink] = links;
                if let Some(g) = field(mem, at, layout.g).map(Addr) {
                    found.by_g.insert(g, elem);
                    found.links.insert(at, (g, waitlink));
                }
                found.heads.entry(elem).or_insert(at);
                // Before the others of the same semaphore come those of other ones.
                open.extend([waitlink, prev, next]);
            }
        }
        found
    }

    /// The `g`s of those that wait for a semaphore, the next to be served first.
    pub(super) fn queue(&self, sema: Addr) -> Vec<Addr> {
        let mut queue = Vec::new();
        let mut next = self.heads.get(&sema).copied().unwrap_or(Addr(0));
        while let Some(&(g, after)) = self.links.get(&next) {
            if queue.len() >= self.links.len() {
                break;
            }
            queue.push(g);
            next = after;
        }
        queue
    }

    /// What the goroutine whose `g` is at `at` waits for.
    pub(super) fn of(
        &self,
        mem: &dyn ReadMemory,
        at: Addr,
        reason: &str,
        frames: &[Frame],
    ) -> Result<WaitingOn, String> {
        let sema = *self
            .by_g
            .get(&at)
            .ok_or("the semaphore it waits for is not in runtime.semtable")?;
        let (kind, op, offset) = owner(reason, frames);
        let addr = Addr(sema.0.wrapping_sub(offset));
        let state = match kind {
            WaitKind::WaitGroup => match mem.read_u64(addr) {
                Ok(state) => WaitState::WaitGroup {
                    counter: (state >> 32) as u32,
                    waiters: state as u32 & !BUBBLE_FLAG,
                },
                Err(why) => return Err(format!("the WaitGroup at {addr} cannot be read: {why}")),
            },
            _ => WaitState::Nothing,
        };
        Ok(WaitingOn {
            addr: Some(addr),
            state,
            ..plain(kind, Some(op))
        })
    }
}

/// Whether a semaphore hangs in the tree of its hash (`(*semTable).rootFor`).
fn belongs(sema: Addr, hash: u64) -> bool {
    (sema.0 >> 3) % TABLE_LEN == hash
}

/// The roots of the trees with their place in the table. Where it is not known which of
/// several places is the table, all of them are looked at: what hangs at the wrong one does not belong there.
pub(super) fn roots(mem: &dyn ReadMemory, runtime: &Runtime) -> Vec<(Addr, u64)> {
    let numbers = (0..TABLE_LEN).cycle();
    slots(mem, runtime)
        .into_iter()
        .zip(numbers)
        .map(|((_, root), i)| (Addr(root.unwrap_or(0)), i))
        .filter(|(root, _)| !root.is_null())
        .collect()
}

/// Where the roots are, with what is there: of each table all.
pub(crate) fn slots(mem: &dyn ReadMemory, runtime: &Runtime) -> Vec<(Addr, Option<u64>)> {
    let Some((treap, stride)) = runtime.waits.treap else {
        return Vec::new();
    };
    let tables = runtime.waits.semtables.iter();
    let slots =
        tables.flat_map(|table| (0..TABLE_LEN).map(move |i| table.0.wrapping_add(i * stride)));
    slots
        .map(|slot| {
            let at = Addr(slot.wrapping_add(treap.offset as u64));
            (at, field(mem, Addr(slot), treap))
        })
        .collect()
}

/// A node of a tree: the semaphore, and what else hangs there.
pub(super) fn node(mem: &dyn ReadMemory, layout: &Sudog, at: Addr) -> Option<(Addr, [Addr; 3])> {
    let elem: Scalar = layout.elem_vu.or(layout.elem)?;
    let word = |scalar| field(mem, at, scalar).map(Addr);
    let links = [
        word(layout.prev)?,
        word(layout.next)?,
        word(layout.waitlink)?,
    ];
    Some((word(elem)?, links))
}

/// What has the semaphore: the outermost call of package `sync` that is still one of those that wait.
/// Wait reasons do not tell (a mutex in an `RWMutex`), and before Go 1.21 hardly any had one of its own.
fn owner(reason: &str, frames: &[Frame]) -> (WaitKind, &'static str, u64) {
    let mut found = match reason.trim_end_matches(" (durable)") {
        "sync.Mutex.Lock" => (WaitKind::Mutex, "lock", offsets::MUTEX),
        "sync.RWMutex.RLock" => (WaitKind::RwMutex, "rlock", offsets::READER),
        "sync.RWMutex.Lock" => (WaitKind::RwMutex, "lock", offsets::WRITER),
        "sync.WaitGroup.Wait" => (WaitKind::WaitGroup, "wait", offsets::WAIT_GROUP),
        _ => (WaitKind::Semaphore, "acquire", 0),
    };
    let mut in_mutex = false;
    for frame in frames {
        let name = &*frame.function.name;
        match name {
            "sync.(*Mutex).lockSlow"
            | "internal/sync.(*Mutex).lockSlow"
            | "sync.(*Mutex).Lock"
            | "internal/sync.(*Mutex).Lock" => {
                in_mutex = true;
                found = (WaitKind::Mutex, "lock", offsets::MUTEX);
            }
            // Waits for the other writers first, which is the mutex at its beginning.
            "sync.(*RWMutex).Lock" if in_mutex => {
                return (WaitKind::RwMutex, "lock", offsets::MUTEX);
            }
            "sync.(*RWMutex).Lock" => return (WaitKind::RwMutex, "lock", offsets::WRITER),
            "sync.(*RWMutex).RLock" => return (WaitKind::RwMutex, "rlock", offsets::READER),
            "sync.(*WaitGroup).Wait" => {
                return (WaitKind::WaitGroup, "wait", offsets::WAIT_GROUP);
            }
            _ if in_mutex => return found,
            _ if name.starts_with("runtime.")
                || name.starts_with("sync.runtime_")
                || name.starts_with("internal/sync.runtime_") => {}
            // Somebody else's semaphore.
            _ => return found,
        }
    }
    found
}
