//! A core file, opened.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use model::{Addr, Arch, Pid};
use target::{ReadError, ReadMemory, Target, Thread};

use crate::blocks::Blocks;
use crate::elf::{self, Headers};
use crate::error::{CoreError, size};
use crate::executable::Executable;
use crate::memory::{FileSegment, Memory, Missing};
use crate::notes::{self, Notes, Signal};
use crate::options::OpenOptions;
use crate::records::{self, MappedFile};
use crate::unpack;

/// `elf.h`, `AT_*`.
const AT_PHDR: u64 = 3;
const AT_BASE: u64 = 7;
const AT_ENTRY: u64 = 9;
const AT_EXECFN: u64 = 31;
const AT_SYSINFO_EHDR: u64 = 33;
/// `PATH_MAX`.
const LONGEST_PATH: u64 = 4096;

/// A program as its core file shows it.
///
/// All addresses are run-time ones. Memory that is not in the core cannot be read
/// ([`ReadError::Unmapped`]), unless [`CoreFile::with_fallback`] says where else it is; it is
/// never taken for zeros. It can be sent to another thread, not shared between two.
pub struct CoreFile {
    arch: Arch,
    memory: Memory,
    notes: Notes,
    diagnostics: Vec<String>,
}

impl CoreFile {
    /// Opens a core file. One that is compressed (zstd, lz4, gzip or xz, whatever its name is)
    /// is first decompressed into a temporary file that has no name.
    ///
    /// Fails where there is nothing to be read at all. A core that is cut short, or damaged in
    /// part, is opened; [`Target::diagnostics`] says what is missing.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<CoreFile, CoreError> {
        let io_error = |error| CoreError::io(path, error);
        // Opening a named pipe would wait for somebody to write to it.
        let kind = fs::metadata(path).map_err(io_error)?.file_type();
        if !kind.is_file() {
            let what = match () {
                () if kind.is_dir() => "a directory",
                () if kind.is_fifo() => "a named pipe",
                () if kind.is_socket() => "a socket",
                () => "a device",
            };
            return Err(CoreError::NotACore {
                path: path.to_owned(),
                what: what.to_owned(),
            });
        }
        let file = File::open(path).map_err(io_error)?;
        let mut diagnostics = Vec::new();
        let file = match unpack::recognise(&file).map_err(io_error)? {
            Some(packing) => unpack::unpack(file, packing, path, options, &mut diagnostics)?,
            None => file,
        };
        let core = Blocks::new(file, options.limits.cache_bytes).map_err(io_error)?;
        let headers =
            elf::read(&core, &options.limits).map_err(|refusal| match core.failure() {
                Some(failure) => CoreError::io(path, io::Error::other(failure)),
                None => refusal.of(path),
            })?;
        Ok(CoreFile::assemble(core, headers, options, diagnostics))
    }

    fn assemble(
        core: Blocks,
        headers: Headers,
        options: &OpenOptions,
        mut diagnostics: Vec<String>,
    ) -> CoreFile {
        let len = core.len();
        diagnostics.extend(headers.problems);
        let mut notes = notes::read(&core, &headers.notes, headers.arch, &options.limits);
        let (memory, missing) = Memory::new(core, &headers.loads, options.limits.cache_bytes);
        diagnostics.extend(cut_short(
            len,
            headers.promised,
            headers.loads.len(),
            missing,
        ));
        if !missing.has_writable && missing.cut_writable == 0 {
            diagnostics.push(
                "the core has no memory that the program could write to, \
                 so no goroutines (see coredump_filter in core(5))"
                    .to_owned(),
            );
        }
        diagnostics.append(&mut notes.problems);
        CoreFile {
            arch: headers.arch,
            memory,
            notes,
            diagnostics,
        }
    }

    /// Adds a file that has what the core leaves out: usually the executable, for its text and
    /// read-only data. May be called for several files; the first that has an address is used.
    ///
    /// It is used where the core has no bytes, on condition that neither the core nor
    /// `FileSegment::writable` says that the program could write there: of data that it may have
    /// changed, the file has only the initial values. It is for the caller to see that it
    /// is the right file ([`CoreFile::executable`]). Fails where the file cannot be asked for its length.
    pub fn with_fallback(mut self, segments: Vec<FileSegment>, file: File) -> io::Result<CoreFile> {
        self.memory.add_fallback(segments, file)?;
        Ok(self)
    }

    /// The process ID, in the PID namespace of whoever wrote the core (the kernel: the
    /// process's own; gcore: gcore's).
    pub fn pid(&self) -> Option<Pid> {
        self.notes.process.as_ref().map(|p| p.pid)
    }

    /// The name of the process (`/proc/PID/comm`; at most 15 bytes). As the target says it: unescaped.
    pub fn process_name(&self) -> Option<&str> {
        self.notes.process.as_ref().map(|p| p.name.as_str())
    }

    /// The first 80 bytes or so of the command line, its arguments joined by spaces; unescaped.
    pub fn args(&self) -> Option<&str> {
        self.notes.process.as_ref().map(|p| p.args.as_str())
    }

    /// What the core was written for. A core from gcore has the signal that gcore
    /// stopped the process by (`SIGSTOP`, `SIGTRAP`), or none.
    pub fn signal(&self) -> Option<Signal> {
        self.notes.signal
    }

    /// The files that were mapped (`NT_FILE`). Cores of qemu have no such list.
    pub fn mapped_files(&self) -> &[MappedFile] {
        &self.notes.files
    }

    /// Where the executable's code begins (`AT_ENTRY`). Minus the entry point in its ELF header,
    /// this is its load bias.
    pub fn entry_address(&self) -> Option<Addr> {
        self.auxv(AT_ENTRY)
    }

    /// Where the executable's program headers are (`AT_PHDR`).
    pub fn program_headers_address(&self) -> Option<Addr> {
        self.auxv(AT_PHDR)
    }

    /// Where the dynamic linker was loaded (`AT_BASE`); `None` for a static program.
    pub fn interpreter_base(&self) -> Option<Addr> {
        self.auxv(AT_BASE).filter(|base| !base.is_null())
    }

    /// Where the kernel's library was (`AT_SYSINFO_EHDR`, vdso(7)).
    pub fn vdso_address(&self) -> Option<Addr> {
        self.auxv(AT_SYSINFO_EHDR)
    }

    /// The path of the executable as the process had it, on the machine where it ran: that of
    /// the mapped file that has the entry point, or else the name that it was started by (`AT_EXECFN`),
    /// which may be relative.
    pub fn exe_path(&self) -> Option<PathBuf> {
        match self.mapped_executable() {
            Some(file) => Some(file.path.clone()),
            None => self.path_at(self.auxv(AT_EXECFN)?),
        }
    }

    /// The executable's identity, read from the core's own memory and never from a fallback;
    /// `None` where the core has not the page with its ELF header.
    pub fn executable(&self) -> Option<Executable> {
        let read = |at, buf: &mut [u8]| self.memory.read_core(at, buf).ok();
        let table = self.program_headers_address();
        // Nearly all linkers put the program headers directly behind the ELF header.
        let header = table.and_then(|table| Some(Addr(table.0.checked_sub(elf::HEADER)?)));
        header
            .and_then(|header| Executable::at(header, table, &read))
            .or_else(|| {
                let path = &self.mapped_executable()?.path;
                let mut parts = self.notes.files.iter();
                let first = parts.find(|f| &f.path == path && f.file_offset == 0)?;
                Executable::at(first.start, None, &read)
            })
    }

    /// How many bytes of the (decompressed) core were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.memory.bytes_read()
    }

    /// What went wrong when the core or a fallback was read, if anything did. What could not
    /// be read for that reason was reported as unmapped.
    pub fn read_failure(&self) -> Option<String> {
        self.memory.failure()
    }

    fn auxv(&self, key: u64) -> Option<Addr> {
        records::auxv_entry(&self.notes.auxv, key).map(Addr)
    }

    fn mapped_executable(&self) -> Option<&MappedFile> {
        [AT_ENTRY, AT_PHDR].iter().find_map(|&key| {
            let at = self.auxv(key)?;
            let mut files = self.notes.files.iter();
            files.find(|f| f.start <= at && at < f.end)
        })
    }

    fn path_at(&self, start: Addr) -> Option<PathBuf> {
        let mut path = Vec::new();
        for i in 0..LONGEST_PATH {
            let mut byte = [0];
            self.memory
                .read_core(start.checked_add(i)?, &mut byte)
                .ok()?;
            match byte {
                [0] if path.is_empty() => return None,
                [0] => return Some(PathBuf::from(OsStr::from_bytes(&path))),
                [b] => path.push(b),
            }
        }
        None
    }
}

/// What to say of a file that is shorter than its headers promise.
fn cut_short(len: u64, promised: u64, segments: usize, missing: Missing) -> Option<String> {
    (len < promised).then(|| {
        format!(
            "the core ends at {len} bytes, but its headers promise {promised} ({} are missing): \
             {} of {segments} segments are incomplete, {} of which the program could write to",
            size(promised - len),
            missing.cut,
            missing.cut_writable
        )
    })
}

impl ReadMemory for CoreFile {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read(at, buf)
    }
}

impl Target for CoreFile {
    fn arch(&self) -> Arch {
        self.arch
    }

    /// The thread that took the signal comes first. `ns_tid` is always `tid`: a core of the
    /// kernel has the IDs of the program's own PID namespace; one that gcore took from outside of
    /// a container has the outer ones, and nothing says so.
    fn threads(&self) -> &[Thread] {
        &self.notes.threads
    }

    fn diagnostics(&self) -> &[String] {
        &self.diagnostics
    }
}

impl std::fmt::Debug for CoreFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoreFile")
            .field("arch", &self.arch)
            .field("notes", &self.notes)
            .field("diagnostics", &self.diagnostics)
            .finish_non_exhaustive()
    }
}
