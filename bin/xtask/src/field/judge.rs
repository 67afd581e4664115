//! What snapshots say, summed up, and held against what the program said at its end.

use std::collections::{BTreeMap, BTreeSet};

use report::traceback::{Block, Line};
use report::{Dump, parse_dump};
use serde_json::Value;

use super::load::Served;

/// All that came out of a trial.
pub(super) struct Findings {
    pub sums: Sums,
    /// `static`, `dynamic`, `pie` …
    pub elf: String,
    pub served: Served,
    pub oracle: Oracle,
    pub signal: &'static str,
}

/// Sums over all snapshots of a program.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub snapshots: usize,
    pub go_version: String,
    pub layout: String,
    pub symbols: String,
    pub cgo: bool,
    /// Goroutines seen, over all snapshots.
    pub seen: u64,
    /// In the snapshot with the fewest, and the most.
    pub goroutines: [u64; 2],
    /// What could not be decoded, by reason.
    pub unreadable: Counts,
    /// Stacks that end early, by status and reason.
    pub explained: Counts,
    pub unexplained: Counts,
    /// Waiting goroutines of which is not known what on, by reason: those just falling asleep or waking
    /// up, and the others.
    pub passing_waits: Counts,
    pub unknown_waits: Counts,
    /// Everything else that goroutines and snapshots remark.
    pub remarks: Counts,
    /// Snapshots during which a thread did not stand still.
    pub inconsistent: usize,
    /// In microseconds.
    pub pauses: Vec<u64>,
}

type Counts = BTreeMap<String, usize>;

/// What the program said of its goroutines, held against ours.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Oracle {
    /// Goroutines in the program's own text.
    pub told: usize,
    /// Parked ones that stayed where they are through all of our texts and parked until the end.
    pub compared: usize,
    /// Of those, equal: state, calls, arguments, places, creator.
    pub equal: usize,
    /// Not to be compared: running, elsewhere in the next text, or back from there.
    pub moved: usize,
    /// Ours and theirs.
    pub differ: Vec<[String; 2]>,
}

impl Findings {
    /// Whether there is nothing to be looked into.
    pub(super) fn is_good(&self) -> bool {
        let sums = &self.sums;
        let nothing = [&sums.unreadable, &sums.unexplained, &sums.unknown_waits];
        nothing.iter().all(|counts| counts.is_empty())
            && sums.inconsistent == 0
            && self.oracle.compared > 0
            && self.oracle.differ.is_empty()
            && self.served.requests > self.served.unanswered
    }

    pub(super) fn line(&self) -> String {
        let sum = |counts: &Counts| counts.values().sum::<usize>();
        format!(
            "{}: {} goroutines in {} snapshots, {} unreadable, {} stacks end early unexplained, {} waits unknown; \
             {} of {} equal to Go's own text",
            self.sums.go_version,
            self.sums.seen,
            self.sums.snapshots,
            sum(&self.sums.unreadable),
            sum(&self.sums.unexplained),
            sum(&self.sums.unknown_waits),
            self.oracle.equal,
            self.oracle.compared
        )
    }
}

/// How the note on a stack that ends early begins (docs/SCHEMA.md).
const ENDS_EARLY: &str = "stack ends early: ";
/// How the note on a wait begins of which nobody knows what for (`goruntime/src/decode.rs`).
const UNKNOWN_WAIT: &str = "what it waits on is not known: ";

/// Ends that are as good as can be had, for a goroutine caught at work: its thread is between two stacks
/// (`goruntime/src/unwind.rs`), or between two goroutines, or its stack is being copied (`start.rs`).
const HONEST: &[(&str, &str)] = &[
    ("running", " switches stacks"),
    ("running", "the system stack begins at "),
    ("running", "no thread of the program says it runs it"),
    ("copystack", "its stack is just being moved"),
];

/// Why it may not be known what a goroutine waits on in the moment in which it falls asleep, or another wakes it: it is not
/// yet, or no longer, where the waiting ones are (`goruntime/src/waits/parked.rs`, `semaphores.rs`).
const PASSING: &[&str] = &["was not found from its stack", "is not in runtime.semtable"];

