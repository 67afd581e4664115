//! Findings and the story of one goroutine, as users see them.

use std::sync::LazyLock;

use analysis::{Finding, Story, findings, findings_since};
use jsonschema::Validator;
use model::{Goid, Snapshot};
use proptest::prelude::*;
use report::{
    FINDINGS_SCHEMA, FindingsOptions, Style, write_findings, write_findings_json, write_why,
};
use serde_json::Value;

use crate::properties::{obeyed_by_a_terminal, snapshot};
use crate::samples::{hostile_core, service, small_service};
use crate::schema::{MANUAL, assert_shares, assert_valid, strictly};

static STRICT: LazyLock<Validator> = LazyLock::new(|| strictly(shipped()));

fn shipped() -> Value {
    serde_json::from_str(FINDINGS_SCHEMA).unwrap()
}

fn text(s: &Snapshot, all: &[Finding]) -> String {
    let mut out = Vec::new();
    write_findings(s, all, &mut out, &FindingsOptions::default()).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(s: &Snapshot, all: &[Finding], style: Style) -> String {
    let mut out = Vec::new();
    write_findings_json(s, all, style, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_valid(&STRICT, &serde_json::from_str(&text).unwrap());
    text
}

fn why(s: &Snapshot, goid: Goid) -> String {
    let story = Story::new(s, goid).unwrap();
    let mut out = Vec::new();
    write_why(s, &story, &mut out, &FindingsOptions::default()).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn of_a_service() {
    let s = service();
    insta::assert_snapshot!(text(&s, &findings(&s)));
}

#[test]
fn of_a_service_against_itself() {
    let s = small_service();
    let mut earlier = s.clone();
    earlier.goroutines.truncate(2);
    insta::assert_snapshot!(json(&s, &findings_since(&earlier, &s), Style::Pretty));
}

#[test]
fn of_a_hostile_core() {
    let s = hostile_core();
    insta::assert_snapshot!(text(&s, &findings(&s)));
}

#[test]
fn of_a_goroutine_that_waits_for_others() {
    insta::assert_snapshot!(why(&small_service(), Goid(1)));
}

#[test]
fn of_a_goroutine_that_waits_for_work() {
    insta::assert_snapshot!(why(&service(), Goid(18)));
}

#[test]
fn the_schema_is_one_and_says_of_snapshots_what_theirs_says() {
    assert_shares(&shipped(), 9);
}

#[test]
fn the_manual_explains_every_field_of_a_finding() {
    let (_, page) = MANUAL.split_once("# The findings JSON").unwrap();
    let own = shipped();
    for properties in [&own["properties"], &own["$defs"]["finding"]["properties"]] {
        for name in properties.as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_found_is_valid_and_steers_no_terminal(s in snapshot(), old in snapshot()) {
        let all = findings_since(&old, &s);
        let written = json(&s, &all, Style::Line);
        prop_assert!(!written.trim_end().contains(obeyed_by_a_terminal));
        let shown = text(&s, &all).replace('\n', "");
        prop_assert!(!shown.contains(obeyed_by_a_terminal), "{:?}", shown);
        for g in &s.goroutines {
            let story = why(&s, g.goid).replace('\n', "");
            prop_assert!(!story.contains(obeyed_by_a_terminal), "{:?}", story);
        }
    }
}
