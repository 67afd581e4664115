//! The filter line, the stack, what lies over the screen, and the mouse.

use model::Goid;

use super::behaviour::waiting;
use crate::cursor::Id;
use crate::keymap::Key;
use crate::run::Exit;
use crate::state::Focus;
use crate::testing::{Screen, g, snapshot};
use crate::update::{Effect, Mouse, Msg};

#[test]
fn the_filter_line() {
    let mut screen = Screen::new(80, 24);
    screen.sample(snapshot(
        0,
        [waiting(1, "main.alpha"), waiting(2, "main.beta")],
    ));
    screen.keys("/alpha");
    assert_eq!(screen.goids(), [1]);
    // An error leaves the last filter in force, and the line open.
    screen.keys(" goid:1");
    screen.key(Key::Backspace);
    screen.key(Key::Enter);
    assert!(screen.model.filter_line.is_some());
    assert_eq!(screen.goids(), [1]);
    screen.key(Key::Ctrl('w'));
    screen.key(Key::Enter);
    assert!(screen.model.filter_line.is_none());
    assert_eq!(screen.model.asked.choice.filter_text, "alpha");
    // Esc takes back what was typed, and in the list the whole filter.
    screen.keys("/x");
    assert!(screen.goids().is_empty());
    screen.key(Key::Esc);
    assert_eq!(screen.goids(), [1]);
    screen.key(Key::Esc);
    assert_eq!(screen.goids(), [1, 2]);
    // While editing, q is a letter; Ctrl-C is not.
    screen.keys("/");
    assert_eq!(screen.keys("q"), None);
    assert_eq!(screen.key(Key::Ctrl('c')), Some(Effect::Exit(Exit::Quit)));
    screen.msg(Msg::Paste("\nx".into()));
    assert_eq!(
        screen.model.filter_line.as_ref().unwrap().input.text(),
        "qx"
    );
}

#[test]
fn a_wrong_initial_filter_is_shown() {
    let options = crate::run::UiOptions {
        filter: "statsu:x".into(),
        ..crate::testing::options()
    };
    let model = crate::state::Model::new(options);
    assert_eq!(model.filter_line.unwrap().error.unwrap().at, 0..6);
}

#[test]
fn things_close_one_by_one() {
    let mut screen = Screen::story(80, 24);
    screen.keys("/main");
    screen.key(Key::Enter);
    screen.key(Key::Enter);
    screen.keys("?");
    assert_eq!(screen.keys("q"), None, "q closes what lies on top first");
    screen.keys("?d");
    screen.key(Key::Esc);
    assert_eq!(
        (screen.model.overlay, screen.model.focus),
        (None, Focus::Detail)
    );
    screen.key(Key::Esc);
    assert_eq!(screen.model.focus, Focus::List);
    assert_eq!(screen.model.asked.choice.filter_text, "main");
    screen.key(Key::Esc);
    assert_eq!(screen.model.asked.choice.filter_text, "");
    assert_eq!(screen.key(Key::Esc), None);
}

#[test]
fn the_stack_scrolls_to_its_end_and_begins_anew_with_another_goroutine() {
    let mut screen = Screen::story(80, 24);
    screen.keys("jjjj");
    screen.key(Key::Enter);
    screen.keys("G");
    let end = screen.model.detail.line;
    assert!(end > 0);
    assert!(screen.text().contains("parent: goroutine 1 [IO wait]"));
    screen.key(Key::PageDown);
    assert_eq!(screen.model.detail.line, end);
    screen.keys("g");
    assert_eq!(screen.model.detail.line, 0);
    screen.keys("jjj");
    screen.key(Key::Left);
    screen.keys("j");
    assert_eq!(screen.model.detail.line, 0);
}

#[test]
fn a_deep_stack_shows_the_right_lines() {
    let calls: Vec<String> = (0..150)
        .map(|i| format!("/src/a.go:{i} main.f{i:03}"))
        .collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    for width in [60, 100, 160] {
        let mut screen = Screen::new(width, 24);
        let deep = g(2, "select", &calls)
            .label("k", "v")
            .by(9, "/src/b.go:1 main.creator");
        screen.sample(snapshot(0, [deep]));
        screen.key(Key::Enter);
        let mut seen = String::new();
        for _ in 0..320 {
            seen += &screen.text();
            screen.keys("j");
        }
        for i in 0..150 {
            assert!(seen.contains(&format!("main.f{i:03}")), "{i} at {width}");
        }
        let end = screen.text();
        assert!(
            end.contains("main.f149") && end.contains("created by main.creator"),
            "{end}"
        );
        assert!(end.contains("parent: goroutine 9 has ended"), "{end}");
    }
}

