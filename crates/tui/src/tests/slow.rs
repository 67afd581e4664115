//! What is on the screen while an answer is still to come.

use std::time::Duration;

use crate::keymap::Key;
use crate::state::{LATE, View};
use crate::testing::{Screen, g, snapshot};
use crate::update::Msg;

fn two(second: u64) -> model::Snapshot {
    let one = |goid| g(goid, "select", &["/a.go:1 main.f"]);
    snapshot(second, (0..=second).map(|i| one(i + 1)))
}

fn slow() -> Screen {
    let mut screen = Screen::new(120, 30);
    screen.sample(two(1));
    screen.is_slow = true;
    screen
}

fn later(screen: &mut Screen) {
    let now = screen.model.now + LATE;
    screen.msg(Msg::Tick(now));
}

#[test]
fn the_old_state_stays_whole_and_it_is_said_that_another_comes() {
    let mut screen = slow();
    let before = screen.text();
    screen.sample(two(2));
    assert_eq!(screen.goids(), [1, 2]);
    later(&mut screen);
    assert!(screen.text().contains("2 goroutines"), "{}", screen.text());
    assert!(screen.text().contains("working …"), "{}", screen.text());
    assert!(!before.contains("working …"));
    screen.answer();
    assert_eq!(screen.goids(), [1, 2, 3]);
    assert!(!screen.text().contains("working …"), "{}", screen.text());
}

#[test]
fn keys_move_while_something_is_worked_at() {
    let mut screen = slow();
    screen.sample(two(2));
    screen.keys("j");
    assert_eq!(screen.model.cursor().line, 1);
    screen.answer();
    assert_eq!(screen.model.cursor().line, 1);
}

#[test]
fn only_the_last_question_is_answered() {
    let mut screen = slow();
    screen.keys("2");
    let stale = screen.model.question();
    screen.keys("3");
    assert_eq!(screen.model.view, View::Goroutines);
    let answer = screen.past.answer(stale);
    screen.msg(Msg::Answer(Box::new(answer)));
    assert_eq!(screen.model.view, View::Goroutines);
    screen.answer();
    assert_eq!(screen.model.view, View::Tree);
    // The views go on from the one that was asked for.
    screen.key(Key::Tab);
    screen.key(Key::Tab);
    screen.answer();
    assert_eq!(screen.model.view, View::Findings);
}

#[test]
fn an_answer_does_not_go_back_behind_a_later_one() {
    let mut screen = slow();
    screen.sample(two(2));
    let early = screen.past.answer(screen.model.question());
    screen.sample(two(3));
    screen.answer();
    assert_eq!(screen.goids(), [1, 2, 3, 4]);
    screen.msg(Msg::Answer(Box::new(early)));
    assert_eq!(screen.goids(), [1, 2, 3, 4]);
    assert!(!screen.text().contains("working …"), "{}", screen.text());
}

#[test]
fn the_mark_is_the_sample_that_was_looked_at() {
    let mut screen = slow();
    screen.sample(two(2));
    screen.keys("m");
    screen.answer();
    assert!(
        screen.text().contains("+1 new"),
        "goroutine 3 came after what was marked\n{}",
        screen.text()
    );
}

#[test]
fn going_back_shows_the_number_of_what_is_shown() {
    let mut screen = slow();
    screen.is_slow = false;
    screen.sample(two(2));
    screen.is_slow = true;
    screen.keys("[");
    assert!(screen.text().contains("3 goroutines"));
    assert!(screen.text().contains("sample 2 of 2"), "{}", screen.text());
    screen.answer();
    assert!(screen.text().contains("sample 1 of 2"), "{}", screen.text());
    // While a new one is taken in, nobody has gone back.
    screen.keys(")");
    screen.answer();
    screen.sample(two(3));
    assert!(
        !screen.text().contains("sample 2 of 3"),
        "{}",
        screen.text()
    );
    screen.model.now += Duration::from_secs(1);
    screen.answer();
    assert!(screen.text().contains("4 goroutines"));
}
