//! What the rules say of small worlds made by hand, and what holds of any world.

// Helpers of tests may fail by panicking as well.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use analysis::{Certainty, Finding, Hope, Severity, Story, Trend, World, findings, findings_since};
use model::{
    Addr, BuildInfo, CaptureInfo, ChanState, Frame, FrameKind, Function, Goid, Goroutine, HeldBy,
    Holder, LayoutSource, Object, ObjectState, Queue, Snapshot, StackEnd, Status, SymbolSource,
    TargetInfo, TargetKind, Traceback, Trust, WaitKind, WaitState, WaitingOn,
};
use proptest::prelude::*;

/// What a goroutine does with an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    /// It waits to do this.
    Waits(&'static str),
    Refers,
}

use Does::{Refers, Waits};

/// A world of goroutines that do something with objects, by the numbers of both.
#[derive(Default, Debug)]
struct Small {
    goroutines: BTreeMap<u64, Status>,
    kinds: BTreeMap<u64, WaitKind>,
    links: Vec<(u64, Does, u64)>,
    /// Objects to which more refer than are told.
    cut: BTreeSet<u64>,
}

impl Small {
    fn of(kinds: &[(u64, WaitKind)], links: &[(u64, Does, u64)]) -> Small {
        let mut small = Small {
            kinds: kinds.iter().copied().collect(),
            links: links.to_vec(),
            ..Small::default()
        };
        for (goid, ..) in links {
            small.goroutines.insert(*goid, Status::Waiting);
        }
        small
    }

    fn with(mut self, goid: u64, status: Status) -> Small {
        self.goroutines.insert(goid, status);
        self
    }

    fn goroutine(&self, goid: u64, status: Status) -> Goroutine {
        let waits = self
            .links
            .iter()
            .filter_map(|(who, does, what)| match does {
                Waits(op) if *who == goid => Some((*op, *what)),
                _ => None,
            });
        let waiting_on: Vec<WaitingOn> = waits
            .filter(|_| status == Status::Waiting)
            .map(|(op, what)| WaitingOn {
                kind: self.kinds[&what],
                op: Some(op.into()),
                addr: Some(Addr(what)),
                name: None,
                state: WaitState::Nothing,
            })
            .collect();
        let frame = Frame {
            pc: Addr(1),
            function: Function {
                name: "main.work".into(),
                entry: Addr(1),
            },
            file: "/src/main.go".into(),
            line: 1,
            inlined: false,
            kind: FrameKind::Normal,
            trust: Trust::Exact,
        };
        Goroutine {
            goid: Goid(goid),
            parent_goid: None,
            g: Addr(0xc000 + goid),
            status,
            waitreason: (status == Status::Waiting).then(|| "some reason".into()),
            waitsince: Some(goid),
            tracking_seq: None,
            parking_on_chan: false,
            gopc: None,
            startpc: None,
            system: false,
            thread: None,
            locked_to_thread: false,
            labels: None,
            waiting_on: Some(waiting_on.into()),
            stack: None,
            frames: [frame].into(),
            stack_end: StackEnd::Complete,
            traceback: Traceback::default(),
            notes: Vec::new(),
        }
    }

