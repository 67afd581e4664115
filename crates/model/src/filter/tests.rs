use proptest::prelude::*;

use super::*;
use crate::{Addr, Function, Site, WaitKind, WaitState, WaitingOn, testing};

fn goroutine() -> Goroutine {
    let calls = [
        "runtime.gopark",
        "runtime.chanrecv",
        "net/http.(*conn).serve",
        "main.Work",
    ];
    let waiting = testing::goroutine(17, "chan receive", &testing::frames(&calls));
    Goroutine {
        waitsince: Some(1_000_000_000),
        gopc: Some(Site {
            pc: Addr(1),
            function: Some(Function {
                name: "main.main".into(),
                entry: Addr(1),
            }),
            file: "?".into(),
            line: 0,
        }),
        labels: Some(vec![
            ("tenant".into(), "acme".into()),
            ("odd \"key\"".into(), "".into()),
        ]),
        waiting_on: Some(Box::new([
            WaitingOn {
                kind: WaitKind::Chan,
                op: Some("receive".into()),
                addr: Some(Addr(0xc00009e060)),
                name: Some("main.Queue".into()),
                state: WaitState::Nothing,
            },
            WaitingOn {
                kind: WaitKind::Netpoll,
                op: Some("read".into()),
                addr: None,
                name: None,
                state: WaitState::File {
                    fd: Some(7),
                    file: Some("tcp 10.0.0.1:80 -> 10.0.0.7:5432".into()),
                    deadline: None,
                },
            },
        ])),
        ..Goroutine::clone(&waiting)
    }
}

/// At the time 301 s: it has been waiting for 5 minutes.
fn matches(filter: &str) -> bool {
    let filter = Filter::parse(filter).unwrap();
    filter.matches(&goroutine(), Some(301_000_000_000))
}

#[test]
fn terms_that_hold() {
    for filter in [
        "",
        "  ",
        "goid:17",
        "status:waiting",
        "reason:\"chan receive\"",
        "reason:chan",
        "func:net/http",
        "func:runtime.gopark",
        "serve",
        "-SERVE",
        "work",
        "Work",
        "top:net/http",
        "created:main.main",
        "label:tenant",
        "on:0xc00009e060",
        "on:main.queue",
        "on:chan",
        "on:\"10.0.0.7:5432\"",
        "-on:0xc00009e061 -on:mutex",
        "label:tenant=acme",
        "label:\"odd \\\"key\\\"\"=",
        "age:>4m",
        "age:>299999ms",
        "age:<301s",
        "age:<1h",
        "system:false",
        "-system:true -goid:18 serve",
    ] {
        assert!(matches(filter), "{filter}");
    }
}

#[test]
fn terms_that_do_not_hold() {
    for filter in [
        "goid:18",
        "goid:1",
        "status:running",
        "reason:select",
        "wOrk",
        "top:main.Work",
        "top:runtime",
        "created:main.other",
        "label:tenant=acme2",
        "label:tenant=ac",
        "label:Tenant",
        "label:odd",
        "age:>5m",
        "age:<5m",
        "system:true",
        "on:0xc00009e061",
        "on:queue.main",
        "on:Main",
        "on:mutex",
        "serve -work",
        "-serve",
    ] {
        assert!(!matches(filter), "{filter}");
    }
}

#[test]
fn an_unknown_age_is_neither_longer_nor_shorter() {
    let mut g = goroutine();
    g.waitsince = None;
    let matches = |filter: &str, g: &Goroutine, now| Filter::parse(filter).unwrap().matches(g, now);
    for now in [Some(301_000_000_000), None] {
        assert!(!matches("age:>1s", &g, now));
        assert!(!matches("age:<1s", &g, now));
        assert!(matches("-age:>1s -age:<1s", &g, now));
    }
    assert!(!matches("age:>1s", &goroutine(), None));
    // A note from the future counts as now.
    assert_eq!(goroutine().waited(Some(5)), Some(Duration::ZERO));
}

