//! Core files: the state of a program when it died, or when somebody saved it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use corefile::CoreFile;
use gobinary::GoBinary;
use goruntime::{Decoder, Runtime};
use model::{Addr, CaptureInfo, Goroutine, LinkAddr, Snapshot, TargetInfo, TargetKind};
use target::{ReadError, ReadMemory, Target};

use crate::error::{Error, ErrorKind};
use crate::session::{Options, build_info};

/// Reads the goroutines of a core file. The executable is the one that the core names, unless
/// `options.exe` names another.
pub fn read_core(path: &Path, options: &Options) -> Result<Snapshot, Error> {
    let core = CoreFile::open(path).map_err(|why| Error::from(why).on(path.display()))?;
    let exe = match &options.exe {
        Some(exe) => exe.clone(),
        None => core.exe_path().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{} does not say which executable wrote it", path.display()),
            )
            .hint("name the executable with --exe")
        })?,
    };
    let file = File::open(&exe).map_err(|why| {
        Error::new(
            ErrorKind::NotFound,
            format!(
                "cannot open {}, the executable of {}: {why}",
                exe.display(),
                path.display()
            ),
        )
        .hint("name the executable, or a copy of it, with --exe")
    })?;
    let mut diagnostics = core.diagnostics().to_vec();
    let binary = Runtime::open_binary(file).map_err(|why| Error::from(why).on(exe.display()))?;
    check(&core, &binary, options.force, &mut diagnostics)
        .map_err(|why| why.on(format!("{} and {}", path.display(), exe.display())))?;
    let binary = Arc::new(binary);
    let entry = match core.entry_address() {
        Some(entry) => entry,
        // A program that is not position-independent lies where it was linked.
        None => Addr(binary.entry.0),
    };
    let memory = WithExecutable {
        core: &core,
        binary: &binary,
        bias: entry.0.wrapping_sub(binary.entry.0),
    };
    let failed = |why: Error| {
        let error = why.on(format!("{} with {}", path.display(), exe.display()));
        // A core that lacks something says so; that is the cause, most likely.
        match core.diagnostics() {
            [] => error,
            what => error.hint(what.join("; ")),
        }
    };
    let runtime =
        Runtime::load(Arc::clone(&binary), &memory, entry).map_err(|why| failed(why.into()))?;
    let runtime = Arc::new(runtime);
    let mut decoder = Decoder::new(Arc::clone(&runtime), options.limits);
    let decoded = decoder
        .decode(&memory, core.threads(), options.wanted)
        .map_err(|why| failed(why.into()))?;
    diagnostics.extend(death(&core, &decoded.goroutines));
    diagnostics.extend(decoded.diagnostics);
    Ok(Snapshot {
        captured_at: core.modified(),
        target: TargetInfo {
            kind: TargetKind::Core,
            pid: core.pid(),
            exe: Some(exe),
            core: Some(path.to_owned()),
            arch: binary.arch.goarch(),
            threads: core.threads().len(),
        },
        build: build_info(&runtime),
        capture: CaptureInfo {
            pause: None,
            bytes_read: core.bytes_read(),
            nanotime: None,
            consistent: true,
        },
        goroutines: decoded.goroutines,
        ms: decoded.ms,
        traceback_labels: runtime.traceback_labels(),
        unreadable: decoded.unreadable,
        diagnostics,
    })
}

/// Of which signal the program died, and where; `None` for one that was only copied.
fn death(core: &CoreFile, goroutines: &[Arc<Goroutine>]) -> Option<String> {
    let signal = core.signal()?;
    let name = match signal {
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        11 => "SIGSEGV",
        31 => "SIGSYS",
        _ => "",
    };
    let name = match name {
        "" => format!("signal {signal}"),
        name => name.to_owned(),
    };
    let thread = core.threads().first()?.tid;
    let ran = goroutines.iter().find(|g| g.thread == Some(thread));
    let ran = ran.map_or(String::new(), |g| {
        format!(", which ran goroutine {}", g.goid)
    });
    Some(format!(
        "the program died of {name} in thread {thread}{ran}"
    ))
}

/// Whether the executable is the one that wrote the core.
fn check(
    core: &CoreFile,
    binary: &GoBinary,
    force: bool,
    diagnostics: &mut Vec<String>,
) -> Result<(), Error> {
    if core.arch() != binary.arch {
        let (core, exe) = (core.arch().goarch(), binary.arch.goarch());
        let what = format!("the core is of an {core} program, the executable is for {exe}");
        return Err(
            Error::new(ErrorKind::Damaged, what).hint("name the right executable with --exe")
        );
    }
    let ids = core.build_ids();
    if ids.differ(&binary.build_ids) {
        let what = format!(
            "the core was written by the build {ids}, the executable is the build {}",
            binary.build_ids
        );
        if !force {
            return Err(Error::new(ErrorKind::Damaged, what)
                .hint("name the right executable with --exe; --force uses this one all the same"));
        }
        diagnostics.push(format!(
            "{what}; it was used all the same: what is shown may be wrong"
        ));
    } else if ids.is_empty() || binary.build_ids.is_empty() {
        diagnostics.push(
            "build IDs could not be compared: that the executable is the core's own is known \
             from the place of its tables only"
                .to_owned(),
        );
    }
    Ok(())
}

/// A core, with what it leaves out of the program's text and constants taken from the executable.
struct WithExecutable<'a> {
    core: &'a CoreFile,
    binary: &'a GoBinary,
    /// Run-time address minus link-time address.
    bias: u64,
}

impl ReadMemory for WithExecutable<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.core.read(at, buf).or_else(|why| {
            let link = LinkAddr(at.0.wrapping_sub(self.bias));
            self.binary.read_constant(link, buf).ok_or(why)
        })
    }
}
