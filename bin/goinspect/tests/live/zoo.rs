//! `zoo` has every kind of wait and every kind of frame.

use std::collections::BTreeMap;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use report::traceback::{Block, Line};
use serde_json::Value;

use crate::process::{copy_program, runs_freely, until};
use crate::run::{goinspect, snapshot};
use crate::traceback::read_back;

fn start(go: &Toolchain) -> Result<Program, Failed> {
    Ok(Program::start(
        &build(go, "zoo", &BuildOptions::default())?,
        &[],
    )?)
}

/// As `go build` makes it.
pub fn plain(go: &Toolchain) -> Result<(), Failed> {
    equals_own_stacks(start(go)?)
}

/// Linked by the C compiler, and loaded where the system likes.
pub fn position_independent_with_c(go: &Toolchain) -> Result<(), Failed> {
    let options = BuildOptions {
        cgo: true,
        ..BuildOptions::with_flags(["-buildmode=pie"])
    };
    equals_own_stacks(Program::start(&build(go, "zoo", &options)?, &[])?)
}

/// Goroutines in C, in Go that C has called, and on threads that C has started.
pub fn across_c(go: &Toolchain) -> Result<(), Failed> {
    let executable = build(go, "zoo", &BuildOptions::with_c())?;
    equals_own_stacks(Program::start(&executable, &["-cross", "-cross-back"])?)
}

/// The executable was deleted, and another program has taken its name since.
pub fn replaced_executable(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("zoo");
    copy_program(&build(go, "zoo", &BuildOptions::default())?, &path)?;
    let zoo = Program::start(&path, &[])?;
    std::fs::remove_file(&path)?;
    std::fs::copy(build(go, "churn", &BuildOptions::default())?, &path)?;
    equals_own_stacks(zoo)
}

/// The goroutines of a snapshot that are the program's own, by goid.
fn own(snapshot: &Value) -> BTreeMap<u64, &Value> {
    let all = snapshot["goroutines"].as_array().unwrap();
    let own: Vec<&Value> = all.iter().filter(|g| g["system"] == false).collect();
    let by_goid: BTreeMap<u64, &Value> = own
        .iter()
        .map(|g| (g["goid"].as_u64().unwrap(), *g))
        .collect();
    assert_eq!(own.len(), by_goid.len(), "a goid appears twice");
    by_goid
}

/// A frame as Go's traceback would print it.
#[derive(Debug, PartialEq)]
struct Shown {
    function: String,
    file: String,
    line: u64,
    inlined: bool,
}

