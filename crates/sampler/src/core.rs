//! Core files: the state of a program when it died, or when somebody saved it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cframes::{CFrames, ObjectFile};
use corefile::{CoreFile, FileSegment, MappedFile, OpenOptions};
use gobinary::GoBinary;
use goruntime::{CCode, Decoder, Image, Runtime};
use model::{Addr, CaptureInfo, Goroutine, Snapshot, TargetInfo, TargetKind};
use target::{Mapping, Target};

use crate::error::{Error, ErrorKind};
use crate::images::Mapped;
use crate::native::{Native, vdso};
use crate::session::{Options, build_info};

/// Reads the goroutines of a core file. The executable is the one that the core names, unless
/// `options.exe` names another.
pub fn read_core(path: &Path, options: &Options) -> Result<Snapshot, Error> {
    let written = fs::metadata(path).and_then(|meta| meta.modified());
    let written = written.unwrap_or(SystemTime::UNIX_EPOCH);
    let core = CoreFile::open(path, &OpenOptions::default())?;
    let exe = match &options.exe {
        Some(exe) => exe.clone(),
        None => core.exe_path().map(existing).ok_or_else(|| {
            let what = format!("{} does not say which executable wrote it", path.display());
            Error::new(ErrorKind::NotFound, what).hint("name the executable with --exe")
        })?,
    };
    let no_file = |why| {
        let (exe, path) = (exe.display(), path.display());
        let what = format!("cannot open {exe}, the executable of {path}: {why}");
        Error::new(ErrorKind::NotFound, what)
            .hint("name the executable, or a copy of it, with --exe")
    };
    let file = File::open(&exe).map_err(no_file)?;
    let mut diagnostics = core.diagnostics().to_vec();
    let open = |mapping: &Mapping| File::open(existing(mapping.path.clone())).ok();
    let mapped = Mapped {
        mappings: mappings(&core),
        open: &open,
        open_path: &|path| File::open(path).ok(),
    };
    let entry = || Ok(core.entry_address());
    let (module, debug_file) = (options.module.as_deref(), options.debug_file.as_deref());
    let chosen = mapped
        .choose((&file, &exe), &entry, module, debug_file)
        .map_err(|why| why.on(exe.display()))?;
    let binary = &chosen.image.binary;
    diagnostics.extend(chosen.diagnostics.iter().cloned());
    // The core tells the build ID of its executable only.
    let is_exe = chosen.library.is_none();
    check(&core, binary, is_exe, options.force, &mut diagnostics)
        .map_err(|why| why.on(format!("{} and {}", path.display(), exe.display())))?;
    let go_file = chosen.file.try_clone().map_err(no_file)?;
    let core = with_file(core, &chosen.image, chosen.file).map_err(no_file)?;
    let failed = |why: Error| {
        let error = why.on(format!("{} with {}", path.display(), exe.display()));
        // A core that lacks something says so; that is the cause, most likely.
        match core.diagnostics() {
            [] => error,
            what => error.hint(what.join("; ")),
        }
    };
    let runtime = Runtime::load(&chosen.image, &core, &|at| mapped.plugin(binary, at))
        .map_err(|why| failed(why.into()))?;
    let runtime = Arc::new(runtime);
    let mut decoder = Decoder::new(Arc::clone(&runtime), options.limits);
    let open = |mapping: &Mapping| {
        let file = open(mapping)?;
        let is_same = false;
        Some(ObjectFile { file, is_same })
    };
    let go_path = chosen.library.clone().or_else(|| core.exe_path());
    let native = Native {
        memory: &core,
        open: &open,
        open_path: &|path| File::open(path).ok(),
        go: (&go_file, go_path.as_deref().unwrap_or(&exe)),
        debug_file,
    };
    let mut c = CFrames::new(binary.arch);
    c.set_mappings(with_unlisted(
        &mapped.mappings,
        &core,
        &chosen.image,
        native.go.1,
    ));
    let c = CCode {
        frames: &mut c,
        program: &native,
    };
    let decoded = decoder
        .decode(&core, core.threads(), options.wanted, c)
        .map_err(|why| failed(why.into()))?;
    if let Some(why) = core.read_failure() {
        diagnostics.push(format!("not all could be read: {why}"));
    }
    diagnostics.extend(death(&core, &decoded.goroutines));
    diagnostics.extend(decoded.diagnostics);
    Ok(Snapshot {
        captured_at: written,
        target: TargetInfo {
            kind: TargetKind::Core,
            pid: core.pid(),
            exe: Some(exe),
            module: chosen.library,
            text: runtime.text(),
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
        objects: decoded.objects,
        ms: decoded.ms,
        scheduler: decoded.scheduler,
        traceback_labels: runtime.traceback_labels(),
        unreadable: decoded.unreadable,
        diagnostics,
    })
}

/// Of which signal the program died, and where; `None` for one that was only copied.
fn death(core: &CoreFile, goroutines: &[Arc<Goroutine>]) -> Option<String> {
    let signal = core.signal()?;
    let name = match signal.number {
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        11 => "SIGSEGV",
        31 => "SIGSYS",
        // What gcore stopped the program with (SIGSTOP, SIGTRAP).
        5 | 19 => return None,
        _ => "",
    };
    let name = match name {
        "" => format!("signal {}", signal.number),
        name => name.to_owned(),
    };
    let thread = signal.tid;
    let ran = goroutines.iter().find(|g| g.thread == Some(thread));
    let ran = ran.map_or(String::new(), |g| {
        format!(", which ran goroutine {}", g.goid)
    });
    Some(format!(
        "the program died of {name} in thread {thread}{ran}"
    ))
}

/// Without the kernel's mark for a file that has been removed, where that is one.
fn existing(path: PathBuf) -> PathBuf {
    let text = path.to_string_lossy();
    match text.strip_suffix(" (deleted)") {
        Some(name) if !path.exists() => PathBuf::from(name),
        _ => path,
    }
}

/// The files that were mapped.
fn mappings(core: &CoreFile) -> Vec<Mapping> {
    let mapping = |file: &MappedFile| Mapping {
        start: file.start,
        end: file.end,
        file_offset: file.file_offset,
        file: (0, 0),
        path: file.path.clone(),
    };
    core.mapped_files().iter().map(mapping).collect()
}

/// The mappings with those that a core's list has not: the kernel's, and where there is no list (as
/// from qemu) those of the file with the Go code.
fn with_unlisted(listed: &[Mapping], core: &CoreFile, image: &Image, path: &Path) -> Vec<Mapping> {
    let mut mappings = listed.to_vec();
    mappings.extend(core.vdso_address().map(vdso));
    let segments = image.binary.segments().iter().filter(|s| s.size > 0);
    let of_image = segments.map(|segment| {
        let start = Addr(segment.at.0.wrapping_add(image.bias));
        Mapping {
            start,
            end: Addr(start.0.saturating_add(segment.size)),
            file_offset: segment.offset,
            file: (0, 0),
            path: path.to_owned(),
        }
    });
    let of_image: Vec<Mapping> = of_image.collect();
    let is_listed = |m: &Mapping| listed.iter().any(|listed| listed.contains(m.start));
    if !of_image.iter().any(is_listed) {
        mappings.extend(of_image);
    }
    mappings
}

/// The core, with what it leaves out of the program's text and constants taken from the file of
/// the Go code.
fn with_file(core: CoreFile, image: &Image, file: File) -> io::Result<CoreFile> {
    let segments = image.binary.segments().iter().map(|segment| FileSegment {
        at: Addr(segment.at.0.wrapping_add(image.bias)),
        len: segment.size,
        file_offset: segment.offset,
        writable: segment.writable,
    });
    core.with_fallback(segments.collect(), file)
}

/// Whether the executable is the one that wrote the core.
fn check(
    core: &CoreFile,
    binary: &GoBinary,
    is_exe: bool,
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
    let ids = core
        .executable()
        .filter(|_| is_exe)
        .map(|exe| exe.build_ids)
        .unwrap_or_default();
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
