//! How long things take with many goroutines: `cargo test --release -p tui speed -- --ignored`.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::feed::FeedEvent;
use crate::keymap::Key;
use crate::testing::{G, Screen, g, snapshot};
use crate::timeline::Weight;
use crate::update::{Msg, update};

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

/// What a table of docs/PERFORMANCE.md says: a line for each thing, a column for each number of goroutines.
struct Table {
    lines: Vec<(String, Vec<String>)>,
}

impl Table {
    fn add(&mut self, what: &str, value: String) {
        match self.lines.iter_mut().find(|(name, _)| name == what) {
            Some((_, values)) => values.push(value),
            None => self.lines.push((what.to_owned(), vec![value])),
        }
    }

    fn print(&self) {
        let mut text = String::from("| | 1,000 | 100,000 | 1,000,000 |\n|---|---|---|---|\n");
        for (what, values) in &self.lines {
            text += &format!("| {what} | {} |\n", values.join(" | "));
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

fn time(took: Duration) -> String {
    match took.as_micros() {
        us @ 0..1_000 => format!("{us} µs"),
        us @ 1_000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{} ms", us / 1_000),
    }
}

/// The processor time of this thread, in steps of some milliseconds.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let ns = stat.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(ns)
}

/// What takes long counts as the processor time that it took: others use the machine, too.
fn timed(act: impl FnOnce()) -> Duration {
    let (start, start_cpu) = (Instant::now(), cpu());
    act();
    match start.elapsed() {
        short if short < Duration::from_millis(20) => short,
        _ => cpu() - start_cpu,
    }
}

/// Answers, and says for how long the worker took, and for how long keys waited.
fn answered(screen: &mut Screen) -> (Duration, Duration) {
    let steps = screen.steps.take().unwrap();
    let mut answer = None;
    let worked = timed(|| {
        steps.into_iter().for_each(|step| screen.past.take(step));
        answer = Some(Box::new(screen.past.answer(screen.model.question())));
    });
    let mut old = Vec::new();
    let shown = timed(|| {
        update(&mut screen.model, Msg::Answer(answer.unwrap()));
        old.append(&mut screen.model.wishes);
        screen.text();
    });
    (worked, shown)
}

#[test]
#[ignore = "prints times; says something only in a release build"]
fn times() {
    let mut table = Table { lines: Vec::new() };
    for count in [1_000, 100_000, 1_000_000] {
        let mut screen = Screen::new(160, 50);
        screen.is_slow = true;
        screen.sample(snapshot(0, many(count, 0)));
        screen.answer();
        let first = screen.model.snapshot().unwrap().clone();
        let mut second = snapshot(1, many(count, 1));
        second.share_unchanged(screen.model.snapshot().unwrap());
        let second = Arc::new(second);
        let findings = timed(|| drop(analysis::findings(&second)));
        let asked = timed(|| {
            let sample = FeedEvent::Snapshot(second.clone());
            update(&mut screen.model, Msg::Feed(sample));
        });
        screen.grant();
        let (worked, shown) = answered(&mut screen);
        table.add("a sample: keys wait", time(asked + shown));
        table.add("a sample: the worker's time", time(worked));
        let key = timed(|| {
            update(&mut screen.model, Msg::Key(Key::Down));
            screen.text();
        });
        table.add("a key, and drawing", time(key));
        let mut ask = |what: &str, keys: &str, paste: &str| {
            let asked = timed(|| {
                for key in keys.chars() {
                    update(&mut screen.model, Msg::Key(Key::Char(key)));
                }
                update(&mut screen.model, Msg::Paste(paste.to_owned()));
            });
            screen.grant();
            let (worked, shown) = answered(&mut screen);
            table.add(&format!("{what}: keys wait"), time(asked + shown));
            table.add(&format!("{what}: the worker's time"), time(worked));
        };
        ask("another order (by state)", "o", "");
        ask("another order (by function)", "oo", "");
        ask("groups", "2", "");
        ask("tree", "3", "");
        ask("the mark", "m", "");
        ask("a filter", "1/", ".f19 -T7");
        table.add("findings, on their own thread", time(findings));
        let again = model::Snapshot::clone(&second);
        let own = |now, before| bytes(Weight::of(now, before).own);
        table.add("memory of the first sample", own(&first, None));
        let what = "memory of one in which 2 % changed and 0 to 10 % were new";
        table.add(what, own(&second, Some(&first)));
        let what = "memory of one in which nothing changed";
        table.add(what, own(&again, Some(&second)));
    }
    table.print();
}

fn bytes(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
