//! The C frames of goroutines that have called C are those that C itself tells: `cstack` knows
//! which functions it has entered at which lines, and asks glibc for the return addresses.

use std::path::{Path, PathBuf};

use fixtures::build::MUSL_GCC;
use fixtures::trials::Failed;
use fixtures::{BuildOptions, CrashOptions, Program, Toolchain, build, crash};
use serde_json::Value;

use crate::debug_file::tool;
use crate::process::{gcore, until};
use crate::run::{goinspect, snapshot};

/// How the program is built, and so what can be known of its C code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Built {
    /// As `go build` does.
    Plain,
    /// Loaded where the system likes.
    Pie,
    /// With the C library in the executable.
    Static,
    /// Without symbols and debug information.
    Stripped,
    /// By Go's own linker, which leaves the unwind tables out.
    Internally,
    /// With musl, whose C library has no unwind tables.
    Musl,
}

impl Built {
    fn options(self) -> BuildOptions {
        let flags: &[&str] = match self {
            Built::Plain | Built::Musl => &[],
            Built::Pie => &["-buildmode=pie"],
            Built::Static => &["-ldflags=-linkmode=external -extldflags=-static"],
            Built::Stripped => &["-ldflags=-s -w"],
            Built::Internally => &["-ldflags=-linkmode=internal"],
        };
        BuildOptions {
            cgo: true,
            cc: (self == Built::Musl).then_some(MUSL_GCC),
            ..BuildOptions::with_flags(flags.iter().copied())
        }
    }

    /// Whether the executable names its functions.
    fn is_named(self) -> bool {
        self != Built::Stripped
    }
}

/// The shared library that is called, stripped.
fn library(folder: &Path) -> Result<PathBuf, Failed> {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/programs");
    let library = folder.join("libdeep.so");
    let source = programs.join("cstack/deep/deep.c");
    let mut args = ["-shared", "-fPIC", "-O2", "-s", "-o"]
        .map(Path::new)
        .to_vec();
    args.extend([library.as_path(), &source]);
    tool("cc", &args)?;
    Ok(library)
}

/// As it is built usually, with a shared library.
pub fn equal_backtrace(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let library = library(folder.path())?;
    let exe = build(go, "cstack", &Built::Plain.options())?;
    let library = library.to_string_lossy();
    let mut cstack = Program::start(&exe, &["-library", &library])?;
    let facts = cstack.facts()?;
    let taken = snapshot(cstack.pid(), &[])?;
    let frames = |how| {
        let goid = stack_of(&facts, how)["goid"].as_u64().unwrap();
        c_frames(goroutine(&taken, goid))
    };
    // The library has one name to tell, and that is C++.
    let in_library = frames("library");
    let in_library: Vec<&str> = in_library
        .iter()
        .filter(|frame| frame["object"] == "libdeep.so")
        .map(|frame| frame["func"].as_str().unwrap())
        .collect();
    assert!(in_library[0].starts_with("libdeep.so+0x"), "{in_library:?}");
    assert_eq!(
        in_library[1..],
        ["deep::enter(int, void (*)(void*), void*)"]
    );
    check(Built::Plain, &facts, &taken)?;

    // What C is doing is found by its functions.
    let filters = [
        "func:no_frame_pointer top:park",
        "func:deep::enter",
        "top:into_go",
    ];
    let counts = filters.map(|filter| {
        let found = snapshot(cstack.pid(), &["--filter", filter]).unwrap();
        found["goroutines"].as_array().unwrap().len()
    });
    assert_eq!(counts, [6, 1, 0]);
    let pid = cstack.pid().to_string();
    let summary = goinspect(&["snapshot", &pid, "--format", "summary"]);
    let summary = String::from_utf8(summary.stdout)?;
    for text in [
        "    many_arguments [C]\n",
        "    inlined [C] (inlined)\n",
        "    deep::enter(int, void (*)(void*), void*) [C]\n        libdeep.so\n",
    ] {
        assert!(summary.contains(text), "{text:?} is not in\n{summary}");
    }
    cstack.quit()?;
    Ok(())
}

fn live(go: &Toolchain, built: Built) -> Result<(), Failed> {
    let exe = build(go, "cstack", &built.options())?;
    let mut cstack = Program::start(&exe, &[])?;
    let facts = cstack.facts()?;
    let taken = snapshot(cstack.pid(), &[])?;
    cstack.quit()?;
    check(built, &facts, &taken)
}

pub fn in_pie(go: &Toolchain) -> Result<(), Failed> {
    live(go, Built::Pie)
}

pub fn in_static(go: &Toolchain) -> Result<(), Failed> {
    live(go, Built::Static)
}

pub fn in_stripped(go: &Toolchain) -> Result<(), Failed> {
    live(go, Built::Stripped)
}

/// Without unwind tables the frames that are shown are right, and that others are missing is said.
pub fn without_tables(go: &Toolchain) -> Result<(), Failed> {
    live(go, Built::Internally)
}

