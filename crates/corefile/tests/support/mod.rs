//! Builds core files as the kernel does: headers, notes, memory.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::Write;

use corefile::{CoreError, CoreFile, OpenOptions};
use tempfile::NamedTempFile;

pub const AMD64: u16 = 62;
pub const ARM64: u16 = 183;
pub const R: u32 = 4;
pub const RW: u32 = 6;
pub const RX: u32 = 5;

/// A core to be.
#[derive(Clone)]
pub struct Core {
    pub machine: u16,
    /// The contents of the note segment; `None` for a core without one.
    pub notes: Option<Vec<u8>>,
    pub loads: Vec<Load>,
    /// Counts the segments in section header 0, however few there are.
    pub many: bool,
}

#[derive(Clone)]
pub struct Load {
    pub at: u64,
    /// Bytes in memory; those behind `data` are not in the core.
    pub memsz: u64,
    pub flags: u32,
    pub data: Vec<u8>,
}

impl Core {
    pub fn new(machine: u16) -> Core {
        Core {
            machine,
            notes: Some(Vec::new()),
            loads: Vec::new(),
            many: false,
        }
    }

    pub fn load(mut self, at: u64, flags: u32, data: &[u8], memsz: u64) -> Core {
        self.loads.push(Load {
            at,
            memsz,
            flags,
            data: data.to_vec(),
        });
        self
    }

    pub fn note(mut self, name: &str, kind: u32, contents: &[u8]) -> Core {
        note_into(self.notes.as_mut().unwrap(), name, kind, contents);
        self
    }

    /// A thread whose register `i` is `tid * 0x1000 + i`.
    pub fn thread(self, tid: i32, signal: i16) -> Core {
        let len = if self.machine == ARM64 { 392 } else { 336 };
        let mut record = vec![0; len];
        record[12..14].copy_from_slice(&signal.to_le_bytes());
        record[32..36].copy_from_slice(&tid.to_le_bytes());
        for (i, register) in record[112..].chunks_exact_mut(8).enumerate() {
            register.copy_from_slice(&(tid as u64 * 0x1000 + i as u64).to_le_bytes());
        }
        self.note("CORE\0", 1, &record)
    }

    pub fn psinfo(self, pid: i32, name: &str, args: &str) -> Core {
        let mut record = vec![0; 136];
        record[24..28].copy_from_slice(&pid.to_le_bytes());
        record[40..40 + name.len()].copy_from_slice(name.as_bytes());
        record[56..56 + args.len()].copy_from_slice(args.as_bytes());
        self.note("CORE\0", 3, &record)
    }

    pub fn auxv(self, entries: &[(u64, u64)]) -> Core {
        let pairs = entries.iter().flat_map(|&(key, value)| [key, value]);
        let record: Vec<u8> = words(pairs.chain([0, 0]));
        self.note("CORE\0", 6, &record)
    }

    /// `(start, end, file offset in pages, path)`.
    pub fn files(self, files: &[(u64, u64, u64, &str)]) -> Core {
        let numbers = files.iter().flat_map(|f| [f.0, f.1, f.2]);
        let mut record = words([files.len() as u64, 4096].into_iter().chain(numbers));
        for file in files {
            record.extend(file.3.bytes().chain([0]));
        }
        self.note("CORE\0", 0x4649_4c45, &record)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let count = self.loads.len() + usize::from(self.notes.is_some());
        let mut data_at = 64 + 56 * count as u64;
        let mut table = Vec::new();
        let mut data = Vec::<u8>::new();
        if let Some(notes) = &self.notes {
            program_header(&mut table, 4, 0, data_at, 0, notes.len() as u64, 0);
            data.extend(notes);
            data_at += notes.len() as u64;
        }
        for load in &self.loads {
            let len = load.data.len() as u64;
            program_header(&mut table, 1, load.flags, data_at, load.at, len, load.memsz);
            data.extend(&load.data);
            data_at += len;
        }
        let mut out = b"\x7fELF\x02\x01\x01".to_vec();
        out.resize(16, 0);
        out.extend(4u16.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(words([0, 64, if self.many { data_at } else { 0 }]));
        out.extend(0u32.to_le_bytes());
        let said = if self.many { 0xffff } else { count as u16 };
        for half in [64, 56, said, 64, u16::from(self.many), 0] {
            out.extend(half.to_le_bytes());
        }
        out.extend(table);
        out.extend(data);
        if self.many {
            let mut section = vec![0; 64];
            section[44..48].copy_from_slice(&(count as u32).to_le_bytes());
            out.extend(section);
        }
        out
    }
}

pub fn words(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    numbers.into_iter().flat_map(u64::to_le_bytes).collect()
}

pub fn note_into(out: &mut Vec<u8>, name: &str, kind: u32, contents: &[u8]) {
    for number in [name.len() as u32, contents.len() as u32, kind] {
        out.extend(number.to_le_bytes());
    }
    for part in [name.as_bytes(), contents] {
        out.extend(part);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

pub fn program_header(
    out: &mut Vec<u8>,
    kind: u32,
    flags: u32,
    offset: u64,
    at: u64,
    filesz: u64,
    memsz: u64,
) {
    out.extend(kind.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend(words([offset, at, 0, filesz, memsz, 4]));
}

/// Two threads, a stack, a heap in two neighbouring mappings, text of which only the first page is there.
pub fn typical(machine: u16) -> Core {
    Core::new(machine)
        .thread(71, 6)
        .psinfo(70, "svc", "/srv/svc -v ")
        .note("CORE\0", 0x5349_4749, &siginfo(6, -6))
        .auxv(&[(3, 0x40_0040), (7, 0), (9, 0x40_1000), (31, 0x7fff_0ff0)])
        .files(&[
            (0x40_0000, 0x41_0000, 0, "/srv/svc"),
            (0x50_0000, 0x50_1000, 3, "/srv/data"),
        ])
        .note("LINUX\0", 0x202, &[0; 2696])
        .thread(72, 0)
        .load(0x40_0000, RX, &pattern(0x40_0000, 0x1000), 0x10_000)
        .load(0xc0_0000, RW, &pattern(0xc0_0000, 0x3000), 0x3000)
        .load(0xc0_3000, RW, &pattern(0xc0_3000, 0x1000), 0x1000)
        .load(0xd0_0000, RW, &[], 0x8000)
        .load(0x7fff_0000, RW, &stack(), 0x1000)
}

fn stack() -> Vec<u8> {
    let mut stack = pattern(0x7fff_0000, 0x1000);
    stack[0xff0..].copy_from_slice(b"./svc\0..........");
    stack
}

pub fn siginfo(number: i32, code: i32) -> Vec<u8> {
    let mut record = vec![0; 128];
    record[0..4].copy_from_slice(&number.to_le_bytes());
    record[8..12].copy_from_slice(&code.to_le_bytes());
    record
}

/// Bytes that tell where they are from: the words of memory from `at` on are its addresses, mangled.
pub fn pattern(at: u64, len: usize) -> Vec<u8> {
    words((0..len as u64 / 8).map(|i| (at + i * 8).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

pub fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub fn try_open(bytes: &[u8]) -> Result<CoreFile, CoreError> {
    CoreFile::open(file(bytes).path(), &OpenOptions::default())
}

pub fn open(core: &Core) -> CoreFile {
    try_open(&core.bytes()).unwrap()
}
