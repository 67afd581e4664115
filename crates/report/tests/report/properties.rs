//! What holds for any snapshot, however odd its contents.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonschema::Validator;
use model::{
    Addr, BuildIds, BuildInfo, CaptureInfo, ChanState, Frame, FrameKind, Function, GcPhase, Goid,
    Goroutine, HeldBy, Holder, LayoutSource, Object, ObjectState, P, PStatus, Pid, Queue,
    Scheduler, Site, Snapshot, StackBounds, StackEnd, Status, SymbolSource, TargetInfo, TargetKind,
    TextMapping, Tid, Traceback, Trust, Unreadable, WaitKind, WaitState, WaitingOn,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use report::{Style, SummaryOptions};

use crate::samples::{json, summary};
use crate::schema::{assert_valid, strict};

static STRICT: LazyLock<Validator> = LazyLock::new(strict);

/// Any string; often one that a terminal would obey, sometimes a real name.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x1f\\x7f-\\u{9f}\\u{2028}-\\u{202e}\\u{2066}-\\u{2069}a-z\"\\\\]{0,8}",
        Just("runtime.gopark".to_owned()),
        Just("main.worker".to_owned()),
        Just("?".to_owned()),
    ]
}

fn shared() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

fn addr() -> impl Strategy<Value = Addr> {
    prop_oneof![8 => any::<u64>().prop_map(Addr), 1 => Just(Addr::NULL)]
}

fn path() -> impl Strategy<Value = PathBuf> {
    text().prop_map(PathBuf::from)
}

