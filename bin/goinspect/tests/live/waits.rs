//! `waitingOn` is what the program knows: `zoo` tells of each goroutine what it waits on, see its `waits_facts.go`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fixtures::crash::Cause;
use fixtures::trials::Failed;
use fixtures::{BuildOptions, CrashOptions, Program, Toolchain, build, crash};
use report::parse_dump;
use serde_json::{Map, Value, json};

use crate::debug_file::tool;
use crate::process::{gcore, until};
use crate::run::{goinspect, parse, snapshot};

/// What a snapshot cannot have, though the program knows it.
#[derive(Clone, Copy, Default)]
struct Lacks {
    /// The names of variables, without symbols.
    names: bool,
    /// What files are called, in a core.
    files: bool,
    /// Of system calls that a signal has ended the file, in a core of a crash: each thread has had one.
    ended_calls: bool,
    /// Of those the name as well, where the number was in the register of the result.
    their_names: bool,
}

/// As `go build` makes it.
pub fn plain(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    live(go, &zoo, &["-woken"], Lacks::default())
}

/// Built with its debug information, then stripped of it.
pub fn stripped(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (whole, zoo) = (
        build(go, "zoo", &BuildOptions::default())?,
        folder.path().join("zoo"),
    );
    tool("strip", &[Path::new("-o"), &zoo, &whole])?;
    let lacks = Lacks {
        names: true,
        ..Lacks::default()
    };
    live(go, &zoo, &["-woken"], lacks)
}

/// With goroutines in C, and in Go that C has called; position-independent.
pub fn across_c(go: &Toolchain) -> Result<(), Failed> {
    let options = BuildOptions {
        cgo: true,
        ..BuildOptions::with_flags(["-tags=cross", "-buildmode=pie"])
    };
    let zoo = build(go, "zoo", &options)?;
    live(go, &zoo, &["-cross", "-woken"], Lacks::default())
}

/// From a core that gdb wrote of the running program.
pub fn in_gcore(go: &Toolchain) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let exe = build(go, "zoo", &BuildOptions::default())?;
    let mut zoo = Program::start(&exe, &["-nospin", "-woken"])?;
    let facts = zoo.facts()?;
    reads_stdin(zoo.pid())?;
    let core = gcore(zoo.pid(), folder.path())?;
    zoo.quit()?;
    let taken = of_core(&core, &exe)?;
    let lacks = Lacks {
        files: true,
        ..Lacks::default()
    };
    equals_facts(go, &taken, &facts["waits"], &facts["expected"], lacks)
}

/// From a core of a crash; of the runtime's own goroutines Go's text says what they wait for.
pub fn in_crash(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::default())?;
    crashed(go, &zoo, &CrashOptions::default())
}

/// The same of arm64, run and dumped by qemu.
pub fn in_crash_on_arm64(go: &Toolchain) -> Result<(), Failed> {
    let zoo = build(go, "zoo", &BuildOptions::arm64())?;
    crashed(go, &zoo, &CrashOptions::arm64())
}

fn crashed(go: &Toolchain, zoo: &Path, options: &CrashOptions) -> Result<(), Failed> {
    let options = CrashOptions {
        cause: Cause::Signal,
        ..options.clone()
    };
    for args in [&["-nospin", "-woken"][..], &["-nospin", "-idle-finalizer"]] {
        let crash = crash(zoo, args, &options)?;
        let mut taken = of_core(&crash.core, zoo)?;
        let mut waits = crash.facts["waits"].clone();
        let mut own = 0;
        for block in parse_dump(&crash.text).blocks {
            let all = taken["goroutines"].as_array_mut().unwrap();
            let Some(g) = all.iter_mut().find(|g| g["goid"] == block.goid) else {
                assert_eq!(
                    block.goid, 0,
                    "only what threads run on beside goroutines is none"
                );
                continue;
            };
            if g["system"] == true && g["waitreason"].is_string() {
                own += 1;
                waits[block.goid.to_string()] = fact_of_runtime(&block.state);
                // Hence compared like the program's.
                g["system"] = false.into();
            }
        }
        assert!(own >= 4, "only {own} goroutines of the runtime's own");
        let lacks = Lacks {
            files: true,
            ended_calls: true,
            their_names: taken["target"]["arch"] == "amd64",
            ..Lacks::default()
        };
        equals_facts(go, &taken, &waits, &crash.facts["expected"], lacks)?;
    }
    Ok(())
}

