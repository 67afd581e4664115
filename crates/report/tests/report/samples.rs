//! Snapshots made by hand, after real programs.

mod objects;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use model::{
    Addr, BuildIds, BuildInfo, C_FRAMES_MISSING, CaptureInfo, ChanState, Frame, FrameKind,
    Function, GcPhase, Goid, Goroutine, LayoutSource, P, PStatus, Pid, Scheduler, Site, Snapshot,
    StackBounds, StackEnd, Status, SymbolSource, TargetInfo, TargetKind, TextMapping, Tid,
    Traceback, Trust, Unreadable, WaitKind, WaitState, WaitingOn,
};
use report::{Style, SummaryOptions, write_json, write_summary};

pub fn json(snapshot: &Snapshot, style: Style) -> String {
    let mut out = Vec::new();
    write_json(snapshot, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub fn value(snapshot: &Snapshot) -> serde_json::Value {
    serde_json::from_str(&json(snapshot, Style::Line)).unwrap()
}

pub fn summary(snapshot: &Snapshot, options: &SummaryOptions) -> String {
    let mut out = Vec::new();
    write_summary(snapshot, &mut out, options).unwrap();
    String::from_utf8(out).unwrap()
}

fn function(name: &str, entry: u64) -> Function {
    Function {
        name: name.into(),
        entry: Addr(entry),
    }
}

pub fn frame(pc: u64, name: &str, file: &str, line: u32) -> Frame {
    Frame {
        pc: Addr(pc),
        function: function(name, pc & !0x3f),
        file: file.into(),
        line,
        inlined: false,
        kind: FrameKind::Normal,
        trust: Trust::Exact,
    }
}

/// A frame of C, in an object.
fn c(frame: Frame, object: &str) -> Frame {
    Frame {
        kind: FrameKind::C {
            object: Some(object.into()),
        },
        ..frame
    }
}

pub fn site(pc: u64, name: &str, file: &str, line: u32) -> Option<Site> {
    Some(Site {
        pc: Addr(pc),
        function: Some(function(name, pc & !0x3f)),
        file: file.into(),
        line,
    })
}

fn gopark() -> Frame {
    frame(
        0x43e1ce,
        "runtime.gopark",
        "/usr/local/go/src/runtime/proc.go",
        474,
    )
}

fn goexit() -> Frame {
    frame(
        0x4798c1,
        "runtime.goexit",
        "/usr/local/go/src/runtime/asm_amd64.s",
        1771,
    )
}

pub fn waiting(goid: u64, reason: &str, frames: &Arc<[Frame]>) -> Goroutine {
    let stack = 0xc0_0006_0000 + goid * 0x800;
    Goroutine {
        goid: Goid(goid),
        parent_goid: Some(Goid(1)),
        g: Addr(0xc0_0010_2000 + goid * 0x1c0),
        status: Status::Waiting,
        waitreason: Some(reason.into()),
        waitsince: None,
        tracking_seq: None,
        parking_on_chan: false,
        gopc: None,
        startpc: None,
        system: false,
        thread: None,
        locked_to_thread: false,
        labels: Some(Vec::new()),
        waiting_on: Some(Box::default()),
        stack: Some(StackBounds {
            lo: Addr(stack),
            hi: Addr(stack + 0x800),
            sp: Some(Addr(stack + 0x748)),
        }),
        frames: frames.clone(),
        stack_end: StackEnd::Complete,
        traceback: Traceback::default(),
        notes: Vec::new(),
    }
}

/// A service that hangs: workers wait for jobs, connections for requests.
pub fn service() -> Snapshot {
    let mut all = Vec::new();

    let main = [
        gopark(),
        frame(
            0x44fbe9,
            "runtime.semacquire1",
            "/usr/local/go/src/runtime/sema.go",
            192,
        ),
        frame(
            0x473d25,
            "sync.runtime_SemacquireWaitGroup",
            "/usr/local/go/src/runtime/sema.go",
            114,
        ),
        frame(
            0x4836c8,
            "sync.(*WaitGroup).Wait",
            "/usr/local/go/src/sync/waitgroup.go",
            206,
        ),
        frame(0x4a1b90, "main.main", "/src/svc/main.go", 58),
        frame(
            0x43deaf,
            "runtime.main",
            "/usr/local/go/src/runtime/proc.go",
            290,
        ),
        goexit(),
    ];
    all.push(Goroutine {
        parent_goid: None,
        startpc: site(
            0x43dd00,
            "runtime.main",
            "/usr/local/go/src/runtime/proc.go",
            149,
        ),
        waitsince: Some(990_000_000_000),
        waiting_on: Some(Box::from([WaitingOn {
            kind: WaitKind::WaitGroup,
            op: Some("wait".into()),
            addr: Some(Addr(0x6e_0018)),
            name: Some("main.running+0x8".into()),
            state: WaitState::WaitGroup {
                counter: 1234,
                waiters: 1,
            },
        }])),
        ..waiting(1, "sync.WaitGroup.Wait", &main.into())
    });

    let forcegc = [
        gopark(),
        frame(
            0x43e0b8,
            "runtime.forcegchelper",
            "/usr/local/go/src/runtime/proc.go",
            385,
        ),
        goexit(),
    ];
    all.push(Goroutine {
        gopc: site(
            0x43e0f5,
            "runtime.init.7",
            "/usr/local/go/src/runtime/proc.go",
            373,
        ),
        startpc: site(
            0x43e000,
            "runtime.forcegchelper",
            "/usr/local/go/src/runtime/proc.go",
            378,
        ),
        system: true,
        ..waiting(2, "force gc (idle)", &forcegc.into())
    });

    let worker: Arc<[Frame]> = [
        gopark(),
        frame(
            0x40cf25,
            "runtime.chanrecv",
            "/usr/local/go/src/runtime/chan.go",
            667,
        ),
        frame(
            0x40cb72,
            "runtime.chanrecv2",
            "/usr/local/go/src/runtime/chan.go",
            514,
        ),
        frame(0x4a1c2c, "main.worker", "/src/svc/worker.go", 12),
        goexit(),
    ]
    .into();
    for goid in 18..1252 {
        all.push(Goroutine {
            waitsince: (goid < 100).then_some(700_000_000_000 + goid),
            tracking_seq: (goid < 200).then_some(goid as u8),
            parking_on_chan: goid == 18,
            // One in a hundred was started to replace another.
            gopc: match goid % 100 {
                99 => site(0x4a1d80, "main.(*pool).restart", "/src/svc/pool.go", 77),
                _ => site(0x4a1b2c, "main.main", "/src/svc/main.go", 31),
            },
            startpc: site(0x4a1c00, "main.worker", "/src/svc/worker.go", 9),
            labels: Some(vec![("tenant".into(), "acme".into())]),
            waiting_on: Some(Box::from([WaitingOn {
                kind: WaitKind::Chan,
                op: Some("receive".into()),
                addr: Some(Addr(0xc0_0009_e060)),
                name: None,
                state: WaitState::Chan(Some(ChanState {
                    len: 0,
                    cap: 16,
                    closed: false,
                    elem_type: Some("main.job".into()),
                    timer: None,
                })),
            }])),
            ..waiting(goid, "chan receive", &worker)
        });
    }

    let conn: Arc<[Frame]> = [
        gopark(),
        frame(
            0x436c37,
            "runtime.netpollblock",
            "/usr/local/go/src/runtime/netpoll.go",
            575,
        ),
        frame(
            0x472665,
            "internal/poll.runtime_pollWait",
            "/usr/local/go/src/runtime/netpoll.go",
            351,
        ),
        Frame {
            inlined: true,
            ..frame(
                0x49b0e7,
                "internal/poll.(*pollDesc).waitRead",
                "/usr/local/go/src/internal/poll/fd_poll_runtime.go",
                89,
            )
        },
        frame(
            0x49b0e7,
            "internal/poll.(*FD).Read",
            "/usr/local/go/src/internal/poll/fd_unix.go",
            165,
        ),
        frame(
            0x4dfee5,
            "net.(*conn).Read",
            "/usr/local/go/src/net/net.go",
            194,
        ),
        frame(
            0x5c3c65,
            "net/http.(*connReader).Read",
            "/usr/local/go/src/net/http/server.go",
            798,
        ),
        Frame {
            kind: FrameKind::Wrapper,
            ..frame(0x5c3f01, "bufio.(*Reader).Peek", "<autogenerated>", 1)
        },
        frame(
            0x5c8a85,
            "net/http.(*conn).serve",
            "/usr/local/go/src/net/http/server.go",
            2027,
        ),
        goexit(),
    ]
    .into();
    for goid in [1300, 1301] {
        all.push(Goroutine {
            parent_goid: Some(Goid(1299)),
            gopc: site(
                0x5cd648,
                "net/http.(*Server).Serve",
                "/usr/local/go/src/net/http/server.go",
                3493,
            ),
            startpc: site(
                0x5c8600,
                "net/http.(*conn).serve",
                "/usr/local/go/src/net/http/server.go",
                1902,
            ),
            ..waiting(goid, "IO wait", &conn)
        });
    }

    let map = [
        frame(
            0x4a2011,
            "main.Map[go.shape.int,go.shape.string]",
            "/src/svc/generic.go",
            21,
        ),
        frame(0x4a2100, "main.render.func1", "/src/svc/render.go", 40),
    ];
    all.push(Goroutine {
        status: Status::Running,
        waitreason: None,
        thread: Some(Tid(4251)),
        gopc: site(0x4a2210, "main.render", "/src/svc/render.go", 38),
        startpc: site(0x4a20c0, "main.render.func1", "/src/svc/render.go", 38),
        stack_end: StackEnd::Early(
            "no function of the program contains the return address 0xdeadbeef".into(),
        ),
        ..waiting(1400, "", &map.into())
    });

    let cgo = [
        c(
            frame(0x7f55_1020_3040, "clock_nanosleep", "?", 0),
            "libc.so.6",
        ),
        Frame {
            function: function("libdevice.so.1+0x4a10", 0x7f55_2000_4a10),
            trust: Trust::Assumed,
            ..c(frame(0x7f55_2000_4a55, "", "?", 0), "libdevice.so.1")
        },
        Frame {
            inlined: true,
            ..c(
                frame(0x4a9011, "dev::Bus<int>::wait()", "/src/c/bus.h", 20),
                "svc",
            )
        },
        c(frame(0x4a9011, "usleep_poll", "/src/c/poll.c", 12), "svc"),
        Frame {
            trust: Trust::Assumed,
            ..frame(
                0x4713ab,
                "runtime.cgocall",
                "/usr/local/go/src/runtime/cgocall.go",
                167,
            )
        },
        Frame {
            trust: Trust::Assumed,
            ..frame(0x4a3045, "main._Cfunc_usleep", "_cgo_gotypes.go", 52)
        },
        Frame {
            trust: Trust::Assumed,
            ..frame(0x4a30a1, "main.(*device).poll", "?", 0)
        },
        goexit(),
    ];
    all.push(Goroutine {
        status: Status::Syscall,
        waitreason: None,
        thread: Some(Tid(4252)),
        locked_to_thread: true,
        gopc: Some(Site {
            pc: Addr(0x7f12_3456_0010),
            function: None,
            file: "?".into(),
            line: 0,
        }),
        startpc: site(0x4a3080, "main.(*device).poll", "?", 0),
        labels: Some(vec![
            ("tenant".into(), "acme".into()),
            ("device".into(), "a".into()),
            ("device".into(), "b".into()),
        ]),
        traceback: Traceback::default(),
        notes: vec![
            "labels: only the first 3 were read".into(),
            format!("{C_FRAMES_MISSING}libdevice.so.1 has no unwind tables"),
        ],
        stack: Some(StackBounds {
            lo: Addr(0xc0_0030_0000),
            hi: Addr(0xc0_0030_8000),
            sp: None,
        }),
        ..waiting(1401, "", &cgo.into())
    });

    // Given up by the garbage collector, at the same place as the workers.
    all.push(Goroutine {
        status: Status::Leaked,
        gopc: site(0x4a1b2c, "main.main", "/src/svc/main.go", 31),
        startpc: site(0x4a1c00, "main.worker", "/src/svc/worker.go", 9),
        ..waiting(1500, "chan receive", &worker)
    });

    Snapshot {
        captured_at: UNIX_EPOCH + Duration::new(1_795_176_000, 123_456_789),
        target: TargetInfo {
            kind: TargetKind::Process,
            pid: Some(Pid(4242)),
            exe: Some("/usr/bin/svc".into()),
            module: None,
            text: Some(TextMapping {
                start: Addr(0x400000),
                end: Addr(0x5ff000),
                file_offset: 0,
            }),
            core: None,
            arch: "amd64",
            threads: 9,
        },
        build: BuildInfo {
            go_version: "go1.27.3".into(),
            path: Some("example.com/svc".into()),
            main: Some("example.com/svc@v1.2.3".into()),
            settings: [("CGO_ENABLED", "1"), ("vcs.revision", "8f2c1b0")]
                .map(|(k, v)| (k.into(), v.into()))
                .into(),
            ids: BuildIds {
                gnu: Some(vec![0x5e, 0, 0xab]),
                go: Some(b"action/main/content".to_vec()),
            },
            layout: LayoutSource::Dwarf,
            symbols: SymbolSource::Symtab,
        },
        capture: CaptureInfo {
            pause: Some(Duration::from_nanos(4_100_000)),
            bytes_read: 61_000_000,
            nanotime: Some(1_000_000_000_000),
            consistent: true,
        },
        goroutines: all.into_iter().map(Arc::new).collect(),
        objects: Some(objects::objects()),
        ms: Vec::new(),
        scheduler: Some(scheduler()),
        traceback_labels: false,
        unreadable: vec![Unreadable {
            index: 7,
            g: Addr(0xc0_0010_3c00),
            reason: "cannot read 448 bytes at 0xc000103c00: no such page".into(),
        }],
        diagnostics: vec![
            "the executable on disk was replaced; read /proc/4242/exe instead".into(),
        ],
    }
}

/// Two Ps that work, of which one has a queue, one that nobody needs, and one that could not be read whole.
fn scheduler() -> Scheduler {
    let p = |id, status, m, runq: &[u64]| P {
        id,
        status,
        m,
        runnext: None,
        runq: Some(runq.iter().copied().map(Goid).collect()),
    };
    Scheduler {
        gomaxprocs: 4,
        ps: vec![
            P {
                runnext: Some(Goid(1300)),
                ..p(0, PStatus::Running, Some(0), &[1301, 1302])
            },
            p(1, PStatus::Running, Some(3), &[]),
            p(2, PStatus::Idle, None, &[]),
            P {
                runq: None,
                ..p(3, PStatus::GcStop, None, &[])
            },
        ],
        runq: Some(vec![Goid(1303)]),
        runqsize: Some(1),
        gcwaiting: Some(false),
        gcphase: Some(GcPhase::Mark),
        numgc: Some(17),
        last_gc_unix: Some(1_795_175_999_000_000_000),
    }
}

/// The same with few of the workers, for golden files that show every field.
pub fn small_service() -> Snapshot {
    let mut s = service();
    s.goroutines
        .retain(|g| !(20..1252).contains(&g.goid.0) || g.goid.0 == 99);
    s
}

/// As little as a damaged core may tell, in strings that attack the reader.
pub fn hostile_core() -> Snapshot {
    let frames = [
        c(frame(0x7000, "f\x1b]0;c\x07", "?", 0), "lib\u{9b}31m.so"),
        Frame {
            kind: FrameKind::C { object: None },
            ..frame(0x7100, "0x7100", "?", 0)
        },
        frame(
            0x401000,
            "main.\x1b]0;owned\x07f\u{9b}31m",
            "/src/\u{202e}og.niam",
            3,
        ),
    ];
    let mut s = Snapshot {
        goroutines: vec![Arc::new(Goroutine {
            labels: Some(vec![("k\x1b[2J".into(), "v\u{85}\u{7f}µ".into())]),
            stack: None,
            ..waiting(5, "chan receive\r\n[running]", &frames.into())
        })],
        objects: None,
        ms: Vec::new(),
        scheduler: None,
        traceback_labels: false,
        unreadable: (0..7)
            .map(|index| Unreadable {
                index,
                g: Addr(0),
                reason: "the entry is\nnil".into(),
            })
            .collect(),
        diagnostics: vec!["\x1b[31mred".into()],
        ..service()
    };
    s.target = TargetInfo {
        kind: TargetKind::Core,
        pid: None,
        exe: None,
        module: Some("/lib/\x1b[31mlibgo.so".into()),
        text: None,
        core: Some("/var/crash/core.\x1b7".into()),
        arch: "arm64",
        threads: 0,
    };
    s.build = BuildInfo {
        go_version: "go1.19".into(),
        path: None,
        main: None,
        settings: [("a\u{9b}".to_owned(), "\0".to_owned())].into(),
        ids: BuildIds {
            gnu: None,
            go: Some(b"a\x1b[31m".to_vec()),
        },
        layout: LayoutSource::Table,
        symbols: SymbolSource::Found,
    };
    s.capture = CaptureInfo {
        pause: None,
        bytes_read: 0,
        nanotime: None,
        consistent: false,
    };
    s
}
