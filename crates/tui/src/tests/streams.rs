//! Any keys on any stream of snapshots.

use std::collections::{BTreeMap, BTreeSet};

use model::{Addr, Unreadable};
use proptest::prelude::*;

use crate::feed::FeedEvent;
use crate::keymap::{Key, bindings};
use crate::list::{Item, Only};
use crate::state::View;
use crate::testing::{G, Screen, g, snapshot};
use crate::trends::By;
use crate::update::{Mouse, Msg};
use crate::watch::Mark;

#[derive(Clone, Debug)]
enum Step {
    Sample(Vec<(u64, usize, usize)>, usize),
    Event(usize),
    Key(Key),
    Mouse(usize, u16, u16),
    Resize(u16, u16),
    Paste(String),
    /// What was asked is answered, if answers are held back.
    Answer,
}

const STATES: [&str; 4] = ["running", "select", "chan receive", "dead"];

fn goroutine((goid, state, function): (u64, usize, usize)) -> G {
    let calls: Vec<String> = (0..function * 3)
        .map(|i| format!("/src/a.go:{i} main.f{i}"))
        .collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let mut made = g(goid, STATES[state], &calls).label("k", "v 日本");
    if goid % 3 == 0 {
        made = made.by(goid / 2, "/src/b.go:1 main.creator").note("a note");
    }
    if goid % 4 == 0 { made.system() } else { made }
}

fn step() -> impl Strategy<Value = Step> {
    let keys: Vec<Key> = bindings()
        .flat_map(|b| b.keys)
        .copied()
        .filter(|k| *k != Key::Ctrl('c'))
        .collect();
    let editing = [
        Key::Left,
        Key::Right,
        Key::Backspace,
        Key::Delete,
        Key::Ctrl('w'),
        Key::Ctrl('u'),
    ];
    let typed: Vec<Key> = "fmain:selc\"- tusoid123456>é"
        .chars()
        .map(Key::Char)
        .collect();
    let key = prop_oneof![
        4 => prop::sample::select(keys),
        1 => prop::sample::select(editing.to_vec()),
        2 => prop::sample::select(typed),
    ];
    // IDs that are there twice: a damaged target.
    let goroutines = prop::collection::vec((0u64..40, 0usize..4, 0usize..4), 0..40);
    prop_oneof![
        2 => (goroutines, 0usize..3).prop_map(|(list, unreadable)| Step::Sample(list, unreadable)),
        1 => (0usize..2).prop_map(Step::Event),
        8 => key.prop_map(Step::Key),
        2 => (0usize..3, 0u16..200, 0u16..60).prop_map(|(m, x, y)| Step::Mouse(m, x, y)),
        1 => (0u16..200, 0u16..60).prop_map(|(w, h)| Step::Resize(w, h)),
        3 => Just(Step::Answer),
        1 => "(func:|label:k|-age:>5m|status:\"|\\PC){0,3}".prop_map(Step::Paste),
    ]
}

fn apply(screen: &mut Screen, step: &Step, second: u64) {
    match step {
        Step::Sample(goroutines, unreadable) => {
            let mut snapshot = snapshot(second, goroutines.iter().copied().map(goroutine));
            snapshot.unreadable = (0..*unreadable)
                .map(|index| Unreadable {
                    index,
                    g: Addr(1),
                    reason: "broken".into(),
                })
                .collect();
            screen.sample(snapshot);
        }
        Step::Event(0) => screen.feed(FeedEvent::Failed {
            message: "no".into(),
            hint: Some("why".into()),
        }),
        Step::Event(_) => screen.feed(FeedEvent::Ended {
            message: "over".into(),
        }),
        Step::Key(key) => {
            screen.key(*key);
        }
        Step::Mouse(kind, x, y) => {
            let mouse = [Mouse::Click, Mouse::WheelUp, Mouse::WheelDown][*kind];
            screen.msg(Msg::Mouse(mouse, *x, *y));
        }
        Step::Resize(width, height) => screen.resize(*width, *height),
        Step::Answer => screen.answer(),
        Step::Paste(text) => {
            screen.msg(Msg::Paste(text.clone()));
        }
    }
}