/// What one of the runtime's own goroutines waits on that is in this state.
fn fact_of_runtime(state: &str) -> Value {
    match state {
        // Of os/signal: see ensureSigM in runtime/signal_unix.go.
        "select" => {
            let case = json!({ "kind": "chan", "op": "receive", "elemType": "uint32" });
            json!([case, case])
        }
        // Of package unique, in Go 1.23 and 1.24: see uniqueMapCleanup in runtime/mgc.go.
        "chan receive" => {
            json!([{ "kind": "chan", "op": "receive", "len": 0, "cap": 1, "elemType": "struct {}" }])
        }
        _ => json!([{ "kind": "runtime", "op": null, "addr": null, "name": state }]),
    }
}

fn live(go: &Toolchain, zoo: &Path, args: &[&str], lacks: Lacks) -> Result<(), Failed> {
    let mut zoo = Program::start(zoo, args)?;
    let facts = zoo.facts()?;
    reads_stdin(zoo.pid())?;
    let taken = snapshot(zoo.pid(), &[])?;
    zoo.quit()?;
    equals_facts(go, &taken, &facts["waits"], &facts["expected"], lacks)
}

fn of_core(core: &Path, exe: &Path) -> Result<Value, Failed> {
    let (core, exe) = (core.to_string_lossy(), exe.to_string_lossy());
    parse(&goinspect(&[
        "core", &core, "--exe", &exe, "--format", "json",
    ]))
}

/// Waits until the goroutine that answers commands waits for the next one: a thread is in `read` (number 0 on
/// amd64, 63 on arm64) of stdin.
fn reads_stdin(pid: u32) -> Result<(), Failed> {
    until("it reads stdin", || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let calls =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("syscall")).ok());
        let mut calls =
            calls.filter(|call| call.starts_with("0 0x0 ") || call.starts_with("63 0x0 "));
        calls.next().map(|_| ())
    })
}

/// Each goroutine of the program's own waits on what the facts say, thing for thing and field for field, and
/// there are facts about each.
fn equals_facts(
    go: &Toolchain,
    taken: &Value,
    waits: &Value,
    expected: &Value,
    lacks: Lacks,
) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let (mut goroutines, mut entries, mut fields, mut ended) = (0, 0, 0, 0);
    for (goid, row) in expected.as_object().unwrap() {
        if waits.get(goid).is_none() {
            wrong.push(format!(
                "{} ({goid}) says nothing of what it waits on",
                row["name"]
            ));
        }
    }
    let all = taken["goroutines"].as_array().unwrap();
    let own: BTreeMap<u64, &Value> = all
        .iter()
        .filter(|g| g["system"] == false)
        .map(|g| (g["goid"].as_u64().unwrap(), g))
        .collect();
    for (goid, g) in &own {
        let goid = goid.to_string();
        let name = expected[&goid]["name"].as_str().unwrap_or("another");
        let mut complain = |what: String| {
            let reason = g["waitreason"].as_str().or(g["status"].as_str()).unwrap();
            wrong.push(format!("{name} ({goid}) [{reason}]: {what}"));
        };
        let Some(facts) = waits[&goid].as_array() else {
            let frames = g["frames"].as_array().into_iter().flatten();
            let calls: Vec<&Value> = frames.map(|frame| &frame["func"]).collect();
            complain(format!("there is no fact about it: {calls:?}"));
            continue;
        };
        let Some(found) = g["waitingOn"].as_array() else {
            complain(format!("what it waits on is not known: {}", g["notes"]));
            continue;
        };
        goroutines += 1;
        let addresses: Vec<_> = found.iter().map(address).collect();
        if !addresses.is_sorted() {
            complain(format!(
                "its cases are not in the order of addresses: {addresses:x?}"
            ));
        }
        // The signals of the crash have ended its call, and its thread went on before the core was written.
        let has_gone_on = lacks.ended_calls && facts.iter().all(|fact| fact["kind"] == "syscall");
        if has_gone_on && found.is_empty() && !facts.is_empty() {
            ended += 1;
            continue;
        }
        match compare(facts, found, lacks) {
            Ok(compared) => {
                entries += found.len();
                fields += compared;
            }
            Err(what) => complain(what),
        }
    }
    for goid in waits.as_object().unwrap().keys() {
        if !own.contains_key(&goid.parse()?) {
            wrong.push(format!("goroutine {goid} is missing"));
        }
    }
    println!(
        "Go {}: {goroutines} goroutines wait on {entries} things, {fields} fields were compared",
        go.version()
    );
    match wrong.is_empty() && goroutines > 100 && ended <= 3 {
        true => Ok(()),
        false => Err(format!(
            "{goroutines} compared, {ended} have gone on:\n{}",
            wrong.join("\n")
        )
        .into()),
    }
}

