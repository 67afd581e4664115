//! What was written is read back, and what was not written by goinspect does no harm.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use model::{Goid, Goroutine, Snapshot, StackEnd};
use proptest::prelude::*;
use report::{ReadJsonError, Style, looks_like_snapshot, read_json};
use serde_json::{Value, json};

use crate::properties::{obeyed_by_a_terminal, snapshot};
use crate::samples::{hostile_core, json, service, small_service, value};

fn read(text: impl AsRef<[u8]>) -> Result<Snapshot, ReadJsonError> {
    read_json(text.as_ref())
}

fn error(text: impl AsRef<[u8]>) -> String {
    read(text).unwrap_err().to_string()
}

/// The snapshot as far as JSON can hold it, but for a time of capture that it cannot.
fn as_json_holds_it(s: &Snapshot) -> Snapshot {
    let mut s = s.clone();
    let longest = Duration::from_nanos(u64::MAX);
    s.capture.pause = s.capture.pause.map(|pause| pause.min(longest));
    for g in &mut s.goroutines {
        let g = Arc::make_mut(g);
        let Some(labels) = &g.labels else { continue };
        let by_key: BTreeMap<_, _> = labels.iter().cloned().collect();
        for key in by_key.keys() {
            if labels.iter().filter(|(k, _)| k == key).count() > 1 {
                g.notes.push(format!(
                    "label {key:?} was set more than once: the last value is shown"
                ));
            }
        }
        g.labels = Some(by_key.into_iter().collect());
    }
    s
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_was_written_is_read(s in snapshot(), pretty in any::<bool>()) {
        let style = if pretty { Style::Pretty } else { Style::Line };
        let text = json(&s, style);
        prop_assert!(looks_like_snapshot(&text.as_bytes()[..60]));
        let mut again = read(&text).unwrap();
        prop_assert_eq!(&read(json(&again, style)).unwrap(), &again);
        if value(&s)["capturedAt"].is_null() {
            prop_assert!(value(&again)["capturedAt"].is_null());
            again.captured_at = s.captured_at;
        }
        prop_assert_eq!(again, as_json_holds_it(&s));
    }

    #[test]
    fn damage_is_told_and_not_obeyed(
        s in snapshot(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = json(&s, Style::Line).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(at) = cut {
            bytes.truncate(at.index(bytes.len()));
        }
        if let Err(error) = read(&bytes) {
            let text = error.to_string();
            prop_assert!(!text.contains(obeyed_by_a_terminal) && !text.contains('\n'), "{:?}", text);
        }
    }

    /// Any value in any place.
    #[test]
    fn other_json_is_told(
        at in any::<prop::sample::Index>(),
        wrong in prop::sample::select(vec![
            "null", "-1", "1e400", "18446744073709551616", "\"\\u001b[2J\\u202e\"", "[[[{}]]]", "{\"a\":[]}", "true",
        ]),
    ) {
        let document = json(&small_service(), Style::Line);
        // What follows a colon or a comma is mostly a value.
        let places: Vec<usize> = document.match_indices([':', ',']).map(|(i, _)| i + 1).collect();
        let at = places[at.index(places.len())];
        let (before, after) = document.split_at(at);
        let after = after.find([',', '}']).map_or("", |end| &after[end..]);
        if let Err(error) = read(format!("{before}{wrong}{after}")) {
            prop_assert!(!error.to_string().contains(obeyed_by_a_terminal), "{:?}", error.to_string());
        }
    }
}

#[test]
fn samples_are_read() {
    for s in [service(), small_service(), hostile_core()] {
        for style in [Style::Line, Style::Pretty] {
            let text = json(&s, style);
            let again = read(&text).unwrap();
            assert_eq!(again, as_json_holds_it(&s));
            assert_eq!(json(&again, style), text);
        }
    }
}

#[test]
fn equal_stacks_and_strings_are_shared() {
    let mut s = service();
    // Of one stack, another spelling.
    let text = json(&s, Style::Line).replacen("\"line\":12,", "\"line\" : 12,", 1);
    let again = read(text).unwrap();
    let workers: Vec<&Arc<Goroutine>> = again
        .goroutines
        .iter()
        .filter(|g| (18..1252).contains(&g.goid.0))
        .collect();
    assert_eq!(workers.len(), 1234);
    for g in &workers {
        assert!(Arc::ptr_eq(&g.frames, &workers[0].frames));
        let (one, other) = (g.waitreason.as_ref(), workers[0].waitreason.as_ref());
        assert!(Arc::ptr_eq(one.unwrap(), other.unwrap()));
    }
    s.goroutines.clear();
    assert_eq!(read(json(&s, Style::Line)).unwrap(), s);
}

#[test]
fn unknown_fields_are_passed_over_and_null_ones_may_be_missing() {
    let s = small_service();
    let mut document = value(&s);
    fn add(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.values_mut().for_each(add);
                map.insert("addedLater".into(), json!({ "a": [1, null, { "b": "c" }] }));
            }
            Value::Array(list) => list.iter_mut().for_each(add),
            _ => {}
        }
    }
    fn drop_null(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|_, v| !v.is_null());
                map.values_mut().for_each(drop_null);
            }
            Value::Array(list) => list.iter_mut().for_each(drop_null),
            _ => {}
        }
    }
    drop_null(&mut document);
    assert_eq!(read(document.to_string()).unwrap(), as_json_holds_it(&s));
    let settings = document["build"]["settings"].take();
    let labels: Vec<Value> = document["goroutines"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .map(|g| g["labels"].take())
        .collect();
    add(&mut document);
    document["build"]["settings"] = settings;
    let goroutines = document["goroutines"].as_array_mut().unwrap();
    for (g, labels) in goroutines.iter_mut().zip(labels) {
        g["labels"] = labels;
    }
    assert_eq!(read(document.to_string()).unwrap(), as_json_holds_it(&s));
}

