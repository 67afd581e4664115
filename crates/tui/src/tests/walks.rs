//! Going through the views, along links, and comparing with a mark.

use model::{Addr, Goid, WaitKind};

use super::behaviour::waiting;
use crate::cursor::{Head, Id};
use crate::feed::FeedEvent;
use crate::keymap::Key;
use crate::list::Only;
use crate::state::{Focus, View};
use crate::testing::{Screen, g, snapshot, tangle};
use crate::update::{Mouse, Msg};
use crate::view::detail::Subject;

fn tangled() -> Screen {
    let mut screen = Screen::new(120, 40);
    tangle().into_iter().for_each(|s| screen.sample(s));
    screen
}

/// Goes down in the detail pane to the line with a text.
fn down_to(screen: &mut Screen, text: &str) {
    for _ in 0..60 {
        let shown = screen.text();
        let line = shown.lines().position(|line| line.contains(text));
        let title = shown.lines().position(|line| line.contains("── › "));
        let at = screen.model.detail.line - screen.model.detail.offset;
        if let (Some(line), Some(title)) = (line, title)
            && line == title + 1 + at
        {
            return;
        }
        screen.keys("j");
    }
    panic!("{text:?} is not in the pane:\n{}", screen.text());
}

#[test]
fn views_come_by_number_tab_and_mouse() {
    let mut screen = tangled();
    for (key, view) in "1234567".chars().zip(View::ALL) {
        screen.key(Key::Char(key));
        assert_eq!(screen.model.view, view);
    }
    screen.key(Key::Tab);
    assert_eq!(screen.model.view, View::Goroutines);
    screen.key(Key::BackTab);
    assert_eq!(screen.model.view, View::Overview);
    // The names stand in the third line: ` 1 Goroutines  2 Groups  …`.
    screen.msg(Msg::Mouse(Mouse::Click, 18, 2));
    assert_eq!(screen.model.view, View::Groups);
}

#[test]
fn links_lead_from_whom_waits_to_whom_it_waits_for_and_back() {
    let mut screen = tangled();
    screen.keys("/goid:20");
    screen.key(Key::Enter);
    screen.key(Key::Enter);
    assert_eq!(screen.model.focus, Focus::Detail);
    let stock = Head::Object(WaitKind::Mutex, Addr(0x00c0_0001_0000));
    down_to(&mut screen, "waits to lock mutex main.stock");
    screen.key(Key::Enter);
    assert_eq!(screen.model.subject(), Some(Subject::Head(stock)));
    // Whoever refers to it: not in the list, because of the filter, and shown all the same.
    down_to(&mut screen, "goroutine 21");
    screen.key(Key::Enter);
    assert_eq!(screen.model.subject(), Some(Subject::Goroutine(Goid(21))));
    assert_eq!(screen.goids(), [20]);
    screen.key(Key::Backspace);
    assert_eq!(screen.model.subject(), Some(Subject::Head(stock)));
    screen.key(Key::Backspace);
    screen.key(Key::Backspace);
    assert_eq!(screen.model.subject(), Some(Subject::Goroutine(Goid(20))));
    // Leaving the pane forgets the way.
    screen.key(Key::Enter);
    screen.key(Key::Esc);
    assert!(screen.model.way.is_empty());
}

#[test]
fn a_mark_is_compared_with_until_it_is_taken_away() {
    let mut screen = Screen::new(120, 40);
    let first = [1, 2, 3, 4].map(|goid| waiting(goid, "main.a"));
    screen.sample(snapshot(0, first));
    screen.keys("m");
    let changed = || g(2, "chan send", &["/src/a.go:2 main.a"]);
    let moved = || g(3, "select", &["/src/x.go:9 main.x", "/src/a.go:3 main.a"]);
    for second in 1..12 {
        let now = [
            waiting(1, "main.a"),
            changed(),
            moved(),
            waiting(5, "main.b"),
        ];
        screen.sample(snapshot(second, now));
    }
    let text = screen.text();
    assert!(
        text.contains("since mark 11s ago:  +1 new  ~1 changed  >1 moved  -1 gone"),
        "{text}"
    );
    // Long gone: it has left the list, but can be asked for.
    assert_eq!(screen.goids(), [1, 2, 3, 5]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        screen.keys("c");
        seen.push((screen.model.list.choice().only, screen.goids()));
    }
    let expected = [
        (Only::New, vec![5]),
        (Only::Gone, vec![4]),
        (Only::Changed, vec![2, 3]),
        (Only::Same, vec![1]),
        (Only::All, vec![1, 2, 3, 5]),
    ];
    assert_eq!(seen, expected);
    screen.keys("Mc");
    assert_eq!(
        screen.goids(),
        [] as [u64; 0],
        "nothing is new in the last sample"
    );
}

#[test]
fn what_is_open_and_selected_stays_while_groups_change_places() {
    let mut screen = Screen::new(120, 40);
    let crowd = |a: u64, b: u64| {
        let a = (100..100 + a).map(|goid| g(goid, "select", &["/src/a.go:1 main.a"]));
        let b = (200..200 + b).map(|goid| g(goid, "select", &["/src/b.go:1 main.b"]));
        a.chain(b).collect::<Vec<_>>()
    };
    screen.sample(snapshot(0, crowd(5, 2)));
    screen.keys("2");
    screen.key(Key::Down);
    screen.key(Key::Right);
    screen.keys("j");
    let Some(Id::Under(Head::Group(_), _, goid)) = screen.model.groups.at.selected else {
        panic!("{:?}", screen.model.groups.at);
    };
    assert_eq!(goid, Goid(200));
    // The second group is now the first one.
    screen.sample(snapshot(1, crowd(5, 9)));
    assert_eq!(screen.model.selected_goid(), Some(Goid(200)));
    assert_eq!(screen.model.groups.at.line, 1);
    let text = screen.text();
    assert!(text.contains("9      +7"), "{text}");
    // With a filter the past is that of others, and is not told.
    screen.keys("/goid:200");
    screen.key(Key::Enter);
    let text = screen.text();
    assert!(!text.contains("      +7"), "{text}");
    // Left goes to the head, and then closes it.
    screen.key(Key::Left);
    assert!(matches!(screen.model.groups.at.selected, Some(Id::Head(_))));
    screen.key(Key::Left);
    assert_eq!(screen.model.groups.lines.len(), 1);
}

