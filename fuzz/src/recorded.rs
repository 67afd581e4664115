//! A real program that stood still: its executable, and of its memory what was read of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cframes::{CFrames, Loaded};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use goruntime::{CCode, Decoded, Decoder, Image, Limits, Runtime, Wanted, capture, read_ahead};
use model::{Addr, Arch, Tid};
use target::{ReadError, ReadMemory, Registers, Target, Thread};

use crate::input::file;

/// The recording. All of it that did not matter for what was decoded is zero.
#[derive(Clone, Default)]
pub struct Recorded {
    /// The executable (amd64).
    pub exe: Vec<u8>,
    /// `AT_ENTRY`.
    pub entry: u64,
    /// Pieces of memory by address, ascending, apart from one another.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// The threads: ID, system call or -1, program counter, and the sixteen registers.
    pub threads: Vec<(i32, i64, u64, [u64; 16])>,
}

/// Everything is to be decoded.
pub(crate) const ALL: Wanted = Wanted {
    dead: true,
    places: true,
    objects: true,
    ms: true,
    scheduler: true,
};

impl Recorded {
    /// Reads what [`Recorded::write`] wrote.
    pub fn read(packed: &[u8]) -> io::Result<Recorded> {
        let mut from = ZlibDecoder::new(packed);
        let mut recorded = Recorded {
            exe: bytes(&mut from)?,
            entry: word(&mut from)?,
            ..Recorded::default()
        };
        for _ in 0..word(&mut from)? {
            recorded.pieces.push((word(&mut from)?, bytes(&mut from)?));
        }
        for _ in 0..word(&mut from)? {
            let tid = word(&mut from)? as i32;
            let mut words = [0; 18];
            for to in &mut words {
                *to = word(&mut from)?;
            }
            let [syscall, pc, general @ ..] = words;
            let thread = (tid, syscall.cast_signed(), pc, general);
            recorded.threads.push(thread);
        }
        Ok(recorded)
    }

    /// Writes it, packed.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = ZlibEncoder::new(out, Compression::best());
        let mut put = |bytes: &[u8]| out.write_all(bytes);
        put(&(self.exe.len() as u64).to_le_bytes())?;
        put(&self.exe)?;
        put(&self.entry.to_le_bytes())?;
        put(&(self.pieces.len() as u64).to_le_bytes())?;
        for (at, bytes) in &self.pieces {
            put(&at.to_le_bytes())?;
            put(&(bytes.len() as u64).to_le_bytes())?;
            put(bytes)?;
        }
        put(&(self.threads.len() as u64).to_le_bytes())?;
        for (tid, syscall, pc, general) in &self.threads {
            put(&i64::from(*tid).to_le_bytes())?;
            put(&syscall.to_le_bytes())?;
            put(&pc.to_le_bytes())?;
            put(general.map(u64::to_le_bytes).as_flattened())?;
        }
        out.finish().map(|_| ())
    }

    /// What the decoder makes of it, as text. For making seeds.
    pub fn outcome(&self) -> String {
        let memory = Memory::of(self);
        let loaded = match load(file(&self.exe), self.entry, &memory) {
            Ok(runtime) => runtime,
            Err(why) => return why,
        };
        match decode(&Arc::new(loaded), &memory, true) {
            Ok(decoded) => format!("{decoded:?}"),
            Err(why) => why,
        }
    }
}

fn word(from: &mut impl Read) -> io::Result<u64> {
    let mut word = [0; 8];
    from.read_exact(&mut word)?;
    Ok(u64::from_le_bytes(word))
}

fn bytes(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; word(from)? as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The recording as a stopped program, with some words changed.
pub(crate) struct Memory<'r> {
    recorded: &'r Recorded,
    threads: Vec<Thread>,
    patches: Vec<(u64, u64)>,
}

impl<'r> Memory<'r> {
    pub fn of(recorded: &'r Recorded) -> Memory<'r> {
        let thread = |&(tid, syscall, pc, general): &(i32, i64, u64, [u64; 16])| Thread {
            tid: Tid(tid),
            ns_tid: Tid(tid),
            registers: Some(Registers::amd64(pc, general).in_syscall(syscall.cast_unsigned())),
        };
        Memory {
            threads: recorded.threads.iter().map(thread).collect(),
            recorded,
            patches: Vec::new(),
        }
    }

    pub fn patch(&mut self, patches: Vec<(u64, u64)>) {
        self.patches = patches;
    }

    /// A word as it was recorded.
    pub fn word(&self, at: u64) -> u64 {
        self.original(at, 8)
            .map_or(0, |bytes| bytes.try_into().map_or(0, u64::from_le_bytes))
    }

    fn original(&self, at: u64, len: usize) -> Option<&[u8]> {
        let pieces = &self.recorded.pieces;
        let behind = pieces.partition_point(|(start, _)| *start <= at);
        let (start, bytes) = pieces.get(behind.checked_sub(1)?)?;
        let skip = usize::try_from(at - start).ok()?;
        bytes.get(skip..skip.checked_add(len)?)
    }
}

impl ReadMemory for Memory<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let found = self.original(at.0, buf.len());
        let found = found.ok_or(ReadError::Unmapped { at, len: buf.len() })?;
        buf.copy_from_slice(found);
        let len = buf.len() as u64;
        for (place, word) in &self.patches {
            for (i, byte) in word.to_le_bytes().into_iter().enumerate() {
                let within = (place + i as u64).wrapping_sub(at.0);
                if within < len
                    && let Some(to) = buf.get_mut(within as usize)
                {
                    *to = byte;
                }
            }
        }
        Ok(())
    }
}