#[test]
fn keys_may_be_in_any_order() {
    let s = small_service();
    let text = value(&s).to_string();
    assert!(
        text.starts_with("{\"build\""),
        "serde_json's maps are sorted"
    );
    assert!(looks_like_snapshot(text.as_bytes()));
    assert_eq!(read(text).unwrap(), as_json_holds_it(&s));
}

#[test]
fn a_version_without_entries_is_read() {
    let mut document = value(&small_service());
    for g in document["goroutines"].as_array_mut().unwrap() {
        for frame in g["frames"].as_array_mut().unwrap() {
            frame.as_object_mut().unwrap().remove("entry");
        }
    }
    let again = read(document.to_string()).unwrap();
    let mut frames = again.goroutines.iter().flat_map(|g| &*g.frames);
    assert!(frames.all(|f| f.function.entry.is_null()));
    assert_eq!(value(&again), document);
}

#[test]
fn an_early_end_without_a_reason_says_so() {
    let mut document = value(&small_service());
    let goroutines = document["goroutines"].as_array_mut().unwrap();
    let g = goroutines.iter_mut().find(|g| g["stackEnd"] == "early");
    g.unwrap()["notes"] = json!([]);
    let again = read(document.to_string()).unwrap();
    let early = |g: &Arc<Goroutine>| match &g.stack_end {
        StackEnd::Early(why) => Some(why.to_string()),
        StackEnd::Complete => None,
    };
    let told: Vec<String> = again.goroutines.iter().filter_map(early).collect();
    assert_eq!(told, ["the file does not say why"]);
}

#[test]
fn a_list_that_was_cut_is_told() {
    let mut document = value(&small_service());
    document["goroutines"].as_array_mut().unwrap().truncate(2);
    let again = read(document.to_string()).unwrap();
    let told = again.diagnostics.last().unwrap();
    assert!(
        told.ends_with("the list goroutines has 10 entries, but there are 2"),
        "{told}"
    );
}

#[test]
fn another_schema_is_named() {
    let text = json(&small_service(), Style::Line);
    let other = text.replacen("goinspect.snapshot/1", "goinspect.snapshot/2\\u001b[2J", 1);
    let told = error(&other);
    assert_eq!(
        told,
        "the file says it is \"goinspect.snapshot/2\\x1b[2J\"; this version of goinspect reads \"goinspect.snapshot/1\""
    );
    assert_eq!(
        error("{\"name\":\"left-pad\"}"),
        "the file is JSON, but no snapshot: it has no \"schema\": \"goinspect.snapshot/1\""
    );
}

