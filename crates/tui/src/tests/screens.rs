//! The screen as it looks. `INSTA_UPDATE=always cargo test -p tui` writes the pictures anew; look at them.

use crate::feed::FeedEvent;
use crate::keymap::Key;
use crate::testing::{Screen, snapshot, story};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 50);

macro_rules! picture {
    ($name:literal, $screen:expr) => {
        insta::assert_snapshot!($name, $screen.text())
    };
}

#[test]
fn before_the_first_sample() {
    picture!("waiting_small", Screen::new(80, 24));
}

#[test]
fn the_first_sample() {
    let mut screen = Screen::new(80, 24);
    screen.sample(story().remove(0));
    picture!("first_small", screen);
}

#[test]
fn what_changed() {
    for (name, (width, height)) in [("small", SMALL), ("large", LARGE)] {
        let mut screen = Screen::story(width, height);
        screen.keys("jjjj");
        insta::assert_snapshot!(format!("changed_{name}"), screen.text());
    }
}

#[test]
fn system_goroutines_and_unreadable_ones() {
    let mut screen = Screen::story(80, 24);
    screen.keys("sG");
    picture!("unreadable_small", screen);
}

#[test]
fn the_longest_waiting_first() {
    let mut screen = Screen::story(100, 30);
    screen.keys("oo");
    picture!("since_medium", screen);
}

#[test]
fn the_stack_has_the_focus() {
    let mut screen = Screen::story(80, 24);
    screen.keys("jjjj");
    screen.key(Key::Enter);
    screen.keys("jj");
    picture!("stack_small", screen);
}

#[test]
fn a_filter_and_an_error_in_it() {
    let mut screen = Screen::story(80, 24);
    screen.keys("/label:tenant=acme");
    picture!("filter_small", screen);
    screen.keys(" statsu:running");
    picture!("filter_error_small", screen);
    for _ in 0..100 {
        screen.key(Key::Backspace);
    }
    screen.keys("func:checkout created:\"net/http.(*Server).Serve\" status:sleeping");
    picture!("filter_error_right_small", screen);
}

#[test]
fn no_match() {
    let mut screen = Screen::story(80, 24);
    screen.keys("/bgsweep");
    screen.key(Key::Enter);
    picture!("no_match_small", screen);
}

#[test]
fn the_views() {
    for (size, (width, height)) in [("small", SMALL), ("large", LARGE)] {
        let mut screen = Screen::new(width, height);
        for snapshot in crate::testing::tangle() {
            screen.sample(snapshot);
        }
        for (name, keys) in [
            ("goroutines", "1jj"),
            ("groups", "2l"),
            ("groups_by_object", "2bbb"),
            ("tree", "3jj"),
            ("objects", "4l"),
            ("findings", "5l"),
            ("threads", "6j"),
            ("scheduler", "k"),
            ("overview", "7"),
        ] {
            screen.keys(keys);
            insta::assert_snapshot!(format!("view_{name}_{size}"), screen.text());
        }
    }
}

/// A recording does not tell of threads; one that is older, or a Go dump, tells nothing of Ps.
#[test]
fn threads_of_what_tells_less() {
    for (name, has_ms) in [("no_threads", false), ("no_scheduler", true)] {
        let mut screen = Screen::new(80, 24);
        for mut snapshot in crate::testing::tangle() {
            match has_ms {
                true => snapshot.scheduler = None,
                false => snapshot.ms = Vec::new(),
            }
            screen.sample(snapshot);
        }
        screen.keys("6j");
        insta::assert_snapshot!(format!("view_{name}_small"), screen.text());
    }
}

#[test]
fn against_a_mark() {
    let mut screen = Screen::new(80, 24);
    let mut story = story().into_iter();
    screen.sample(story.next().unwrap());
    screen.keys("m");
    story.for_each(|snapshot| screen.sample(snapshot));
    picture!("mark_small", screen);
    screen.keys("c");
    picture!("mark_only_new_small", screen);
}

