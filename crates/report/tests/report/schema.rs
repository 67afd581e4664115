//! The shipped JSON Schema describes what is written, and notices when it does not.

use jsonschema::Validator;
use report::SNAPSHOT_SCHEMA;
use serde_json::{Value, json};

use crate::samples::{hostile_core, service, small_service, value};

fn shipped() -> Value {
    serde_json::from_str(SNAPSHOT_SCHEMA).unwrap()
}

/// The shipped schema allows fields that it does not know, because version 1 may grow
/// some. Against the writer of this very version that would hide a misspelt name.
pub fn strict() -> Validator {
    strictly(shipped())
}

pub fn strictly(mut schema: Value) -> Validator {
    fn forbid_unknown(schema: &mut Value) {
        if let Value::Object(map) = schema {
            if map.contains_key("properties") {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(forbid_unknown);
        }
    }
    forbid_unknown(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

pub fn assert_valid(validator: &Validator, document: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn the_schema_is_one() {
    assert!(jsonschema::meta::is_valid(&shipped()));
}

#[test]
fn samples_are_valid() {
    for snapshot in [service(), small_service(), hostile_core()] {
        assert_valid(&strict(), &value(&snapshot));
    }
}

#[test]
fn fields_may_be_added() {
    let mut document = value(&small_service());
    document["goroutines"][0]["addedLater"] = 1.into();
    let shipped = jsonschema::validator_for(&shipped()).unwrap();
    assert_valid(&shipped, &document);
    assert!(!strict().is_valid(&document));
}

/// The paths (JSON pointers) of everything in a document, without what is below
/// free-form maps.
fn paths(document: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match document {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{at}/{key}");
        if key != "labels" && key != "settings" {
            paths(child, &path, found);
        }
        found.push(path);
    }
}

#[test]
fn a_field_that_is_missing_or_renamed_is_noticed() {
    let document = value(&small_service());
    let shipped = jsonschema::validator_for(&shipped()).unwrap();
    let mut all = Vec::new();
    paths(&document, "", &mut all);
    let mut tried = 0;
    for path in all {
        let (parent, key) = path.rsplit_once('/').unwrap();
        let mut changed = document.clone();
        let Some(Value::Object(map)) = changed.pointer_mut(parent) else {
            continue; // an element of a list
        };
        let field = map.remove(key).unwrap();
        // What depends on the kind of wait may be left out.
        let of_some_kinds = path.contains("/waitingOn/") && !["kind", "op", "addr"].contains(&key)
            || parent.starts_with("/objects/")
                && parent.matches('/').count() == 2
                && !["kind", "addr", "queues", "holders", "moreHolders"].contains(&key);
        // Older files do not have it.
        let is_new = path == "/scheduler";
        if key != "wrapper" && key != "entry" && !of_some_kinds && !is_new {
            assert!(!shipped.is_valid(&changed), "{path} left out");
        }
        let Some(Value::Object(map)) = changed.pointer_mut(parent) else {
            unreachable!()
        };
        map.insert(format!("{key}s"), field);
        assert!(!strict().is_valid(&changed), "{path} renamed");
        tried += 1;
    }
    assert!(tried > 100);
}

#[test]
fn a_value_of_another_type_is_noticed() {
    let document = value(&small_service());
    let shipped = jsonschema::validator_for(&shipped()).unwrap();
    let mut all = Vec::new();
    paths(&document, "", &mut all);
    for path in all {
        let mut changed = document.clone();
        let place = changed.pointer_mut(&path).unwrap();
        let wrong = match place {
            Value::String(_) => json!(1),
            Value::Object(_) | Value::Array(_) | Value::Number(_) | Value::Bool(_) => json!("1"),
            // Whatever else the field may be, it is never a fraction.
            Value::Null => json!(1.5),
        };
        *place = wrong;
        assert!(!shipped.is_valid(&changed), "{path}");
    }
}

#[test]
fn a_value_out_of_its_form_is_noticed() {
    let document = value(&small_service());
    let shipped = jsonschema::validator_for(&shipped()).unwrap();
    for (path, wrong) in [
        ("/schema", json!("goinspect.snapshot/2")),
        ("/capturedAt", json!("2026-11-20T12:00:00.123Z")),
        ("/capturedAt", json!("2026-11-20T12:00:00.123456789+01:00")),
        ("/target/kind", json!("container")),
        ("/capture/pauseNs", json!(-1)),
        ("/goroutines/0/g", json!("c000102a80")),
        ("/goroutines/0/g", json!("0xC000102A80")),
        ("/goroutines/0/g", json!("0x00c000102a80")),
        ("/goroutines/0/stack/sp", json!("-0x1")),
        ("/goroutines/0/goid", json!(1.5)),
        ("/goroutines/0/status", json!("Waiting")),
        ("/goroutines/0/frames/0/trust", json!("guessed")),
        ("/goroutines/0/frames/0/line", json!(0)),
        ("/goroutines/0/labels", json!({ "k": 1 })),
        ("/goroutines/0/waitingOn", json!([{ "op": "receive" }])),
        (
            "/goroutines/0/waitingOn",
            json!([{ "kind": "chan", "addr": 1 }]),
        ),
    ] {
        let mut changed = document.clone();
        *changed.pointer_mut(path).unwrap() = wrong.clone();
        assert!(!shipped.is_valid(&changed), "{path} = {wrong}");
    }
}

#[test]
fn what_a_goroutine_waits_on_has_its_place() {
    let mut document = value(&small_service());
    document["goroutines"][2]["waitingOn"] = json!([{
        "kind": "chan", "op": "receive", "addr": "0xc00009e060",
        "len": 0, "cap": 0, "closed": false, "elemType": "int"
    }]);
    assert_valid(&strict(), &document);
}

pub const MANUAL: &str = include_str!("../../../../docs/SCHEMA.md");

#[test]
fn the_manual_explains_every_field() {
    assert_explained(&shipped());
}

/// A schema is one, and says the same as that of snapshots of so many things that both have.
pub fn assert_shares(schema: &Value, expected: usize) {
    assert!(jsonschema::meta::is_valid(schema));
    let of_snapshots = shipped();
    let mut shared = 0;
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let theirs = of_snapshots["$defs"].get(name);
        if let Some(theirs) = theirs.or(of_snapshots["properties"].get(name)) {
            assert_eq!(definition, theirs, "{name}");
            shared += 1;
        }
    }
    assert_eq!(shared, expected);
}

pub fn assert_explained(schema: &Value) {
    fn names(schema: &Value, found: &mut Vec<String>) {
        if let Value::Object(map) = schema {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|v| names(v, found));
        }
    }
    let mut all = Vec::new();
    names(schema, &mut all);
    assert!(all.len() > 50);
    let unexplained: Vec<String> = all
        .into_iter()
        .filter(|name| !MANUAL.contains(&format!("`{name}`")))
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
}

#[test]
fn the_manuals_example_is_valid() {
    let example = MANUAL.split("```json\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    assert_valid(&strict(), &serde_json::from_str(example).unwrap());
}
