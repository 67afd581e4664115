//! Copying out of a stopped target what decoding will need, in as few and as large reads
//! as possible. Nothing is symbolised or formatted here: the target is waiting.

use model::{Addr, Status};
use rustc_hash::FxHashSet;
use target::{CapturedMemory, ReadError, ReadMemory, Target, Thread};

use cframes::Text;

use crate::ancestors;
use crate::bubble;
use crate::error::CaptureError;
use crate::labels::{self, LabelError};
use crate::limits::Limits;
use crate::machine::{Machine, list_ms};
use crate::runtime::Runtime;
use crate::start::{ABOVE_G0, MThread, RawG};
use crate::waits::{self, Waiter};
use crate::wanted::Wanted;

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

/// Copies the goroutines, the Ms, the used part of each stack, and the small objects they point to.
pub fn capture(
    target: &dyn Target,
    runtime: &Runtime,
    limits: &Limits,
    wanted: Wanted,
) -> Result<Capture, CaptureError> {
    let mut memory = CapturedMemory::new();
    let mut diagnostics = Vec::new();
    let globals = [
        Some(runtime.allglen),
        Some(runtime.allgptr),
        Some(runtime.allm),
        runtime.fing_status,
        runtime.fing_running,
    ];
    // Eight bytes of each, though some have fewer: there is always something behind them.
    let mut ranges: Vec<(Addr, usize)> = globals.into_iter().flatten().map(|at| (at, 8)).collect();
    memory.fetch(target, &mut ranges);
    let (list, len) = list_gs(&memory, runtime, limits)?;
    memory.fetch(target, &mut vec![(list, len.saturating_mul(8))]);
    let gs = read_g_addresses(&memory, list, len)?;

    let (ms, broken) = list_ms(target, runtime, limits);
    diagnostics.extend(broken);
    let g_size = runtime.g.extent();
    ranges.clear();
    ranges.extend(gs.iter().filter(|g| !g.is_null()).map(|&g| (g, g_size)));
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
    let mut labels = FxHashSet::default();
    let mut bubbles = FxHashSet::default();
    let mut ancestries = FxHashSet::default();
    let mut waiters = Vec::new();
    let mut locked = FxHashSet::default();
    let mut total = 0u64;
    let mut left_out = 0usize;
    for &at in &gs {
        let Some(g) = memory
            .slice(at, g_size)
            .ok()
            .and_then(|bytes| RawG::parse(&runtime.g, bytes))
        else {
            continue;
        };
        if matches!(g.status(), None | Some(Status::Dead)) {
            continue;
        }
        if matches!(g.status(), Some(Status::Waiting | Status::Leaked)) {
            let class = runtime.wait_class(g.waitreason);
            waiters.push(Waiter { at, g, class });
        }
        if !g.labels.is_null() {
            labels.insert(g.labels);
        }
        if !g.ancestors.is_null() {
            ancestries.insert(g.ancestors);
        }
        if !g.bubble.is_null() {
            bubbles.insert(g.bubble);
        }
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
    follow(
        &mut memory,
        target,
        limits,
        labels,
        |memory, at| match labels::read(memory, runtime.label_layout(), at, limits) {
            Err(LabelError::Read(why)) => Some(why),
            _ => None,
        },
    );
    follow(&mut memory, target, limits, bubbles, |memory, at| {
        bubble::id(memory, runtime, at).err()
    });
    follow(&mut memory, target, limits, ancestries, |memory, at| {
        ancestors::read(memory, runtime, at).err()
    });
    waits::fetch(&mut memory, target, runtime, limits, &waiters);
    let _ = memory.take_misses();
    Ok(Capture {
        memory,
        threads: target.threads().to_vec(),
        in_c,
        diagnostics,
    })
}

/// What is to be copied of system stacks.
struct SystemStacks<'a> {
    runtime: &'a Runtime,
    limits: &'a Limits,
    /// How many bytes more may be copied of stacks that C code has.
    left: u64,
    in_c: bool,
    ranges: &'a mut Vec<(Addr, usize)>,
}

/// What is copied of a stack of which nobody knows the end.
const UNKNOWN_STACK: u64 = 1 << 16;
const PAGE: u64 = 4096;