pub fn with_musl(go: &Toolchain) -> Result<(), Failed> {
    live(go, Built::Musl)
}

/// The libraries' files are gone; what is loaded of them still has all that is needed.
pub fn from_deleted_library(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let library = library(folder.path())?;
    let exe = build(go, "cstack", &Built::Plain.options())?;
    let mut cstack = Program::start(&exe, &["-library", &library.to_string_lossy()])?;
    std::fs::remove_file(&library)?;
    std::fs::write(&library, "another file of its name")?;
    let facts = cstack.facts()?;
    let taken = snapshot(cstack.pid(), &[])?;
    cstack.quit()?;
    check(Built::Plain, &facts, &taken)
}

/// From the core of a crash. Go's signal handler runs on each thread, over the C code.
pub fn in_core(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let library = library(folder.path())?;
    let exe = build(go, "cstack", &Built::Plain.options())?;
    let args = ["-library", &library.to_string_lossy()];
    let crash = crash(&exe, &args, &CrashOptions::default())?;
    check(Built::Plain, &crash.facts, &core(&crash.core, &[])?)?;

    // Of a library that is another one now nothing is believed.
    std::fs::copy(&exe, &library)?;
    let taken = core(&crash.core, &[])?;
    let goid = stack_of(&crash.facts, "library")["goid"].as_u64().unwrap();
    let g = goroutine(&taken, goid);
    let notes = g["notes"].to_string();
    assert!(
        notes.contains("C frames are missing: libdeep.so cannot be read: the file of its name is"),
        "{notes}"
    );
    assert!(c_frames(g).iter().all(|frame| frame["func"] != "end"));
    Ok(())
}

/// From a core that gdb wrote of the running program.
pub fn in_gcore(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let exe = build(go, "cstack", &Built::Plain.options())?;
    let mut cstack = Program::start(&exe, &[])?;
    let facts = cstack.facts()?;
    let path = gcore(cstack.pid(), folder.path())?;
    cstack.quit()?;
    check(Built::Plain, &facts, &core(&path, &[])?)
}

/// For arm64, run and dumped by qemu, which does not say what was mapped where.
pub fn on_arm64(go: &Toolchain) -> Result<(), Failed> {
    let exe = build(go, "cstack", &BuildOptions::arm64_with_c())?;
    let crash = crash(&exe, &[], &CrashOptions::arm64())?;
    let taken = core(&crash.core, &["--exe", &exe.to_string_lossy()])?;
    check(Built::Static, &crash.facts, &taken)
}

/// A goroutine that asks for the time is in the kernel's library now and then.
pub fn in_vdso(go: &Toolchain) -> Result<(), Failed> {
    let mut clock = Program::start(&build(go, "clock", &BuildOptions::default())?, &[])?;
    let found = until("a goroutine is in the vDSO", || {
        let taken = snapshot(clock.pid(), &[]).ok()?;
        let all = taken["goroutines"].as_array()?;
        let mut frames = all.iter().map(c_frames);
        let found = frames.find(|frames| !frames.is_empty())?;
        Some(found.into_iter().cloned().collect::<Vec<Value>>())
    })?;
    for frame in &found {
        assert_eq!(frame["object"], "[vdso]", "{found:?}");
        assert_eq!(frame["trust"], "exact", "{found:?}");
    }
    let name = found.last().unwrap()["func"].as_str().unwrap();
    assert!(name.contains("clock_gettime"), "{found:?}");
    clock.ask("count")?;
    clock.quit()?;
    Ok(())
}

fn core(path: &Path, more: &[&str]) -> Result<Value, Failed> {
    let path = path.to_string_lossy();
    let output = goinspect(&[&["core", &*path, "--format", "json"], more].concat());
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn stack_of<'v>(facts: &'v Value, how: &str) -> &'v Value {
    let stacks = facts["stacks"].as_array().unwrap();
    stacks.iter().find(|stack| stack["how"] == how).unwrap()
}

fn goroutine(taken: &Value, goid: u64) -> &Value {
    let all = taken["goroutines"].as_array().unwrap();
    all.iter().find(|g| g["goid"] == goid).unwrap()
}

/// The C frames of a goroutine, inlined ones included.
fn c_frames(g: &Value) -> Vec<&Value> {
    let frames = g["frames"].as_array().unwrap();
    frames.iter().filter(|frame| frame["lang"] == "c").collect()
}

