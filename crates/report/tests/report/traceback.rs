//! Tracebacks: what is written can be read back, and anything can be tried to be read.

use std::borrow::Cow;

use model::{Addr, LabelPlace};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use report::parse_dump;
use report::traceback::{Ancestor, Block, Call, CreatedBy, FrameWords, HeaderLabels, Line, MName};

type Text = Cow<'static, str>;

fn text(pattern: &'static str) -> impl Strategy<Value = Text> {
    pattern.prop_map(Cow::Owned)
}

fn name() -> impl Strategy<Value = Text> {
    text(
        r"[a-z]{1,6}(/[a-z.]{1,6})?\.(\(\*[A-Z][a-z]{0,4}\)\.)?[a-zA-Z0-9_·]{1,8}(\[\.\.\.\])?(-fm|\.func1)?",
    )
}

fn file() -> impl Strategy<Value = Text> {
    text(r"(\?|/[ a-zé:+@.-]{1,20}\.go)")
}

fn address() -> impl Strategy<Value = Addr> {
    any::<u64>().prop_map(Addr)
}

fn words() -> impl Strategy<Value = FrameWords> {
    (address(), address(), address()).prop_map(|(fp, sp, pc)| FrameWords { fp, sp, pc })
}

fn call() -> impl Strategy<Value = Call<'static>> {
    let args =
        text(r"(\.\.\.|(0x[0-9a-f]{1,4}\??|\{0x1, _\}|\{\})(, (0x[0-9a-f]{1,4}|\.\.\.)){0,3})?");
    (name(), args, file(), any::<u32>(), of(1u64..), of(words())).prop_map(
        |(name, args, file, line, offset, words)| Call {
            name,
            args,
            file,
            line,
            offset,
            words,
        },
    )
}

fn line() -> impl Strategy<Value = Line<'static>> {
    prop_oneof![
        8 => call().prop_map(Line::Call),
        1 => (1u64..).prop_map(Line::Elided),
        1 => Just(Line::Unavailable),
        1 => Just(Line::Other("non-Go function at pc=0x1234".into())),
    ]
}

fn created_by() -> impl Strategy<Value = CreatedBy<'static>> {
    (name(), of(any::<u64>()), file(), any::<u32>(), of(1u64..)).prop_map(
        |(name, goid, file, line, offset)| CreatedBy {
            name,
            goid,
            file,
            line,
            offset,
        },
    )
}

fn labels() -> impl Strategy<Value = HeaderLabels<'static>> {
    let place = prop_oneof![
        Just(LabelPlace::InBrackets),
        Just(LabelPlace::BehindBrackets)
    ];
    let word = || text("(?s).{0,6}");
    (place, vec((word(), word()), 1..4)).prop_map(|(place, pairs)| HeaderLabels { place, pairs })
}

fn block() -> impl Strategy<Value = Block<'static>> {
    let m = prop_oneof![
        Just(MName::Untold),
        Just(MName::Nil),
        (any::<i64>(), address()).prop_map(|(id, at)| MName::On { id, at }),
    ];
    let bubble = of((
        prop_oneof![
            Just(Cow::Borrowed("synctest bubble")),
            Just(Cow::Borrowed("synctest group"))
        ],
        any::<u64>(),
    ));
    let ancestor = (any::<u64>(), vec(line(), 0..3), of(created_by())).prop_map(
        |(goid, lines, created_by)| Ancestor {
            goid,
            lines,
            created_by,
        },
    );
    let header = (
        any::<u64>(),
        of(address()),
        m,
        text(r"[a-zA-Z][a-z ().]{0,20}[a-z)]"),
    );
    let more = (of(1u64..), any::<bool>(), bubble, of(labels()));
    let body = (vec(line(), 0..6), of(created_by()), vec(ancestor, 0..2));
    (header, more, body).prop_map(|(header, more, body)| Block {
        goid: header.0,
        g: header.1,
        m: header.2,
        state: header.3,
        minutes: more.0,
        locked: more.1,
        bubble: more.2,
        labels: more.3,
        lines: body.0,
        created_by: body.1,
        ancestors: body.2,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(blocks in vec(block(), 0..5)) {
        let text: Vec<String> = blocks.iter().map(ToString::to_string).collect();
        let text = format!("panic: oh\n\n{}\nrax    0x0\nrip    0x1\n", text.join("\n"));
        let dump = parse_dump(&text);
        prop_assert_eq!(&dump.blocks, &blocks, "{}", text);
    }

    #[test]
    fn anything_can_be_read(text in r"(goroutine 1 \[|\]|:|\n|\t|created by |0x|\.\.\.|\(|\)|[a-z \x22\\,{}]){0,60}") {
        let _ = parse_dump(&text);
    }
}

/// What surrounds the goroutines in a crash text is not taken for part of them.
#[test]
fn crash_text() {
    let text = "\
SIGABRT: abort
PC=0x4705e1 m=0 sigcode=0

goroutine 0 gp=0x5b1e40 m=0 mp=0x5b2780 [idle]:
runtime.futex(0x5b28c0, 0x80, 0x0, 0x0, 0x0, 0x0)
\t/go/src/runtime/sys_linux_amd64.s:558 +0x21 fp=0x7ffc sp=0x7ff0 pc=0x4705e1
runtime.goexit({})
\t/go/src/runtime/asm_amd64.s:1693 +0x1 fp=0xc0 sp=0xb8 pc=0x46e8e1
rax    0xca
rflags 0x286

-----

SIGQUIT: quit
PC=0x1 m=1 sigcode=0

goroutine 7 gp=0xc000 m=nil [chan receive, 3 minutes, locked to thread] {a: \"b \\u00e9\"}:
main.work(...)
\t/src/a b.go:7
created by main.main in goroutine 1
\t/src/main.go:3 +0x5
rax    0x0
";
    let dump = parse_dump(text);
    assert_eq!(
        dump.preamble,
        ["SIGABRT: abort", "PC=0x4705e1 m=0 sigcode=0"]
    );
    let [g0, g7] = dump.blocks.as_slice() else {
        panic!("{dump:?}")
    };
    assert_eq!((g0.lines.len(), g7.lines.len()), (2, 1));
    assert_eq!(g7.minutes, Some(3));
    assert_eq!(
        g7.labels.as_ref().unwrap().pairs,
        [(Cow::from("a"), Cow::from("b é"))]
    );
    assert_eq!(g7.created_by.as_ref().unwrap().goid, Some(1));
}