impl SystemStacks<'_> {
    fn of_thread(&mut self, m: &MThread) {
        let has_c = self.runtime.modules.has_c();
        let registers = m.registers.filter(|_| has_c);
        if let Some(now) = registers.filter(|now| !self.runtime.modules.is_elsewhere(now.pc)) {
            self.in_c = true;
            self.of_c(m, now.sp);
        }
        let limits = self.limits;
        let on_system_stack = |sp: Addr| {
            let stack = if m.g0_holds(sp) {
                m.g0
            } else {
                m.gsignal.filter(|_| m.gsignal_holds(sp))
            };
            stack.map(|(_, hi)| (sp, (hi.0 - sp.0).min(limits.system_stack_bytes) as usize))
        };
        let sp = m.registers.map(|r| r.sp);
        self.ranges.extend(sp.and_then(on_system_stack));
        self.ranges.extend(on_system_stack(m.raw.vdso_sp));
        if let Some((_, hi)) = m.g0 {
            self.ranges.push((hi, ABOVE_G0 as usize));
        }
        // What a signal interrupted there is not known before its handler's frame is read.
        if sp.is_some_and(|sp| m.gsignal_holds(sp))
            && let Some((lo, hi)) = m.g0
        {
            let bytes = (hi.0.saturating_sub(lo.0)).min(limits.system_stack_bytes);
            self.ranges.push((Addr(hi.0 - bytes), bytes as usize));
            self.in_c |= has_c;
        }
    }

    /// The stack of a thread whose C code has called Go: from where it did so the last time.
    fn of_callbacks(&mut self, m: &MThread) {
        if let Some(sp) = m.g0_sched.filter(|_| self.runtime.modules.has_c()) {
            self.in_c = true;
            self.of_c(m, sp);
        }
    }

    /// A stack of C's from `sp` on. Where it is not all there, page by page.
    fn of_c(&mut self, m: &MThread, sp: Addr) {
        let bytes = match m.g0 {
            // Of threads that C made Go only assumes that they have so much (`callbackUpdateSystemStack`).
            Some((lo, hi)) if hi.0.wrapping_sub(lo.0) == 33 * 1024 && sp < hi => {
                (hi.0 - sp.0).saturating_add(UNKNOWN_STACK)
            }
            // Go's lower bound need not be right either.
            Some((_, hi)) if sp < hi && hi.0 - sp.0 <= self.limits.c_stack_bytes => hi.0 - sp.0,
            _ => UNKNOWN_STACK,
        };
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        let end = sp.0.saturating_add(bytes);
        let mut at = sp.0;
        while at < end {
            let next = (at | (PAGE - 1)).saturating_add(1).min(end);
            self.ranges.push((Addr(at), (next - at) as usize));
            at = next;
        }
    }
}

/// The part of a stack that is in use: from the lowest place it may be walked from.
fn used_stack(g: &RawG, machine: &Machine) -> Option<(Addr, u64)> {
    let sp = match machine.by_addr.get(&g.m) {
        // Its thread is on another stack, so where it left this one is not known yet.
        Some(m)
            if g.status() == Some(Status::Running)
                && !m.registers.is_some_and(|r| g.holds(r.sp)) =>
        {
            g.lo
        }
        on => {
            let registers = on.and_then(|m| m.registers).map(|r| r.sp);
            let candidates = [Some(g.saved_sp()), Some(g.sched_sp), registers];
            candidates
                .into_iter()
                .flatten()
                .filter(|&sp| g.holds(sp))
                .min()?
        }
    };
    (sp < g.hi).then(|| (sp, g.hi.0 - sp.0))
}

/// Follows chains of small objects. The decoder's own reader is run over what is there,
/// and what it missed is fetched, until it misses nothing more.
fn follow(
    memory: &mut CapturedMemory,
    target: &dyn Target,
    limits: &Limits,
    mut waiting: FxHashSet<Addr>,
    read: impl Fn(&CapturedMemory, Addr) -> Option<ReadError>,
) {
    let _ = memory.take_misses();
    for _ in 0..limits.rounds {
        waiting.retain(|&at| matches!(read(memory, at), Some(ReadError::NotCaptured { .. })));
        let mut misses = memory.take_misses();
        if misses.is_empty() {
            return;
        }
        memory.fetch(target, &mut misses);
    }
}