#[test]
fn help_and_diagnostics() {
    let mut screen = Screen::story(80, 24);
    screen.keys("?");
    picture!("help_small", screen);
    screen.keys("d");
    picture!("diagnostics_small", screen);
    let mut screen = Screen::story(160, 50);
    screen.keys("?");
    picture!("help_large", screen);
}

#[test]
fn the_end_and_trouble() {
    let mut screen = Screen::story(80, 24);
    screen.keys(" ");
    screen.feed(FeedEvent::Failed {
        message: "thread 48213 did not stop within 500ms".into(),
        hint: Some(
            "it may be in uninterruptible sleep (state D); the next sample may succeed".into(),
        ),
    });
    picture!("trouble_small", screen);
    screen.feed(FeedEvent::Ended {
        message: "The program has ended; this is its last state.".into(),
    });
    picture!("ended_small", screen);
}

#[test]
fn narrow_and_tiny() {
    let mut screen = Screen::story(50, 16);
    picture!("narrow", screen);
    let mut screen = Screen::story(30, 8);
    picture!("tiny", screen);
}

#[test]
fn nothing_from_the_target_reaches_the_terminal_raw() {
    let mut hostile = crate::testing::g(
        7,
        "\x1b]0;owned\x07 wait",
        &["/x\x1b[2J/a.go:1 main.\x1b[31mevil\u{202e}"],
    )
    .label("k\x1b[1m", "v\u{9b}2J")
    .note("n\x1b[5m");
    hostile.0.stack_end = model::StackEnd::Early("e\x1bc".into());
    let mut snapshot = snapshot(0, [hostile]);
    snapshot.diagnostics.push("d\x1b[2J".into());
    snapshot.build.go_version = "go\x1b[3m".into();
    for keys in ["", "d", "/\u{9b}"] {
        let mut screen = Screen::new(100, 30);
        screen.sample(snapshot.clone());
        screen.keys(keys);
        let text = screen.text();
        let raw = text
            .chars()
            .find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
        assert_eq!(raw, None, "{text:?}");
    }
}

#[test]
fn no_view_shows_it_raw() {
    let evil = "\x1b]0;owned\x07\u{202e}\u{9b}2J";
    let mut first = crate::testing::tangle().remove(1);
    let mut all: Vec<model::Goroutine> = first.goroutines.iter().map(|g| (**g).clone()).collect();
    for g in &mut all {
        g.waitreason = Some(evil.into());
        g.labels = Some(vec![(evil.into(), evil.into())]);
        let frames = g.frames.iter().cloned().map(|mut frame| {
            frame.function.name = format!("{evil}.{}", frame.function.name).into();
            frame.file = evil.into();
            frame
        });
        g.frames = frames.collect();
        if let Some(function) = g.gopc.as_mut().and_then(|site| site.function.as_mut()) {
            function.name = evil.into();
        }
        for on in g.waiting_on.iter_mut().flatten() {
            on.name = Some(evil.into());
        }
    }
    first.goroutines = all.into_iter().map(std::sync::Arc::new).collect();
    for object in first.objects.iter_mut().flatten() {
        object.name = Some(evil.into());
        if let model::ObjectState::Chan(state) = &mut object.state {
            state.elem_type = Some(evil.into());
        }
    }
    for (width, height) in [(80, 24), (200, 50)] {
        let mut screen = Screen::new(width, height);
        screen.sample(first.clone());
        screen.sample(first.clone());
        for keys in [
            "1jj", "2lj", "2b", "2b", "2b", "2b", "3jjj", "4lj", "5lj", "6", "7", "1/label:", "",
            "zg",
        ] {
            screen.keys(keys);
            if keys.ends_with(':') {
                screen.text();
                screen.key(Key::Tab);
            }
            let mut text = screen.text();
            if keys.is_empty() {
                screen.key(Key::Esc);
                screen.key(Key::Enter);
                screen.key(Key::Enter);
                text = screen.text();
                screen.keys("y");
                text += &screen.copied.take().unwrap_or_default();
            }
            let raw = text
                .chars()
                .find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
            assert_eq!(raw, None, "{keys:?}: {text:?}");
        }
    }
}
