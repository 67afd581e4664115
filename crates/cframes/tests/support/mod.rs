// For what is not itself a `#[test]`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)]
//! An object that lies in memory, with functions and unwind tables made to measure.

use std::collections::BTreeMap;

use cframes::{Around, CFrames, Loaded, Start, Text, Walk};
use gimli::write::{
    Address, CallFrameInstruction as Rule, CommonInformationEntry, EhFrame, EndianVec, FrameTable,
};
use gimli::{Encoding, Format, LittleEndian, Register};
use model::{Addr, Arch};
use target::{Mapping, ReadError, ReadMemory};

/// Where the object lies.
pub const OBJECT: u64 = 0x7000_0000;
/// Where its functions begin: each takes a page.
pub const CODE: u64 = OBJECT + 0x1000;
/// What is called by C and calls C, and is no C.
pub const ELSEWHERE: u64 = 0x40_0000;

/// Memory in pieces.
#[derive(Default)]
pub struct Memory(BTreeMap<u64, Vec<u8>>);

impl Memory {
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.0.insert(at, bytes.to_vec());
    }

    pub fn words(&mut self, at: u64, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    pub fn pieces(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.0.values_mut()
    }
}

impl ReadMemory for Memory {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let unmapped = ReadError::Unmapped { at, len: buf.len() };
        let (begin, bytes) = self.0.range(..=at.0).next_back().ok_or(unmapped)?;
        let skip = (at.0 - begin) as usize;
        let found = bytes.get(skip..skip.saturating_add(buf.len()));
        buf.copy_from_slice(found.ok_or(unmapped)?);
        Ok(())
    }
}

struct OnePage;

impl Text for OnePage {
    fn is_elsewhere(&self, at: Addr) -> bool {
        (ELSEWHERE..ELSEWHERE + 0x1000).contains(&at.0)
    }

    fn function(&self, at: Addr) -> Option<(Addr, String)> {
        // A function of the object that something else knows of.
        let known = CODE + 0x9000;
        (known..known + 0x1000)
            .contains(&at.0)
            .then(|| (Addr(known), "known".to_owned()))
    }
}

/// The rules of a function: from an offset on.
pub type Rules<'a> = &'a [(u32, Rule)];

/// An object whose `n`th function begins at `CODE + n * 0x1000`; those with rules have tables.
pub fn object(arch: Arch, functions: &[(u64, Rules<'_>)]) -> Memory {
    const HEADER: u64 = 0x200;
    const TABLES: u64 = 0x400;
    let (machine, ra) = match arch {
        Arch::Amd64 => (62u16, 16),
        Arch::Arm64 => (183, 30),
    };
    let encoding = Encoding {
        format: Format::Dwarf32,
        version: 1,
        address_size: 8,
    };
    let mut tables = FrameTable::default();
    let cie = CommonInformationEntry::new(encoding, 1, -8, Register(ra));
    let cie = tables.add_cie(cie);
    for &(n, rules) in functions {
        let at = Address::Constant(CODE + n * 0x1000);
        let mut fde = gimli::write::FrameDescriptionEntry::new(at, 0x1000);
        for (offset, rule) in rules {
            fde.add_instruction(*offset, rule.clone());
        }
        tables.add_fde(cie, fde);
    }
    let mut section = EhFrame(EndianVec::new(LittleEndian));
    tables.write_eh_frame(&mut section).unwrap();
    let frames = section.0.into_vec();

    // Where the entries are: the first one of all is the CIE.
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(length) = frames.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        entries.push(at as u64);
        at += 4 + length;
    }
    let mut header = vec![1, 0x1b, 0x03, 0x3b];
    let relative = |to: u64, from: u64| (to.wrapping_sub(from) as i32).to_le_bytes();
    header.extend(relative(TABLES, HEADER + 4));
    header.extend((functions.len() as u32).to_le_bytes());
    for ((n, _), entry) in functions.iter().zip(&entries[1..]) {
        header.extend(relative(CODE + n * 0x1000, OBJECT + HEADER));
        header.extend(relative(TABLES + entry, HEADER));
    }

    let mut image = vec![0; 64];
    image[..6].copy_from_slice(b"\x7fELF\x02\x01");
    image[18..20].copy_from_slice(&machine.to_le_bytes());
    image[32..40].copy_from_slice(&64u64.to_le_bytes());
    image[54..56].copy_from_slice(&56u16.to_le_bytes());
    image[56..58].copy_from_slice(&2u16.to_le_bytes());
    for (kind, at, size) in [
        (1u32, 0, 0x10000u64),
        (0x6474_e550, HEADER, header.len() as u64),
    ] {
        image.extend(kind.to_le_bytes());
        image.extend([0; 4]);
        for word in [at, at, 0, size, size, 4096] {
            image.extend(word.to_le_bytes());
        }
    }
    image.resize(HEADER as usize, 0);
    image.extend(header);
    image.resize(TABLES as usize, 0);
    image.extend(frames);
    image.resize(0x10000, 0);
    let mut memory = Memory::default();
    memory.put(OBJECT, &image);
    memory
}

/// Walks over the object's functions.
pub fn walk(arch: Arch, image: &Memory, stack: &Memory, start: &Start) -> Walk {
    let mut c = frames_of(arch);
    let program = Loaded(image);
    let around = Around {
        program: &program,
        text: &OnePage,
        stack,
    };
    let walk = c.walk(&around, start, 100);
    // Whatever was found can be named.
    for frame in &walk.frames {
        assert!(!c.calls(&program, &OnePage, frame.lookup).is_empty());
    }
    walk
}

pub fn frames_of(arch: Arch) -> CFrames {
    let mut c = CFrames::new(arch);
    c.set_mappings(vec![Mapping {
        start: Addr(OBJECT),
        end: Addr(OBJECT + 0x10000),
        file_offset: 0,
        file: (1, 2),
        path: "/lib/libx.so.1".into(),
    }]);
    c
}
