//! A temporary file that is written from its beginning to its end, zeros left as holes.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;

/// How much is decompressed at a time. When the input turns out to be damaged,
/// some decompressors lose what they were just filling the buffer with.
const CHUNK: usize = 1 << 16;
/// Holes are made of pages.
const PAGE: usize = 1 << 12;

pub(super) struct Spool {
    file: File,
    buf: Vec<u8>,
    /// How much of `buf` is filled and not yet written.
    pending: usize,
    /// How much is in the file.
    written: u64,
    /// How much of that is no hole.
    stored: u64,
}

impl Spool {
    pub(super) fn new(file: File) -> Spool {
        Spool {
            file,
            buf: vec![0; CHUNK],
            pending: 0,
            written: 0,
            stored: 0,
        }
    }

    /// Bytes so far, holes included, written or not.
    pub(super) fn len(&self) -> u64 {
        self.written + self.pending as u64
    }

    /// Bytes in the file, holes included.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that take room on the disk.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Another handle on what is in the file.
    pub(super) fn so_far(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Fills the buffer: whether it is full. What was read before an error is kept.
    pub(super) fn read_from(&mut self, reader: &mut dyn Read) -> (bool, io::Result<()>) {
        loop {
            let Some(rest) = self
                .buf
                .get_mut(self.pending..)
                .filter(|rest| !rest.is_empty())
            else {
                return (true, Ok(()));
            };
            match reader.read(rest) {
                Ok(0) => return (false, Ok(())),
                Ok(n) => self.pending += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (false, Err(error)),
            }
        }
    }

    /// Writes what the buffer holds, but for pages of zeros.
    pub(super) fn write(&mut self) -> io::Result<()> {
        const ZEROS: [u8; PAGE] = [0; PAGE];
        let filled = self.buf.get(..self.pending).unwrap_or_default();
        let is_hole = |page: &[u8]| ZEROS.get(..page.len()) == Some(page);
        let mut at = self.written;
        let mut rest = filled;
        while !rest.is_empty() {
            // Pages of one kind are one run: a write for each page would be slow.
            let hole = rest.chunks(PAGE).next().is_some_and(is_hole);
            let same = rest.chunks(PAGE).take_while(|&page| is_hole(page) == hole);
            let (run, later) = rest.split_at(same.map(<[u8]>::len).sum());
            if !hole {
                self.file.write_all_at(run, at)?;
                self.stored += run.len() as u64;
            }
            at += run.len() as u64;
            rest = later;
        }
        self.written = at;
        self.pending = 0;
        Ok(())
    }

    /// The file, as long as what was read.
    pub(super) fn finish(self) -> io::Result<File> {
        self.file.set_len(self.written)?;
        Ok(self.file)
    }
}
