//! Golden files: what users see.

use report::{Style, SummaryOptions};

use crate::samples::{hostile_core, json, service, small_service, summary};

#[test]
fn json_pretty() {
    insta::assert_snapshot!(json(&small_service(), Style::Pretty));
}

#[test]
fn json_of_a_hostile_core() {
    insta::assert_snapshot!(json(&hostile_core(), Style::Pretty));
}

#[test]
fn a_line_is_the_same_object_on_one_line() {
    let s = small_service();
    let line = json(&s, Style::Line);
    assert!(line.ends_with("}\n") && line.lines().count() == 1);
    let pretty = json(&s, Style::Pretty);
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&line), parse(&pretty));
}

#[test]
fn summary_of_a_service() {
    insta::assert_snapshot!(summary(&service(), &SummaryOptions::default()));
}

#[test]
fn summary_with_system_goroutines_in_color_and_cut() {
    let options = SummaryOptions {
        color: true,
        width: Some(40),
        include_system: true,
        max_groups: Some(4),
    };
    let text = summary(&service(), &options);
    insta::assert_snapshot!(text.replace('\x1b', "ESC"));
}

#[test]
fn summary_of_a_hostile_core() {
    insta::assert_snapshot!(summary(&hostile_core(), &SummaryOptions::default()));
}

#[test]
fn summary_of_nothing() {
    let mut s = service();
    s.goroutines.clear();
    insta::assert_snapshot!(summary(&s, &SummaryOptions::default()));
}