fn address(on: &Value) -> Option<u64> {
    let text = on["addr"].as_str()?.strip_prefix("0x")?;
    Some(u64::from_str_radix(text, 16).unwrap())
}

/// Each fact holds of one entry, and each entry is that of one fact; returns how many fields were compared.
/// Of the cases with the same channel either may be first.
fn compare(facts: &[Value], found: &[Value], lacks: Lacks) -> Result<usize, String> {
    let list = |all: &[Value]| {
        all.iter()
            .map(|one| format!("\n    {one}"))
            .collect::<String>()
    };
    let mut left: Vec<&Value> = found.iter().collect();
    let mut compared = 0;
    for fact in facts {
        let fact = fact.as_object().unwrap();
        let holds = |on: &&Value| differences(fact, on, lacks).is_empty();
        let Some(at) = left.iter().position(holds) else {
            let closest = left.iter().map(|on| differences(fact, on, lacks));
            let closest = closest.min_by_key(Vec::len).unwrap_or_default();
            return Err(format!(
                "of {} the closest differs in {closest:?}; found were{}",
                Value::Object(fact.clone()),
                list(found)
            ));
        };
        left.remove(at);
        compared += fact.len();
    }
    match left.is_empty() {
        true => Ok(compared),
        false => Err(format!("{} too many in{}", left.len(), list(found))),
    }
}

/// The fields of a fact that the entry has not.
fn differences(fact: &Map<String, Value>, on: &Value, lacks: Lacks) -> Vec<String> {
    let within = |field: &str, holds: &dyn Fn(i64) -> bool| on[field].as_i64().is_some_and(holds);
    // signal(7): those that are never made again after a handler.
    let ended =
        ["epoll_pwait", "clock_nanosleep"].contains(&fact["op"].as_str().unwrap_or_default());
    let differs = |(field, value): &(&String, &Value)| {
        let bound = value.as_i64().unwrap_or_default();
        let holds = match field.as_str() {
            "whenMin" => within("when", &|when| bound <= when),
            "whenMax" => within("when", &|when| when <= bound),
            "deadlineMin" => within("deadline", &|deadline| bound <= deadline),
            "deadlineMax" => within("deadline", &|deadline| deadline <= bound),
            "name" if lacks.names => on["name"].is_null(),
            "file" if lacks.files => on["file"].is_null(),
            "op" if lacks.their_names && ended => on["op"].is_null(),
            "fd" if lacks.ended_calls && ended => on["fd"].is_null(),
            _ => on.get(field.as_str()).unwrap_or(&Value::Null) == *value,
        };
        !holds
    };
    let differing = fact.iter().filter(differs);
    differing.map(|(field, _)| field.clone()).collect()
}