    fn object(&self, at: u64, kind: WaitKind) -> Object {
        let mut queues: Vec<Queue> = Vec::new();
        let mut holders = Vec::new();
        for &(who, does, what) in self.links.iter().filter(|(.., what)| *what == at) {
            assert_eq!(what, at);
            match does {
                Refers => holders.push(Holder {
                    goid: Goid(who),
                    frame: Some(0),
                    by: HeldBy::Address,
                }),
                Waits(op) => match queues.iter_mut().find(|queue| queue.op == op) {
                    Some(queue) => queue.goids.push(Goid(who)),
                    None => queues.push(Queue {
                        op: op.into(),
                        goids: vec![Goid(who)],
                    }),
                },
            }
        }
        Object {
            kind,
            addr: Addr(at),
            name: None,
            variable: None,
            state: match kind {
                WaitKind::Chan => ObjectState::Chan(ChanState {
                    len: 0,
                    cap: 0,
                    closed: false,
                    elem_type: Some("int".into()),
                    timer: None,
                }),
                WaitKind::Mutex => ObjectState::Mutex {
                    locked: true,
                    starving: false,
                    waiters: 1,
                },
                _ => ObjectState::Unknown,
            },
            queues,
            holders,
            more_holders: usize::from(self.cut.contains(&at)),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let goroutines = self.goroutines.iter();
        let objects = self.kinds.iter();
        Snapshot {
            captured_at: SystemTime::UNIX_EPOCH,
            target: TargetInfo {
                kind: TargetKind::Process,
                pid: None,
                exe: None,
                module: None,
                text: None,
                core: None,
                arch: "amd64",
                threads: 1,
            },
            build: BuildInfo {
                go_version: "go1.27.3".into(),
                path: None,
                main: None,
                settings: BTreeMap::new(),
                ids: model::BuildIds::default(),
                layout: LayoutSource::Dwarf,
                symbols: SymbolSource::Symtab,
            },
            capture: CaptureInfo {
                pause: None,
                bytes_read: 0,
                nanotime: Some(1000),
                consistent: true,
            },
            goroutines: goroutines
                .map(|(&goid, &status)| Arc::new(self.goroutine(goid, status)))
                .collect(),
            objects: Some(objects.map(|(&at, &kind)| self.object(at, kind)).collect()),
            ms: Vec::new(),
            scheduler: None,
            traceback_labels: false,
            unreadable: Vec::new(),
            diagnostics: Vec::new(),
        }
    }
}

fn told(finding: &Finding) -> (&str, Severity, Vec<u64>) {
    let goids = finding.goids.iter().map(|goid| goid.0).collect();
    (finding.rule, finding.severity, goids)
}

fn all(small: &Small) -> Vec<Finding> {
    findings(&small.snapshot())
}

const TWO_LOCKS: [(u64, WaitKind); 2] = [(0xa0, WaitKind::Mutex), (0xb0, WaitKind::Mutex)];

#[test]
fn two_locks_in_opposite_order() {
    let links = [
        (1, Refers, 0xa0),
        (1, Waits("lock"), 0xb0),
        (2, Refers, 0xb0),
        (2, Waits("lock"), 0xa0),
    ];
    let found = all(&Small::of(&TWO_LOCKS, &links));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(told(&found[0]), ("wait-cycle", Severity::Error, vec![1, 2]));
    assert_eq!(found[0].certainty, Certainty::Suspected);
    assert_eq!(found[0].objects.len(), 2);
    // By the one that has waited longest.
    assert_eq!(found[0].waited, Some(999));
}

#[test]
fn a_chain_with_a_free_end_is_no_circle() {
    let links = [
        (1, Waits("lock"), 0xa0),
        (2, Refers, 0xa0),
        (2, Waits("lock"), 0xb0),
        (3, Refers, 0xb0),
    ];
    let small = Small::of(&TWO_LOCKS, &links).with(3, Status::Running);
    assert_eq!(all(&small), []);
    // The one at the end waits for what nobody has.
    let mut stuck = Small::of(
        &[&TWO_LOCKS[..], &[(0xc0, WaitKind::Chan)]].concat(),
        &links,
    );
    stuck.links.push((3, Waits("send"), 0xc0));
    let found = all(&stuck);
    let found: Vec<_> = found.iter().map(told).collect();
    let expected = [
        ("held-by-stuck", Severity::Error, vec![1]),
        ("held-by-stuck", Severity::Error, vec![2]),
        ("nobody-left", Severity::Warning, vec![3]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn who_waits_to_receive_is_hardly_suspected() {
    let queue = [(0xa0, WaitKind::Chan)];
    for (op, severity) in [("send", Severity::Warning), ("receive", Severity::Info)] {
        let alone = Small::of(&queue, &[(1, Waits(op), 0xa0)]);
        let found = all(&alone);
        assert_eq!(found.len(), 1);
        assert_eq!(told(&found[0]), ("nobody-left", severity, vec![1]));
        let served = Small::of(&queue, &[(1, Waits(op), 0xa0), (2, Refers, 0xa0)]);
        assert_eq!(all(&served.with(2, Status::Runnable)), []);
    }
}

/// `select { case tickets <- next: case <-stop: return }`: etcd's and Caddy's wait so for whoever comes.
#[test]
fn a_sender_that_can_be_told_to_stop_is_hardly_suspected() {
    let both = [(0xa0, WaitKind::Chan), (0xb0, WaitKind::Chan)];
    let links = |other| [(1, Waits("send"), 0xa0), (1, Waits(other), 0xb0)];
    for (other, severity) in [("receive", Severity::Info), ("send", Severity::Warning)] {
        let found = all(&Small::of(&both, &links(other)));
        let severities: Vec<_> = found.iter().map(told).collect();
        assert!(severities.contains(&("nobody-left", severity, vec![1])));
        assert!(found.iter().all(|one| one.severity == severity), "{other}");
    }
}

#[test]
fn those_who_are_not_told_may_help() {
    let mut small = Small::of(&[(0xa0, WaitKind::Chan)], &[(1, Waits("send"), 0xa0)]);
    small.cut.insert(0xa0);
    // Nothing but the goroutine itself is left to say so.
    let snapshot = small.snapshot();
    assert!(!World::new(&snapshot).is_stuck(Goid(1)));
    assert_eq!(findings(&snapshot), []);
}

#[test]
fn what_the_collector_marked_is_proven() {
    let small = Small::default().with(7, Status::Leaked);
    let found = all(&small);
    assert_eq!(told(&found[0]), ("leaked", Severity::Error, vec![7]));
    assert_eq!(found[0].certainty, Certainty::Proven);
}

#[test]
fn against_an_earlier_snapshot() {
    let queue = [(0xa0, WaitKind::Chan)];
    let mut small = Small::of(&queue, &[(1, Waits("send"), 0xa0)]);
    let old = small.snapshot();
    assert_eq!(findings_since(&old, &old)[0].trend, Some(Trend::Same));
    small.links.push((2, Waits("send"), 0xa0));
    small = small.with(2, Status::Waiting);
    let new = small.snapshot();
    assert_eq!(findings_since(&old, &new)[0].trend, Some(Trend::Grown(1)));
    assert_eq!(findings_since(&new, &old)[0].trend, Some(Trend::Shrunk(2)));
    let empty = Small::default().snapshot();
    assert_eq!(findings_since(&empty, &old)[0].trend, Some(Trend::New));
}

fn any_world() -> impl Strategy<Value = Small> {
    let kind = prop::sample::select(vec![
        WaitKind::Chan,
        WaitKind::Mutex,
        WaitKind::RwMutex,
        WaitKind::Cond,
        WaitKind::WaitGroup,
        WaitKind::Semaphore,
    ]);
    let does = prop::sample::select(vec![
        Refers,
        Waits("send"),
        Waits("receive"),
        Waits("lock"),
        Waits("rlock"),
        Waits("wait"),
    ]);
    let status = prop::sample::select(vec![
        Status::Waiting,
        Status::Waiting,
        Status::Waiting,
        Status::Running,
        Status::Leaked,
    ]);
    // Some links are to goroutines that the snapshot does not have.
    let links = prop::collection::vec((0..9u64, does, 0..4u64), 0..14);
    let goroutines = prop::collection::btree_map(0..8u64, status, 0..8);
    let kinds = prop::collection::vec(kind, 4);
    let cut = prop::collection::btree_set(0..4u64, 0..2);
    (goroutines, kinds, links, cut).prop_map(|(goroutines, kinds, links, cut)| Small {
        goroutines,
        kinds: (0..).zip(kinds).collect(),
        links,
        cut,
    })
}

proptest! {
    #[test]
    fn findings_are_about_what_is_there(small in any_world()) {
        let snapshot = small.snapshot();
        let leaked = |goid: &Goid| small.goroutines.get(&goid.0) == Some(&Status::Leaked);
        for finding in findings(&snapshot) {
            prop_assert!(!finding.goids.is_empty() && finding.goids.is_sorted());
            prop_assert!(finding.goids.iter().any(|goid| small.goroutines.contains_key(&goid.0)));
            // There are no nil channels in these worlds.
            let proven = finding.certainty == Certainty::Proven;
            prop_assert!(!proven || finding.goids.iter().all(leaked), "{:?}", finding);
        }
        for finding in findings_since(&snapshot, &snapshot) {
            prop_assert!(matches!(finding.trend, Some(Trend::Same | Trend::Grown(_) | Trend::Shrunk(_))));
        }
        for &goid in small.goroutines.keys() {
            prop_assert!(Story::new(&snapshot, Goid(goid)).is_some());
        }
    }

    /// Who is stuck waits for nobody but the stuck; who is not has somebody to hope for.
    #[test]
    fn stuck_is_who_waits_for_the_stuck_alone(small in any_world()) {
        let snapshot = small.snapshot();
        let world = World::new(&snapshot);
        for g in &snapshot.goroutines {
            let hopeful = match world.hope(g) {
                Hope::Free => true,
                Hope::Never => false,
                Hope::Others(objects) => objects.iter().any(|object| {
                    let mut helpers = world.helpers(object).into_iter();
                    object.more_holders > 0 || helpers.any(|helper| !world.is_stuck(helper))
                }),
            };
            prop_assert_eq!(world.is_stuck(g.goid), !hopeful, "{:?}", g.goid);
        }
    }
}
