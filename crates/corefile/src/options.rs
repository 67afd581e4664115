//! How a core is opened, and how much of it is believed.

use std::path::PathBuf;

/// How a core file is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// How much is read at most.
    pub limits: Limits,
    /// Where a compressed core is decompressed to; `None` for `TMPDIR`, or else `/tmp`.
    pub temp_dir: Option<PathBuf>,
}

/// Caps on what a core can make large. The defaults are far above what real cores have;
/// where one is reached, the diagnostics say so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Threads.
    pub threads: usize,
    /// Segments (the kernel's own limit, `vm.max_map_count`, is 65530 unless somebody raised it).
    pub segments: usize,
    /// Notes, of any type. A thread has five or six.
    pub notes: usize,
    /// Bytes of one note. The list of mapped files is the long one
    /// (`kernel.core_file_note_size_limit`: 4 MB, at most 16 MB).
    pub note_bytes: u64,
    /// Bytes of memory that blocks of the core are kept in.
    pub cache_bytes: usize,
    /// Bytes of a core once it is decompressed.
    pub unpacked_bytes: u64,
    /// Bytes that are written to the temporary file (zeros are not), for each byte of the compressed core.
    pub unpacked_per_byte: u64,
    /// Bytes that may be written however short the compressed core is.
    pub unpacked_free: u64,
    /// Bytes of memory that decompressing may take (the window of zstd, the dictionary of xz).
    pub unpack_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            threads: 1 << 17,
            segments: 1 << 20,
            notes: 1 << 21,
            note_bytes: 1 << 26,
            cache_bytes: 1 << 26,
            unpacked_bytes: 1 << 39,
            unpacked_per_byte: 1000,
            unpacked_free: 1 << 32,
            unpack_memory: 1 << 29,
        }
    }
}