/// Every stack is as C says.
fn check(built: Built, facts: &Value, taken: &Value) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let stacks = facts["stacks"].as_array().unwrap();
    assert!(stacks.len() > 5);
    for stack in stacks {
        let g = goroutine(taken, stack["goid"].as_u64().unwrap());
        if let Err(why) = compare(built, stack, g) {
            let frames: Vec<String> = c_frames(g)
                .iter()
                .map(|f| format!("  {} {} {}:{}", f["pc"], f["func"], f["object"], f["line"]))
                .collect();
            wrong.push(format!(
                "{}: {why}\nC says {stack}\ngoinspect says {}\n{}",
                stack["how"],
                g["notes"],
                frames.join("\n")
            ));
        }
    }
    // A function of the C library, called by Go and no C of the program's own.
    let direct = goroutine(taken, facts["direct"].as_u64().unwrap());
    let frames: Vec<&str> = c_frames(direct)
        .iter()
        .map(|frame| frame["func"].as_str().unwrap())
        .collect();
    let is_right = match frames[..] {
        [poll, .., wrapper] if built.is_named() => {
            poll.contains("poll") && wrapper.starts_with("_cgo_") && !is_missing(direct)
        }
        [_, .., _] => !is_missing(direct),
        [_] => built == Built::Musl && is_missing(direct),
        [] => false,
    };
    if !is_right {
        wrong.push(format!("direct: {frames:?}, {}", direct["notes"]));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n\n").into()),
    }
}

fn is_missing(g: &Value) -> bool {
    let notes = g["notes"].as_array().unwrap();
    notes
        .iter()
        .any(|note| note.as_str().unwrap().starts_with("C frames are missing: "))
}

fn compare(built: Built, stack: &Value, g: &Value) -> Result<(), String> {
    let strings = |of: &Value| -> Vec<String> {
        let all = of.as_array().unwrap().iter();
        all.map(|s| s.as_str().unwrap().to_owned()).collect()
    };
    let names = strings(&stack["names"]);
    let all = c_frames(g);
    if g["stackEnd"] != "complete" {
        return Err("the stack ends early".into());
    }
    if all.iter().any(|frame| frame["trust"] != "exact") {
        return Err("not all of it is exact".into());
    }
    if matches!(built, Built::Internally | Built::Musl) {
        return without_all(built, &names, g, &all);
    }
    if is_missing(g) {
        return Err("frames are missing".into());
    }
    // The frames of calls, from the one that asked for the addresses outwards. The last address is that of
    // `runtime.asmcgocall`.
    let pcs = strings(&stack["pcs"]);
    let expected = &pcs[1..pcs.len() - 1];
    let physical: Vec<&Value> = all
        .iter()
        .filter(|f| f["inlined"] == false)
        .copied()
        .collect();
    let found: Vec<&str> = physical
        .iter()
        .map(|frame| frame["pc"].as_str().unwrap())
        .collect();
    if !found.ends_with(&expected.iter().map(String::as_str).collect::<Vec<_>>()) {
        return Err("the addresses are others".into());
    }
    let above = &physical[..physical.len() - expected.len()];
    let Some((asking, inner)) = above.split_last() else {
        return Err("the innermost frame is missing".into());
    };
    let enough = match stack["how"].as_str() {
        Some("spin") => inner.is_empty(),
        // Go's function as C sees it.
        Some("go") => inner.len() == 1,
        _ => !inner.is_empty(),
    };
    if !enough {
        return Err(format!("{} frames inside of C's own", inner.len()));
    }
    if !built.is_named() {
        let place = asking["func"].as_str().unwrap();
        return match place.starts_with("cstack-") && place.contains("+0x") {
            true => Ok(()),
            false => Err(format!("a name for what has none: {place}")),
        };
    }
    let own: Vec<&Value> = all
        .iter()
        .filter(|frame| names.iter().any(|name| frame["func"] == **name))
        .copied()
        .collect();
    let functions: Vec<&str> = own.iter().map(|f| f["func"].as_str().unwrap()).collect();
    if functions != names {
        return Err("the functions are others".into());
    }
    for (frame, line) in own.iter().zip(stack["lines"].as_array().unwrap()).skip(1) {
        let is_file = frame["file"].as_str().unwrap_or("").ends_with("/stack.c");
        if &frame["line"] != line || !is_file {
            return Err(format!("{} is not at line {line}", frame["func"]));
        }
        if (frame["inlined"] == true) != (frame["func"] == "inlined") {
            return Err(format!("{} is inlined, or not", frame["func"]));
        }
    }
    Ok(())
}

/// Without tables it is right as far as it goes, and says so if that is not all the way.
fn without_all(built: Built, names: &[String], g: &Value, all: &[&Value]) -> Result<(), String> {
    let own = all.iter().filter_map(|frame| {
        let name = frame["func"].as_str()?;
        names.iter().any(|own| own == name).then_some(name)
    });
    let own: Vec<&str> = own.collect();
    let expected = match is_missing(g) {
        true => names.get(..own.len()).unwrap_or_default(),
        false => names,
    };
    if own != expected {
        return Err("the functions are others".into());
    }
    // musl is met at once, elsewhere the C library leads to the program's own.
    if built == Built::Internally && g["status"] == "syscall" && own.is_empty() {
        return Err("the function that waits is not known".into());
    }
    Ok(())
}