#[test]
fn ghosts_keep_the_tree_together() {
    let mut screen = Screen::new(120, 40);
    let root = || waiting(1, "main.main");
    let by = |goid, parent| waiting(goid, "main.work").by(parent, "/src/b.go:1 main.spawn");
    screen.sample(snapshot(0, [root(), by(5, 1), by(6, 5), by(7, 6)]));
    screen.keys("3");
    for second in 1..20 {
        screen.sample(snapshot(second, [root(), by(7, 6)]));
    }
    let depths = |screen: &Screen| -> Vec<(u64, u16)> {
        let lines = screen.model.tree.lines.iter();
        lines
            .map(|line| (line.id.goid().unwrap().0, line.depth))
            .collect()
    };
    assert_eq!(depths(&screen), [(1, 0), (5, 1), (6, 2), (7, 3)]);
    screen.sample(snapshot(20, [root()]));
    screen.sample(snapshot(30, [root()]));
    for second in 31..40 {
        screen.sample(snapshot(second, [root()]));
    }
    assert_eq!(depths(&screen), [(1, 0)]);
    assert!(screen.model.watch.ghosts.is_empty());
}

#[test]
fn the_last_states_are_told() {
    let mut screen = Screen::new(120, 40);
    for (second, state) in ["select", "select", "running", "chan send"]
        .iter()
        .enumerate()
    {
        screen.sample(snapshot(
            second as u64,
            [g(1, state, &["/src/a.go:1 main.a"])],
        ));
    }
    let text = screen.text();
    let states = "states chan send ×1 ← running ×1 ← select ×2";
    assert!(text.contains(states), "{text}");
}

#[test]
fn copying_and_editing_are_asked_for() {
    let mut screen = tangled();
    screen.keys("/goid:20");
    screen.key(Key::Enter);
    screen.keys("y");
    let copied = screen.copied.clone().unwrap();
    assert!(
        copied.starts_with("goroutine 20 [sync.Mutex.Lock]"),
        "{copied}"
    );
    assert!(copied.contains("/home/build/shop/stock.go:71"), "{copied}");
    // In the list it is the call that matters.
    screen.keys("e");
    let place = screen.edited.take().unwrap();
    assert_eq!(place, ("/home/build/shop/stock.go".into(), 71));
    screen.keys("z");
    screen.key(Key::Enter);
    down_to(&mut screen, "runtime.semacquire1");
    screen.keys("e");
    let place = screen.edited.take().unwrap();
    assert_eq!(place, ("/usr/local/go/src/runtime/sema.go".into(), 192));
}

#[test]
fn source_lines_stand_below_their_call() {
    let mut screen = tangled();
    screen.keys("/goid:20");
    screen.key(Key::Enter);
    screen.key(Key::Enter);
    down_to(&mut screen, "  /home/build/shop/stock.go:71");
    screen.key(Key::Enter);
    let text = screen.text();
    assert!(text.contains("the file is not on this machine"), "{text}");
    let lines: Vec<String> = (1..100).map(|n| format!("\tcode\x1b[1m {n}")).collect();
    let path = "/home/build/shop/stock.go".into();
    screen.msg(Msg::Source(path, Some(lines.into())));
    let text = screen.text();
    assert!(text.contains("▶    71     code\\x1b[1m 71"), "{text}");
    screen.key(Key::Enter);
    assert!(!screen.text().contains("code"));
}

#[test]
fn tab_completes_fields_and_values() {
    let mut screen = tangled();
    screen.keys("/sta");
    screen.key(Key::Tab);
    let text = |screen: &Screen| {
        let line = screen.model.filter_line.as_ref().unwrap();
        line.input.text().to_owned()
    };
    assert_eq!(text(&screen), "status:");
    assert!(
        screen.text().contains("status:runnable"),
        "{}",
        screen.text()
    );
    screen.keys("run");
    screen.key(Key::Tab);
    assert_eq!(text(&screen), "status:runn");
    screen.key(Key::Tab);
    assert_eq!(text(&screen), "status:runnable");
    screen.key(Key::Tab);
    assert_eq!(text(&screen), "status:running");
    assert_eq!(screen.goids(), [1]);
    screen.key(Key::Ctrl('u'));
    screen.keys("-reason:ch");
    screen.key(Key::Tab);
    assert_eq!(text(&screen), "-reason:\"chan send\"");
    screen.keys(" label:");
    screen.key(Key::Tab);
    assert_eq!(text(&screen), "-reason:\"chan send\" label:tenant=acme");
}

#[test]
fn what_does_not_apply_to_a_core_is_not_offered() {
    let mut screen = Screen::new(160, 40);
    screen.sample(tangle().remove(1));
    screen.feed(FeedEvent::Ended {
        message: "a core file holds one state only".into(),
    });
    let text = screen.text();
    for absent in ["pause", "mark", "stopped\n", "every"] {
        let footer = text.lines().last().unwrap();
        assert!(!footer.contains(absent), "{absent}: {text}");
    }
    screen.keys("m");
    assert!(screen.model.watch.marked.is_none());
    screen.keys("7");
    assert!(!screen.text().contains("created"), "{}", screen.text());
}