/// `runtime/traceback.go`, `funcNamePiecesForPrint` and `printFuncName`, for names with one
/// pair of outer brackets or two.
fn name_for_print(name: &str) -> String {
    if name == "runtime.gopanic" {
        return "panic".to_owned();
    }
    let (mut out, mut depth) = (String::new(), 0);
    for c in name.chars() {
        match c {
            '[' => {
                if depth == 0 {
                    out.push_str("[...]");
                }
                depth += 1;
            }
            ']' => depth -= 1,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// The frames that Go shows, by the rules of `showfuncinfo`, written anew from Go's source:
/// the expectation must not come from goinspect's own.
fn shown(goroutine: &Value) -> Vec<Shown> {
    let frames = goroutine["frames"].as_array().unwrap();
    // Go's own text knows nothing of C's.
    let frames: Vec<&Value> = frames.iter().filter(|f| f["lang"].is_null()).collect();
    let to_shown = |frame: &Value| Shown {
        function: name_for_print(frame["func"].as_str().unwrap()),
        file: frame["file"].as_str().unwrap().to_owned(),
        line: frame["line"].as_u64().unwrap(),
        inlined: frame["inlined"] == true,
    };
    let mut out = Vec::new();
    let mut callee = "";
    for frame in &frames {
        let name = frame["func"].as_str().unwrap();
        let wrapper_hidden = frame["wrapper"] == true
            && !["runtime.gopanic", "runtime.sigpanic", "runtime.panicwrap"].contains(&callee);
        let always = ["runtime.runFinalizers", "runtime.runCleanups"].contains(&name)
            || name == "runtime.gopanic" && !out.is_empty();
        let exported =
            |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase()) && !rest.contains('.');
        let ordinary = name.contains('.') && name.strip_prefix("runtime.").is_none_or(exported);
        if !wrapper_hidden && (always || ordinary) {
            out.push(to_shown(frame));
        }
        callee = name;
    }
    if out.is_empty() {
        return frames.into_iter().map(to_shown).collect();
    }
    out
}

fn state(goroutine: &Value) -> &str {
    goroutine["waitreason"]
        .as_str()
        .unwrap_or_else(|| goroutine["status"].as_str().unwrap())
}

/// Every goroutine of the program's own text is there with the same state, functions, files,
/// lines and creator, and there is none more.
pub fn equals_own_stacks(zoo: Program) -> Result<(), Failed> {
    let pid = zoo.pid();
    equals_own_stacks_in(zoo, pid, || snapshot(pid, &[]))
}

/// The same for zoo as process `pid`, started by something else, with a snapshot taken in some other way.
pub fn equals_own_stacks_in(
    mut zoo: Program,
    pid: u32,
    take: impl FnOnce() -> Result<Value, Failed>,
) -> Result<(), Failed> {
    let facts = zoo.facts()?;
    let taken = take()?;
    let text = zoo.stack()?;
    let count = zoo.count()?;
    runs_freely(pid)?;
    zoo.quit()?;

    let control = facts["control"].as_u64().unwrap();
    let spinning = spinning(&facts);
    let own = own(&taken);
    let cuts = taken["build"]["goVersion"]
        .as_str()
        .unwrap()
        .starts_with("go1.19");
    let dumped = read_back(&text)?.blocks;
    let mut wrong = Vec::new();
    for d in &dumped {
        let Some(&g) = own.get(&d.goid) else {
            wrong.push(format!("goroutine {} [{}] is missing", d.goid, d.state));
            continue;
        };
        // The goroutine that prints the text is reading stdin in the snapshot, and the one
        // that spins may be anywhere in its loop: of them only what stays is compared.
        let moves = d.goid == control || spinning.contains(&d.goid);
        let mut complain =
            |what: String| wrong.push(format!("goroutine {} [{}]: {what}", d.goid, d.state));
        let state = state(g);
        // Go prints a bubble's waits with this suffix, also where the reason itself lacks it.
        let printed = d
            .state
            .strip_suffix(" (durable)")
            .filter(|_| !state.ends_with("(durable)"))
            .unwrap_or(&d.state)
            .trim_end_matches(" (scan)");
        if !moves && state != printed {
            complain(format!("the snapshot says {state}"));
        }
        if d.locked != (g["lockedToThread"] == true) {
            complain("locked to thread, or not".into());
        }
        // On a busy machine the thread that spins may get no processor to stop on. Then the
        // snapshot says so.
        let unseen = spinning.contains(&d.goid) && taken["capture"]["consistent"] == false;
        if !unseen {
            compare_stacks(d, g, d.goid == control, moves, cuts, &mut complain);
        }
        compare_creators(d, g, &mut complain);
    }
    let known: Vec<u64> = dumped.iter().map(|d| d.goid).collect();
    for (goid, g) in own.iter().filter(|(goid, _)| !known.contains(goid)) {
        wrong.push(format!("goroutine {goid} [{}] is one too many", state(g)));
    }
    if !wrong.is_empty() {
        return Err(format!(
            "{} of {} goroutines:\n{}",
            wrong.len(),
            dumped.len(),
            wrong.join("\n")
        )
        .into());
    }
    assert!(
        dumped.len() > 40,
        "zoo has only {} goroutines",
        dumped.len()
    );
    assert_eq!(
        taken["unreadable"].as_array().unwrap().len(),
        0,
        "{}",
        taken["unreadable"]
    );
    // NumGoroutine leaves the finalizer goroutine out even while it runs a finalizer.
    let in_finalizer = own.values().filter(|g| {
        let start = g["startpc"]["func"].as_str().unwrap_or_default();
        [
            "runtime.runfinq",
            "runtime.runFinalizers",
            "runtime.runCleanups",
        ]
        .contains(&start)
    });
    assert_eq!(
        own.len(),
        count as usize + in_finalizer.count(),
        "runtime.NumGoroutine() is {count}"
    );
    Ok(())
}

fn spinning(facts: &Value) -> Vec<u64> {
    let goids = facts["spinning"].as_array().unwrap().iter();
    goids.filter_map(Value::as_u64).collect()
}

fn compare_stacks(
    d: &Block<'_>,
    g: &Value,
    is_control: bool,
    moves: bool,
    cuts: bool,
    complain: &mut impl FnMut(String),
) {
    let shown = shown(g);
    if g["stackEnd"] != "complete" {
        complain(format!("the stack ends early: {}", g["notes"]));
    }
    if is_control {
        // Its beginning is the same, its end is not.
        let last = d.lines.last().map(|line| match line {
            Line::Call(call) => &*call.name,
            _ => "",
        });
        if shown.last().map(|s| s.function.as_str()) != last {
            complain(format!("begins with {:?}, not {last:?}", shown.last()));
        }
        return;
    }
    let mut at = 0;
    for line in &d.lines {
        match line {
            Line::Elided(frames) => at += *frames as usize,
            Line::Call(call) => {
                let Some(s) = shown.get(at) else {
                    complain(format!("frame {at} ({}) is missing", call.name));
                    return;
                };
                let same_line = moves || s.line == u64::from(call.line);
                let inlined = call.offset.is_none() && call.args == "...";
                if (&*s.function, &*s.file, s.inlined) != (&*call.name, &*call.file, inlined)
                    || !same_line
                {
                    complain(format!("frame {at} is {s:?}, not {call:?}"));
                    return;
                }
                at += 1;
            }
            other => {
                complain(format!("an unknown line: {other:?}"));
                return;
            }
        }
    }
    // Before Go 1.21 only so many frames are printed, hidden ones counted.
    let physical = |frame: &&Value| frame["inlined"] == false;
    let all = g["frames"]
        .as_array()
        .unwrap()
        .iter()
        .filter(physical)
        .count();
    let cut = cuts && all > 100 && (90..=100).contains(&at);
    if at != shown.len() && !cut {
        complain(format!(
            "{} frames, not {at}: {:?}",
            shown.len(),
            &shown[at.min(shown.len())..]
        ));
    }
}

fn compare_creators(d: &Block<'_>, g: &Value, complain: &mut impl FnMut(String)) {
    let Some(created) = &d.created_by else {
        return;
    };
    let gopc = &g["gopc"];
    let function = gopc["func"].as_str().map(name_for_print);
    let found = (
        function.as_deref(),
        gopc["file"].as_str(),
        gopc["line"].as_u64(),
        g["parentGoid"].as_u64(),
    );
    let expected = (
        Some(&*created.name),
        Some(&*created.file),
        Some(u64::from(created.line)),
        created.goid,
    );
    if found != expected {
        complain(format!("created by {found:?}, not {expected:?}"));
    }
}

/// Labels, threads and the goroutines locked to them are what the program says.
pub fn facts_agree(go: &Toolchain) -> Result<(), Failed> {
    let mut zoo = start(go)?;
    let facts = zoo.facts()?;
    let spinning = spinning(&facts);
    // Goroutines that spin are runnable while others have their processor.
    let taken = until("all goroutines that spin run", || {
        let taken = snapshot(zoo.pid(), &[]);
        let all_run = |taken: &Value| {
            let own = own(taken);
            spinning.iter().all(|goid| own[goid]["status"] == "running")
        };
        match taken {
            Ok(taken) => all_run(&taken).then_some(Ok(taken)),
            Err(error) => Some(Err(error)),
        }
    })??;
    zoo.quit()?;
    let own = own(&taken);
    let labels: BTreeMap<u64, &Value> = facts["labels"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(goid, v)| (goid.parse().unwrap(), v))
        .collect();
    assert!(
        labels.values().any(|l| l.as_object().unwrap().len() > 8),
        "no label map of more than one bucket"
    );
    for (goid, g) in &own {
        let expected = labels
            .get(goid)
            .map_or(Value::Object(Default::default()), |v| (*v).clone());
        assert_eq!(g["labels"], expected, "labels of goroutine {goid}");
    }
    let locked: Vec<u64> = facts["locked"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    for goid in &locked {
        assert_eq!(own[goid]["lockedToThread"], true, "goroutine {goid}");
    }
    let threads = facts["threads"].as_object().unwrap();
    assert!(!threads.is_empty());
    for (goid, tid) in threads {
        let g = own[&goid.parse::<u64>().unwrap()];
        // A goroutine that is parked is on no thread, even if it is locked to one.
        let expected = if g["status"] == "waiting" {
            &Value::Null
        } else {
            tid
        };
        assert_eq!(
            &g["thread"],
            expected,
            "thread of goroutine {goid} ({})",
            state(g)
        );
    }
    for (goid, expected) in facts["expected"].as_object().unwrap() {
        let g = own[&goid.parse::<u64>().unwrap()];
        if let Some(reason) = expected["waitreason"].as_str() {
            let found = state(g);
            assert!(
                found == reason || reason.strip_suffix(" (durable)") == Some(found),
                "goroutine {goid} ({}): {found}, not {reason}",
                expected["name"]
            );
        }
    }
    Ok(())
}

/// The JSON of a real program is as docs/SCHEMA.md promises.
pub fn json_keeps_the_schema(go: &Toolchain) -> Result<(), Failed> {
    let zoo = start(go)?;
    let taken = snapshot(zoo.pid(), &["--all"])?;
    let schema: Value = serde_json::from_str(report::SNAPSHOT_SCHEMA)?;
    let validator = jsonschema::validator_for(&schema)?;
    let errors: Vec<String> = validator
        .iter_errors(&taken)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));

    let target = &taken["target"];
    assert_eq!(
        (&target["kind"], target["pid"].as_u64()),
        (&"process".into(), Some(u64::from(zoo.pid())))
    );
    assert_eq!(taken["build"]["goVersion"], format!("go{}", go.version()));
    assert_eq!(taken["build"]["settings"]["CGO_ENABLED"], "0");
    let all = taken["goroutines"].as_array().unwrap();
    assert_eq!(
        taken["capture"]["goroutines"].as_u64(),
        Some(all.len() as u64)
    );
    assert!(
        all.iter().any(|g| g["status"] == "dead"),
        "zoo has goroutines that ended"
    );
    assert!(taken["capture"]["pauseNs"].as_u64().unwrap() > 0);
    Ok(())
}

/// `goinspect ps` knows the program and how many goroutines it has.
pub fn ps_lists_it(go: &Toolchain) -> Result<(), Failed> {
    let mut zoo = start(go)?;
    let output = goinspect(&["ps"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let pid = zoo.pid().to_string();
    let row: Vec<&str> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| row.first() == Some(&pid.as_str()))
        .ok_or_else(|| format!("{pid} is not in:\n{text}"))?;
    let count = zoo.count()?;
    let goroutines: u64 = row[1].parse()?;
    // The goroutine in a finalizer is the program's own, but NumGoroutine does not count it.
    assert!(
        (count..=count + 2).contains(&goroutines),
        "{row:?}: runtime.NumGoroutine() is {count}"
    );
    assert_eq!(row[3], format!("go{}", go.version()));
    assert!(row[5].starts_with("goinspect.dev/fixtures"), "{row:?}");
    Ok(())
}