#[test]
fn errors_tell_the_place() {
    let line = json(&small_service(), Style::Line);
    let pretty = json(&small_service(), Style::Pretty);
    let told = error(pretty.replacen("\"goid\": 18", "\"goid\": \"18\"", 1));
    assert!(
        told.starts_with("not a readable snapshot: entry 2 of goroutines: invalid type: string \"18\", expected u64 (line "),
        "{told}"
    );
    let told = error(line.replacen("\"trust\":\"exact\"", "\"trust\":\"guessed\"", 1));
    assert_eq!(
        told,
        "not a readable snapshot: goroutine 1: frames: invalid value: string \"guessed\", expected \"exact\" or \"assumed\""
    );
    let told = error(line.replacen("\"index\":7", "\"index\":-7", 1));
    assert!(
        told.contains("entry 0 of unreadable: invalid value: integer `-7`"),
        "{told}"
    );
    for (wrong, what) in [
        ("0XC000102A80", "0x"),
        ("0x", "0x"),
        ("0x+1", "0x"),
        ("0x10000000000000000", "0x"),
    ] {
        let mut document = value(&small_service());
        document["goroutines"][0]["g"] = wrong.into();
        let told = error(document.to_string());
        assert!(
            told.contains("an address like \"0xc000012345\"") && told.contains(what),
            "{told}"
        );
    }
    assert_eq!(
        error(""),
        "the snapshot is cut off: it ends at line 1, column 0"
    );
    let told = error(&pretty[..pretty.len() / 2]);
    assert!(
        told.starts_with("the snapshot is cut off: it ends at line "),
        "{told}"
    );
    assert_eq!(
        error(format!("{line}{line}")),
        "line 2 goes on behind the end of the snapshot; a series of them is a recording"
    );
    assert!(error("[1]").contains("expected a snapshot, which is an object (line 1"));
    assert!(error("\x7fELF").starts_with("not a readable snapshot: expected value (line 1"));
}

#[test]
fn depth_is_no_trouble() {
    let deep = "[".repeat(1_000_000);
    for key in ["addedLater", "goroutines", "target"] {
        let text = format!("{{\"schema\":\"goinspect.snapshot/1\",\"{key}\":{deep}");
        assert!(read(text).is_err());
    }
    let text = json(&small_service(), Style::Line);
    let text = text.replacen("\"frames\":[", &format!("\"frames\":[{deep}"), 1);
    assert!(read(text).is_err());
}

#[test]
fn a_failure_to_read_is_told_as_one() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let text = json(&small_service(), Style::Line);
    for half in [&text[..100], &text] {
        let read = read_json(half.as_bytes().chain(Fails));
        assert!(matches!(read, Err(ReadJsonError::Io(_))), "{read:?}");
    }
}

/// How long it takes is for people to see: `cargo test --release -p report -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_goroutines() {
    let mut s = service();
    let worker = s.goroutines[10].clone();
    let conn = s.goroutines[1236].clone();
    s.goroutines = (0..100_000)
        .map(|i| {
            let like = if i % 2 == 0 { &worker } else { &conn };
            let mut g = Goroutine::clone(like);
            g.goid = Goid(i);
            Arc::new(g)
        })
        .collect();
    let text = json(&s, Style::Line);
    let start = std::time::Instant::now();
    let again = read(&text).unwrap();
    println!("{} MB in {:?}", text.len() / 1_000_000, start.elapsed());
    assert_eq!(again, s);
}

/// A dump does not say for which processor; what is saved of it is readable all the same.
#[test]
fn what_was_saved_of_a_go_dump_is_read() {
    let text = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1d\n";
    let taken = std::time::SystemTime::UNIX_EPOCH;
    let snapshot = report::snapshot_of(&report::parse_dump(text), taken);
    assert_eq!(read(json(&snapshot, Style::Line)).unwrap(), snapshot);
}
