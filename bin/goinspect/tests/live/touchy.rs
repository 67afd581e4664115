//! `touchy` notices whatever a tracer does to its signals, timers and system calls.

use std::collections::BTreeSet;

use fixtures::trials::Failed;
use fixtures::{BuildOptions, Program, Toolchain, build};
use model::{Goroutine, Pid, StackEnd};
use sampler::{Options, Session};
use serde_json::Value;

use crate::killed::is_as_before;
use crate::run::goinspect;

/// Each signal that it sends itself arrives, once; so do SIGALRM, SIGCHLD, and SIGCONT of the child that stops and continues
/// it all the time. Timers are on time, children are born and end, no call fails.
pub fn nothing_is_lost(go: &Toolchain) -> Result<(), Failed> {
    let path = build(go, "touchy", &BuildOptions::default())?;
    let mut touchy = Program::start(&path, &["-jobs"])?;
    let mut session = Session::open(Pid(touchy.pid() as i32), Options::default())?;
    let before = touchy.facts()?;
    let (mut samples, mut facts, mut forking) = (0, before.clone(), 0);
    // As many rounds of each as there are samples, or nothing has been tried.
    while samples < 1000 || least(&facts) < least(&before) + 100 {
        for _ in 0..100 {
            let snapshot = session.sample()?;
            forking += snapshot.goroutines.iter().filter(|g| is_forking(g)).count();
        }
        samples += 100;
        facts = touchy.facts()?;
        if samples > 20_000 {
            return Err(format!("it hardly gets on: {facts}").into());
        }
    }
    let number = |key: &str| facts["signals"][key].as_u64().unwrap();
    println!("{samples} samples, {forking} forking; {facts}");
    assert!(forking > 0);
    // One can be on its way for each of those that send signals.
    assert!(number("sent") - number("received") <= 4, "{facts}");
    is_as_before(&mut touchy)?;
    touchy.quit()?;
    Ok(())
}

/// Whether it waits for a child that runs on its stack until it calls `execve`: its own calls are known all the same.
fn is_forking(g: &Goroutine) -> bool {
    let calls: Vec<&str> = g.frames.iter().map(|f| &*f.function.name).collect();
    let forking = calls.first() == Some(&"syscall.rawVforkSyscall");
    if forking {
        assert_eq!(g.stack_end, StackEnd::Complete, "{calls:?}");
        assert_eq!(calls.get(1), Some(&"syscall.forkAndExecInChild1"));
        assert!(calls.contains(&"main.children"), "{calls:?}");
    }
    forking
}

/// The rounds of whoever has done the fewest.
fn least(facts: &Value) -> u64 {
    let done = facts["done"].as_object().unwrap();
    done.values().map(|n| n.as_u64().unwrap()).min().unwrap()
}

/// What docs/PAUSE.md says of the system calls of C: which go on after a stop, and which see it.
pub fn system_calls(go: &Toolchain) -> Result<(), Failed> {
    const SAMPLES: u64 = 200;
    let options = BuildOptions {
        cgo: true,
        ..BuildOptions::default()
    };
    let mut touchy = Program::start(&build(go, "touchy", &options)?, &[])?;
    // Without a stop, nothing is interrupted.
    for _ in 0..3 {
        let output = goinspect(&["snapshot", &touchy.pid().to_string(), "--nonblocking"]);
        assert!(output.status.success(), "{output:?}");
    }
    for call in touchy.facts()?["calls"].as_array().unwrap() {
        let disturbed = ["interrupted", "cut"].map(|key| call[key].as_u64().unwrap());
        assert_eq!(disturbed, [0, 0], "{call}");
    }
    let mut session = Session::open(Pid(touchy.pid() as i32), Options::default())?;
    for _ in 0..SAMPLES {
        session.sample()?;
    }
    let facts = touchy.facts()?;
    let documented = include_str!("../../../../docs/PAUSE.md");
    let mut seen = BTreeSet::new();
    for call in facts["calls"].as_array().unwrap() {
        let number = |key: &str| call[key].as_u64().unwrap();
        let name = call["name"].as_str().unwrap();
        assert!(documented.contains(name), "docs/PAUSE.md lacks {name}");
        assert_eq!(number("failed") + number("early"), 0, "{call}");
        if call["missing"] == true {
            continue;
        }
        let kind = call["kind"].as_str().unwrap();
        match kind {
            "goes on" => assert_eq!(number("interrupted") + number("cut"), 0, "{call}"),
            // One stop, one interruption.
            "is interrupted" => {
                assert!((1..=SAMPLES).contains(&number("interrupted")), "{call}");
                assert_eq!(number("cut"), 0, "{call}");
            }
            "is cut short" => assert_eq!(number("interrupted"), 0, "{call}"),
            other => panic!("{other}"),
        }
        seen.insert(kind.to_owned());
    }
    assert_eq!(seen.len(), 3, "{facts}");
    is_as_before(&mut touchy)?;
    touchy.quit()?;
    Ok(())
}
