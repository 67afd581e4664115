//! The threads of the program as the runtime sees them: `runtime.allm`.

use model::Addr;
use rustc_hash::FxHashMap;
use target::{ReadMemory, Thread};

use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::start::{MThread, RawG, RawM};

/// The addresses on `runtime.allm`, and a sentence if the list could not be followed to its end.
pub(crate) fn list_ms(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    limits: &Limits,
) -> (Vec<Addr>, Option<String>) {
    let mut found = Vec::new();
    let mut next = match mem.read_u64(runtime.allm) {
        Ok(head) => Addr(head),
        Err(why) => return (found, Some(format!("runtime.allm cannot be read: {why}"))),
    };
    while !next.is_null() {
        if found.len() >= limits.threads {
            return (
                found,
                Some(format!(
                    "runtime.allm has more than {} entries; the rest was left out",
                    limits.threads
                )),
            );
        }
        let link = Addr(next.0.wrapping_add(runtime.m.alllink.offset as u64));
        match mem.read_u64(link) {
            Ok(after) => {
                found.push(next);
                next = Addr(after);
            }
            Err(why) => return (found, Some(format!("runtime.allm ends at {next}: {why}"))),
        }
    }
    (found, None)
}

/// The Ms with their threads, by address.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub by_addr: FxHashMap<Addr, MThread>,
}

impl Machine {
    /// Reads the Ms at `ms`; one that cannot be read is left out and said so in `diagnostics`.
    pub(crate) fn read(
        mem: &dyn ReadMemory,
        runtime: &Runtime,
        threads: &[Thread],
        ms: &[Addr],
        diagnostics: &mut Vec<String>,
    ) -> Machine {
        let by_procid: FxHashMap<u64, &Thread> =
            threads.iter().map(|t| (t.ns_tid.0 as u64, t)).collect();
        let mut machine = Machine::default();
        for &at in ms {
            let Some(raw) = read_m(mem, runtime, at) else {
                diagnostics.push(format!("the M at {at} cannot be read"));
                continue;
            };
            let stack = |g: RawG| (g.lo, g.hi);
            let own_g0 = read_g(mem, runtime, raw.g0);
            let g0 = own_g0.map(stack);
            let gsignal = read_g(mem, runtime, raw.gsignal).map(stack);
            let thread = match raw.procid {
                // A thread that C made gets its number late in `minit` (`runtime/os_linux.go`).
                0 => threads.iter().find(|thread| {
                    let holds =
                        |(lo, hi)| thread.registers.is_some_and(|r| lo <= r.sp && r.sp < hi);
                    g0.is_some_and(holds) || gsignal.is_some_and(holds)
                }),
                procid => by_procid.get(&procid).copied(),
            };
            machine.by_addr.insert(
                at,
                MThread {
                    at,
                    raw,
                    tid: thread.map(|t| t.tid),
                    registers: thread.and_then(|t| t.registers),
                    g0,
                    g0_sched: own_g0.map(|g| g.sched_sp).filter(|sp| !sp.is_null()),
                    gsignal,
                },
            );
        }
        machine
    }
}

pub(crate) fn read_m(mem: &dyn ReadMemory, runtime: &Runtime, at: Addr) -> Option<RawM> {
    let mut bytes = vec![0; runtime.m.extent()];
    mem.read(at, &mut bytes).ok()?;
    RawM::parse(&runtime.m, &bytes)
}

pub(crate) fn read_g(mem: &dyn ReadMemory, runtime: &Runtime, at: Addr) -> Option<RawG> {
    if at.is_null() {
        return None;
    }
    let mut bytes = vec![0; runtime.g.extent()];
    mem.read(at, &mut bytes).ok()?;
    RawG::parse(&runtime.g, &bytes)
}
