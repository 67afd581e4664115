//! What a core file gives is what Go itself printed when it crashed.

use std::collections::BTreeMap;

use fixtures::crash::Cause;
use fixtures::trials::Failed;
use fixtures::{BuildOptions, Crash, CrashOptions, Toolchain, build, crash};
use report::parse_dump;
use report::traceback::{Block, Line};

use crate::run::{fails_with, goinspect, parse};
use crate::traceback::read_back;

/// `zoo` as `go build` makes it.
pub fn zoo(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::default())?;
    equals_the_crash_text(go, &crash, &[])
}

/// `zoo` with C in it: goroutines in C, and in Go functions that C called.
pub fn zoo_across_c(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::with_c())?;
    let crash = crash(&zoo, &["-nospin", "-cross"], &CrashOptions::default())?;
    equals_the_crash_text(go, &crash, &[])
}

/// Killed from outside: the thread that prints and dies is the main one, whatever it does.
pub fn zoo_killed(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::with_c())?;
    let options = CrashOptions {
        cause: Cause::Signal,
        ..CrashOptions::default()
    };
    let crash = crash(&zoo, &["-cross"], &options)?;
    equals_the_crash_text(go, &crash, &[])
}

/// For arm64, run and dumped by qemu, which does not say which executable it was.
pub fn arm64(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::arm64())?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::arm64())?;
    equals_the_crash_text(go, &crash, &["--exe", &zoo.to_string_lossy()])
}

/// The same without symbols and debug information.
pub fn arm64_stripped(go: &Toolchain) -> Result<(), Failed> {
    let options = BuildOptions {
        flags: vec!["-ldflags=-s -w".into()],
        ..BuildOptions::arm64()
    };
    let zoo = build(go, "zoo", &options)?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::arm64())?;
    let (core, exe) = (crash.core.to_string_lossy(), zoo.to_string_lossy());
    let taken = parse(&goinspect(&[
        "core", &core, "--exe", &exe, "--format", "json",
    ]))?;
    // Go stops everybody else before it prints.
    assert_eq!(
        taken["scheduler"]["gcwaiting"], true,
        "{}",
        taken["diagnostics"]
    );
    assert_eq!(
        taken["scheduler"]["gcphase"], "off",
        "{}",
        taken["diagnostics"]
    );
    assert!(
        taken["scheduler"]["numgc"].is_u64(),
        "{}",
        taken["diagnostics"]
    );
    equals_the_crash_text(go, &crash, &["--exe", &exe])
}

/// The same across C.
pub fn arm64_across_c(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::arm64_with_c())?;
    let crash = crash(&zoo, &["-nospin", "-cross"], &CrashOptions::arm64())?;
    equals_the_crash_text(go, &crash, &["--exe", &zoo.to_string_lossy()])
}

/// Every block of the text is among those that goinspect prints, character for character,
/// minutes aside; which cannot be, and why, is said.
pub fn equals_the_crash_text(go: &Toolchain, crash: &Crash, more: &[&str]) -> Result<(), Failed> {
    let core = crash.core.to_string_lossy();
    let mut args = vec!["core", &*core, "--traceback", "system", "--elide"];
    args.extend(more);
    let output = goinspect(&args);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut ours: BTreeMap<String, usize> = BTreeMap::new();
    for block in read_back(&text)?.blocks {
        *ours.entry(words(block)).or_default() += 1;
    }
    let theirs = parse_dump(&crash.text);
    let headers = crash
        .text
        .lines()
        .filter(|line| line.starts_with("goroutine "));
    assert_eq!(
        theirs.blocks.len(),
        headers.count(),
        "not all of the text was read"
    );
    let mut wrong = Vec::new();
    let mut excepted = Vec::new();
    let mut equal = 0;
    for block in theirs.blocks {
        let why = impossible(&block);
        let header = block.to_string().lines().next().unwrap().to_owned();
        let expected = words(block);
        if ours.contains_key(&expected) {
            equal += 1;
        } else if let Some(why) = why {
            excepted.push(format!("  {header} {why}"));
        } else {
            let found: Vec<&str> = ours
                .keys()
                .map(String::as_str)
                .filter(|block| same_goroutine(block, &expected))
                .collect();
            wrong.push(format!(
                "Go says:\n{expected}goinspect says:\n{}",
                found.join("or\n")
            ));
        }
    }
    println!(
        "Go {}: {equal} blocks are equal, {} cannot be, {} differ\n{}",
        go.version(),
        excepted.len(),
        wrong.len(),
        excepted.join("\n")
    );
    if !wrong.is_empty() || equal < 100 {
        return Err(format!(
            "{equal} equal, {} differ:\n{}",
            wrong.len(),
            wrong.join("\n")
        )
        .into());
    }
    Ok(())
}

/// Why a block of the text cannot be the same in the core.
fn impossible(block: &Block<'_>) -> Option<&'static str> {
    let has = |what: fn(&Line<'_>) -> bool| block.lines.iter().any(what);
    if has(|line| matches!(line, Line::Unavailable)) {
        return Some("Go does not show it here, for it ran on another thread: that thread does");
    }
    if has(|line| matches!(line, Line::Other(text) if text.contains("unknown pc"))) {
        return Some("its thread was in C: Go prints the words on its stack instead of frames");
    }
    None
}

/// The block's text without what depends on when it was printed.
fn words(mut block: Block<'_>) -> String {
    block.minutes = None;
    block.to_string()
}

/// Whether two blocks begin with the same goroutine, whatever its state.
fn same_goroutine(a: &str, b: &str) -> bool {
    a.split(" [").next() == b.split(" [").next()
}

/// Another build is refused with both build IDs; `--force` uses it, and says so.
pub fn another_build(go: &Toolchain) -> Result<(), Failed> {
    let crash = crash(
        &build(go, "zoo", &BuildOptions::default())?,
        &["-nospin"],
        &CrashOptions::default(),
    )?;
    // The same sources, of which only the program itself is compiled otherwise: its tables are at other places.
    let other = build(go, "zoo", &BuildOptions::with_flags(["-gcflags=-l"]))?;
    let (core, other) = (crash.core.to_string_lossy(), other.to_string_lossy());
    let output = goinspect(&["core", &core, "--exe", &other]);
    fails_with(
        &output,
        6,
        &[
            "was written by the build ",
            "is the build ",
            "--exe",
            "--force",
        ],
    )?;
    let message = String::from_utf8_lossy(&output.stderr);
    let ids: Vec<&str> = message.split(" the build ").skip(1).collect();
    let id = |at: usize| ids.get(at).and_then(|text| text.split([',', '\n']).next());
    assert!(
        id(0).is_some() && id(1).is_some() && id(0) != id(1),
        "{message}"
    );

    let output = goinspect(&["core", &core, "--exe", &other, "--force"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.contains("used all the same");
    assert!(said || output.status.code() == Some(6), "{output:?}");
    Ok(())
}

/// A core of qemu has no text and no list of files: what it was started by has to do, and
/// that it cannot be checked is said.
pub fn executable_not_checked(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::arm64())?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::arm64())?;
    let core = crash.core.to_string_lossy();
    let output = goinspect(&["core", &core]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("build IDs could not be compared"),
        "{output:?}"
    );
    let here = build(go, "zoo", &BuildOptions::default())?;
    let output = goinspect(&["core", &core, "--exe", &here.to_string_lossy()]);
    fails_with(&output, 6, &["arm64", "amd64"])
}
