//! Records what is read of a stopped program.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::fuzz::Recorded;
use cframes::{CFrames, Loaded};
use goruntime::{CCode, Decoder, Image, Limits, Runtime, Wanted, capture};
use model::{Addr, Arch, Pid};
use ptrace::{Process, StopLimits};
use target::{ReadError, ReadMemory, Target, Thread};

/// Whoever makes seeds reads what went wrong, and that is all.
pub(super) type Failed = Box<dyn std::error::Error>;

struct Recorder<'t> {
    from: &'t dyn ReadMemory,
    threads: &'t [Thread],
    read: RefCell<Vec<(u64, u64)>>,
}

impl ReadMemory for Recorder<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.from.read(at, buf)?;
        let end = at.0.saturating_add(buf.len() as u64);
        self.read.borrow_mut().push((at.0, end));
        Ok(())
    }
}

impl Target for Recorder<'_> {
    fn arch(&self) -> Arch {
        Arch::Amd64
    }

    fn threads(&self) -> &[Thread] {
        self.threads
    }

    fn diagnostics(&self) -> &[String] {
        &[]
    }
}

/// Decodes all of the program and keeps what that took.
pub(super) fn record(exe: &Path, pid: u32) -> Result<Recorded, Failed> {
    let mut process = Process::open(Pid(pid as i32))?;
    let entry = process.entry_address()?;
    let binary = Arc::new(Runtime::open_binary(File::open(exe)?)?);
    let stopped = process.stop(&StopLimits::default())?;
    let recorder = Recorder {
        from: &stopped,
        threads: stopped.threads(),
        read: RefCell::default(),
    };
    let all = Wanted {
        dead: true,
        places: true,
        objects: true,
        ms: true,
        scheduler: true,
    };
    let limits = Limits::default();
    let image = Image::at_entry(binary, entry);
    let runtime = Arc::new(Runtime::load(&image, &recorder, &|_| None)?);
    capture(&recorder, &runtime, &limits, all, None)?;
    let mut frames = CFrames::new(Arch::Amd64);
    let c = CCode {
        frames: &mut frames,
        program: &Loaded(&recorder),
    };
    Decoder::new(runtime, limits).decode(&recorder, recorder.threads, all, c)?;
    let mut pieces = Vec::new();
    for (start, end) in joined(recorder.read.take()) {
        let mut bytes = vec![0; (end - start) as usize];
        stopped.read(Addr(start), &mut bytes)?;
        pieces.push((start, bytes));
    }
    let thread = |thread: &Thread| {
        let registers = thread.registers?;
        let mut general = [0; 16];
        for (to, from) in general.iter_mut().zip(registers.general) {
            *to = from;
        }
        let syscall = registers.syscall.map_or(-1, u64::cast_signed);
        Some((thread.tid.0, syscall, registers.pc.0, general))
    };
    Ok(Recorded {
        exe: std::fs::read(exe)?,
        entry: entry.0,
        pieces,
        threads: stopped.threads().iter().filter_map(thread).collect(),
    })
}

/// Ranges by address, those put together that touch, to whole words.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        let (start, end) = (start & !7, end.next_multiple_of(8));
        match joined.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// Makes zeros of what did not matter, in memory and in the executable.
pub(super) fn shrink(recorded: &mut Recorded) {
    let expected = recorded.outcome();
    let mut trial = recorded.clone();
    let mut memory: Vec<u8> = Vec::new();
    for (_, bytes) in &recorded.pieces {
        memory.extend(bytes);
    }
    ::fuzz::shrink(&mut memory, 4096, &mut |memory| {
        spread(&mut trial, memory);
        trial.outcome() == expected
    });
    spread(recorded, &memory);
    spread(&mut trial, &memory);
    ::fuzz::shrink(&mut recorded.exe, 1024, &mut |exe| {
        trial.exe.clear();
        trial.exe.extend(exe);
        trial.outcome() == expected
    });
}

/// The opposite of putting all pieces together.
fn spread(recorded: &mut Recorded, memory: &[u8]) {
    let mut rest = memory;
    for (_, bytes) in &mut recorded.pieces {
        if let Some((first, others)) = rest.split_at_checked(bytes.len()) {
            bytes.copy_from_slice(first);
            rest = others;
        }
    }
}

/// The kernel's own library in a process.
pub(super) fn vdso(pid: u32) -> Result<Vec<u8>, Failed> {
    let process = Process::open(Pid(pid as i32))?;
    let at = process.vdso_address().ok_or("it has no vDSO")?;
    let mut bytes = vec![0; 8192];
    process.read(at, &mut bytes)?;
    Ok(bytes)
}