impl Target for Memory<'_> {
    fn arch(&self) -> Arch {
        Arch::Amd64
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn diagnostics(&self) -> &[String] {
        &[]
    }
}

/// Opens the executable and finds the runtime.
pub(crate) fn load(exe: File, entry: u64, memory: &Memory<'_>) -> Result<Runtime, String> {
    let binary = Arc::new(Runtime::open_binary(exe).map_err(|why| why.to_string())?);
    let image = Image::at_entry(binary, Addr(entry));
    Runtime::load(&image, memory, &|_| None).map_err(|why| why.to_string())
}

/// Copies and decodes; or decodes directly, as of a core.
pub(crate) fn decode(
    runtime: &Arc<Runtime>,
    memory: &Memory<'_>,
    directly: bool,
) -> Result<Decoded, String> {
    decode_within(Limits::default(), runtime, memory, directly)
}

fn decode_within(
    limits: Limits,
    runtime: &Arc<Runtime>,
    memory: &Memory<'_>,
    directly: bool,
) -> Result<Decoded, String> {
    let mut frames = CFrames::new(Arch::Amd64);
    let c = CCode {
        frames: &mut frames,
        program: &Loaded(memory),
    };
    let mut decoder = Decoder::new(Arc::clone(runtime), limits);
    let decoded = if directly {
        decoder.decode(memory, &memory.threads, ALL, c)
    } else {
        let ahead = read_ahead(memory, runtime, &limits, std::time::Duration::from_secs(1));
        let captured = capture(memory, runtime, &limits, ALL, ahead);
        let mut captured = captured.map_err(|why| why.to_string())?;
        captured.settle();
        decoder.decode(&captured.memory, &captured.threads, ALL, c)
    };
    decoded.map_err(|why| why.to_string())
}

/// Writes words into a file, and back what was there before.
pub(crate) struct PatchedFile(File);

impl PatchedFile {
    pub fn new(bytes: &[u8]) -> PatchedFile {
        PatchedFile(file(bytes))
    }

    /// Runs something while the file is changed.
    pub fn with<T>(&self, bytes: &[u8], patches: &[(u64, u64)], run: impl FnOnce(File) -> T) -> T {
        for (at, word) in patches {
            self.0.write_all_at(&word.to_le_bytes(), *at).unwrap();
        }
        let done = run(self.0.try_clone().unwrap());
        for (at, _) in patches {
            let at = *at as usize;
            let old = bytes.get(at..at + 8).unwrap_or_default();
            self.0.write_all_at(old, at as u64).unwrap();
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::StackEnd;

    use super::*;

    /// However many goroutines there are, and however long their stacks are said to be.
    #[test]
    fn all_stacks_together_have_a_limit() {
        let packed = &include_bytes!("../seeds/mixed-symbols.z")[..];
        let recorded = Recorded::read(packed).unwrap();
        let memory = Memory::of(&recorded);
        let runtime = Arc::new(load(file(&recorded.exe), recorded.entry, &memory).unwrap());
        let limits = Limits {
            all_frames: 40,
            ..Limits::default()
        };
        let whole = decode(&runtime, &memory, true).unwrap();
        let cut = decode_within(limits, &runtime, &memory, true).unwrap();
        assert_eq!(cut.goroutines.len(), whole.goroutines.len());
        let distinct: BTreeSet<Vec<u64>> = cut
            .goroutines
            .iter()
            .map(|g| {
                g.frames
                    .iter()
                    .filter(|f| !f.inlined)
                    .map(|f| f.pc.0)
                    .collect()
            })
            .collect();
        let frames: usize = distinct.iter().map(Vec::len).sum();
        assert!((20..=40).contains(&frames), "{frames}");
        let says_so = |g: &&Arc<model::Goroutine>| {
            let why = "the stacks together have more than 40 frames";
            matches!(&g.stack_end, StackEnd::Early(early) if **early == *why)
        };
        assert!(cut.goroutines.iter().filter(says_so).count() > 10);
    }
}