#[test]
fn c_is_marked() {
    let mut screen = Screen::new(100, 24);
    let calls = [
        "libc.so.6:0 $poll",
        "/src/dev.c:12 $device_wait",
        "/go/cgocall.go:1 runtime.cgocall",
        "/src/main.go:3 main.poll",
    ];
    screen.sample(snapshot(0, [g(2, "syscall", &calls)]));
    let text = screen.text();
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap();
    assert!(line("poll [C]").contains("libc.so.6"), "{text}");
    // Where the program itself is, not the C library.
    assert!(
        line("› device_wait [C]").contains("/src/dev.c:12"),
        "{text}"
    );
    assert!(!line("main.poll").contains("[C]"), "{text}");
    screen.keys("/top:device_wait");
    screen.key(Key::Enter);
    assert_eq!(screen.goids(), [2]);
}

#[test]
fn the_mouse() {
    let mut screen = Screen::new(80, 24);
    screen.sample(snapshot(0, (1..100).map(|goid| waiting(goid, "main.work"))));
    let mouse = |screen: &mut Screen, mouse, line| {
        screen.msg(Msg::Mouse(mouse, 5, line));
    };
    mouse(&mut screen, Mouse::Click, 7);
    assert_eq!(screen.model.list.at.selected, Some(Id::Goroutine(Goid(4))));
    mouse(&mut screen, Mouse::WheelDown, 6);
    assert_eq!(screen.model.list.at.selected, Some(Id::Goroutine(Goid(7))));
    mouse(&mut screen, Mouse::WheelUp, 6);
    assert_eq!(screen.model.list.at.selected, Some(Id::Goroutine(Goid(4))));
    // The names of the columns, the header, the line of keys: nothing.
    for line in [2, 0, 23, 200] {
        mouse(&mut screen, Mouse::Click, line);
        assert_eq!(screen.model.list.at.selected, Some(Id::Goroutine(Goid(4))));
    }
    mouse(&mut screen, Mouse::Click, 18);
    assert_eq!(screen.model.focus, Focus::Detail);
}

#[test]
fn the_sample_that_is_looked_at_is_saved() {
    let mut screen = Screen::story(100, 30);
    let shown = screen.model.snapshot().unwrap().clone();
    screen.keys("w");
    // What comes meanwhile is not what was meant.
    screen.sample(crate::testing::snapshot(9, []));
    let text = screen.text();
    let name = "goinspect-48211-20260921T141322Z.json";
    assert!(text.contains(&format!("write to {name}")), "{text}");
    screen.keys("q");
    screen.key(Key::Backspace);
    screen.key(Key::Enter);
    let (saved, path) = screen.saved.take().unwrap();
    assert!(std::sync::Arc::ptr_eq(&saved, &shown));
    assert_eq!(path.to_str(), Some(name));
    screen.keys("w");
    screen.key(Key::Esc);
    assert!(screen.saved.is_none() && screen.model.save_line.is_none());
    assert!(!screen.text().contains("write to"));
}

#[test]
fn filters_are_kept_turned_off_and_removed() {
    let mut screen = Screen::story(100, 30);
    let all = screen.goids();
    screen.keys("f");
    assert!(screen.text().contains("there is no filter to keep"));
    let filter = |screen: &mut Screen, text: &str| {
        screen.keys("/");
        screen.msg(Msg::Paste(text.to_owned()));
        screen.key(Key::Enter);
        screen.goids()
    };
    let waiting = filter(&mut screen, "status:waiting");
    assert_ne!(waiting, all);
    screen.keys("f");
    assert_eq!(
        (
            screen.goids(),
            screen.model.asked.choice.filter_text.as_str()
        ),
        (waiting.clone(), "")
    );
    assert!(
        screen.text().contains("kept 1[x] status:waiting"),
        "{}",
        screen.text()
    );
    // What is typed is asked for beside it.
    let both = filter(&mut screen, "-reason:select");
    assert!(both.len() < waiting.len() && both.iter().all(|goid| waiting.contains(goid)));
    screen.keys("f");
    screen.keys("v1");
    assert!(
        screen
            .text()
            .contains("1[ ] status:waiting  2[x] -reason:select"),
        "{}",
        screen.text()
    );
    let second = screen.goids();
    assert!(second.len() > both.len());
    screen.keys("l x");
    assert_eq!(screen.goids(), all);
    screen.keys("1");
    assert_eq!(screen.goids(), waiting);
    screen.key(Key::Esc);
    assert!(screen.model.chips.at.is_none());
    // And so it ends with all of them, whatever was in force.
    screen.key(Key::Esc);
    assert_eq!(screen.goids(), all);
    assert!(screen.text().contains("1[ ] status:waiting"));
    screen.keys("vx");
    assert!(!screen.text().contains("kept"), "{}", screen.text());
}