/// The selection is a line of the view that is on the screen, or there is none because there are no lines.
fn check_selection(screen: &Screen) {
    let model = &screen.model;
    let at = model.cursor();
    let id = match model.outline() {
        Some(outline) => outline.lines.get(at.line).map(|line| line.id),
        None => model.list.item(&model.watch, at.line).map(Item::id),
    };
    assert_eq!(at.selected, id);
    if model.view != View::Overview {
        assert_eq!(at.selected.is_none(), model.len() == 0);
    }
    assert!(at.offset <= at.line);
}

/// The groups and the tree have each goroutine that the list has.
fn check_heads(screen: &mut Screen) {
    screen.model.tree = Default::default();
    for by in By::ALL {
        screen.model.by = by;
        screen.keys("2");
        let model = &screen.model;
        let in_groups: BTreeSet<u32> = model
            .group_list
            .iter()
            .flat_map(|group| group.rows.iter().copied())
            .collect();
        let alive = |i: &&u32| model.watch.rows[**i as usize].mark != Mark::Gone;
        let expected: BTreeSet<u32> = model.list.order().iter().filter(alive).copied().collect();
        assert_eq!(in_groups, expected, "{by:?}");
    }
    screen.keys("3");
    while let Some(closed) = screen
        .model
        .tree
        .lines
        .iter()
        .position(|line| line.open == Some(false))
    {
        screen.model.select(closed);
        screen.keys("l");
    }
    let model = &screen.model;
    let in_tree: BTreeSet<u32> = model.tree.lines.iter().map(|line| line.at).collect();
    assert!(
        model.list.order().iter().all(|i| in_tree.contains(i)),
        "{:?}",
        model.tree.lines
    );
}

/// Without a filter and with system goroutines, the list is the snapshot: each once, and the rest is gone.
fn check_rows(screen: &mut Screen) {
    if screen.model.filter_line.is_some() {
        screen.key(Key::Esc);
    }
    screen.model.save_line = None;
    screen.model.chips = Default::default();
    screen.model.asked.choice.only = Only::All;
    screen.model.try_filter("");
    screen.model.overlay = None;
    screen.keys("1");
    if !screen.model.list.choice().show_system {
        screen.keys("s");
    }
    let (list, watch) = (&screen.model.list, &screen.model.watch);
    let Some(snapshot) = &watch.snapshot else {
        return;
    };
    let mut expected: BTreeMap<u64, usize> = BTreeMap::new();
    for g in &snapshot.goroutines {
        *expected.entry(g.goid.0).or_default() += 1;
    }
    let (mut shown, mut unreadable) = (BTreeMap::new(), 0);
    for line in 0..list.len() {
        match list.item(watch, line).unwrap() {
            Item::Goroutine(row) if row.mark == crate::watch::Mark::Gone => {
                assert!(!expected.contains_key(&row.goroutine.goid.0));
            }
            Item::Goroutine(row) => *shown.entry(row.goroutine.goid.0).or_insert(0) += 1,
            Item::Unreadable(_) => unreadable += 1,
        }
    }
    assert_eq!(shown, expected);
    assert_eq!(unreadable, snapshot.unreadable.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_panic_a_valid_selection_and_no_row_lost(
        steps in prop::collection::vec(step(), 1..40),
        is_slow: bool,
    ) {
        let mut screen = Screen::new(80, 24);
        screen.is_slow = is_slow;
        for (step, second) in steps.iter().zip(0..) {
            apply(&mut screen, step, second);
            check_selection(&screen);
            screen.text();
        }
        screen.is_slow = false;
        screen.answer();
        check_rows(&mut screen);
        check_heads(&mut screen);
    }
}
