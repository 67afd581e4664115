//! Every way to build a program, with debug information and stripped of it: what is shown is the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fixtures::build::MUSL_GCC;
use fixtures::crash::Cause;
use fixtures::trials::Failed;
use fixtures::{BuildOptions, CrashOptions, Program, Toolchain, build, crash};
use serde_json::Value;

use crate::core::equals_the_crash_text;
use crate::debug_file::tool;
use crate::process::copy_program;
use crate::run::snapshot;
use crate::traceback::equals_its_own_text;
use crate::zoo::equals_own_stacks;

/// How a program is built and linked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As `go build` does without a C compiler: static, at a fixed address.
    Exe,
    /// Position-independent, by Go's own linker.
    Pie,
    /// With C, linked by the C compiler.
    External,
    /// The same without shared libraries.
    Static,
    /// The same, position-independent.
    StaticPie,
    /// With C and the race detector.
    Race,
    /// Neither optimised nor inlined.
    Unoptimised,
    /// Without this machine's paths.
    Trimmed,
    /// With C, linked with musl.
    Musl,
    /// The same without shared libraries.
    StaticMusl,
}

impl Mode {
    fn options(self, stripped: bool) -> BuildOptions {
        let mut flags = Vec::new();
        let mut link = Vec::new();
        if stripped {
            link.extend(["-s", "-w"]);
        }
        match self {
            Mode::Exe => {}
            Mode::Pie => flags.push("-buildmode=pie"),
            Mode::External => link.push("-linkmode=external"),
            Mode::Musl => link.push("-linkmode=external"),
            Mode::StaticMusl => link.extend(["-linkmode=external", "-extldflags=-static"]),
            Mode::Static => link.extend(["-linkmode=external", "-extldflags=-static"]),
            Mode::StaticPie => {
                flags.push("-buildmode=pie");
                link.extend(["-linkmode=external", "-extldflags=-static-pie"]);
            }
            Mode::Race => flags.push("-race"),
            Mode::Unoptimised => flags.push("-gcflags=all=-N -l"),
            Mode::Trimmed => flags.push("-trimpath"),
        }
        let cgo = matches!(
            self,
            Mode::External
                | Mode::Static
                | Mode::StaticPie
                | Mode::Race
                | Mode::Musl
                | Mode::StaticMusl
        );
        if cgo {
            // What of package net and os/user needs a dynamic C library stays out.
            flags.push("-tags=cross,netgo,osusergo");
        }
        let link = format!("-ldflags={}", link.join(" "));
        let flags = flags.into_iter().map(String::from).chain([link]);
        BuildOptions {
            cgo,
            cc: matches!(self, Mode::Musl | Mode::StaticMusl).then_some(MUSL_GCC),
            ..BuildOptions::with_flags(flags)
        }
    }

    fn build(self, go: &Toolchain, stripped: bool) -> Result<PathBuf, Failed> {
        Ok(build(go, "zoo", &self.options(stripped))?)
    }

    /// Without a goroutine that spins, and with those that are in C where there is C.
    fn args(self) -> &'static [&'static str] {
        match self {
            Mode::External | Mode::Static | Mode::StaticPie | Mode::Musl | Mode::StaticMusl => {
                &["-nospin", "-cross"]
            }
            Mode::Race | Mode::Unoptimised => &["-nospin", "-uninlined"],
            _ => &["-nospin"],
        }
    }
}

/// With its debug information: live and from a core, what Go itself prints.
pub fn whole(go: &Toolchain, mode: Mode) -> Result<(), Failed> {
    compare(go, mode, &mode.build(go, false)?)
}

/// Built without, it is the same. So it is of one that was stripped afterwards; its snapshot is
/// the same as with the debug information that it has lost.
pub fn stripped(go: &Toolchain, mode: Mode) -> Result<(), Failed> {
    compare(go, mode, &mode.build(go, true)?)?;
    let folder = tempfile::tempdir()?;
    let (whole, stripped) = (mode.build(go, false)?, folder.path().join("zoo"));
    tool("strip", &[Path::new("-o"), &stripped, &whole])?;
    same_as_with_debug_file(&stripped, &whole, mode)
}

/// A Go version that there is no table for: the program's own type descriptors serve, and it is said.
pub fn newer_than_the_tables(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let newer = folder.path().join("zoo");
    let version = format!("go{}", go.version());
    let other = version.replacen("go1.", "go1.9", 1);
    // As long as before: what is behind it must stay where it is.
    let other = other.get(..version.len()).unwrap();
    say_version(&Mode::Exe.build(go, true)?, &version, other, &newer)?;
    let zoo = Program::start(&newer, &["-nospin"])?;
    let taken = snapshot(zoo.pid(), &[])?;
    assert_eq!(taken["build"]["goVersion"], other);
    assert_eq!(taken["build"]["layout"], "assumed");
    let said = taken["diagnostics"].to_string();
    assert!(
        said.contains("is newer than") && said.contains("were assumed"),
        "{said}"
    );
    equals_own_stacks(zoo)
}