#[test]
fn errors_point_at_their_place() {
    for (filter, at, message) in [
        ("goid:17 statsu:x", "statsu", "no such field"),
        ("std::sort", "std", "no such field"),
        (
            "status:wait",
            "wait",
            "no such status; there are idle runnable",
        ),
        ("goid:x1", "x1", "number"),
        ("goid:", "goid:", "a value is missing after goid:"),
        ("a -func: b", "-func:", "a value is missing"),
        (":x", ":x", "no such field"),
        ("func:\"\"", "func:\"\"", "a value is missing"),
        ("a - b", "-", "a term is missing after -"),
        ("a \"\"", "\"\"", "empty word"),
        ("reason:\"chan rec", "\"chan rec", "closing quote"),
        ("reason:\"chan\\", "\"chan\\", "closing quote"),
        ("on:0xfull", "0xfull", "hexadecimal"),
        ("age:5m", "5m", "an age is > or <"),
        ("age:>5", ">5", "an age is"),
        ("age:>m", ">m", "an age is"),
        ("age:>5min", ">5min", "an age is"),
        ("age:>-5m", ">-5m", "an age is"),
        (
            "age:>99999999999999999999h",
            ">99999999999999999999h",
            "too long",
        ),
        ("age:>9999999999999h", ">9999999999999h", "too long"),
        ("system:yes", "yes", "true or false"),
        ("label:=x", "=x", "a key is missing"),
    ] {
        let error = Filter::parse(filter).unwrap_err();
        assert_eq!(&filter[error.at.clone()], at, "{filter}: {error}");
        assert!(error.message.contains(message), "{filter}: {error}");
    }
}

#[test]
fn printed_as_written() {
    for filter in [
        "goid:17 -status:waiting reason:\"chan receive\" top:main. created:main.main",
        "label:tenant=acme label:tenant label:tenant= -age:>5m age:<90s age:<1500us system:true on:0xc00009e060 on:main.q",
        "func:main.Map[go.shape.int]",
    ] {
        let expected = filter.replace("tenant= ", "tenant=\"\" ");
        assert_eq!(Filter::parse(filter).unwrap().to_string(), expected);
    }
}

#[test]
fn a_matcher_finds_the_same() {
    let mut other = goroutine();
    other.frames = testing::frames(&["main.other"]);
    let all = [goroutine(), other.clone(), goroutine(), other];
    for filter in [
        "",
        "serve",
        "-serve",
        "other -serve",
        "serve goid:17",
        "work serve",
    ] {
        let filter = Filter::parse(filter).unwrap();
        let mut matcher = filter.matcher(None);
        for g in &all {
            assert_eq!(matcher.matches(g), filter.matches(g, None), "{filter}");
        }
    }
}

fn any_filter() -> impl Strategy<Value = String> {
    let text = r#"[a-zA-Z0-9:"\\= .(*)/é-]{1,8}"#;
    let quoted =
        text.prop_map(|t: String| format!("\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")));
    let field = prop::sample::select(vec!["", "func:", "top:", "created:", "reason:", "label:"]);
    let value = prop_oneof![quoted, "[a-zA-Z./]{1,8}"];
    let term = prop_oneof![
        (field, value).prop_map(|(field, value)| format!("{field}{value}")),
        (any::<u64>()).prop_map(|goid| format!("goid:{goid}")),
        (0u64..1_000_000, "(us|ms|s|m|h)", "[<>]").prop_map(|(n, u, op)| format!("age:{op}{n}{u}")),
        Just("status:running".to_owned()),
        Just("system:false".to_owned()),
    ];
    let term = (any::<bool>(), term).prop_map(|(not, t)| if not { format!("-{t}") } else { t });
    prop::collection::vec(term, 0..5).prop_map(|terms| terms.join("  "))
}

proptest! {
    #[test]
    fn parsing_never_panics_and_errors_are_in_the_text(text in r#"([a-z:"\\<>=é -]|\PC|age:|goid:|on:|label:){0,12}"#) {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{error:?}");
            prop_assert!(!error.at.is_empty(), "{error:?}");
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same(text in any_filter()) {
        let filter = Filter::parse(&text).unwrap();
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn a_negated_term_is_the_opposite(word in "[a-zA-Z.]{1,3}") {
        prop_assert_ne!(matches(&word), matches(&format!("-{word}")));
    }
}
