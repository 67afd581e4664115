//! From bytes to goroutines. Runs after the target went on, or over a core file.

use std::ops::ControlFlow;
use std::sync::Arc;

use model::{
    Addr, Ancestor, Goid, Goroutine, Labels, M, Object, Scheduler, StackBounds, StackEnd, Status,
    Traceback, Trust, Unreadable, WaitKind,
};
use rustc_hash::{FxHashMap, FxHashSet};
use target::{ReadError, ReadMemory, Registers, Thread};

use crate::ancestors::{self, RawAncestor};
use crate::bubble;
use crate::capture::{list_gs, read_g_addresses};
use crate::cgo::{CCode, Callback};
use crate::error::CaptureError;
use crate::heap::Heap;
use crate::labels;
use crate::limits::Limits;
use crate::machine::{Machine, list_ms};
use crate::objects::{self, Laid, Memories, Spread};
use crate::places::Places;
use crate::runtime::Runtime;
use crate::scheduler;
use crate::signal::interrupted_registers;
use crate::stacks::Stacks;
use crate::start::{Begin, MThread, RawG, begin};
use crate::symbolize::Symbolizer;
use crate::system::{finalizer_runs, is_system};
use crate::unwind::{Code, PhysicalFrame, Start, Unwinder};
use crate::waits::{Found, Waits};
use crate::wanted::Wanted;

mod c;
mod threads;

/// All goroutines that `runtime.allgs` names.
#[derive(Debug)]
pub struct Decoded {
    /// Those that could be read, in the order of the list.
    pub goroutines: Vec<Arc<Goroutine>>,
    /// Those that could not.
    pub unreadable: Vec<Unreadable>,
    /// What they wait on, if that was wanted.
    pub objects: Option<Vec<Object>>,
    /// The runtime's threads, if they were wanted.
    pub ms: Vec<M>,
    /// What the scheduler was at, if that was wanted and could be read.
    pub scheduler: Option<Scheduler>,
    /// What the reader of the snapshot should know, in sentences.
    pub diagnostics: Vec<String>,
}

/// Decodes samples of one program. What one sample taught (names, lines, frame sizes,
/// equal stacks) serves the next.
#[derive(Debug)]
pub struct Decoder {
    runtime: Arc<Runtime>,
    limits: Limits,
    unwinder: Unwinder,
    symbolizer: Symbolizer,
    stacks: Stacks,
    places: Places,
}

impl Decoder {
    /// A decoder for one program.
    pub fn new(runtime: Arc<Runtime>, limits: Limits) -> Decoder {
        Decoder {
            runtime,
            limits,
            unwinder: Unwinder::default(),
            symbolizer: Symbolizer::default(),
            stacks: Stacks::default(),
            places: Places::default(),
        }
    }

