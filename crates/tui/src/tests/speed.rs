//! How long things take with many goroutines: `cargo test --release -p tui speed -- --ignored`.

use std::io::Write;
use std::time::Instant;

use crate::keymap::Key;
use crate::testing::{G, Screen, g, snapshot};

/// Like a service that leaks: many goroutines, some hundred stacks. Equal stacks are shared, as
/// they are when a target is decoded.
fn many(count: u64, second: u64) -> Vec<G> {
    let stacks: Vec<G> = (0..500u64)
        .map(|i| {
            let calls: Vec<String> = (0..20)
                .map(|j| format!("/src/some/where/a.go:{j} example.com/some/package.(*T{i}).f{j}"))
                .collect();
            let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
            g(
                0,
                ["select", "chan receive", "IO wait"][i as usize % 3],
                &calls,
            )
            .by(1, "/src/b.go:1 main.main")
        })
        .collect();
    let one = |goid: u64| {
        let mut one = stacks
            [((goid * 7 + if goid.is_multiple_of(50) { second } else { 0 }) % 500) as usize]
            .0
            .clone();
        one.goid.0 = goid;
        G(one).waits(goid % 1000)
    };
    (second * 100..count + second * 100).map(one).collect()
}

#[test]
#[ignore = "prints times; says something only in a release build"]
fn times() {
    for count in [1_000, 100_000, 1_000_000] {
        let mut screen = Screen::new(160, 50);
        let samples = [0, 1].map(|second| snapshot(second, many(count, second)));
        let time = |what: &str, screen: &mut Screen, act: &mut dyn FnMut(&mut Screen)| {
            let start = Instant::now();
            act(screen);
            let took = start.elapsed();
            let _ = writeln!(std::io::stderr(), "{count:>8} {what}: {took:?}");
        };
        let [first, second] = samples;
        screen.sample(first);
        let mut second = Some(second);
        let second = std::sync::Arc::new(second.take().unwrap());
        time("next sample", &mut screen, &mut |s| {
            let sample = crate::feed::FeedEvent::Snapshot(second.clone());
            s.msg(crate::update::Msg::Feed(sample));
        });
        time("findings, on their own thread", &mut screen, &mut |_| {
            analysis::findings(&second);
        });
        screen.model.wishes.clear();
        for column in ["state", "since", "function", "created by", "goid"] {
            time(&format!("order by {column}"), &mut screen, &mut |s| {
                s.keys("o");
            });
        }
        time("down and draw", &mut screen, &mut |s| {
            s.key(Key::Down);
            s.text();
        });
        for (view, name) in "23456712".chars().zip([
            "groups",
            "tree",
            "objects",
            "findings",
            "threads",
            "overview",
            "list",
            "groups again",
        ]) {
            time(&format!("go to {name} and draw"), &mut screen, &mut |s| {
                s.key(Key::Char(view));
                s.text();
            });
        }
        screen.keys("m1/");
        time("filter .f19 -T7", &mut screen, &mut |s| {
            s.msg(crate::update::Msg::Paste(".f19 -T7".into()));
        });
    }
}
