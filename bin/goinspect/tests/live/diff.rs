//! `goinspect diff`: what the program itself says has not changed, has not.

use std::fs;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, CrashOptions, Program, Toolchain, build, crash};
use serde_json::{Value, json};

use crate::run::{fails_with, goinspect};

/// The counts of a comparison.
#[derive(Debug, PartialEq)]
struct Counts {
    new: u64,
    gone: u64,
    changed: u64,
    same: u64,
}

fn diff(old: &str, new: &str) -> Result<(Counts, Value), Failed> {
    let output = goinspect(&["diff", old, new, "--format", "json"]);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let diff: Value = serde_json::from_slice(&output.stdout)?;
    let count = |name: &str| diff["counts"][name].as_u64();
    let counts = Counts {
        new: count("new").unwrap(),
        gone: count("gone").unwrap(),
        changed: count("changed").unwrap(),
        same: count("same").unwrap(),
    };
    Ok((counts, diff))
}

fn list(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

/// A program that stands still, but for the goroutine that answers and the one that spins:
/// compared with its own text, with a saved snapshot, and with both after its death.
pub fn what_stands_still(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let mut zoo = Program::start(&build(go, "zoo", &BuildOptions::default())?, &["-nospin"])?;
    let pid = zoo.pid().to_string();
    let (text, json) = (file("own.txt"), file("saved.json"));
    fs::write(&text, zoo.stack()?)?;
    let saved = goinspect(&["snapshot", &pid, "-o", &json]);
    assert!(saved.status.success(), "{saved:?}");
    let count = zoo.count()?;

    let (own, told) = diff(&text, &pid)?;
    assert_eq!((own.new, own.gone, own.changed), (0, 0, 1), "{told}");
    assert!(
        own.same + 1 >= count,
        "{own:?}, runtime.NumGoroutine() is {count}"
    );
    let (again, told) = diff(&json, &pid)?;
    // The goroutine that answers may be on another thread now.
    assert_eq!((again.new, again.gone), (0, 0), "{told}");
    assert!(again.changed <= 1, "{told}");
    assert!(
        again.same >= count,
        "{again:?}, runtime.NumGoroutine() is {count}"
    );

    // Only the goroutine that answers has run in between: it waited for the collection, and is back where it was.
    zoo.ask("gc")?;
    let (after_gc, told) = diff(&json, &pid)?;
    let changed = list(&told["changedGoroutines"]);
    let own: Vec<&Value> = changed
        .iter()
        .filter(|one| one["system"] == false)
        .collect();
    let has_run = |one: &Value| list(&one["changes"]).iter().any(|what| what == "ran");
    assert_eq!(after_gc.changed, 1, "{told}");
    assert!(
        matches!(own[..], [one] if one["goids"] == json!([1]) && has_run(one)),
        "{own:?}"
    );

    let output = goinspect(&["diff", &pid, &json]);
    fails_with(&output, 2, &["is a process", "save a snapshot"])?;
    zoo.quit()?;
    let (after, told) = diff(&json, &json)?;
    assert_eq!((after.new, after.gone, after.changed), (0, 0, 0), "{told}");
    Ok(())
}

/// The text of a crash and its core: nothing came, nothing went.
pub fn crash_text_and_core(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    let crash = crash(&zoo, &["-nospin"], &CrashOptions::default())?;
    let text = crash
        .folder
        .path()
        .join("text")
        .to_string_lossy()
        .into_owned();
    fs::write(&text, &crash.text)?;
    let (counts, told) = diff(&text, &crash.core.to_string_lossy())?;
    assert_eq!((counts.new, counts.gone), (0, 0), "{told}");
    // Of the few stacks of more than a hundred frames the text lacks other frames.
    assert!(
        counts.changed <= 3 && counts.same > 100,
        "{counts:?} {told}"
    );
    Ok(())
}
