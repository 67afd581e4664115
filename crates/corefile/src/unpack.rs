//! Compressed cores, as systemd-coredump and others leave them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use crate::error::CoreError;

/// How a file is compressed, told by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    Zstd,
    Lz4,
    Gzip,
    Xz,
}

impl Packing {
    fn of(head: &[u8]) -> Option<Packing> {
        let known: [(&[u8], Packing); 4] = [
            (b"\x28\xb5\x2f\xfd", Packing::Zstd),
            (b"\x04\x22\x4d\x18", Packing::Lz4),
            (b"\x1f\x8b", Packing::Gzip),
            (b"\xfd7zXZ\0", Packing::Xz),
        ];
        let mut known = known.into_iter();
        known.find_map(|(magic, packing)| head.starts_with(magic).then_some(packing))
    }

    fn name(self) -> &'static str {
        match self {
            Packing::Zstd => "zstd",
            Packing::Lz4 => "lz4",
            Packing::Gzip => "gzip",
            Packing::Xz => "xz",
        }
    }
}

/// Whether a file that begins so is a core, or may be a compressed one.
pub fn looks_like_core(head: &[u8]) -> bool {
    const ET_CORE: &[u8] = &[4, 0];
    let is_core = head.starts_with(b"\x7fELF") && head.get(16..18) == Some(ET_CORE);
    is_core || Packing::of(head).is_some()
}

/// How much is unpacked at most: more than any core that fits on a disk.
const MAX_UNPACKED: u64 = 1 << 40;
/// What is unpacked at once; where it is all zeros, the file gets a hole.
const CHUNK: usize = 64 << 10;

/// The core itself: the file as it is, or what was unpacked from it.
pub(crate) fn unpack(mut packed: File, diagnostics: &mut Vec<String>) -> Result<File, CoreError> {
    let mut head = Vec::new();
    (&packed).take(8).read_to_end(&mut head)?;
    packed.seek(SeekFrom::Start(0))?;
    let Some(packing) = Packing::of(&head) else {
        return Ok(packed);
    };
    let input = BufReader::with_capacity(1 << 20, packed);
    let mut unpacked = Unpacked::new()?;
    let end = match packing {
        Packing::Gzip => unpacked.fill(flate2::bufread::MultiGzDecoder::new(input)),
        Packing::Xz => unpacked.fill(lzma_rust2::XzReader::new(input, true)),
        Packing::Lz4 => unpacked.fill(lz4_flex::frame::FrameDecoder::new(input)),
        Packing::Zstd => unpacked.fill_from_zstd(input),
    }?;
    let Unpacked { file, len, .. } = unpacked;
    file.set_len(len).map_err(|why| no_room(len, why))?;
    let name = packing.name();
    match end {
        End::Whole => {}
        End::Limit => diagnostics.push(format!("only the first {len} bytes were unpacked")),
        End::Broken(why) if len == 0 => {
            return Err(CoreError::Damaged(format!("its {name} data: {why}")));
        }
        End::Broken(why) => diagnostics.push(format!(
            "the core's {name} data break off after {len} bytes: {why}"
        )),
    }
    Ok(file)
}

fn no_room(written: u64, why: io::Error) -> CoreError {
    CoreError::NoRoom {
        folder: std::env::temp_dir(),
        written,
        why,
    }
}

/// How the unpacking ended.
enum End {
    Whole,
    Limit,
    Broken(io::Error),
}

/// A file without a name that takes what is unpacked.
struct Unpacked {
    file: File,
    len: u64,
    chunk: Vec<u8>,
}

impl Unpacked {
    fn new() -> Result<Unpacked, CoreError> {
        Ok(Unpacked {
            file: tempfile::tempfile().map_err(|why| no_room(0, why))?,
            len: 0,
            chunk: vec![0; CHUNK],
        })
    }

    /// Takes all that `from` gives.
    fn fill(&mut self, mut from: impl Read) -> Result<End, CoreError> {
        loop {
            if self.len >= MAX_UNPACKED {
                return Ok(End::Limit);
            }
            let got = match from.read(&mut self.chunk) {
                Ok(0) => return Ok(End::Whole),
                Ok(got) => got,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) => return Ok(End::Broken(why)),
            };
            self.write(got).map_err(|why| no_room(self.len, why))?;
        }
    }

    /// Appends the first bytes of the chunk.
    fn write(&mut self, got: usize) -> io::Result<()> {
        let bytes = self.chunk.get(..got).unwrap_or_default();
        if bytes.iter().all(|&byte| byte == 0) {
            self.file.seek(SeekFrom::Current(got as i64))?;
        } else {
            self.file.write_all(bytes)?;
        }
        self.len += got as u64;
        Ok(())
    }

    /// The reader of zstd stops at the end of each frame; a file may hold several.
    fn fill_from_zstd(&mut self, mut input: BufReader<File>) -> Result<End, CoreError> {
        use ruzstd::decoding::StreamingDecoder;
        use std::io::BufRead;
        loop {
            match input.fill_buf() {
                Ok([]) => return Ok(End::Whole),
                Ok(_) => {}
                Err(why) => return Ok(End::Broken(why)),
            }
            let frame = match StreamingDecoder::new(&mut input) {
                Ok(frame) => frame,
                Err(why) => return Ok(End::Broken(io::Error::other(why.to_string()))),
            };
            match self.fill(frame)? {
                End::Whole => {}
                end => return Ok(end),
            }
        }
    }
}
