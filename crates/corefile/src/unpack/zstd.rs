//! zstd: any number of frames, one behind the other (RFC 8878).

use std::error::Error;
use std::io::{self, BufRead, ErrorKind, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The end of a frame, for one that has none: an empty last block, and room for a checksum.
const END_OF_FRAME: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decompresses frame by frame; skippable ones are skipped.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
    /// What went wrong; told after everything that came before was handed out.
    broken: Option<io::Error>,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R, memory: u64) -> Frames<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(memory);
        Frames {
            source,
            decoder,
            in_frame: false,
            broken: None,
        }
    }

    /// Whether there is one more frame.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.source).take(u64::from(length));
                    if io::copy(&mut skipped, &mut io::sink())? < u64::from(length) {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(as_io(error)),
            }
        }
    }

    /// Decodes one block more, or notes why that cannot be.
    fn decode(&mut self) {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.decoder.decode_blocks(&mut self.source, one) else {
            return;
        };
        let error = as_io(error);
        if error.kind() == ErrorKind::UnexpectedEof {
            // The decoder keeps back the last megabytes, which later blocks may refer to. None
            // will come: with the frame ended it hands out what it has, unless it cannot be used at all.
            let all = BlockDecodingStrategy::All;
            if self.decoder.decode_blocks(&END_OF_FRAME[..], all).is_err() {
                self.in_frame = false;
            }
        } else {
            // What it keeps back may have been decoded in part: it is not to be trusted.
            self.in_frame = false;
        }
        self.broken = Some(error);
    }

    fn checksum_matches(&self) -> bool {
        self.broken.is_some()
            || self
                .decoder
                .get_checksum_from_data()
                .is_none_or(|there| self.decoder.get_calculated_checksum() == Some(there))
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame {
                if self.decoder.can_collect() > 0 {
                    return self.decoder.read(buf);
                }
                if !self.decoder.is_finished() {
                    self.decode();
                    continue;
                }
                self.in_frame = false;
                if !self.checksum_matches() {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "its checksum does not match",
                    ));
                }
            }
            if let Some(error) = self.broken.take() {
                return Err(error);
            }
            self.in_frame = self.begin_frame()?;
            if !self.in_frame {
                return Ok(0);
            }
        }
    }
}

/// The I/O error that caused a decoding error, or the decoding error itself.
fn as_io(error: FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            return io::Error::from(io.kind());
        }
        cause = one.source();
    }
    io::Error::new(ErrorKind::InvalidData, error.to_string())
}
