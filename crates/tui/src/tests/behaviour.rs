//! What keys and samples do.

use std::time::Duration;

use model::{Goid, Status};

use crate::feed::{FeedEvent, Request};
use crate::keymap::Key;
use crate::list::SortKey;
use crate::run::Exit;
use crate::testing::{G, Screen, g, snapshot};
use crate::update::{Effect, Msg};
use crate::watch::{GONE_STAYS, Mark};

/// One that waits in `function`.
pub(super) fn waiting(goid: u64, function: &str) -> G {
    g(goid, "select", &[&format!("/src/a.go:{goid} {function}")])
}

fn marks(screen: &Screen) -> Vec<(u64, Mark)> {
    let mut marks: Vec<_> = screen
        .model
        .watch
        .rows
        .iter()
        .map(|row| (row.goroutine.goid.0, row.mark))
        .collect();
    marks.sort_by_key(|(goid, _)| *goid);
    marks
}

fn sinces(screen: &Screen) -> Vec<(Option<u64>, bool)> {
    let rows = screen.model.watch.rows.iter();
    rows.map(|row| (row.since.known.map(|d| d.as_secs()), row.since.seen))
        .collect()
}

#[test]
fn marks_tell_what_became_of_a_goroutine() {
    let mut screen = Screen::new(80, 24);
    screen.sample(snapshot(
        0,
        [
            waiting(1, "main.a"),
            waiting(2, "main.b"),
            waiting(3, "main.c"),
        ],
    ));
    assert!(marks(&screen).iter().all(|(_, mark)| *mark == Mark::Same));
    let moved = g(2, "chan send", &["/src/a.go:2 main.b"]);
    screen.sample(snapshot(
        1,
        [waiting(1, "main.a"), moved, waiting(4, "main.d")],
    ));
    let expected = [
        (1, Mark::Same),
        (2, Mark::Changed),
        (3, Mark::Gone),
        (4, Mark::New),
    ];
    assert_eq!(marks(&screen), expected);
}

#[test]
fn the_gone_stay_for_some_samples_and_the_one_looked_at_for_ever() {
    let mut screen = Screen::new(80, 24);
    screen.sample(snapshot(
        0,
        [
            waiting(1, "main.a"),
            waiting(2, "main.b"),
            waiting(3, "main.c"),
        ],
    ));
    screen.keys("j");
    let mut seen = Vec::new();
    for second in 1..8 {
        screen.sample(snapshot(second, [waiting(1, "main.a")]));
        seen.push(screen.goids().contains(&3));
        assert_eq!(screen.model.selected_goid(), Some(Goid(2)));
    }
    assert_eq!(
        seen.iter().filter(|seen| **seen).count(),
        GONE_STAYS as usize
    );
    // Nobody looks at it any more.
    screen.keys("k");
    screen.sample(snapshot(9, [waiting(1, "main.a")]));
    assert_eq!(screen.goids(), [1]);
}

#[test]
fn since_is_what_the_runtime_noted_or_what_we_saw() {
    let mut screen = Screen::new(80, 24);
    let a = |waits: bool| {
        if waits {
            waiting(1, "main.a").waits(60)
        } else {
            waiting(1, "main.a")
        }
    };
    screen.sample(snapshot(0, [a(true), waiting(2, "main.b")]));
    assert_eq!(sinces(&screen), [(Some(60), false), (None, false)]);
    screen.sample(snapshot(
        3,
        [a(true), waiting(2, "main.b"), waiting(3, "main.c")],
    ));
    assert_eq!(
        sinces(&screen),
        [(Some(63), false), (Some(3), false), (Some(0), true)]
    );
    // The note is gone: it ran, and waits again at the same place.
    screen.sample(snapshot(
        5,
        [a(false), waiting(2, "main.b"), waiting(3, "main.c")],
    ));
    assert_eq!(
        sinces(&screen),
        [(Some(0), true), (Some(5), false), (Some(2), true)]
    );
    // Other labels don't make it another wait.
    screen.sample(snapshot(
        6,
        [
            a(false).label("k", "v"),
            waiting(2, "main.b"),
            waiting(3, "main.x"),
        ],
    ));
    assert_eq!(
        sinces(&screen),
        [(Some(1), true), (Some(6), false), (Some(0), true)]
    );
    assert_eq!(marks(&screen)[0].1, Mark::Changed);
}

#[test]
fn orders() {
    let mut screen = Screen::new(80, 24);
    let goroutines = || {
        [
            waiting(3, "main.a").by(1, "/src/b.go:1 main.z").waits(5),
            g(1, "chan send", &["/src/a.go:1 main.c"]).waits(50),
            waiting(2, "main.b").by(1, "/src/b.go:1 main.y"),
            g(4, "running", &["/src/a.go:1 main.b"])
                .by(1, "/src/b.go:1 main.z")
                .waits(5),
        ]
    };
    screen.sample(snapshot(0, goroutines()));
    let mut seen = Vec::new();
    for _ in SortKey::ALL {
        let forward = screen.goids();
        screen.keys("r");
        seen.push((screen.model.list.choice().sort, forward, screen.goids()));
        screen.keys("o");
    }
    let expected = [
        (SortKey::Goid, vec![1, 2, 3, 4], vec![4, 3, 2, 1]),
        (SortKey::State, vec![1, 4, 2, 3], vec![2, 3, 4, 1]),
        (SortKey::Since, vec![1, 3, 4, 2], vec![2, 3, 4, 1]),
        (SortKey::Function, vec![3, 2, 4, 1], vec![1, 2, 4, 3]),
        (SortKey::CreatedBy, vec![1, 2, 3, 4], vec![3, 4, 2, 1]),
    ];
    assert_eq!(seen, expected);
    assert_eq!(screen.model.list.choice().sort, SortKey::Goid);
    screen.keys("O");
    assert_eq!(screen.model.list.choice().sort, SortKey::CreatedBy);
}

