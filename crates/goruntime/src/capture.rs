//! Copying out of a stopped target what decoding will need, in as few and as large reads
//! as possible. Nothing is symbolised or formatted here: the target is waiting.

mod ahead;
mod facts;
mod stacks;
mod unstopped;

use model::{Addr, Status};
use rustc_hash::FxHashSet;
use target::{CapturedMemory, ReadError, ReadMemory, Target, Thread};

use crate::ancestors;
use crate::bubble;
use crate::error::CaptureError;
use crate::labels::{self, LabelError};
use crate::limits::Limits;
use crate::machine::{Machine, list_ms};
use crate::runtime::Runtime;
use crate::start::{MThread, RawG};
use crate::waits::{self, WaitClass, Waiter};
use crate::wanted::Wanted;

use self::ahead::Kept;
pub use self::ahead::{Ahead, read_ahead};
use self::stacks::{SystemStacks, used_stack};
pub use self::unstopped::{Doubts, capture_running};

/// What was copied out of a target, and which threads it had.
pub struct Capture {
    /// The bytes.
    pub memory: CapturedMemory,
    /// The threads with their registers.
    pub threads: Vec<Thread>,
    /// Whether there may be C code in a stack, so that what is mapped where is of interest.
    pub in_c: bool,
    /// What the reader of the snapshot should know, in sentences.
    pub diagnostics: Vec<String>,
    /// False if something was left out because it would have taken too long.
    pub is_complete: bool,
    /// What is still true of what was read ahead.
    kept: Option<Kept>,
}

impl Capture {
    /// How many stacks were read ahead, and not again.
    pub fn kept(&self) -> usize {
        self.kept.as_ref().map_or(0, Kept::count)
    }

    /// Puts together what was read ahead and what was read in the stop. To be called when the target
    /// runs again; before, what was read ahead is not in [`Capture::memory`].
    pub fn settle(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.memory.put_below(kept.stacks());
        }
    }
}

/// Where the goroutines are: the list that `runtime/proc.go`, `atomicAllG` gives. Unlike
/// `runtime.allgs` it is never half written: its length is stored last and only grows.
pub(crate) fn list_gs(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
) -> Result<(Addr, usize), CaptureError> {
    let word = |what, at| {
        mem.read_u64(at)
            .map_err(|why| CaptureError::Read { what, at, why })
    };
    let len = word("runtime.allglen", runtime.allglen)?;
    let list = Addr(word("runtime.allgptr", runtime.allgptr)?);
    if len == 0 || list.is_null() {
        return Err(CaptureError::NotStarted);
    }
    match usize::try_from(len) {
        Ok(len) if len <= limits.goroutines => Ok((list, len)),
        _ => Err(CaptureError::TooMany {
            found: len,
            limit: limits.goroutines,
        }),
    }
}

/// Reads the addresses of the goroutines.
pub(crate) fn read_g_addresses(
    mem: &dyn ReadMemory,
    list: Addr,
    len: usize,
) -> Result<Vec<Addr>, CaptureError> {
    let mut bytes = vec![0; len.saturating_mul(8)];
    mem.read(list, &mut bytes)
        .map_err(|why: ReadError| CaptureError::Read {
            what: "runtime.allgs",
            at: list,
            why,
        })?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok(words
        .iter()
        .map(|word| Addr(u64::from_le_bytes(*word)))
        .collect())
}

/// Copies these `g`s as they are now.
fn look(target: &dyn ReadMemory, runtime: &Runtime, gs: &[Addr]) -> CapturedMemory {
    let mut memory = CapturedMemory::new();
    memory.fetch(target, &mut ranges_of(runtime, gs.iter().copied()));
    memory
}

/// Where the bytes of these `g`s lie.
fn ranges_of(runtime: &Runtime, gs: impl Iterator<Item = Addr>) -> Vec<(Addr, usize)> {
    let gs = gs.filter(|g| !g.is_null());
    gs.map(|g| (g, runtime.g.extent())).collect()
}

