//! Going back and forth through the samples.

use std::io::Write;
use std::sync::Arc;

use model::Snapshot;
use proptest::prelude::*;

use crate::feed::{FeedEvent, Request};
use crate::keymap::Key;
use crate::testing::{G, Screen, g, snapshot, story};
use crate::update::Effect;

/// A program that creates a goroutine each second; one ends after some.
fn second(now: u64) -> Snapshot {
    let alive = |goid: &u64| *goid != 3 || now < 4;
    let one = |goid| g(goid, "select", &["/src/a.go:1 main.work"]);
    snapshot(now, (1..now + 3).filter(alive).map(one))
}

fn live(count: u64) -> Screen {
    let mut screen = Screen::new(120, 30);
    for now in 0..count {
        screen.sample(second(now));
    }
    screen
}

fn recorded(screen: &mut Screen, index: usize, before: std::ops::Range<usize>) {
    screen.feed(FeedEvent::Recorded {
        index,
        of: 20,
        before: before.map(|at| Arc::new(second(at as u64))).collect(),
        sample: Arc::new(second(index as u64)),
        paused: index == 19,
    });
}

/// What is on the screen but for the first line, which says when it was.
fn below(screen: &mut Screen) -> String {
    let text = screen.text();
    text.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn one_goes_back_and_sees_what_was_seen_then() {
    let mut then = live(5);
    let mut now = live(12);
    let newest = below(&mut now);
    assert!(!now.text().contains("sample 12"), "{}", now.text());
    now.keys("[[[[[[[");
    let first_line = now.text().lines().next().unwrap().to_owned();
    assert!(
        first_line.contains("sample 5 of 12, 14:13:24 UTC"),
        "{first_line}"
    );
    assert_eq!(below(&mut now), below(&mut then));
    now.keys("]]]]]]]");
    assert_eq!(below(&mut now), newest);
    now.keys("{(");
    assert!(now.text().contains("sample 1 of 12"));
    // There is nothing before the first.
    now.keys("[{(");
    assert!(now.text().contains("sample 1 of 12"));
    now.keys(")");
    assert_eq!(below(&mut now), newest);
}

#[test]
fn samples_go_on_while_one_looks_back() {
    let mut screen = live(6);
    screen.keys("[[");
    let before = below(&mut screen);
    screen.sample(second(6));
    assert_eq!(below(&mut screen), before);
    assert!(screen.text().contains("sample 4 of 7"));
    screen.keys("}");
    assert_eq!(below(&mut screen), below(&mut live(7)));
    // From the newest on it follows again.
    screen.sample(second(7));
    assert_eq!(below(&mut screen), below(&mut live(8)));
    // And after the end one can still go back.
    screen.feed(FeedEvent::Ended {
        message: "over".into(),
    });
    screen.keys("[");
    let text = screen.text();
    assert!(
        text.contains("sample 7 of 8") && text.contains("over"),
        "{text}"
    );
}

#[test]
fn a_recording_is_the_same_screen() {
    let mut screen = Screen::new(120, 30);
    for at in 0..5 {
        recorded(&mut screen, at, 0..0);
    }
    assert!(screen.text().contains("sample 5 of 20, "));
    assert_eq!(below(&mut screen), below(&mut live(5)));
    // Other samples are asked for, from the one on that was asked for last.
    let asked = |screen: &mut Screen, key| screen.key(Key::Char(key));
    let show = |at| Some(Effect::Request(Request::Show(at)));
    assert_eq!(asked(&mut screen, ']'), show(5));
    assert_eq!(asked(&mut screen, '}'), show(15));
    assert_eq!(asked(&mut screen, '('), show(0));
    assert_eq!(asked(&mut screen, '['), None);
    assert_eq!(asked(&mut screen, ')'), show(19));
    assert!(screen.text().contains("sample 5 of 20, "));
    // What comes out of turn comes with what was before.
    recorded(&mut screen, 9, 0..9);
    assert_eq!(below(&mut screen), below(&mut live(10)));
    recorded(&mut screen, 2, 0..2);
    assert_eq!(below(&mut screen), below(&mut live(3)));
    recorded(&mut screen, 19, 0..19);
    assert!(screen.text().contains("PAUSED"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn any_way_through_time(steps in prop::collection::vec((0usize..10, 0usize..20), 1..40), replay: bool, is_slow: bool) {
        let mut screen = Screen::new(80, 24);
        screen.is_slow = is_slow;
        let mut sampled = 0;
        for (step, at) in steps {
            match step {
                0..6 => {
                    screen.key(Key::Char(['[', ']', '{', '}', '(', ')'][step]));
                }
                9 => screen.answer(),
                _ if replay => recorded(&mut screen, at, at.saturating_sub(step)..at),
                _ => {
                    screen.sample(second(sampled));
                    sampled += 1;
                }
            }
            screen.text();
            let list = &screen.model.list;
            prop_assert_eq!(list.at.selected.is_none(), list.len() == 0);
        }
    }
}

#[test]
fn what_does_not_change_is_kept_once() {
    let mut screen = Screen::new(80, 24);
    let mut before: Option<Snapshot> = None;
    let mut first = 0;
    for now in 0..100 {
        let mut sample = snapshot(
            now,
            (1..1001).map(|goid| g(goid, "select", &["/a.go:1 main.f"])),
        );
        if let Some(before) = &before {
            sample.share_unchanged(before);
        }
        before = Some(sample.clone());
        screen.sample(sample);
        if now == 0 {
            first = screen.model.timeline.bytes();
        }
    }
    // A pointer for each goroutine.
    let each = (screen.model.timeline.bytes() - first) / 99;
    assert!(
        (8_000..10_000).contains(&each),
        "{each} bytes, the first {first}"
    );
}

/// The story told by somebody who has only little memory.
#[test]
fn the_oldest_are_dropped_and_that_is_told() {
    let mut screen = Screen::new(120, 30);
    let many = |now| snapshot(now, (1..100).map(|goid| g(goid + now * 100, "select", &[])));
    for now in 0..3610 {
        screen.model.timeline.live(Arc::new(many(now)));
    }
    for sample in story() {
        screen.sample(sample);
    }
    screen.keys("(");
    let text = screen.text();
    let place = "sample 14 of 3,613 (kept from 14)";
    assert!(text.contains(place), "{text}");
}

#[test]
#[ignore = "prints how much memory samples take"]
fn memory() {
    for size in [1_000u64, 10_000, 100_000] {
        let mut screen = Screen::new(80, 24);
        let mut before: Option<Snapshot> = None;
        let mut bytes = Vec::new();
        for now in 0..10 {
            let own = |goid: u64| G(g(goid + now * size / 100, "select", &["/a.go:1 main.f"]).0);
            let mut sample = snapshot(now, (1..=size).map(own));
            if let Some(before) = &before {
                sample.share_unchanged(before);
            }
            before = Some(sample.clone());
            screen.sample(sample);
            bytes.push(screen.model.timeline.bytes());
        }
        let each = (bytes[9] - bytes[0]) / 9;
        let _ = writeln!(
            std::io::stderr(),
            "{size}: {} the first, {each} each further",
            bytes[0]
        );
    }
}