fn time() -> impl Strategy<Value = SystemTime> {
    // Some of them beyond what RFC 3339 can say, on both sides.
    let beyond = 1_000_000_000_000_u64;
    (any::<bool>(), 0..beyond, 0..1_000_000_000_u32).prop_map(|(before, s, ns)| {
        let distance = Duration::new(s, ns);
        let time = if before {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        time.unwrap_or(UNIX_EPOCH)
    })
}

fn function() -> impl Strategy<Value = Function> {
    (shared(), addr()).prop_map(|(name, entry)| Function { name, entry })
}

fn site() -> impl Strategy<Value = Site> {
    (addr(), of(function()), shared(), any::<u32>()).prop_map(|(pc, function, file, line)| Site {
        pc,
        function,
        file,
        line,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let kind = prop_oneof![
        Just(FrameKind::Normal),
        Just(FrameKind::Wrapper),
        of(shared()).prop_map(|object| FrameKind::C { object }),
    ];
    let trust = prop_oneof![Just(Trust::Exact), Just(Trust::Assumed)];
    (
        addr(),
        function(),
        shared(),
        any::<u32>(),
        any::<bool>(),
        kind,
        trust,
    )
        .prop_map(|(pc, function, file, line, inlined, kind, trust)| Frame {
            pc,
            function,
            file,
            line,
            inlined,
            kind,
            trust,
        })
}

fn status() -> impl Strategy<Value = Status> {
    (0_u64..12).prop_filter_map("a status that is used", Status::from_runtime)
}

fn stack() -> impl Strategy<Value = StackBounds> {
    (addr(), addr(), of(addr())).prop_map(|(lo, hi, sp)| StackBounds { lo, hi, sp })
}

fn stack_end() -> impl Strategy<Value = StackEnd> {
    of(shared()).prop_map(|early| early.map_or(StackEnd::Complete, StackEnd::Early))
}

/// What goes together, as a decoder would say it.
fn waiting_on() -> impl Strategy<Value = WaitingOn> {
    let chan = (
        any::<u64>(),
        any::<u64>(),
        any::<bool>(),
        of(shared()),
        of(any::<i64>()),
    );
    let chan = of(chan).prop_map(|state| {
        let state = state.map(|(len, cap, closed, elem_type, timer)| ChanState {
            len,
            cap,
            closed,
            elem_type,
            timer,
        });
        (WaitKind::Chan, WaitState::Chan(state))
    });
    let group = (any::<u32>(), any::<u32>()).prop_map(|(counter, waiters)| {
        (
            WaitKind::WaitGroup,
            WaitState::WaitGroup { counter, waiters },
        )
    });
    let timer = any::<i64>().prop_map(|when| (WaitKind::Timer, WaitState::Timer(when)));
    let file = (of(any::<i32>()), of(shared()), of(any::<i64>()));
    let file = file.prop_map(|(fd, file, deadline)| {
        (WaitKind::Netpoll, WaitState::File { fd, file, deadline })
    });
    let kind = prop_oneof![
        Just(WaitKind::Mutex),
        Just(WaitKind::RwMutex),
        Just(WaitKind::Cond),
        Just(WaitKind::Semaphore),
        Just(WaitKind::Coroutine),
        Just(WaitKind::Synctest),
        Just(WaitKind::Runtime),
    ];
    let other = kind.prop_map(|kind| (kind, WaitState::Nothing));
    let what = prop_oneof![chan, group, timer, file, other];
    (what, of(text()), of(addr()), of(shared())).prop_map(|((kind, state), op, addr, name)| {
        WaitingOn {
            kind,
            op: op.map(Into::into),
            addr,
            name,
            state,
        }
    })
}

fn goroutine() -> impl Strategy<Value = Goroutine> {
    let identity = (any::<u64>(), of(any::<u64>()), addr(), status());
    let wait = (of(shared()), of(any::<u64>()), any::<bool>());
    let origin = (of(site()), of(site()), any::<bool>());
    let thread = (of(any::<i32>()), any::<bool>());
    let labels = of(vec((shared(), shared()), 0..4));
    let waiting_on = of(vec(waiting_on(), 0..3).prop_map(Vec::into_boxed_slice));
    let calls = (of(stack()), vec(frame(), 0..6), stack_end());
    (
        identity,
        wait,
        origin,
        thread,
        (labels, waiting_on),
        calls,
        vec(text(), 0..3),
    )
        .prop_map(
            |(identity, wait, origin, thread, (labels, waiting_on), calls, notes)| Goroutine {
                goid: Goid(identity.0),
                parent_goid: identity.1.map(Goid),
                g: identity.2,
                status: identity.3,
                waitreason: wait.0,
                waitsince: wait.1,
                tracking_seq: wait.1.map(|since| since as u8),
                parking_on_chan: wait.2,
                gopc: origin.0,
                startpc: origin.1,
                system: origin.2,
                thread: thread.0.map(Tid),
                locked_to_thread: thread.1,
                labels,
                waiting_on,
                stack: calls.0,
                frames: calls.1.into(),
                stack_end: calls.2,
                traceback: Traceback::default(),
                notes,
            },
        )
}

fn target() -> impl Strategy<Value = TargetInfo> {
    let kind = prop_oneof![Just(TargetKind::Process), Just(TargetKind::Core)];
    (
        kind,
        of(any::<i32>()),
        of(path()),
        of(path()),
        of((addr(), addr(), any::<u64>())),
        any::<usize>(),
    )
        .prop_map(|(kind, pid, exe, core, text, threads)| TargetInfo {
            kind,
            pid: pid.map(Pid),
            exe,
            module: core.clone(),
            text: text.map(|(start, end, file_offset)| TextMapping {
                start,
                end,
                file_offset,
            }),
            core,
            arch: "amd64",
            threads,
        })
}

fn build() -> impl Strategy<Value = BuildInfo> {
    let layout = prop_oneof![
        Just(LayoutSource::Dwarf),
        Just(LayoutSource::DebugFile),
        Just(LayoutSource::Table),
        Just(LayoutSource::Assumed)
    ];
    let symbols = prop_oneof![Just(SymbolSource::Symtab), Just(SymbolSource::Found)];
    let settings = btree_map(text(), text(), 0..4);
    let ids = (of(vec(any::<u8>(), 0..24)), of(text()));
    let ids = ids.prop_map(|(gnu, go)| BuildIds {
        gnu,
        go: go.map(String::into_bytes),
    });
    (
        text(),
        of(text()),
        of(text()),
        settings,
        ids,
        layout,
        symbols,
    )
        .prop_map(
            |(go_version, path, main, settings, ids, layout, symbols)| BuildInfo {
                go_version,
                path,
                main,
                settings,
                ids,
                layout,
                symbols,
            },
        )
}

fn capture() -> impl Strategy<Value = CaptureInfo> {
    (
        of(any::<Duration>()),
        any::<u64>(),
        of(any::<u64>()),
        any::<bool>(),
    )
        .prop_map(|(pause, bytes_read, nanotime, consistent)| CaptureInfo {
            pause,
            bytes_read,
            nanotime,
            consistent,
        })
}

fn object_state() -> impl Strategy<Value = ObjectState> {
    prop_oneof![
        Just(ObjectState::Unknown),
        (any::<bool>(), any::<bool>(), any::<u32>()).prop_map(|(locked, starving, waiters)| {
            ObjectState::Mutex {
                locked,
                starving,
                waiters,
            }
        }),
        (any::<u32>(), any::<bool>(), any::<u32>()).prop_map(|(readers, writer, departing)| {
            ObjectState::RwMutex {
                readers,
                writer,
                departing,
            }
        }),
        (any::<u32>(), any::<u32>())
            .prop_map(|(counter, waiters)| ObjectState::WaitGroup { counter, waiters }),
        (any::<u64>(), any::<bool>(), of(shared()), of(any::<i64>())).prop_map(
            |(len, closed, elem_type, timer)| ObjectState::Chan(ChanState {
                len,
                cap: len,
                closed,
                elem_type,
                timer,
            })
        ),
    ]
}

fn object() -> impl Strategy<Value = Object> {
    let goids = || vec(any::<u64>().prop_map(Goid), 0..4);
    let queue = (text(), goids()).prop_map(|(op, goids)| Queue {
        op: op.into(),
        goids,
    });
    let holder = (
        any::<u64>(),
        of(any::<usize>()),
        select(HeldBy::ALL.to_vec()),
    )
        .prop_map(|(goid, frame, by)| Holder {
            goid: Goid(goid),
            frame,
            by,
        });
    (
        select(WaitKind::ALL.to_vec()),
        addr(),
        of(shared()),
        of(addr()),
        object_state(),
        vec(queue, 0..3),
        vec(holder, 0..4),
        any::<usize>(),
    )
        .prop_map(
            |(kind, addr, name, variable, state, queues, holders, more_holders)| Object {
                kind,
                addr,
                name,
                variable,
                state,
                queues,
                holders,
                more_holders,
            },
        )
        .prop_filter("the kinds that objects have", |object| {
            object.kind.is_object()
        })
}

fn scheduler() -> impl Strategy<Value = Scheduler> {
    let goid = || any::<u64>().prop_map(Goid);
    let queue = move || of(vec(goid(), 0..4));
    let status = select(vec![
        PStatus::Idle,
        PStatus::Running,
        PStatus::Syscall,
        PStatus::GcStop,
        PStatus::Dead,
    ]);
    let p = (any::<u64>(), status, of(any::<i64>()), of(goid()), queue()).prop_map(
        |(id, status, m, runnext, runq)| P {
            id,
            status,
            m,
            runnext,
            runq,
        },
    );
    let phase = select(vec![GcPhase::Off, GcPhase::Mark, GcPhase::MarkTermination]);
    (
        any::<usize>(),
        vec(p, 0..4),
        queue(),
        of(any::<u64>()),
        of(any::<bool>()),
        of(phase),
        of(any::<u64>()),
        of(any::<u64>()),
    )
        .prop_map(
            |(gomaxprocs, ps, runq, runqsize, gcwaiting, gcphase, numgc, last_gc_unix)| Scheduler {
                gomaxprocs,
                ps,
                runq,
                runqsize,
                gcwaiting,
                gcphase,
                numgc,
                last_gc_unix,
            },
        )
}

fn unreadable() -> impl Strategy<Value = Unreadable> {
    (any::<usize>(), addr(), text()).prop_map(|(index, g, reason)| Unreadable { index, g, reason })
}

pub fn snapshot() -> impl Strategy<Value = Snapshot> {
    (
        time(),
        target(),
        build(),
        capture(),
        vec(goroutine().prop_map(Arc::new), 0..8),
        of(vec(object(), 0..4)),
        of(scheduler()),
        vec(unreadable(), 0..8),
        vec(text(), 0..3),
    )
        .prop_map(
            |(
                captured_at,
                target,
                build,
                capture,
                goroutines,
                objects,
                scheduler,
                unreadable,
                diagnostics,
            )| Snapshot {
                captured_at,
                target,
                build,
                capture,
                goroutines,
                objects,
                ms: Vec::new(),
                scheduler,
                traceback_labels: false,
                unreadable,
                diagnostics,
            },
        )
}

pub fn obeyed_by_a_terminal(c: char) -> bool {
    c != '\n' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_shared_stack_is_written_like_one_of_its_own(s in snapshot()) {
        let each = |frames: &dyn Fn(&Goroutine) -> Arc<[Frame]>| {
            let own = s.goroutines.iter().map(|g| Arc::new(Goroutine { frames: frames(g), ..(**g).clone() }));
            let twice = own.clone().chain(own);
            json(&Snapshot { goroutines: twice.collect(), ..s.clone() }, Style::Line)
        };
        prop_assert_eq!(each(&|g| g.frames.clone()), each(&|g| Arc::from(&*g.frames)));
    }

    #[test]
    fn json_is_always_valid_and_tells_every_goroutine(s in snapshot()) {
        let line = json(&s, Style::Line);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let document: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_valid(&STRICT, &document);

        let goroutines = document["goroutines"].as_array().unwrap();
        prop_assert_eq!(goroutines.len(), s.goroutines.len());
        prop_assert_eq!(&document["capture"]["goroutines"], s.goroutines.len());
        for (g, of) in goroutines.iter().zip(&s.goroutines) {
            prop_assert_eq!(&g["goid"], of.goid.0);
            prop_assert_eq!(g["frames"].as_array().unwrap().len(), of.frames.len());
            let labels = of.labels.as_deref().unwrap_or_default();
            prop_assert_eq!(g["labels"].is_null(), of.labels.is_none());
            for (key, value) in labels {
                let last = labels.iter().rfind(|(k, _)| k == key).map(|(_, v)| v);
                prop_assert!(last != Some(value) || g["labels"][&**key] == **value);
            }
        }
        for (d, of) in document["diagnostics"].as_array().unwrap().iter().zip(&s.diagnostics) {
            prop_assert_eq!(d, of);
        }

        let pretty = json(&s, Style::Pretty);
        prop_assert_eq!(document, serde_json::from_str::<serde_json::Value>(&pretty).unwrap());
        prop_assert!(!line.contains(obeyed_by_a_terminal));
        prop_assert!(!pretty.contains(obeyed_by_a_terminal));
    }

    #[test]
    fn summary_never_steers_the_terminal_and_counts_what_it_leaves_out(
        s in snapshot(),
        include_system in any::<bool>(),
        max_groups in of(0..4_usize),
        width in of(0..200_usize),
    ) {
        let mut options = SummaryOptions { color: false, width, include_system, max_groups };
        let plain = summary(&s, &options);
        prop_assert!(!plain.contains(obeyed_by_a_terminal), "{:?}", plain);

        options.color = true;
        let mut colored = summary(&s, &options);
        for sgr in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[36m"] {
            colored = colored.replace(sgr, "");
        }
        prop_assert_eq!(&plain, &colored);

        // Lines of groups begin with their count, lines of the header are told apart by
        // the empty line behind them.
        let body = plain.split_once("\n\n").map_or("", |(_, body)| body);
        let counts = |line: &str| -> usize {
            let n = line.strip_prefix("… and ").map_or(line, |rest| {
                rest.split_once(" with ").map_or("0", |(_, n)| n)
            });
            match n.split_once(" goroutine") {
                Some((n, _)) => n.replace(',', "").parse().unwrap_or(0),
                None => 0,
            }
        };
        let told: usize = body.lines().map(counts).sum();
        prop_assert_eq!(told, s.goroutines.len(), "{}", plain);
    }
}
