//! Compressed cores (systemd-coredump keeps them so): decompressed into a file without a name.

mod lz4;
mod spool;
mod zstd;

use std::env;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::blocks::Blocks;
use crate::elf;
use crate::error::{CoreError, size};
use crate::options::OpenOptions;

use spool::Spool;

/// A format that cores are compressed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    Gzip,
    Lz4,
    Xz,
    Zstd,
}

/// Tells by the first bytes how a file is compressed; `None` if it is not.
pub(crate) fn recognise(file: &File) -> io::Result<Option<Packing>> {
    let mut magic = [0; 6];
    let mut len = 0;
    while let Some(rest) = magic.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(packing(magic.get(..len).unwrap_or_default()))
}

/// Whether a file that begins so is a core, or is compressed and so may hold one.
pub fn looks_like_core(head: &[u8]) -> bool {
    const ET_CORE: &[u8] = &[4, 0];
    let is_core = head.starts_with(b"\x7fELF") && head.get(16..18) == Some(ET_CORE);
    is_core || packing(head).is_some()
}

fn packing(head: &[u8]) -> Option<Packing> {
    match head {
        [0x1f, 0x8b, 0x08, ..] => Some(Packing::Gzip),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Packing::Lz4),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
        // A skippable frame: parallel compressors begin with one, mostly those for zstd.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
        _ => None,
    }
}

impl Packing {
    fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Lz4 => "lz4",
            Packing::Xz => "xz",
            Packing::Zstd => "zstd",
        }
    }

    fn reader<'a>(self, file: &'a File, memory: u64) -> Box<dyn Read + 'a> {
        let source = BufReader::with_capacity(1 << 17, file);
        match self {
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Packing::Lz4 => Box::new(lz4::Frames::new(source, file)),
            Packing::Xz => {
                let kib = u32::try_from(memory / 1024).unwrap_or(u32::MAX);
                Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, kib))
            }
            Packing::Zstd => Box::new(zstd::Frames::new(source, memory)),
        }
    }
}

/// Decompresses `file`. Where it is cut short or damaged, what came before is used, and
/// `diagnostics` says so.
pub(crate) fn unpack(
    file: File,
    packing: Packing,
    path: &Path,
    options: &OpenOptions,
    diagnostics: &mut Vec<String>,
) -> Result<File, CoreError> {
    let dir = options.temp_dir.clone().unwrap_or_else(env::temp_dir);
    let limit = options.limits.unpacked_bytes;
    // What was made to fill the disk becomes many thousand times as large.
    let packed = file.metadata().map_err(|e| CoreError::io(path, e))?.len();
    let most = packed.saturating_mul(options.limits.unpacked_per_byte);
    let most = most.saturating_add(options.limits.unpacked_free);
    let temporary = |source| CoreError::Temporary {
        path: path.to_owned(),
        dir: dir.clone(),
        source,
    };
    let mut spool = Spool::new(tempfile::tempfile_in(&dir).map_err(temporary)?);
    let mut reader = packing.reader(&file, options.limits.unpack_memory);
    let broken = loop {
        let (full, result) = spool.read_from(&mut *reader);
        if spool.len() > limit {
            return Err(CoreError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        spool
            .write()
            .map_err(|error| no_room(error, &spool, path, &dir, options))?;
        if spool.stored() > most {
            return Err(CoreError::TooLarge {
                path: path.to_owned(),
                limit: most,
            });
        }
        match result {
            Err(error) => break Some(error),
            Ok(()) if !full => break None,
            Ok(()) => {}
        }
    };
    if let Some(error) = broken {
        let what = if error.kind() == ErrorKind::UnexpectedEof {
            format!("the {} data end too early", packing.name())
        } else {
            format!(
                "its {} data cannot be decompressed further: {error}",
                packing.name()
            )
        };
        if spool.len() == 0 {
            return Err(CoreError::Damaged {
                path: path.to_owned(),
                what,
            });
        }
        diagnostics.push(format!(
            "the compressed core is cut short or damaged ({what}); the first {} of the core are used",
            size(spool.len())
        ));
    }
    spool.finish().map_err(temporary)
}

/// The disk is full, or writing failed for some other reason.
fn no_room(
    error: io::Error,
    spool: &Spool,
    path: &Path,
    dir: &Path,
    options: &OpenOptions,
) -> CoreError {
    let (path, dir) = (path.to_owned(), PathBuf::from(dir));
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            // The headers come first: they say how much room it takes.
            let needed = spool
                .so_far()
                .ok()
                .and_then(|file| Blocks::new(file, 1 << 20).ok())
                .and_then(|core| elf::read(&core, &options.limits).ok())
                .map(|headers| headers.promised);
            CoreError::NoRoom {
                path,
                dir,
                written: spool.written(),
                needed,
            }
        }
        _ => CoreError::Temporary {
            path,
            dir,
            source: error,
        },
    }
}
