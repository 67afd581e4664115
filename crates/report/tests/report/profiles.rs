//! Profiles for `go tool pprof` and folded stacks. That `go tool pprof` reads the former, and finds in them what it finds
//! in Go's own, is what goinspect's tests with real programs are about.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;

use flate2::read::GzDecoder;
use model::{Addr, Frame, FrameKind, Snapshot, StackEnd, Status};
use proptest::prelude::*;
use prost::Message;
use report::{PprofOptions, write_folded, write_pprof};

use crate::properties;
use crate::samples::{frame, hostile_core, service, small_service, waiting};

/// `profile.proto`, as its own documentation has it.
#[derive(Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<Pair>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<Pair>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
}

#[derive(Message)]
struct Pair {
    #[prost(int64, tag = "1")]
    first: i64,
    #[prost(int64, tag = "2")]
    second: i64,
}

#[derive(Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Pair>,
}

#[derive(Message)]
struct Mapping {
    #[prost(uint64, repeated, tag = "1")]
    id: Vec<u64>,
    #[prost(uint64, tag = "2")]
    start: u64,
    #[prost(uint64, tag = "3")]
    limit: u64,
    #[prost(uint64, tag = "4")]
    offset: u64,
    #[prost(int64, tag = "5")]
    file: i64,
    #[prost(int64, tag = "6")]
    build_id: i64,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    file: i64,
}

fn profile(snapshot: &Snapshot, all: bool, per_goroutine: bool) -> Profile {
    let options = PprofOptions { all, per_goroutine };
    let mut written = Vec::new();
    write_pprof(snapshot, &mut written, &options).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(&*written).read_to_end(&mut bytes).unwrap();
    Profile::decode(&*bytes).unwrap()
}

impl Profile {
    fn text(&self, index: i64) -> &str {
        &self.string_table[usize::try_from(index).unwrap()]
    }

    fn location(&self, id: u64) -> &Location {
        self.location.iter().find(|l| l.id == id).unwrap()
    }

    fn function(&self, id: u64) -> &Function {
        self.function.iter().find(|f| f.id == id).unwrap()
    }

    /// All of it; panics where it refers to what is not there.
    fn show(&self) -> String {
        let mut out = String::new();
        let pair = |p: &Pair| format!("{}/{}", self.text(p.first), self.text(p.second));
        let types: Vec<String> = self.sample_type.iter().map(pair).collect();
        let period = self.period_type.as_ref().map(pair).unwrap();
        let (time, n) = (self.time_nanos, self.period);
        writeln!(out, "{types:?}, period {n} {period}, time {time}").unwrap();
        for m in &self.mapping {
            let (file, id) = (self.text(m.file), self.text(m.build_id));
            let range = format!("{:#x}-{:#x} at {:#x}", m.start, m.limit, m.offset);
            writeln!(out, "mapping {:?} {range} of {file:?} {id:?}", m.id).unwrap();
        }
        for sample in &self.sample {
            let labels = sample.label.iter();
            let labels =
                labels.map(|l| format!("{:?}={:?}", self.text(l.first), self.text(l.second)));
            let labels: Vec<String> = labels.collect();
            writeln!(out, "\n{:?} {}", sample.value, labels.join(" ")).unwrap();
            for location in sample.location_id.iter().map(|&id| self.location(id)) {
                write!(out, "  {:#x} in {}:", location.address, location.mapping_id).unwrap();
                for line in &location.line {
                    let function = self.function(line.function_id);
                    assert_eq!(function.name, function.system_name);
                    let (name, file) = (self.text(function.name), self.text(function.file));
                    write!(out, " {name:?} {file:?}:{};", line.line).unwrap();
                }
                out.push('\n');
            }
        }
        for &comment in &self.comment {
            writeln!(out, "\n# {}", self.text(comment)).unwrap();
        }
        out
    }

    fn total(&self) -> i64 {
        self.sample.iter().map(|sample| sample.value[0]).sum()
    }
}

fn folded(snapshot: &Snapshot, all: bool) -> String {
    let mut out = Vec::new();
    write_folded(snapshot, &mut out, all).unwrap();
    String::from_utf8(out).unwrap()
}

/// The stack and the count of a line, as `flamegraph.pl` takes it apart.
fn fold(line: &str) -> (Vec<&str>, u64) {
    let (stack, count) = line.rsplit_once(' ').unwrap();
    (stack.split(';').collect(), count.parse().unwrap())
}

#[test]
fn pprof_of_a_service() {
    insta::assert_snapshot!(profile(&service(), false, false).show());
}

#[test]
fn pprof_of_every_goroutine() {
    insta::assert_snapshot!(profile(&small_service(), true, true).show());
}

#[test]
fn pprof_of_a_hostile_core() {
    insta::assert_snapshot!(profile(&hostile_core(), false, true).show());
}

#[test]
fn folded_of_a_service() {
    insta::assert_snapshot!(folded(&service(), true));
}

#[test]
fn folded_of_a_hostile_core() {
    insta::assert_snapshot!(folded(&hostile_core(), false));
}