    /// Decodes what `mem` holds.
    pub fn decode(
        &mut self,
        mem: &dyn ReadMemory,
        threads: &[Thread],
        wanted: Wanted,
        c: CCode<'_>,
    ) -> Result<Decoded, CaptureError> {
        self.stacks.forget_unused();
        self.symbolizer.forget_unused();
        let runtime = Arc::clone(&self.runtime);
        let mut diagnostics = runtime.diagnostics().to_vec();
        let (list, len) = list_gs(mem, &runtime, &self.limits)?;
        let addresses = read_g_addresses(mem, list, len)?;
        // A list that breaks off was reported by the capture; of a core it is news.
        let (ms, _) = list_ms(mem, &runtime, &self.limits);
        let machine = Machine::read(mem, &runtime, threads, &ms, &mut diagnostics);
        let waits = Waits::new(mem, &runtime, &self.limits);
        let mut sample = Sample {
            decoder: self,
            runtime: &runtime,
            mem,
            machine: &machine,
            finalizer_runs: finalizer_runs(mem, &runtime),
            labels: FxHashMap::default(),
            waits,
            wanted,
            c,
            physical: Vec::new(),
            callbacks: Vec::new(),
            places: Vec::new(),
            laid: Vec::new(),
            spread: Spread::default(),
        };
        let mut goroutines = Vec::with_capacity(addresses.len());
        let mut unreadable = Vec::new();
        let mut seen = FxHashSet::default();
        let mut bytes = vec![0; runtime.g.extent()];
        for (index, &at) in addresses.iter().enumerate() {
            let raw = mem
                .read(at, &mut bytes)
                .map_err(|why| why.to_string())
                .and_then(|()| {
                    RawG::parse(&runtime.g, &bytes)
                        .ok_or_else(|| "its struct is too short".to_owned())
                });
            let decoded = raw.and_then(|g| match g.status() {
                Some(Status::Dead) if !wanted.dead => Ok(None),
                // A goroutine that ended keeps its goid until its g is used again.
                Some(Status::Dead) => sample.goroutine(at, &g, Status::Dead).map(Some),
                Some(_) if g.goid == 0 => {
                    Err("it is just being created: it has no goid yet".to_owned())
                }
                Some(_) if !seen.insert(g.goid) => {
                    Err(format!("goid {} appears a second time", g.goid))
                }
                Some(status) => sample.goroutine(at, &g, status).map(Some),
                None => Err(format!(
                    "its atomicstatus {:#x} is not known",
                    g.atomicstatus
                )),
            });
            match decoded {
                Ok(goroutine) => goroutines.extend(goroutine.map(Arc::new)),
                Err(reason) => unreadable.push(Unreadable {
                    index,
                    g: at,
                    reason,
                }),
            }
        }
        let objects = wanted.objects.then(|| {
            let (objects, remark) = sample.objects(&goroutines, &addresses);
            diagnostics.extend(remark);
            objects
        });
        if let Some(objects) = &objects {
            name_channels(&mut goroutines, objects);
        }
        let ms = if wanted.ms {
            sample.ms(&ms, &goroutines)
        } else {
            Vec::new()
        };
        let scheduler = match wanted.scheduler {
            true => {
                let (limits, gs) = (&self.limits, &addresses);
                scheduler::read(mem, &runtime, limits, &machine, gs, &mut diagnostics)
            }
            false => None,
        };
        Ok(Decoded {
            goroutines,
            unreadable,
            objects,
            ms,
            scheduler,
            diagnostics,
        })
    }
}

/// One decoding in progress.
struct Sample<'a> {
    decoder: &'a mut Decoder,
    runtime: &'a Runtime,
    mem: &'a dyn ReadMemory,
    machine: &'a Machine,
    finalizer_runs: bool,
    labels: FxHashMap<Addr, Result<Labels, String>>,
    waits: Waits<'a>,
    wanted: Wanted,
    c: CCode<'a>,
    /// The frames of the last walk; kept between goroutines for its capacity.
    physical: Vec<PhysicalFrame>,
    /// Where among them C has called Go.
    callbacks: Vec<Callback>,
    /// Where they lie, if that is wanted.
    places: Vec<model::FramePlace>,
    /// Where the frames that the last walk visited lie, if objects are wanted.
    laid: Vec<Laid>,
    spread: Spread,
}

