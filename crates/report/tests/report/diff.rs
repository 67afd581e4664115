//! What changed between two snapshots, as text and as JSON.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jsonschema::Validator;
use model::{Addr, Goid, Goroutine, Pid, Snapshot, Status, Tid};
use proptest::prelude::*;
use report::{Comparison, DIFF_SCHEMA, DiffOptions, Style, write_diff, write_diff_json};
use serde_json::Value;

use crate::properties::{obeyed_by_a_terminal, snapshot};
use crate::samples::{frame, hostile_core, service, site, small_service, waiting};
use crate::schema::{MANUAL, assert_explained, assert_shares, assert_valid, strictly};

static STRICT: LazyLock<Validator> = LazyLock::new(|| strictly(shipped()));

fn shipped() -> Value {
    serde_json::from_str(DIFF_SCHEMA).unwrap()
}

fn text(comparison: &Comparison<'_>, options: &DiffOptions) -> String {
    let mut out = Vec::new();
    write_diff(comparison, &mut out, options).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(comparison: &Comparison<'_>, style: Style) -> String {
    let mut out = Vec::new();
    write_diff_json(comparison, style, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_valid(&STRICT, &serde_json::from_str(&text).unwrap());
    text
}

fn named<'a>(old: &'a Snapshot, new: &'a Snapshot) -> Comparison<'a> {
    Comparison::new(old, new).named("before.json", "after.json")
}

/// The service five minutes later.
fn later() -> Snapshot {
    let mut s = service();
    s.captured_at += Duration::from_millis(312_400);
    s.capture.nanotime = s.capture.nanotime.map(|n| n + 312_400_000_000);
    s
}

fn edit(s: &mut Snapshot, goid: u64, edit: impl FnOnce(&mut Goroutine)) {
    let g = s.goroutines.iter_mut().find(|g| g.goid.0 == goid).unwrap();
    edit(Arc::make_mut(g));
}

fn add(s: &mut Snapshot, goids: std::ops::Range<u64>, like: u64) {
    let like = s
        .goroutines
        .iter()
        .find(|g| g.goid.0 == like)
        .unwrap()
        .clone();
    for goid in goids {
        let mut g = Goroutine::clone(&like);
        g.goid = Goid(goid);
        g.g = Addr(0xc0_0010_2000 + goid * 0x1c0);
        s.goroutines.push(Arc::new(g));
    }
}

/// 123 more workers; connections came and went; a few did something else.
fn leak() -> (Snapshot, Snapshot) {
    let (old, mut new) = (service(), later());
    add(&mut new, 2000..2123, 20);
    // As many came as went: no growth, though there are many.
    let (mut old, conn) = (old, 1300);
    add(&mut old, 3000..3200, conn);
    add(&mut new, 4000..4200, conn);
    new.goroutines.retain(|g| g.goid.0 != 1301);
    (old, new)
}

/// One of every sort of change.
fn changes() -> (Snapshot, Snapshot) {
    let (old, mut new) = (small_service(), later());
    let kept: Vec<Goid> = old.goroutines.iter().map(|g| g.goid).collect();
    new.goroutines.retain(|g| kept.contains(&g.goid));
    let line_31 = [
        frame(
            0x43e1ce,
            "runtime.gopark",
            "/usr/local/go/src/runtime/proc.go",
            474,
        ),
        frame(0x4a1c80, "main.worker", "/src/svc/worker.go", 31),
    ];
    edit(&mut new, 18, |g| {
        g.waitreason = Some("select".into());
        g.frames = line_31.clone().into();
    });
    edit(&mut new, 19, |g| g.waitsince = Some(1_200_000_000_000));
    edit(&mut new, 99, |g| {
        g.frames = g.frames.iter().cloned().chain(line_31).collect();
    });
    for goid in [1300, 1301] {
        edit(&mut new, goid, |g| {
            (g.status, g.waitreason) = (Status::Runnable, None)
        });
    }
    edit(&mut new, 1400, |g| {
        g.thread = Some(Tid(4260));
        g.labels = Some(vec![("tenant".into(), "umbrella".into())]);
    });
    (old, new)
}

#[test]
fn a_leak_comes_first() {
    let (old, new) = leak();
    insta::assert_snapshot!(text(&named(&old, &new), &DiffOptions::default()));
}

#[test]
fn changes_from_what_to_what() {
    let (old, new) = changes();
    insta::assert_snapshot!(text(&Comparison::new(&old, &new), &DiffOptions::default()));
}

#[test]
fn changes_from_what_to_what_in_json() {
    let (old, new) = changes();
    insta::assert_snapshot!(json(&named(&old, &new), Style::Pretty));
}

#[test]
fn in_color_and_cut_with_the_runtimes_own() {
    let (old, mut new) = changes();
    add(&mut new, 5000..5003, 2);
    add(&mut new, 5003..5004, 1300);
    edit(&mut new, 2, |g| g.status = Status::Dead);
    let options = DiffOptions {
        color: true,
        width: Some(20),
        include_system: true,
        max_groups: Some(1),
    };
    let text = text(&named(&old, &new), &options);
    insta::assert_snapshot!(text.replace('\x1b', "ESC"));
}

#[test]
fn nothing_changed() {
    let (old, new) = (service(), later());
    insta::assert_snapshot!(text(&named(&old, &new), &DiffOptions::default()));
}

#[test]
fn another_process() {
    let (old, mut new) = (small_service(), later());
    new.target.pid = Some(Pid(5151));
    new.build.go_version = "go1.26.1".into();
    new.build
        .settings
        .insert("vcs.revision".into(), "77aa001".into());
    new.unreadable.clear();
    new.diagnostics.clear();
    new.goroutines.retain(|g| [1, 18, 19].contains(&g.goid.0));
    edit(&mut new, 19, |g| {
        g.gopc = site(0x4a1d80, "main.(*pool).restart", "/src/svc/pool.go", 77);
    });
    let comparison = named(&old, &new);
    assert!(comparison.different_processes());
    insta::assert_snapshot!(text(&comparison, &DiffOptions::default()));
}

#[test]
fn an_id_with_another_creator_is_gone_and_new() {
    let (old, mut new) = (small_service(), later());
    new.goroutines
        .retain(|g| old.goroutines.iter().any(|o| o.goid == g.goid));
    edit(&mut new, 19, |g| {
        g.gopc = site(0x4a1d80, "main.(*pool).restart", "/src/svc/pool.go", 77);
    });
    let comparison = Comparison::new(&old, &new);
    assert!(comparison.different_processes());
    let counts = comparison.counts();
    assert_eq!((counts.new, counts.gone, counts.changed), (1, 1, 0));
    let told = text(&comparison, &DiffOptions::default());
    let note = "note: these look like different processes: 1 goroutine ID used for other goroutines, which count as gone and new\n";
    assert!(told.contains(note), "{told}");
}

#[test]
fn strangers_do_not_steer_the_terminal() {
    let (old, mut new) = (hostile_core(), hostile_core());
    let g = new.goroutines[0].clone();
    let frames = [frame(0x401001, "main.\x1b[2Jg", "/\u{202e}", 1)];
    new.goroutines = vec![Arc::new(Goroutine {
        labels: Some(vec![("k\x1b[2J".into(), "\u{9b}".into())]),
        ..waiting(5, "\x1b[31m", &frames.into())
    })];
    let mut g = Goroutine::clone(&g);
    g.goid = Goid(6);
    new.goroutines.push(Arc::new(g));
    new.build.go_version = "go\x1b[2J".into();
    let comparison = Comparison::new(&old, &new).named("a\nb.json", "\x1b]0;owned\x07");
    insta::assert_snapshot!(text(&comparison, &DiffOptions::default()));
    assert!(!json(&comparison, Style::Line).contains(obeyed_by_a_terminal));
}

#[test]
fn ten_thousand_that_stayed_are_one_line() {
    let (mut old, mut new) = (service(), later());
    add(&mut old, 10_000..20_000, 20);
    add(&mut new, 10_000..20_000, 20);
    let told = text(&Comparison::new(&old, &new), &DiffOptions::default());
    assert!(told.lines().count() < 20, "{told}");
    assert!(
        told.contains("11,222 goroutines [chan receive] main.worker /src/svc/worker.go:12, created by main.main\n"),
        "{told}"
    );
}

#[test]
fn the_dead_are_not_there() {
    let (mut old, mut new) = (service(), later());
    add(&mut old, 10_000..10_002, 20);
    add(&mut new, 10_001..10_003, 20);
    edit(&mut old, 10_000, |g| g.status = Status::Dead);
    edit(&mut new, 10_001, |g| g.status = Status::Dead);
    edit(&mut new, 10_002, |g| g.status = Status::Dead);
    let comparison = Comparison::new(&old, &new);
    let counts = comparison.counts();
    assert_eq!((counts.new, counts.gone, counts.changed), (0, 1, 0));
}

#[test]
fn the_wrong_way_round_is_told() {
    let (old, new) = (later(), service());
    let told = text(&Comparison::new(&old, &new), &DiffOptions::default());
    assert!(
        told.contains("note: the old snapshot is the later one"),
        "{told}"
    );
    assert!(told.contains("5 min 12 s earlier: 0 new"), "{told}");
    let document: Value =
        serde_json::from_str(&json(&Comparison::new(&old, &new), Style::Line)).unwrap();
    assert_eq!(document["intervalNs"], -312_400_000_000_i64);
}

#[test]
fn the_schema_is_one_and_says_of_snapshots_what_theirs_says() {
    assert_shares(&shipped(), 12);
}

#[test]
fn the_manual_explains_every_field_of_a_diff() {
    assert_explained(&shipped());
    let example = MANUAL.split("```json\n").nth(2).unwrap();
    let example = example.split("```").next().unwrap();
    assert_valid(&STRICT, &serde_json::from_str(example).unwrap());
}

/// Two snapshots with goroutines in common.
fn two() -> impl Strategy<Value = (Snapshot, Snapshot)> {
    let pairs = (snapshot(), snapshot(), any::<u64>());
    pairs.prop_map(|(mut old, mut new, coins)| {
        for (i, g) in old.goroutines.iter_mut().enumerate() {
            Arc::make_mut(g).goid = Goid(i as u64);
        }
        let among = old.goroutines.len().max(1) as u64 + 2;
        for (i, g) in new.goroutines.iter_mut().enumerate() {
            let of = (coins >> (8 * i)) & 0xff;
            let g = Arc::make_mut(g);
            match old.goroutines.get(i) {
                // As it was, or in one respect another.
                Some(old) if of & 1 == 0 => {
                    *g = Goroutine::clone(old);
                    match of >> 1 & 7 {
                        1 => g.frames = [].into(),
                        2 => g.status = Status::Dead,
                        3 => g.waitreason = Some("\x1b".into()),
                        4 => g.labels = None,
                        5 => g.thread = None,
                        _ => {}
                    }
                }
                _ => g.goid = Goid(of % among),
            }
        }
        // No ID twice.
        let mut seen = HashMap::new();
        new.goroutines.retain(|g| seen.insert(g.goid, ()).is_none());
        (old, new)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_goroutine_is_told_once_and_none_steers_the_terminal(
        (old, new) in two(),
        include_system in any::<bool>(),
        max_groups in prop::option::of(0..3_usize),
    ) {
        let comparison = Comparison::new(&old, &new);
        let mut options = DiffOptions { color: false, width: None, include_system, max_groups };
        let plain = text(&comparison, &options);
        prop_assert!(!plain.contains(obeyed_by_a_terminal), "{:?}", plain);
        options.color = true;
        let mut colored = text(&comparison, &options);
        for sgr in ["0", "1", "2", "31", "32", "33", "36"] {
            colored = colored.replace(&format!("\x1b[{sgr}m"), "");
        }
        prop_assert_eq!(&plain, &colored);

        let document: Value = serde_json::from_str(&json(&comparison, Style::Line)).unwrap();
        let goids = |list: &str| -> Vec<u64> {
            let groups = document[list].as_array().unwrap();
            for group in groups {
                assert_eq!(group["count"], group["goids"].as_array().unwrap().len());
            }
            let goids = groups.iter().flat_map(|group| group["goids"].as_array().unwrap());
            goids.map(|goid| goid.as_u64().unwrap()).collect()
        };
        let count = |name: &str| {
            let of = |counts: &str| document[counts][name].as_u64().unwrap() as usize;
            of("counts") + of("systemCounts")
        };
        let alive = |s: &Snapshot| -> Vec<u64> {
            let alive = s.goroutines.iter().filter(|g| g.status != Status::Dead);
            let mut goids: Vec<u64> = alive.map(|g| g.goid.0).collect();
            goids.sort_unstable();
            goids
        };
        let [came, gone, changed, same] =
            ["newGoroutines", "goneGoroutines", "changedGoroutines", "sameGoroutines"].map(goids);
        prop_assert_eq!(came.len(), count("new"));
        prop_assert_eq!(gone.len(), count("gone"));
        prop_assert_eq!(changed.len(), count("changed"));
        prop_assert_eq!(same.len(), count("same"));
        let mut now = [&came[..], &changed, &same].concat();
        now.sort_unstable();
        prop_assert_eq!(now, alive(&new));
        let mut before = [&gone[..], &changed, &same].concat();
        before.sort_unstable();
        prop_assert_eq!(before, alive(&old));
    }
}