/// Sums up the snapshots of a program; `quiet` is the one without load.
pub(super) fn sums(under_load: &[Value], quiet: Option<&Value>) -> Sums {
    let mut sums = Sums::default();
    for snapshot in under_load.iter().chain(quiet) {
        add(&mut sums, snapshot);
    }
    // A moment is over until the next snapshot.
    let under_load: Vec<_> = under_load.iter().map(unknown_waits).collect();
    for (i, waits) in under_load.iter().enumerate() {
        let near = [i.checked_sub(1), i.checked_add(1)];
        let near = near.map(|i| i.and_then(|i| under_load.get(i)));
        for (goid, why) in waits {
            let stays = near.iter().flatten().any(|near| near.contains_key(goid));
            let may_pass = PASSING.iter().any(|words| why.contains(words));
            let counts = match may_pass && !stays {
                true => &mut sums.passing_waits,
                false => &mut sums.unknown_waits,
            };
            one(counts, why);
        }
    }
    for why in quiet.map(unknown_waits).unwrap_or_default().values() {
        one(&mut sums.unknown_waits, why);
    }
    sums
}

/// The waiting goroutines of which is not known what on, and why.
fn unknown_waits(snapshot: &Value) -> BTreeMap<u64, String> {
    let unknown = list(&snapshot["goroutines"])
        .iter()
        .filter(|g| g["status"] == "waiting" || g["status"] == "leaked")
        .filter(|g| g["waitingOn"].is_null());
    let why = |g: &Value| {
        let reason = g["waitreason"].as_str().unwrap_or("?");
        let notes = list(&g["notes"]).iter().filter_map(Value::as_str);
        let why = notes
            .filter_map(|note| note.strip_prefix(UNKNOWN_WAIT))
            .next();
        let why = why.unwrap_or("no reason is given");
        (g["goid"].as_u64().unwrap_or(0), format!("{reason}: {why}"))
    };
    unknown.map(why).collect()
}

fn add(sums: &mut Sums, snapshot: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let build = &snapshot["build"];
    sums.go_version = text(&build["goVersion"]);
    sums.layout = text(&build["layout"]);
    sums.symbols = text(&build["symbols"]);
    sums.cgo = build
        .pointer("/settings/CGO_ENABLED")
        .is_some_and(|on| on == "1");
    let capture = &snapshot["capture"];
    let count = capture["goroutines"].as_u64().unwrap_or(0);
    let [least, most] = sums.goroutines;
    sums.goroutines = match sums.snapshots {
        0 => [count, count],
        _ => [least.min(count), most.max(count)],
    };
    sums.snapshots += 1;
    sums.seen += count;
    sums.inconsistent += usize::from(capture["consistent"] != true);
    sums.pauses
        .extend(capture["pauseNs"].as_u64().map(|nanos| nanos / 1000));
    for entry in list(&snapshot["unreadable"]) {
        one(&mut sums.unreadable, &text(&entry["reason"]));
    }
    for remark in list(&snapshot["diagnostics"]) {
        one(&mut sums.remarks, &text(remark));
    }
    for g in list(&snapshot["goroutines"]) {
        goroutine(sums, g);
    }
}