/// A `g` out of what was copied.
fn g_at(memory: &CapturedMemory, runtime: &Runtime, at: Addr) -> Option<RawG> {
    let bytes = memory.slice(at, runtime.g.extent()).ok()?;
    RawG::parse(&runtime.g, bytes)
}

/// The variables that lead to everything else.
fn globals(runtime: &Runtime) -> Vec<(Addr, usize)> {
    let globals = [
        Some(runtime.allglen),
        Some(runtime.allgptr),
        Some(runtime.allm),
        runtime.fing_status,
        runtime.fing_running,
    ];
    // Eight bytes of each, though some have fewer: there is always something behind them.
    let globals = globals.into_iter().flatten().map(|at| (at, 8));
    let scheduler = runtime.scheduler.iter().flat_map(|layout| layout.globals());
    globals.chain(scheduler).collect()
}

/// Copies the goroutines, the Ms, the used part of each stack, and the small objects they point to.
/// What was read ahead makes that shorter, and changes nothing else.
pub fn capture(
    target: &dyn Target,
    runtime: &Runtime,
    limits: &Limits,
    wanted: Wanted,
    ahead: Option<Ahead>,
) -> Result<Capture, CaptureError> {
    let mut memory = CapturedMemory::new();
    let mut diagnostics = Vec::new();
    let mut kept = ahead.map(|ahead| ahead.take(target, &mut memory, runtime));
    let mut ranges = globals(runtime);
    memory.fetch(target, &mut ranges);
    let (list, len) = list_gs(&memory, runtime, limits)?;
    memory.fetch(target, &mut vec![(list, len.saturating_mul(8))]);
    let bytes = memory.slice(list, len.saturating_mul(8)).ok();
    let known = kept.as_mut().zip(bytes);
    let gs = match known.and_then(|(kept, bytes)| kept.take_gs(bytes)) {
        Some(gs) => gs,
        None => {
            kept = None;
            read_g_addresses(&memory, list, len)?
        }
    };

    if let Ok(layout) = &runtime.scheduler {
        layout.fetch(&mut memory, target, &runtime.m, limits);
    }
    let (ms, broken) = list_ms(target, runtime, limits);
    diagnostics.extend(broken);
    let g_size = runtime.g.extent();
    ranges.clear();
    let is_kept = |i| kept.as_ref().is_some_and(|kept| kept.has(i));
    let others = gs.iter().enumerate().filter(|&(i, _)| !is_kept(i));
    ranges.extend(ranges_of(runtime, others.map(|(_, &g)| g)));
    ranges.extend(ms.iter().map(|&m| (m, runtime.m.extent())));
    memory.fetch(target, &mut ranges);
    ranges.clear();
    for &m in &ms {
        let g = |field: gobinary::Scalar| {
            memory
                .read_u64(Addr(m.0.wrapping_add(field.offset as u64)))
                .ok()
        };
        let system = [g(runtime.m.g0), g(runtime.m.gsignal)];
        ranges.extend(
            system
                .into_iter()
                .flatten()
                .filter(|&g| g != 0)
                .map(|g| (Addr(g), g_size)),
        );
    }
    memory.fetch(target, &mut ranges);

    // What cannot be read here is read, and reported, by the decoder once more.
    let machine = Machine::read(&memory, runtime, target.threads(), &ms, &mut Vec::new());
    ranges.clear();
    let mut small = SmallObjects::default();
    let mut waiters = Vec::new();
    let mut locked = FxHashSet::default();
    let mut total = 0u64;
    let mut left_out = 0usize;
    let too_long = kept.as_ref().and_then(Kept::too_long);
    let mut spared = 0usize;
    for (i, &at) in gs.iter().enumerate() {
        if is_kept(i) {
            continue;
        }
        let Some(g) = g_at(&memory, runtime, at) else {
            continue;
        };
        if matches!(g.status(), None | Some(Status::Dead)) {
            continue;
        }
        if too_long.is_some() && g.status() != Some(Status::Running) {
            spared += 1;
            continue;
        }
        if matches!(g.status(), Some(Status::Waiting | Status::Leaked)) {
            let class = runtime.wait_class(g.waitreason);
            waiters.push(Waiter { at, g, class });
        }
        small.of(&g);
        if !g.lockedm.is_null() {
            locked.insert(g.lockedm);
        }
        if let Some((sp, bytes)) = used_stack(&g, &machine) {
            total = total.saturating_add(bytes);
            if bytes > limits.stack_bytes || total > limits.all_stack_bytes {
                left_out += 1;
            } else {
                ranges.push((sp, bytes as usize));
            }
        }
    }
    let mut system = SystemStacks {
        runtime,
        limits,
        left: limits.all_c_stack_bytes,
        in_c: false,
        ranges: &mut ranges,
    };
    // Threads that work for a goroutine on their system stack or in a signal handler.
    let is_wanted = |m: &&MThread| wanted.ms || !m.raw.curg.is_null();
    for m in machine.by_addr.values().filter(is_wanted) {
        system.of_thread(m);
    }
    // And those whose C code has called a goroutine that is parked now.
    for m in locked.iter().filter_map(|m| machine.by_addr.get(m)) {
        system.of_callbacks(m);
    }
    let in_c = system.in_c;
    memory.fetch(target, &mut ranges);
    if left_out > 0 {
        diagnostics.push(format!(
            "{left_out} stacks were not copied, for they are larger than the limits"
        ));
    }
    if let Some(time) = too_long {
        diagnostics.push(format!(
            "to copy everything would have taken about {time:.1?}, longer than --max-pause: \
             the stacks of {spared} goroutines, and what they wait on, were left out"
        ));
    }
    small.follow(&mut memory, target, runtime, limits);
    let semaphores = match &kept {
        Some(kept) => !kept.same_semaphores(),
        None => waiters.iter().any(|w| w.class == WaitClass::Semaphore),
    };
    waits::fetch(&mut memory, target, runtime, limits, &waiters, semaphores);
    let _ = memory.take_misses();
    Ok(Capture {
        memory,
        is_complete: too_long.is_none(),
        kept,
        threads: target.threads().to_vec(),
        in_c,
        diagnostics,
    })
}