impl Sample<'_> {
    fn goroutine(&mut self, at: Addr, g: &RawG, status: Status) -> Result<Goroutine, String> {
        let modules = &self.runtime.modules;
        let mut notes = Vec::new();
        let m = self.machine.by_addr.get(&g.m).filter(|m| m.raw.curg == at);
        let thread = m.and_then(|m| m.tid);
        if let (Some(m), None) = (m, thread) {
            notes.push(format!(
                "its M names the thread {}, which the process does not have",
                m.raw.procid
            ));
        }
        let waits = matches!(status, Status::Waiting | Status::Leaked);
        let waitreason = if waits {
            self.waitreason(g.waitreason, &mut notes)
        } else {
            None
        };
        let labels = self.labels(g.labels, &mut notes);
        let (frames, stack_end, sp) = if status == Status::Dead {
            self.places.clear();
            self.laid.clear();
            (Arc::from([]), StackEnd::Complete, None)
        } else {
            self.stack(at, g, m, &mut notes)
        };
        if self.wanted.objects {
            self.spread.note(modules, at, g.hi, &self.laid);
        }
        let traceback = self.traceback(g, status, &mut notes);
        let waiting_on = match &waitreason {
            None if status == Status::Syscall => m.map_or(Some(Box::default()), |m| {
                let found = self.syscall(m);
                found.map_err(|why| notes.push(unknown_wait(&why))).ok()
            }),
            None => Some(Box::default()),
            Some(reason) => match self.waits.of(at, g, reason, &frames) {
                Ok(mut found) => {
                    for on in &mut found {
                        let at = on.addr.filter(|_| on.kind != WaitKind::Netpoll);
                        on.name = on.name.take().or_else(|| self.variable(at?));
                    }
                    Some(found)
                }
                Err(why) => {
                    notes.push(unknown_wait(&why));
                    None
                }
            },
        };
        let symbolizer = &mut self.decoder.symbolizer;
        Ok(Goroutine {
            goid: Goid(g.goid),
            parent_goid: g.parent_goid.filter(|&goid| goid != 0).map(Goid),
            g: at,
            status,
            waitreason,
            waitsince: (g.waitsince != 0 && (waits || status == Status::Syscall))
                .then_some(g.waitsince),
            tracking_seq: g.tracking_seq,
            parking_on_chan: g.parking_on_chan,
            gopc: (!g.gopc.is_null()).then(|| symbolizer.call_site(modules, g.gopc)),
            startpc: (!g.startpc.is_null()).then(|| symbolizer.entry_site(modules, g.startpc)),
            system: is_system(modules, g, self.finalizer_runs),
            thread,
            locked_to_thread: !g.lockedm.is_null(),
            labels,
            waiting_on,
            stack: bounds(g, sp),
            frames,
            stack_end,
            traceback,
            notes,
        })
    }

    /// The system call that a thread is in, or was in when the signal came whose handler it is in.
    fn syscall(&mut self, m: &MThread) -> Found {
        let now = m
            .registers
            .ok_or("its thread's registers could not be read")?;
        if !m.gsignal_holds(now.sp) {
            return Ok(match self.is_runtimes_own(m, &now) {
                true => Box::default(),
                false => self.waits.syscall(&now),
            });
        }
        let before = self.registers(m, &mut Vec::new())?;
        Ok(match self.is_runtimes_own(m, &before) {
            true => Box::default(),
            false => self.waits.interrupted_syscall(&before),
        })
    }

    /// Whether a thread does the runtime's own work on its system stack: the goroutine's system call is over, or has not
    /// begun. (C runs there, too.)
    fn is_runtimes_own(&self, m: &MThread, registers: &Registers) -> bool {
        m.g0_holds(registers.sp) && self.runtime.modules.find(registers.pc).is_some()
    }

    /// What Go's own traceback tells beyond; the places are those of the last walk.
    fn traceback(&mut self, g: &RawG, status: Status, notes: &mut Vec<String>) -> Traceback {
        let ancestors = self.ancestors(g.ancestors).unwrap_or_else(|why| {
            notes.push(format!("those who created it cannot be read: {why}"));
            Vec::new()
        });
        let m = self.machine.by_addr.get(&g.m);
        Traceback {
            m: m.map(MThread::reference),
            scan: g.is_scanned(),
            bubble: bubble::read(self.mem, self.runtime, g, status),
            ancestors,
            places: std::mem::take(&mut self.places).into(),
        }
    }

    fn ancestors(&mut self, at: Addr) -> Result<Vec<Ancestor>, ReadError> {
        if at.is_null() {
            return Ok(Vec::new());
        }
        let modules = &self.runtime.modules;
        let Decoder {
            stacks, symbolizer, ..
        } = &mut *self.decoder;
        let c = &mut self.c;
        let ancestor = |raw: RawAncestor| {
            // Go looks these up as they are, though they are return addresses.
            let physical: Vec<PhysicalFrame> = raw
                .pcs
                .iter()
                .map(|&pc| PhysicalFrame {
                    pc,
                    lookup: pc,
                    trust: Trust::Exact,
                    code: Code::Go,
                })
                .collect();
            Ancestor {
                goid: Goid(raw.goid),
                frames: stacks.share(modules, symbolizer, c, &physical),
                cut: raw.pcs.len() >= ancestors::MAX_PCS as usize,
                gopc: (!raw.gopc.is_null()).then(|| symbolizer.call_site(modules, raw.gopc)),
            }
        };
        let raw = ancestors::read(self.mem, self.runtime, at)?;
        Ok(raw.into_iter().map(ancestor).collect())
    }

    fn objects(&self, goroutines: &[Arc<Goroutine>], gs: &[Addr]) -> (Vec<Object>, Option<String>) {
        let beyond = self.c.program.image();
        let g = gs.iter().find(|g| !g.is_null());
        let g = g.map(|&g| (g, self.runtime.g.extent()));
        let layout = self.runtime.heap.as_ref().zip(g);
        let arch = self.runtime.binary().arch;
        let heap = layout.and_then(|(layout, g)| Heap::find(layout, beyond, arch, g));
        objects::read(
            &Memories {
                mem: self.mem,
                beyond,
            },
            &self.runtime.modules,
            &self.waits,
            heap,
            goroutines,
            &self.spread,
        )
    }

    /// The variable at an address, or in which it lies.
    fn variable(&mut self, at: Addr) -> Option<Arc<str>> {
        let name = self.runtime.modules.variable_at(at)?;
        Some(self.decoder.symbolizer.intern(name))
    }

    fn waitreason(&self, index: u64, notes: &mut Vec<String>) -> Option<Arc<str>> {
        let known = usize::try_from(index)
            .ok()
            .and_then(|i| self.runtime.wait_reasons.get(i));
        match known {
            // waitReasonZero: parked for no reason that was given.
            Some(reason) if reason.is_empty() => None,
            Some(reason) => Some(Arc::clone(reason)),
            None => {
                notes.push(format!(
                    "its wait reason {index} is not in runtime.waitReasonStrings"
                ));
                None
            }
        }
    }

    fn labels(&mut self, at: Addr, notes: &mut Vec<String>) -> Option<Labels> {
        if at.is_null() {
            return Some(Labels::new());
        }
        let Sample {
            decoder,
            runtime,
            mem,
            labels,
            ..
        } = self;
        let read = labels.entry(at).or_insert_with(|| {
            let pairs = labels::read(*mem, runtime.label_layout(), at, &decoder.limits)
                .map_err(|why| why.to_string())?;
            let symbolizer = &mut decoder.symbolizer;
            Ok(pairs
                .into_iter()
                .map(|(k, v)| (symbolizer.intern(k), symbolizer.intern(v)))
                .collect())
        });
        match read {
            Ok(labels) => Some(labels.clone()),
            Err(why) => {
                notes.push(format!("its labels could not be read: {why}"));
                None
            }
        }
    }

    fn stack(
        &mut self,
        at: Addr,
        g: &RawG,
        m: Option<&MThread>,
        notes: &mut Vec<String>,
    ) -> (Arc<[model::Frame]>, StackEnd, Option<Addr>) {
        let modules = &self.runtime.modules;
        // The M that the goroutine itself names: its own curg may say otherwise for a moment.
        let on = self
            .machine
            .by_addr
            .get(&g.m)
            .map(|m| (m, self.registers(m, notes)));
        let now = on.as_ref().map(|(_, now)| now);
        let inside = self.inside(at, g, m, now, notes);
        let begin = match (&inside, begin(modules, g, at, on)) {
            (Some((_, Some(resumed))), begin) => Begin {
                first: *resumed,
                otherwise: begin.ok().and_then(|begin| begin.otherwise),
            },
            (_, Ok(begin)) => begin,
            (inside, Err(why)) => {
                self.physical.clear();
                self.places.clear();
                self.laid.clear();
                if let Some((part, _)) = inside {
                    self.put_c(0, part);
                }
                let frames = self.share();
                return (frames, self.decoder.stacks.end(Err(why)), None);
            }
        };
        let mut start = begin.first;
        let mut end = self.walk(&start);
        if let (Err(why), Some(otherwise)) = (&end, begin.otherwise) {
            notes.push(format!(
                "its thread is on the system stack, which does not lead back to it ({why}): \
                 the stack is the one the scheduler saved last"
            ));
            start = otherwise;
            end = self.walk(&start);
        }
        if start.trust == Trust::Assumed && m.is_none() {
            notes.push("its thread is between two goroutines: the stack is the one the scheduler saved last".into());
        }
        self.between(at, g, notes);
        if let Some((part, _)) = &inside {
            self.put_c(0, part);
        }
        (
            self.share(),
            self.decoder.stacks.end(end),
            g.holds(start.sp)
                .then_some(start.sp)
                .or(Some(g.sched_sp).filter(|&sp| g.holds(sp))),
        )
    }

    fn walk(&mut self, start: &Start) -> Result<(), String> {
        let Sample {
            decoder:
                Decoder {
                    unwinder,
                    limits,
                    stacks,
                    places: finder,
                    ..
                },
            runtime,
            mem,
            physical,
            callbacks,
            places,
            laid,
            wanted,
            ..
        } = self;
        physical.clear();
        callbacks.clear();
        places.clear();
        laid.clear();
        let room = limits.all_frames.saturating_sub(stacks.frames());
        if room == 0 {
            return Err(format!(
                "the stacks together have more than {} frames",
                limits.all_frames
            ));
        }
        let most = limits.frames.min(room);
        unwinder.walk(&runtime.modules, *mem, start, most, |visited| {
            physical.push(visited.frame);
            callbacks.extend(Callback::visited(visited, physical.len()));
            if wanted.objects {
                laid.push(Laid::new(visited));
            }
            if wanted.places {
                places.push(finder.place(&runtime.modules, *mem, visited));
            }
            ControlFlow::Continue(())
        })
    }

    /// The registers of an M's thread outside of signal handlers.
    fn registers(&mut self, m: &MThread, notes: &mut Vec<String>) -> Result<Registers, String> {
        let now = m.registers.ok_or_else(|| {
            "it is running, and its thread's registers could not be read".to_owned()
        })?;
        if !m.gsignal_holds(now.sp) {
            return Ok(now);
        }
        notes.push(
            "its thread is in a signal handler: the stack is the one that the signal interrupted"
                .into(),
        );
        interrupted_registers(
            &mut self.decoder.unwinder,
            &self.runtime.modules,
            self.mem,
            m,
            now,
        )
    }
}

/// Channels have their names from the variables that point to them.
fn name_channels(goroutines: &mut [Arc<Goroutine>], objects: &[Object]) {
    let named = objects
        .iter()
        .filter(|object| object.kind == WaitKind::Chan);
    let names: FxHashMap<Addr, &Arc<str>> = named
        .filter_map(|object| Some((object.addr, object.name.as_ref()?)))
        .collect();
    // Nobody else has them yet.
    for g in goroutines.iter_mut().filter_map(Arc::get_mut) {
        for on in g.waiting_on.iter_mut().flatten() {
            if let (WaitKind::Chan, None, Some(at)) = (on.kind, &on.name, on.addr) {
                on.name = names.get(&at).map(|name| Arc::clone(name));
            }
        }
    }
}

fn unknown_wait(why: &str) -> String {
    format!("what it waits on is not known: {why}")
}

fn bounds(g: &RawG, sp: Option<Addr>) -> Option<StackBounds> {
    let has_stack = !g.lo.is_null() && g.lo < g.hi;
    has_stack.then_some(StackBounds {
        lo: g.lo,
        hi: g.hi,
        sp,
    })
}