fn only(goroutines: Vec<model::Goroutine>) -> Snapshot {
    Snapshot {
        goroutines: goroutines.into_iter().map(Arc::new).collect(),
        unreadable: Vec::new(),
        diagnostics: Vec::new(),
        ..service()
    }
}

/// What an address stands for depends on how it got there: the address of a call is before the one that the
/// call returns to (`(*unwinder).symPC`).
#[test]
fn addresses_are_of_the_calling_instruction() {
    let frames: Arc<[Frame]> = [
        frame(0x401000, "runtime.memmove", "memmove.s", 1),
        frame(0x401084, "main.copy", "main.go", 2),
        frame(0x4010c8, "runtime.asyncPreempt", "preempt.s", 3),
        frame(0x401109, "main.loop", "main.go", 4),
        frame(0x40114a, "runtime.goexit", "asm.s", 5),
    ]
    .into();
    let waits = waiting(5, "chan receive", &frames);
    let runs = model::Goroutine {
        status: Status::Running,
        ..waiting(6, "", &frames)
    };
    // Not even Go's own profile has an address before a function's first.
    let at_entry = [frame(0x401040, "main.entry", "main.go", 6)].into();
    let addresses = |g| {
        let profile = profile(&only(vec![g]), false, false);
        let ids = &profile.sample[0].location_id;
        let of = |&id| profile.location(id).address;
        ids.iter().map(of).collect::<Vec<u64>>()
    };
    let waited = addresses(waits);
    assert_eq!(waited[1..], [0x401083, 0x4010c7, 0x401109]);
    assert_eq!(addresses(runs)[..2], [0x401000, 0x401083]);
    assert_eq!(addresses(waiting(7, "", &at_entry)), [0x401040]);
}

/// A text does not tell addresses.
#[test]
fn without_addresses_there_are_lines_all_the_same() {
    let unknown = Frame {
        pc: Addr(0x1d),
        function: model::Function {
            name: "main.f".into(),
            entry: Addr::NULL,
        },
        ..frame(0, "", "/src/main.go", 7)
    };
    let s = only(vec![waiting(5, "select", &[unknown].into())]);
    let profile = profile(&s, false, false);
    assert_eq!(profile.location[0].address, 0);
    assert_eq!(profile.location[0].line[0].line, 7);
    assert_eq!(profile.location[0].mapping_id, 0);
}

/// `tracebackPCs` leaves out wrappers, but not those that a panic calls through.
#[test]
fn wrappers_are_left_out_but_in_panics() {
    let wrapper = |name| Frame {
        kind: FrameKind::Wrapper,
        ..frame(0x401084, name, "<autogenerated>", 1)
    };
    let frames = [
        frame(0x401004, "main.T.M", "main.go", 1),
        wrapper("main.(*T).M"),
        frame(0x4010c4, "runtime.gopanic", "panic.go", 2),
        wrapper("main.I.M"),
    ];
    let s = only(vec![waiting(5, "select", &frames.into())]);
    assert_eq!(folded(&s, false), "main.I.M;runtime.gopanic;main.T.M 1\n");
}

#[test]
fn folded_names_cannot_be_taken_for_counts_or_frames() {
    let f = |name: &str| frame(0x401004, name, "main.go", 1);
    let frames = |names: &[&str]| names.iter().map(|n| f(n)).collect::<Arc<[Frame]>>();
    let g = |goid, names: &[&str]| waiting(goid, "select", &frames(names));
    let mut early = g(9, &["main.a"]);
    early.stack_end = StackEnd::Early("somehow".into());
    let dead = model::Goroutine {
        status: Status::Dead,
        ..g(10, &[])
    };
    let s = only(vec![
        g(
            5,
            &["main.F[go.shape.struct { A int; B int }]", "main.main"],
        ),
        g(6, &["main.x 12", "main.main"]),
        g(7, &["main.b\n 3", ""]),
        g(8, &[]),
        early,
        dead,
    ]);
    let expected = "\
?;main.b\\n_3 1
[dead] 1
[no stack] 1
[stack ends early];main.a 1
main.main;main.F[go.shape.struct { A int: B int }] 1
main.main;main.x_12 1
";
    assert_eq!(folded(&s, true), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the snapshot: nobody is lost, and nothing refers to what is not there.
    #[test]
    fn every_goroutine_is_counted(s in properties::snapshot(), all: bool, per_goroutine: bool) {
        let live = |g: &model::Goroutine| !g.system && g.status != Status::Dead;
        let wanted = s.goroutines.iter().filter(|g| all || live(g)).count() + s.unreadable.len();
        let profile = profile(&s, all, per_goroutine);
        prop_assert_eq!(profile.total(), wanted as i64);
        profile.show();
        let strings: BTreeSet<&String> = profile.string_table.iter().collect();
        prop_assert_eq!(strings.len(), profile.string_table.len());
        prop_assert_eq!(&profile.string_table[0], "");

        let text = folded(&s, all);
        prop_assert_eq!(text.lines().map(|line| fold(line).1).sum::<u64>(), wanted as u64);
        prop_assert!(text.lines().all(|line| fold(line).0.iter().all(|frame| !frame.is_empty())));
        prop_assert!(!text.chars().any(|c| c != '\n' && model::must_escape(c)));
    }
}