/// What goroutines point to that tells more about them, each once.
#[derive(Default)]
struct SmallObjects {
    labels: FxHashSet<Addr>,
    bubbles: FxHashSet<Addr>,
    ancestries: FxHashSet<Addr>,
}

impl SmallObjects {
    fn of(&mut self, g: &RawG) {
        let mut note = |at: Addr, all: fn(&mut Self) -> &mut FxHashSet<Addr>| {
            if !at.is_null() {
                all(self).insert(at);
            }
        };
        note(g.labels, |all| &mut all.labels);
        note(g.bubble, |all| &mut all.bubbles);
        note(g.ancestors, |all| &mut all.ancestries);
    }

    /// Copies them and what they lead to.
    fn follow(
        self,
        memory: &mut CapturedMemory,
        target: &dyn ReadMemory,
        runtime: &Runtime,
        limits: &Limits,
    ) {
        let layout = runtime.label_layout();
        follow(
            memory,
            target,
            limits,
            self.labels,
            |memory, at| match labels::read(memory, layout, at, limits) {
                Err(LabelError::Read(why)) => Some(why),
                _ => None,
            },
        );
        follow(memory, target, limits, self.bubbles, |memory, at| {
            bubble::id(memory, runtime, at).err()
        });
        follow(memory, target, limits, self.ancestries, |memory, at| {
            ancestors::read(memory, runtime, at).err()
        });
    }
}

/// Follows chains of small objects, by the decoder's own reader.
fn follow(
    memory: &mut CapturedMemory,
    target: &dyn ReadMemory,
    limits: &Limits,
    mut waiting: FxHashSet<Addr>,
    read: impl Fn(&CapturedMemory, Addr) -> Option<ReadError>,
) {
    memory.follow(target, limits.rounds, |memory| {
        waiting.retain(|&at| matches!(read(memory, at), Some(ReadError::NotCaptured { .. })));
    });
}