#[test]
fn the_selection_stays_with_its_goroutine_and_on_its_line() {
    let mut screen = Screen::new(80, 24);
    let few = |goids: std::ops::Range<u64>| goids.map(|goid| waiting(goid, "main.work"));
    screen.sample(snapshot(0, few(100..150)));
    for _ in 0..20 {
        screen.key(Key::Down);
    }
    let line = |screen: &Screen| screen.model.list.at.line - screen.model.list.at.offset;
    let before = line(&screen);
    assert_eq!(screen.model.selected_goid(), Some(Goid(120)));
    // Fifty come in above it.
    screen.sample(snapshot(1, few(50..150)));
    assert_eq!(screen.model.selected_goid(), Some(Goid(120)));
    assert_eq!(screen.model.list.at.line, 70);
    assert_eq!(line(&screen), before);
    // Another order: still the same one.
    screen.keys("r");
    assert_eq!(screen.model.selected_goid(), Some(Goid(120)));
    // Filtered out: the nearest line is selected.
    screen.keys("/goid:60");
    assert_eq!(screen.model.selected_goid(), Some(Goid(60)));
}

#[test]
fn who_is_at_the_top_sees_the_top_of_another_order() {
    let mut screen = Screen::new(80, 24);
    screen.sample(snapshot(0, (1..100).map(|goid| waiting(goid, "main.work"))));
    screen.keys("r");
    assert_eq!(screen.model.selected_goid(), Some(Goid(99)));
    assert_eq!(screen.model.list.at.offset, 0);
    // A new sample is not asked for: what is looked at stays.
    screen.sample(snapshot(1, (1..103).map(|goid| waiting(goid, "main.work"))));
    assert_eq!(screen.model.selected_goid(), Some(Goid(99)));
    assert_eq!(
        (screen.model.list.at.line, screen.model.list.at.offset),
        (3, 0)
    );
}

#[test]
fn system_goroutines_are_hidden_unless_asked_for() {
    let mut screen = Screen::new(80, 24);
    screen.sample(snapshot(
        0,
        [waiting(1, "main.a"), waiting(2, "runtime.bgsweep").system()],
    ));
    assert_eq!(screen.goids(), [1]);
    screen.keys("s");
    assert_eq!(screen.goids(), [1, 2]);
    screen.keys("s/system:true");
    assert_eq!(screen.goids(), [2]);
}

#[test]
fn time() {
    let mut screen = Screen::story(80, 24);
    let request = |request| Some(Effect::Request(request));
    assert_eq!(screen.keys("."), request(Request::Sample));
    assert_eq!(screen.keys(" "), request(Request::Pause));
    assert!(screen.model.paused);
    assert_eq!(screen.keys("."), request(Request::Sample));
    assert_eq!(screen.keys(" "), request(Request::Resume));
    assert_eq!(
        screen.keys("+"),
        request(Request::SetInterval(Duration::from_secs(2)))
    );
    assert_eq!(
        screen.keys("-"),
        request(Request::SetInterval(Duration::from_secs(1)))
    );
    assert_eq!(
        screen.keys("---"),
        request(Request::SetInterval(Duration::from_millis(100)))
    );
    assert_eq!(screen.keys("-"), None);
    screen.feed(FeedEvent::Ended {
        message: "gone".into(),
    });
    screen.feed(FeedEvent::Ended {
        message: "and again".into(),
    });
    for key in [" ", ".", "+", "-"] {
        assert_eq!(screen.keys(key), None, "{key}");
    }
    assert_eq!(screen.model.ended.as_deref(), Some("gone"));
    assert_eq!(screen.keys("q"), Some(Effect::Exit(Exit::Quit)));
}

#[test]
fn a_good_sample_ends_the_trouble() {
    let mut screen = Screen::new(80, 24);
    screen.feed(FeedEvent::Failed {
        message: "no".into(),
        hint: None,
    });
    assert!(screen.text().contains("error: no"));
    screen.sample(snapshot(0, [waiting(1, "main.a")]));
    assert!(!screen.text().contains("error: no"));
    let quit = screen.msg(Msg::Feed(FeedEvent::Quit));
    assert_eq!(quit, Some(Effect::Exit(Exit::Terminated)));
}

#[test]
fn those_that_have_ended_are_not_counted() {
    let mut screen = Screen::new(80, 24);
    let mut dead = waiting(2, "main.b");
    (dead.0.status, dead.0.waitreason) = (Status::Dead, None);
    screen.sample(snapshot(0, [waiting(1, "main.a"), dead]));
    assert!(
        screen.text().contains("1 goroutine  0 system"),
        "{}",
        screen.text()
    );
}
