//! lz4 frames (`lz4_Frame_format.md` of the lz4 project).

use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read};
use std::os::unix::fs::FileExt;

use lz4_flex::frame::FrameDecoder;

const MAGIC: u32 = 0x184d_2204;
const SKIPPABLE: u32 = 0x184d_2a50;

/// Decompresses frame by frame, and fails where the last one has no end. The decoder
/// itself takes an end of the file between two blocks for the end of the data.
pub(super) struct Frames<'a, R: Read> {
    decoder: FrameDecoder<R>,
    file: &'a File,
}

impl<'a, R: BufRead> Frames<'a, R> {
    /// `source` reads `file` from its beginning.
    pub(super) fn new(source: R, file: &'a File) -> Self {
        Frames {
            decoder: FrameDecoder::new(source),
            file,
        }
    }
}

impl<R: BufRead> Read for Frames<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // At the end of a frame the decoder says 0, and goes on with the next when it is asked again.
        loop {
            let n = self.decoder.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            if self.decoder.get_mut().fill_buf()?.is_empty() {
                break;
            }
        }
        if is_whole(self.file)? {
            return Ok(0);
        }
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// Whether the file ends where a frame ends; goes from one block's size to the next.
fn is_whole(file: &File) -> io::Result<bool> {
    let len = file.metadata()?.len();
    let mut at = 0;
    while at < len {
        match end_of_frame(file, at) {
            Ok(end) if end <= len => at = end,
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn end_of_frame(file: &File, start: u64) -> io::Result<u64> {
    let magic = u32_at(file, start)?;
    if magic & !0xf == SKIPPABLE {
        return Ok(start + 8 + u64::from(u32_at(file, start + 4)?));
    }
    if magic != MAGIC {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut flags = [0];
    file.read_exact_at(&mut flags, start + 4)?;
    let has = |bit: u8| u64::from(flags[0] >> bit & 1);
    // FLG, BD and HC; the content's size, the dictionary's ID.
    let mut at = start + 4 + 3 + has(3) * 8 + has(0) * 4;
    loop {
        let block = u32_at(file, at)?;
        at += 4;
        if block == 0 {
            return Ok(at + has(2) * 4);
        }
        // The highest bit: stored as it is.
        at += u64::from(block & 0x7fff_ffff) + has(4) * 4;
    }
}

fn u32_at(file: &File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u32::from_le_bytes(bytes))
}
