//! The C part of a stack, by the tables of a hostile object.

use std::collections::BTreeMap;

use cframes::{Around, CFrames, ObjectFile, Program, Start, State, Text};
use model::{Addr, Arch, BuildIds};
use target::{Mapping, ReadError, ReadMemory};

use crate::check;
use crate::input::{Input, file};

/// Where the object lies.
const OBJECT: u64 = 0x7000_0000;
/// Where the stack lies, and how long it is at most.
const STACK: u64 = 0x7fff_0000_0000;
const WORDS: usize = 256;
/// As in [`goruntime::Limits`], but smaller.
const MAX_FRAMES: usize = 4096;

struct Memory<'a> {
    object: &'a [u8],
    stack: Vec<u8>,
}

impl ReadMemory for Memory<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let from = |start: u64, bytes: &[u8]| {
            let skip = usize::try_from(at.0.checked_sub(start)?).ok()?;
            let found = bytes.get(skip..skip.checked_add(buf.len())?)?;
            Some(found.to_vec())
        };
        let found = from(OBJECT, self.object).or_else(|| from(STACK, &self.stack));
        let found = found.ok_or(ReadError::Unmapped { at, len: buf.len() })?;
        buf.copy_from_slice(&found);
        Ok(())
    }
}

struct Loaded<'m> {
    memory: &'m Memory<'m>,
    has_file: bool,
}

impl Program for Loaded<'_> {
    fn image(&self) -> &dyn ReadMemory {
        self.memory
    }

    fn open(&self, _: &Mapping) -> Option<ObjectFile> {
        self.has_file.then(|| ObjectFile {
            file: file(self.memory.object),
            is_same: true,
        })
    }

    fn open_debug(&self, _: &Mapping, _: &BuildIds, _: Option<&[u8]>) -> Vec<ObjectFile> {
        Vec::new()
    }
}

struct NoText;

impl Text for NoText {
    fn is_elsewhere(&self, at: Addr) -> bool {
        at.0 == 0x40_0000
    }

    fn function(&self, _: Addr) -> Option<(Addr, String)> {
        None
    }
}

/// A byte that says what there is, where the code is, the words of the stack (how many, and each of them in
/// three bytes), and then the object.
pub(super) fn walk(bytes: &[u8]) {
    let mut input = Input(bytes);
    let flags = input.u8();
    let pc = OBJECT + u64::from(input.u24());
    let count = usize::from(input.u8()).min(WORDS);
    let words: Vec<u64> = (0..count).map(|_| word(input.u24())).collect();
    let memory = Memory {
        object: input.0,
        stack: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
    };
    let arch = if flags & 1 == 0 {
        Arch::Amd64
    } else {
        Arch::Arm64
    };
    let program = Loaded {
        memory: &memory,
        has_file: flags & 2 != 0,
    };
    let mut state = State::new(arch, Addr(pc), Addr(STACK));
    for (number, value) in words.iter().rev().take(32).enumerate() {
        if state.get(number).is_none() {
            state.set(number, Some(*value));
        }
    }
    let mut c = CFrames::new(arch);
    c.set_mappings(vec![Mapping {
        start: Addr(OBJECT),
        end: Addr(OBJECT + 0x100_0000),
        file_offset: 0,
        file: (1, 2),
        path: "/lib/libx\x1b[1m.so".into(),
    }]);
    let around = Around {
        program: &program,
        text: &NoText,
        stack: &memory,
    };
    let start = Start {
        state,
        interrupted: flags & 4 != 0,
        called: None,
    };
    let walk = c.walk(&around, &start, MAX_FRAMES);
    assert!(walk.frames.len() <= MAX_FRAMES);
    if let cframes::End::Lost(why) = &walk.end {
        check::refusal(why);
    }
    let mut named = BTreeMap::new();
    for frame in walk.frames.iter().take(64) {
        named.entry(frame.lookup).or_insert_with(|| {
            let calls = c.calls(&program, &NoText, frame.lookup);
            assert!(!calls.is_empty());
            calls
        });
    }
}

/// Something in the object, in the stack, behind C's code, or any small number.
fn word(packed: u32) -> u64 {
    let (kind, value) = (packed >> 22, u64::from(packed & 0x3f_ffff));
    match kind {
        0 => OBJECT + value,
        1 => STACK + value % (8 * WORDS as u64),
        2 => 0x40_0000,
        _ => value,
    }
}
