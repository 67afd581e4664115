//! The fuzzer's bytes, taken apart.

use std::fs::File;
use std::io::{Seek, Write};

/// What is left of an input. Behind its end there are zeros.
pub(crate) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn number(&mut self, len: usize) -> u64 {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(self.take(len)) {
            *to = *from;
        }
        u64::from_le_bytes(word)
    }

    pub fn u8(&mut self) -> u8 {
        self.number(1) as u8
    }

    pub fn u16(&mut self) -> u16 {
        self.number(2) as u16
    }

    pub fn u24(&mut self) -> u32 {
        self.number(3) as u32
    }

    pub fn u64(&mut self) -> u64 {
        self.number(8)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file that holds these bytes; in memory where that can be had.
pub(crate) fn file(bytes: &[u8]) -> File {
    let file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile());
    let mut file = file.unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
