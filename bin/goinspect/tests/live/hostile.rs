//! Whatever the memory of a target holds, decoding it ends, without a panic, and what it
//! says still fits together.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use cframes::{CFrames, Loaded};
use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use goruntime::{CCode, Capture, Decoder, Image, Limits, Runtime, Wanted, capture};
use model::{Addr, Frame, Goroutine, Pid};
use ptrace::{Process, StopLimits};
use target::{ReadError, ReadMemory};

use crate::process::until;

/// Memory in which some bytes are not what they were. The same address always reads the same.
struct Mutated<'m> {
    memory: &'m dyn ReadMemory,
    seed: u64,
    /// One word in so many is changed.
    one_in: u64,
    /// What must be right for there to be anything to decode: the list of goroutines.
    spared: [Addr; 2],
    changed: Cell<u64>,
}

impl Mutated<'_> {
    /// splitmix64
    fn random(&self, at: u64) -> u64 {
        let mut z = self
            .seed
            .wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl ReadMemory for Mutated<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read(at, buf)?;
        for (i, byte) in buf.iter_mut().enumerate() {
            let word = (at.0 + i as u64) & !7;
            let random = self.random(word);
            if !random.is_multiple_of(self.one_in) || self.spared.contains(&Addr(word)) {
                continue;
            }
            let within = ((at.0 + i as u64) & 7) as u32;
            // Another pointer nearby, a wild one, nothing, all ones, or a flipped bit.
            let new = match (random >> 8) % 5 {
                0 => byte.wrapping_add(if within == 1 { 0x10 } else { 0 }),
                1 => (random >> (8 * within)) as u8,
                2 => 0,
                3 => 0xff,
                _ => *byte ^ (1 << (random >> 16 & 7)),
            };
            self.changed
                .set(self.changed.get() + u64::from(new != *byte));
            *byte = new;
        }
        Ok(())
    }
}

/// Everything is to be decoded.
const ALL: Wanted = Wanted {
    dead: true,
    places: true,
    objects: true,
    ms: true,
    scheduler: true,
};

/// The memory of a real program with random changes, a hundred times over.
pub fn mutated_memory(go: &Toolchain) -> Result<(), Failed> {
    survives(&build(go, "zoo", &BuildOptions::default())?)
}

/// The same of one that is in C, whose unwind tables and symbols are changed, too.
pub fn mutated_memory_with_c(go: &Toolchain) -> Result<(), Failed> {
    let options = BuildOptions {
        cgo: true,
        ..BuildOptions::default()
    };
    survives(&build(go, "cstack", &options)?)
}

fn survives(path: &Path) -> Result<(), Failed> {
    let zoo = Program::start(path, &[])?;
    let limits = Limits::default();
    let mut process = Process::open(Pid(zoo.pid() as i32))?;
    let binary = Arc::new(Runtime::open_binary(File::open(path)?)?);
    let image = Image::at_entry(Arc::clone(&binary), process.entry_address()?);
    let runtime = Arc::new(Runtime::load(&image, &process, &|_| None)?);
    let stopped = process.stop(&StopLimits::default())?;
    let captured = capture(&stopped, &runtime, &limits, ALL, None)?;
    let mappings = stopped.maps()?.named();
    drop(stopped);
    // Only the tables of C are read from then on.
    let zoo = match captured.in_c {
        true => Some(zoo),
        false => zoo.quit().map(|()| None)?,
    };

    let variable = |name| binary.variable(name).map(|v| Addr(v.at.0));
    let spared = [variable("runtime.allglen")?, variable("runtime.allgptr")?];
    let mut c = CFrames::new(binary.arch);
    c.set_mappings(mappings.clone());
    let c_code = CCode {
        frames: &mut c,
        program: &Loaded(&process),
    };
    let whole = Decoder::new(Arc::clone(&runtime), limits).decode(
        &captured.memory,
        &captured.threads,
        ALL,
        c_code,
    )?;
    let in_c = |g: &Arc<Goroutine>| g.frames.iter().any(Frame::is_c);
    assert_eq!(whole.goroutines.iter().any(in_c), captured.in_c);
    let entries = whole.goroutines.len() + whole.unreadable.len();
    let mut decoder = Decoder::new(Arc::clone(&runtime), limits);
    let (mut changed, mut noticed) = (0, 0);
    for seed in 0..100u64 {
        let one_in = [3, 10, 40, 200, 2000][seed as usize % 5];
        let memory = Mutated {
            memory: &captured.memory,
            seed,
            one_in,
            spared,
            changed: Cell::new(0),
        };
        let image = Mutated {
            memory: &process,
            changed: Cell::new(0),
            ..memory
        };
        let mut c = CFrames::new(binary.arch);
        c.set_mappings(mappings.clone());
        let c_code = CCode {
            frames: &mut c,
            // With tables that are right, too: then more of them is used.
            program: &Loaded(if seed % 2 == 0 { &process } else { &image }),
        };
        let decoded = decoder.decode(&memory, &captured.threads, ALL, c_code)?;
        changed += memory.changed.get();
        noticed += decoded.unreadable.len();
        assert_eq!(
            decoded.goroutines.len() + decoded.unreadable.len(),
            entries,
            "seed {seed}: an entry was lost"
        );
        let live = decoded
            .goroutines
            .iter()
            .filter(|g| g.status != model::Status::Dead);
        let mut goids = HashSet::new();
        for g in live {
            assert!(
                goids.insert(g.goid),
                "seed {seed}: goid {} appears twice",
                g.goid
            );
            assert!(
                !g.frames.is_empty() || g.stack_end != model::StackEnd::Complete,
                "seed {seed}: {g:?}"
            );
        }
        // Nothing that is written of it may fail either.
        let _ = captured.memory.take_misses();
    }
    assert!(
        changed > 1000 && noticed > 100,
        "{changed} bytes changed, {noticed} entries unreadable"
    );
    zoo.map_or(Ok(()), Program::quit)?;
    Ok(())
}