fn goroutine(sums: &mut Sums, g: &Value) {
    let status = g["status"].as_str().unwrap_or("?");
    let notes: Vec<&str> = list(&g["notes"]).iter().filter_map(Value::as_str).collect();
    let early = notes.iter().find_map(|note| note.strip_prefix(ENDS_EARLY));
    if g["stackEnd"] != "complete" {
        let why = early.unwrap_or("no reason is given");
        let is_honest = HONEST
            .iter()
            .any(|(of, words)| *of == status && why.contains(words));
        let counts = match is_honest {
            true => &mut sums.explained,
            false => &mut sums.unexplained,
        };
        one(counts, &format!("{status}: {why}"));
    }
    let is_counted = |note: &&&str| note.starts_with(ENDS_EARLY) || note.starts_with(UNKNOWN_WAIT);
    for note in notes.iter().filter(|note| !is_counted(note)) {
        one(&mut sums.remarks, &format!("{status}: {note}"));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Counts a reason; addresses and numbers in it do not make it another one.
fn one(counts: &mut Counts, reason: &str) {
    *counts.entry(without_addresses(reason)).or_default() += 1;
}

fn without_addresses(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| {
            let end = word.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            match word.starts_with("0x") {
                true => format!("0x…{end}"),
                false => word.to_owned(),
            }
        })
        .collect()
}

/// Compares what goinspect wrote of a quiet program (`ours`, the last one just before its end)
/// with what the program wrote at its end, at the level `system`.
pub(super) fn compare(ours: &[Dump<'_>], theirs: &Dump<'_>) -> Oracle {
    let (Some(last), earlier) = (ours.last(), ours) else {
        return Oracle::default();
    };
    let theirs = by_goid(theirs);
    let earlier: Vec<_> = earlier.iter().map(by_goid).collect();
    let mut oracle = Oracle {
        told: theirs.len(),
        ..Oracle::default()
    };
    for (goid, block) in by_goid(last) {
        let is_still = |then: &BTreeMap<u64, String>| then.get(&goid) == Some(&block);
        match theirs.get(&goid) {
            Some(their)
                if is_parked(&block) && is_parked(their) && earlier.iter().all(is_still) =>
            {
                if *their == block {
                    oracle.compared += 1;
                    oracle.equal += 1;
                } else if certain(their) == certain(&block) || on_other_stacks(&block, their) {
                    oracle.moved += 1;
                } else {
                    oracle.compared += 1;
                    oracle.differ.push([block, their.clone()]);
                }
            }
            _ => oracle.moved += 1,
        }
    }
    let ours: BTreeSet<u64> = last.blocks.iter().map(|block| block.goid).collect();
    oracle.moved += theirs.keys().filter(|goid| !ours.contains(goid)).count();
    oracle
}

/// Goroutines as text, without what ticks. Goroutine 0 is a system stack.
fn by_goid(dump: &Dump<'_>) -> BTreeMap<u64, String> {
    let blocks = dump.blocks.iter().filter(|block| block.goid != 0);
    let text = |block: &Block<'_>| {
        let mut block = block.clone();
        block.minutes = None;
        block.to_string()
    };
    blocks.map(|block| (block.goid, text(block))).collect()
}

/// A goroutine as text without the values that Go itself is not certain of. They are what was left on the stack, and so
/// the trace of one that went round and is back at the same place.
fn certain(block: &str) -> String {
    let mut text = String::new();
    let mut rest = block;
    while let Some((before, after)) = rest.split_once("0x") {
        let end = after.find(|c: char| !c.is_ascii_hexdigit());
        let (digits, behind) = after.split_at(end.unwrap_or(after.len()));
        text.push_str(before);
        if !behind.starts_with('?') {
            text.push_str("0x");
            text.push_str(digits);
        }
        rest = behind;
    }
    text + rest
}

/// Whether the goroutine has been given another stack, by growing or shrinking: then it has run, or the garbage collector has been there.
fn on_other_stacks(ours: &str, theirs: &str) -> bool {
    /// `runtime/stack.go`, `fixedStack`.
    const SMALLEST: u64 = 2048;
    let sp = |block: &str| {
        let (_, after) = block.split_once(" sp=0x")?;
        let digits = after.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        u64::from_str_radix(digits, 16).ok()
    };
    sp(ours)
        .zip(sp(theirs))
        .is_some_and(|(ours, theirs)| ours.abs_diff(theirs) >= SMALLEST)
}

/// Whether a goroutine, as text, stays where it is until something happens to it.
fn is_parked(block: &str) -> bool {
    let dump = parse_dump(block);
    dump.blocks.first().is_some_and(|block| {
        !matches!(
            &*block.state,
            "running" | "runnable" | "copystack" | "preempted"
        ) && !block.lines.contains(&Line::Unavailable)
    })
}

/// How an executable is linked, by its ELF header: Go makes position-dependent ones unless told otherwise.
pub(super) fn elf_kind(head: &[u8]) -> String {
    const ET_DYN: u64 = 3;
    const PT_INTERP: u64 = 3;
    let number = |at: usize, len: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |n, &byte| n << 8 | u64::from(byte)),
        )
    };
    let kind = || -> Option<String> {
        let (kind, table) = (number(16, 2)?, usize::try_from(number(32, 8)?).ok()?);
        let (size, count) = (number(54, 2)? as usize, number(56, 2)? as usize);
        let mut types = (0..count).map(|i| number(table.checked_add(i * size)?, 4));
        let dynamic = types.any(|kind| kind == Some(PT_INTERP));
        let linked = if dynamic { "dynamic" } else { "static" };
        let pie = if kind == ET_DYN { ", PIE" } else { "" };
        Some(format!("{linked}{pie}"))
    };
    kind().unwrap_or_else(|| "?".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot(goroutines: Value) -> Value {
        json!({
            "build": { "goVersion": "go1.27.3", "layout": "table", "symbols": "found", "settings": { "CGO_ENABLED": "1" } },
            "capture": { "pauseNs": 2_500_000, "goroutines": 3, "consistent": true },
            "goroutines": goroutines,
            "unreadable": [{ "reason": "cannot read 448 bytes at 0xc000103c00: no such page" }],
            "diagnostics": []
        })
    }

    #[test]
    fn reasons_are_told_apart_and_counted() {
        let g = |status: &str, why: &str| json!({ "status": status, "stackEnd": "early", "waitingOn": [], "notes": [format!("{ENDS_EARLY}{why}")] });
        let snapshot = snapshot(json!([
            g("running", "runtime.mcall switches stacks"),
            g("waiting", "runtime.mcall switches stacks"),
            g("running", "0xdead is not in the Go program's text"),
            { "status": "waiting", "waitreason": "select", "stackEnd": "complete", "waitingOn": null,
              "notes": ["what it waits on is not known: no sudog at 0xc1"] },
            { "status": "syscall", "stackEnd": "complete", "waitingOn": null, "notes": [] },
        ]));
        let sums = sums(std::slice::from_ref(&snapshot), Some(&snapshot));
        assert_eq!(sums.snapshots, 2);
        assert_eq!((sums.goroutines, sums.seen), ([3, 3], 6));
        assert_eq!(sums.pauses, [2500, 2500]);
        let counts = |pairs: &[(&str, usize)]| -> Counts {
            pairs.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect()
        };
        assert_eq!(
            sums.explained,
            counts(&[("running: runtime.mcall switches stacks", 2)])
        );
        assert_eq!(
            sums.unexplained,
            counts(&[
                ("running: 0x… is not in the Go program's text", 2),
                ("waiting: runtime.mcall switches stacks", 2)
            ])
        );
        assert_eq!(
            sums.unknown_waits,
            counts(&[("select: no sudog at 0x…", 2)])
        );
        assert_eq!(
            sums.unreadable,
            counts(&[("cannot read 448 bytes at 0x…: no such page", 2)])
        );
    }

    #[test]
    fn only_what_is_over_soon_is_a_moment() {
        let waiting = |goids: &[u64]| {
            let g = |goid: &u64| {
                json!({ "goid": goid, "status": "waiting", "waitreason": "IO wait", "stackEnd": "complete", "waitingOn": null,
                        "notes": [format!("{UNKNOWN_WAIT}the file that it polls was not found from its stack")] })
            };
            snapshot(goids.iter().map(g).collect())
        };
        let waits = |under_load: &[&[u64]], quiet: &[u64]| {
            let under_load: Vec<_> = under_load.iter().map(|goids| waiting(goids)).collect();
            let sums = sums(&under_load, Some(&waiting(quiet)));
            let sum = |counts: Counts| counts.into_values().sum::<usize>();
            (sum(sums.passing_waits), sum(sums.unknown_waits))
        };
        assert_eq!(waits(&[&[5], &[], &[5, 6], &[7]], &[]), (4, 0));
        assert_eq!(waits(&[&[5], &[5], &[6]], &[]), (1, 2));
        assert_eq!(waits(&[&[], &[]], &[5]), (0, 1));
    }

    const FRAME: &str = "main.f(0x1)\n\t/a.go:7 +0x1d fp=0xc2 sp=0xc1 pc=0x40\n";

    fn dump(goroutines: &[(u64, &str, &str)]) -> String {
        let block = |(goid, state, frame): &(u64, &str, &str)| {
            format!("goroutine {goid} [{state}]:\n{frame}")
        };
        goroutines.iter().map(block).collect::<Vec<_>>().join("\n")
    }

    fn compared(ours: [&str; 2], theirs: &str) -> Oracle {
        compare(&ours.map(parse_dump), &parse_dump(theirs))
    }

    #[test]
    fn only_what_stays_is_compared() {
        let elsewhere = FRAME.replace(":7", ":8");
        let first = dump(&[
            (1, "select", FRAME),
            (2, "select", FRAME),
            (3, "running", FRAME),
            (4, "sleep", FRAME),
            (5, "select", &elsewhere),
        ]);
        let second = dump(&[
            (1, "select", FRAME),
            (2, "select, 1 minutes", FRAME),
            (3, "running", FRAME),
            (4, "sleep", FRAME),
            (5, "select", FRAME),
        ]);
        let theirs = dump(&[
            (1, "select, 2 minutes", FRAME),
            (2, "select", &elsewhere),
            (3, "running", FRAME),
            (4, "runnable", FRAME),
            (5, "select", FRAME),
            (6, "select", FRAME),
        ]);
        let oracle = compared([&first, &second], &theirs);
        assert_eq!((oracle.told, oracle.compared, oracle.equal), (6, 2, 1));
        assert_eq!(oracle.moved, 4);
        assert!(
            matches!(&*oracle.differ, [[ours, theirs]] if ours.contains(":7") && theirs.contains(":8"))
        );
    }

    #[test]
    fn what_went_round_has_moved() {
        let text = |args: &str| dump(&[(1, "syscall", &FRAME.replace("0x1)", args))]);
        let ours = text("0x1, {0xc1?, 0x3}, 0x4?)");
        let held = |theirs: &str| {
            let oracle = compared([&ours, &ours], &text(theirs));
            (oracle.compared, oracle.moved)
        };
        assert_eq!(held("0x1, {0xc1?, 0x3}, 0x4?)"), (1, 0));
        assert_eq!(held("0x1, {0xc2?, 0x3}, 0x5?)"), (0, 1));
        assert_eq!(held("0x1, {0xc1?, 0x33}, 0x4?)"), (1, 0));
        assert_eq!(held("0x1, {0xc1?, 0x3}, 0x4)"), (1, 0));
        let elsewhere = |sp: &str| {
            let oracle = compared([&ours, &ours], &ours.replace("sp=0xc1", sp));
            (oracle.compared, oracle.moved)
        };
        assert_eq!(elsewhere("sp=0xc8"), (1, 0));
        assert_eq!(elsewhere("sp=0x10c1"), (0, 1));
    }

    #[test]
    fn a_program_that_says_nothing_is_no_match() {
        let ours = dump(&[(1, "select", FRAME)]);
        let oracle = compared([&ours, &ours], "bye\n");
        assert_eq!((oracle.told, oracle.compared), (0, 0));
    }

    #[test]
    fn how_it_is_linked() {
        let mut head = vec![0; 64 + 56];
        head[16] = 3;
        head[32] = 64;
        head[54] = 56;
        head[56] = 1;
        assert_eq!(elf_kind(&head), "static, PIE");
        head[64] = 3;
        assert_eq!(elf_kind(&head), "dynamic, PIE");
        head[16] = 2;
        assert_eq!(elf_kind(&head), "dynamic");
        assert_eq!(elf_kind(&head[..66]), "static");
        assert_eq!(elf_kind(&head[..20]), "?");
    }
}