/// An executable whose section headers were removed (`sstrip`): all that is left is what is loaded.
pub fn without_sections(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for mode in [Mode::Exe, Mode::Pie] {
        let bare = folder.path().join("zoo");
        let mut bytes = fs::read(mode.build(go, true)?)?;
        // e_shoff; e_shnum and e_shstrndx.
        bytes[40..48].fill(0);
        bytes[60..64].fill(0);
        write_program(&bare, &bytes)?;
        equals_its_own_text(go, Program::start(&bare, mode.args())?)?;
        fs::remove_file(&bare)?;
    }
    Ok(())
}

/// An executable without build information, stripped and not: its Go version stands elsewhere, too.
pub fn without_build_information(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for is_stripped in [false, true] {
        let bare = folder.path().join("zoo");
        let whole = Mode::Exe.build(go, is_stripped)?;
        let remove = Path::new("--remove-section=.go.buildinfo");
        tool("objcopy", &[remove, &whole, &bare])?;
        let zoo = Program::start(&bare, Mode::Exe.args())?;
        let build = &snapshot(zoo.pid(), &[])?["build"];
        assert_eq!(build["goVersion"], format!("go{}", go.version()));
        assert_eq!(build["settings"], serde_json::json!({}));
        equals_its_own_text(go, zoo)?;
        fs::remove_file(&bare)?;
    }
    Ok(())
}

/// Writes a copy of `executable` that says it was built by another Go version.
pub fn say_version(executable: &Path, own: &str, other: &str, copy: &Path) -> Result<(), Failed> {
    const HEADER: &[u8] = b"\xff Go buildinf:";
    assert_eq!(own.len(), other.len());
    let mut bytes = fs::read(executable)?;
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|w| w == what);
    let header = find(&bytes, HEADER).unwrap();
    let at = header + find(&bytes[header..], own.as_bytes()).unwrap();
    bytes[at..at + own.len()].copy_from_slice(other.as_bytes());
    write_program(copy, &bytes)
}

/// Writes a program that is going to be run.
fn write_program(at: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let written = at.with_extension("written");
    fs::write(&written, bytes)?;
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755))?;
    copy_program(&written, at)
}

fn compare(go: &Toolchain, mode: Mode, zoo: &Path) -> Result<(), Failed> {
    equals_its_own_text(go, Program::start(zoo, mode.args())?)?;
    let options = CrashOptions {
        cause: Cause::Itself,
        ..CrashOptions::default()
    };
    let crash = crash(zoo, mode.args(), &options)?;
    equals_the_crash_text(go, &crash, &[])
}

/// The same process, once by tables and search, once by the debug information of its twin.
fn same_as_with_debug_file(stripped: &Path, whole: &Path, mode: Mode) -> Result<(), Failed> {
    let zoo = Program::start(stripped, mode.args())?;
    let ours = snapshot(zoo.pid(), &[])?;
    let twins = snapshot(zoo.pid(), &["--debug-file", &whole.to_string_lossy()])?;
    zoo.quit()?;
    assert_eq!(ours["build"]["layout"], "table");
    assert_eq!(ours["build"]["symbols"], "found");
    assert_eq!(twins["build"]["layout"], "debugfile");
    assert_eq!(twins["build"]["symbols"], "symtab");
    assert_eq!(ours["diagnostics"], twins["diagnostics"]);
    assert_eq!(ours["unreadable"], twins["unreadable"]);
    // What the Ps are at changes; where the variables are does not.
    let of_scheduler = |of: &Value| {
        let names = [
            "gomaxprocs",
            "runqsize",
            "gcwaiting",
            "gcphase",
            "numgc",
            "lastGcUnix",
        ];
        names.map(|name| of["scheduler"][name].clone())
    };
    assert_eq!(of_scheduler(&ours), of_scheduler(&twins));
    assert!(!of_scheduler(&ours).contains(&Value::Null));
    let goroutines = |of: &Value| of["goroutines"].as_array().cloned().unwrap_or_default();
    let (ours, twins) = (goroutines(&ours), goroutines(&twins));
    assert!(ours.len() > 100 && ours.len() == twins.len());
    for (ours, twin) in ours.into_iter().zip(twins) {
        let (ours, twin) = (without_names_of_c(ours), without_names_of_c(twin));
        let twin = without_names_of_variables(twin);
        let (ours, twin) = (ours.as_object().unwrap(), twin.as_object().unwrap());
        for (key, value) in ours {
            assert_eq!(
                Some(value),
                twin.get(key),
                "{key} of goroutine {}",
                ours["goid"]
            );
        }
    }
    Ok(())
}

/// What a variable is called only symbols say.
fn without_names_of_variables(mut goroutine: Value) -> Value {
    let waits = goroutine["waitingOn"].as_array_mut();
    let waits = waits.into_iter().flatten().filter_map(Value::as_object_mut);
    for wait in waits.filter(|wait| wait["addr"].is_string()) {
        wait.remove("name");
    }
    goroutine
}

/// What C functions are called, and what was inlined into them, only debug information and symbols say.
fn without_names_of_c(mut goroutine: Value) -> Value {
    let frames = goroutine["frames"].as_array_mut().unwrap();
    frames.retain(|frame| frame["lang"].is_null() || frame["inlined"] == false);
    for frame in frames.iter_mut().filter(|frame| frame["lang"] == "c") {
        for name in ["func", "entry", "file", "line"] {
            frame[name] = Value::Null;
        }
    }
    goroutine
}