/// Memory in which one number is another.
struct Told<'m> {
    memory: &'m dyn ReadMemory,
    at: Addr,
    number: u32,
}

impl ReadMemory for Told<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read(at, buf)?;
        for (address, byte) in (self.at.0..).zip(self.number.to_le_bytes()) {
            let within = address.checked_sub(at.0);
            if let Some(place) = within.and_then(|i| buf.get_mut(i as usize)) {
                *place = byte;
            }
        }
        Ok(())
    }
}

/// A goroutine that works for the garbage collector runs on its own stack for some nanoseconds while its status says that it
/// waits (`gcMarkTermination`). Here one that runs is told to wait: its stack is the same.
pub fn counted_as_waiting(go: &Toolchain) -> Result<(), Failed> {
    const WAITING: u32 = 4;
    let path = build(go, "zoo", &BuildOptions::default())?;
    let zoo = Program::start(&path, &[])?;
    let limits = Limits::default();
    let mut process = Process::open(Pid(zoo.pid() as i32))?;
    let binary = Arc::new(Runtime::open_binary(File::open(&path)?)?);
    let image = Image::at_entry(Arc::clone(&binary), process.entry_address()?);
    let runtime = Arc::new(Runtime::load(&image, &process, &|_| None)?);
    let decode = |process: &Process, captured: &Capture, memory: &dyn ReadMemory| {
        let mut c = CFrames::new(binary.arch);
        let c_code = CCode {
            frames: &mut c,
            program: &Loaded(process),
        };
        Decoder::new(Arc::clone(&runtime), limits).decode(
            memory,
            &captured.threads,
            Wanted::default(),
            c_code,
        )
    };
    let spins = |g: &&Arc<Goroutine>| {
        let name = g.frames.first().map(|frame| &*frame.function.name);
        g.status == model::Status::Running && name == Some("main.turn")
    };
    // Between two turns of its own, others have its processor.
    let (captured, running) = until("one that spins is caught while it does", || {
        let mut catch = || -> Result<_, Failed> {
            let stopped = process.stop(&StopLimits::default())?;
            let captured = capture(&stopped, &runtime, &limits, Wanted::default(), None)?;
            drop(stopped);
            let whole = decode(&process, &captured, &captured.memory)?;
            let running = whole.goroutines.iter().find(spins).cloned();
            Ok(running.map(|running| (captured, running)))
        };
        catch().transpose()
    })??;
    let mut told = 0;
    // Where the status is in a g differs from version to version.
    for offset in (0..512).step_by(4) {
        let memory = Told {
            memory: &captured.memory,
            at: Addr(running.g.0 + offset),
            number: WAITING,
        };
        let decoded = decode(&process, &captured, &memory)?;
        let same = |g: &&Arc<Goroutine>| g.g == running.g && g.goid == running.goid;
        let Some(g) = decoded.goroutines.iter().find(same) else {
            continue;
        };
        if g.status == model::Status::Waiting {
            assert_eq!(g.stack_end, model::StackEnd::Complete);
            assert_eq!(g.frames, running.frames);
            told += 1;
        }
    }
    assert_eq!(told, 1);
    zoo.quit()?;
    Ok(())
}
