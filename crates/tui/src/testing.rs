//! Snapshots made by hand, like those of a real program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::{
    Addr, BuildInfo, CaptureInfo, ChanState, Frame, FrameKind, Function, Goid, Goroutine, HeldBy,
    Holder, LayoutSource, M, MRef, Object, ObjectState, Pid, Queue, Site, Snapshot, StackEnd,
    Status, SymbolSource, TargetInfo, TargetKind, Tid, Traceback, Trust, Unreadable, WaitKind,
    WaitState, WaitingOn,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::feed::FeedEvent;
use crate::keymap::Key;
use crate::run::UiOptions;
use crate::state::{Model, Wish};
use crate::update::{Effect, Msg, update};
use crate::view::view;

const SECOND: u64 = 1_000_000_000;
/// The target's clock at sample 0.
const START: u64 = 9_000 * SECOND;

/// A goroutine in the making.
pub(crate) struct G(pub Goroutine);

/// `file:line function`, innermost first; `+` before the function for inlined, `^` for wrapper, `$` for
/// C (`object:0` where there is no debug information).
pub(crate) fn stack(calls: &[&str]) -> Arc<[Frame]> {
    calls
        .iter()
        .zip(1u64..)
        .map(|(call, i)| frame(call, i))
        .collect()
}

fn frame(call: &str, i: u64) -> Frame {
    let (place, name) = call.split_once(' ').unwrap();
    let (file, line) = place.rsplit_once(':').unwrap();
    let inlined = name.starts_with('+');
    let wrapper = name.starts_with('^');
    let c = name.starts_with('$');
    let name = name.trim_start_matches(['+', '^', '$']);
    let line: u32 = line.parse().unwrap();
    Frame {
        pc: Addr(0x40_0000 + 0x1000 * i + u64::from(line)),
        function: Function {
            name: name.into(),
            entry: Addr(0x40_0000 + 0x1000 * i),
        },
        file: file.into(),
        line,
        inlined,
        kind: match (c, wrapper) {
            (true, _) => FrameKind::C {
                object: Some(if line == 0 { file.into() } else { "svc".into() }),
            },
            (false, true) => FrameKind::Wrapper,
            (false, false) => FrameKind::Normal,
        },
        trust: Trust::Exact,
    }
}

fn site(call: &str) -> Site {
    let frame = frame(call, 1);
    Site {
        pc: frame.pc,
        function: Some(frame.function),
        file: frame.file,
        line: frame.line,
    }
}

pub(crate) fn g(goid: u64, state: &str, calls: &[&str]) -> G {
    let status = Status::ALL.into_iter().find(|s| s.as_str() == state);
    G(Goroutine {
        goid: Goid(goid),
        parent_goid: None,
        g: Addr(0xc000_0000_0000 + goid * 0x1c0),
        status: status.unwrap_or(Status::Waiting),
        waitreason: if status.is_none() {
            Some(state.into())
        } else {
            None
        },
        waitsince: None,
        parking_on_chan: false,
        gopc: None,
        startpc: calls.last().map(|call| site(call)),
        system: false,
        thread: None,
        locked_to_thread: false,
        labels: Some(Vec::new()),
        waiting_on: Some(Box::default()),
        stack: None,
        frames: stack(calls),
        stack_end: StackEnd::Complete,
        traceback: Traceback::default(),
        notes: Vec::new(),
    })
}

impl G {
    pub fn by(mut self, parent: u64, call: &str) -> G {
        self.0.parent_goid = Some(Goid(parent));
        self.0.gopc = Some(site(call));
        self
    }

    /// As the garbage collector noted it, that long before sample 0.
    pub fn waits(mut self, seconds: u64) -> G {
        self.0.waitsince = Some(START - seconds * SECOND);
        self
    }

    pub fn label(mut self, key: &str, value: &str) -> G {
        let labels = self.0.labels.get_or_insert_default();
        labels.push((key.into(), value.into()));
        self
    }

    pub fn system(mut self) -> G {
        self.0.system = true;
        self
    }

    pub fn thread(mut self, tid: i32) -> G {
        self.0.thread = Some(Tid(tid));
        self
    }

    pub fn note(mut self, note: &str) -> G {
        self.0.notes.push(note.into());
        self
    }
}

/// The `second`th sample, taken that long after the first one.
pub(crate) fn snapshot(second: u64, goroutines: impl IntoIterator<Item = G>) -> Snapshot {
    Snapshot {
        captured_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + second),
        target: TargetInfo {
            kind: TargetKind::Process,
            pid: Some(Pid(48_211)),
            exe: Some(PathBuf::from("/usr/local/bin/checkout")),
            module: None,
            text: None,
            core: None,
            arch: "amd64",
            threads: 17,
        },
        build: BuildInfo {
            go_version: "go1.26.1".into(),
            path: Some("example.com/shop/checkout".into()),
            main: Some("example.com/shop@v1.42.0".into()),
            settings: BTreeMap::new(),
            ids: model::BuildIds::default(),
            layout: LayoutSource::Dwarf,
            symbols: SymbolSource::Symtab,
        },
        capture: CaptureInfo {
            pause: Some(Duration::from_micros(3_240)),
            bytes_read: 1_843_200,
            nanotime: Some(START + second * SECOND),
            consistent: true,
        },
        goroutines: goroutines.into_iter().map(|g| Arc::new(g.0)).collect(),
        objects: None,
        ms: Vec::new(),
        traceback_labels: false,
        unreadable: Vec::new(),
        diagnostics: Vec::new(),
    }
}

const NETPOLL: [&str; 5] = [
    "/usr/local/go/src/runtime/proc.go:462 runtime.gopark",
    "/usr/local/go/src/runtime/netpoll.go:575 runtime.netpollblock",
    "/usr/local/go/src/runtime/netpoll.go:351 internal/poll.runtime_pollWait",
    "/usr/local/go/src/internal/poll/fd_poll_runtime.go:84 internal/poll.(*pollDesc).wait",
    "/usr/local/go/src/internal/poll/fd_poll_runtime.go:89 +internal/poll.(*pollDesc).waitRead",
];

fn reader(goid: u64) -> G {
    let mut calls = NETPOLL.to_vec();
    calls.extend([
        "/usr/local/go/src/internal/poll/fd_unix.go:165 internal/poll.(*FD).Read",
        "/usr/local/go/src/net/fd_posix.go:68 net.(*netFD).Read",
        "/usr/local/go/src/net/net.go:196 net.(*conn).Read",
        "/usr/local/go/src/net/http/server.go:702 net/http.(*connReader).backgroundRead",
    ]);
    g(goid, "IO wait", &calls).by(
        goid - 1,
        "/usr/local/go/src/net/http/server.go:698 net/http.(*connReader).startBackgroundRead",
    )
}

fn handler(goid: u64, wait: &str, tenant: &str) -> G {
    let calls = [
        "/usr/local/go/src/runtime/proc.go:462 runtime.gopark",
        "/usr/local/go/src/runtime/chan.go:667 runtime.chanrecv",
        "/usr/local/go/src/runtime/chan.go:509 runtime.chanrecv1",
        "/home/build/shop/internal/stock/reserve.go:131 example.com/shop/internal/stock.(*Client).Reserve",
        "/home/build/shop/internal/cart/checkout.go:88 +example.com/shop/internal/cart.(*Cart).reserveAll",
        "/home/build/shop/internal/cart/checkout.go:64 example.com/shop/internal/cart.(*Cart).Checkout",
        "/home/build/shop/cmd/checkout/handler.go:47 main.(*server).handleCheckout",
        "<autogenerated>:1 ^main.(*server).handleCheckout-fm",
        "/usr/local/go/src/net/http/server.go:2322 net/http.HandlerFunc.ServeHTTP",
        "/usr/local/go/src/net/http/server.go:2861 net/http.(*ServeMux).ServeHTTP",
        "/usr/local/go/src/net/http/server.go:3340 net/http.serverHandler.ServeHTTP",
        "/usr/local/go/src/net/http/server.go:2109 net/http.(*conn).serve",
    ];
    g(goid, wait, &calls)
        .by(
            1,
            "/usr/local/go/src/net/http/server.go:3493 net/http.(*Server).Serve",
        )
        .label("tenant", tenant)
        .label("route", "POST /checkout")
}

fn system(goid: u64, wait: &str, function: &str) -> G {
    let park = "/usr/local/go/src/runtime/proc.go:462 runtime.gopark";
    g(
        goid,
        wait,
        &[
            park,
            &format!("/usr/local/go/src/runtime/mgc.go:279 {function}"),
        ],
    )
    .system()
}

fn base() -> Vec<G> {
    let mut accept = NETPOLL.to_vec();
    accept.extend([
        "/usr/local/go/src/internal/poll/fd_unix.go:613 internal/poll.(*FD).Accept",
        "/usr/local/go/src/net/fd_unix.go:161 net.(*netFD).accept",
        "/usr/local/go/src/net/http/server.go:3463 net/http.(*Server).Serve",
        "/usr/local/go/src/net/http/server.go:3370 net/http.(*Server).ListenAndServe",
        "/home/build/shop/cmd/checkout/main.go:58 main.main",
        "/usr/local/go/src/runtime/proc.go:285 runtime.main",
    ]);
    vec![
        g(1, "IO wait", &accept).waits(5_000),
        system(2, "force gc (idle)", "runtime.forcegchelper"),
        system(3, "GC sweep wait", "runtime.bgsweep"),
        system(4, "GC scavenge wait", "runtime.bgscavenge"),
        system(5, "finalizer wait", "runtime.runFinalizers"),
        g(18, "sync.Mutex.Lock", &[
            "/usr/local/go/src/runtime/proc.go:462 runtime.gopark",
            "/usr/local/go/src/runtime/sema.go:192 runtime.semacquire1",
            "/usr/local/go/src/internal/sync/mutex.go:149 internal/sync.(*Mutex).lockSlow",
            "/usr/local/go/src/internal/sync/mutex.go:70 +internal/sync.(*Mutex).Lock",
            "/usr/local/go/src/sync/mutex.go:46 +sync.(*Mutex).Lock",
            "/home/build/shop/internal/stock/cache.go:71 example.com/shop/internal/stock.(*Cache[go.shape.string,go.shape.struct { example.com/shop/internal/stock.Level int }]).refresh",
            "/home/build/shop/internal/stock/cache.go:40 example.com/shop/internal/stock.NewCache.func1",
        ])
        .by(1, "/home/build/shop/internal/stock/cache.go:38 example.com/shop/internal/stock.NewCache")
        .waits(754),
        g(19, "select", &[
            "/usr/local/go/src/runtime/proc.go:462 runtime.gopark",
            "/usr/local/go/src/runtime/select.go:351 runtime.selectgo",
            "/usr/local/go/src/database/sql/sql.go:1261 database/sql.(*DB).connectionOpener",
        ])
        .by(1, "/usr/local/go/src/database/sql/sql.go:841 database/sql.OpenDB")
        .waits(300),
        g(20, "syscall", &[
            "/usr/local/go/src/runtime/sigqueue.go:152 os/signal.signal_recv",
            "/usr/local/go/src/os/signal/signal_unix.go:23 os/signal.loop",
        ])
        .by(1, "/usr/local/go/src/os/signal/signal.go:152 os/signal.Notify.func1.1")
        .thread(48_219),
    ]
}

/// Three samples of a service in trouble, a second apart.
pub(crate) fn story() -> Vec<Snapshot> {
    let mut first = base();
    first.extend([handler(57, "chan receive", "acme").waits(252), reader(58)]);
    first.extend([handler(61, "chan receive", "globex"), reader(62)]);
    first.push(
        g(
            70,
            "running",
            &["/home/build/shop/internal/price/sum.go:19 example.com/shop/internal/price.Sum"],
        )
        .by(
            57,
            "/home/build/shop/internal/price/sum.go:9 example.com/shop/internal/price.Start",
        )
        .thread(48_213),
    );
    let mut second = base();
    second.extend([handler(57, "chan receive", "acme").waits(252), reader(58)]);
    second.extend([handler(61, "select", "globex"), reader(62)]);
    second.push(handler(1_043, "chan receive", "acme"));
    second.push(reader(1_044));
    let mut third = base();
    third.extend([handler(57, "chan receive", "acme").waits(252), reader(58)]);
    third.extend([handler(61, "chan receive", "globex"), reader(62)]);
    third.push(handler(1_043, "chan receive", "acme"));
    third.push(reader(1_044));
    third.push(
        handler(1_051, "runnable", "initech")
            .note("the stack moved while it was read; these are the calls of a moment before"),
    );
    let mut third = snapshot(2, third);
    third.unreadable.push(Unreadable {
        index: 33,
        g: Addr(0x00c0_000a_2e00),
        reason: "g.sched.sp 0xc00f000000 is outside the stack 0xc000090000-0xc000098000".into(),
    });
    third.diagnostics.push(
        "The executable file was replaced since the program started; its memory was read instead."
            .into(),
    );
    vec![snapshot(0, first), snapshot(1, second), third]
}

/// A channel that nobody serves and two locks taken in both orders, in two samples: with objects, threads and
/// a goroutine whose parent has ended.
pub(crate) fn tangle() -> Vec<Snapshot> {
    (0..2).map(tangled).collect()
}

fn tangled(second: u64) -> Snapshot {
    let on = |kind, op: &'static str, at, name: &str| WaitingOn {
        kind,
        op: Some(op.into()),
        addr: Some(Addr(at)),
        name: Some(name.into()),
        state: WaitState::Nothing,
    };
    let (stock, queue) = (0x00c0_0001_0000, 0x00c0_0002_0000);
    let locker = |goid: u64, wants: &str, at: u64| {
        let mut one = g(
            goid,
            "sync.Mutex.Lock",
            &[
                "/usr/local/go/src/runtime/sema.go:192 runtime.semacquire1",
                "/usr/local/go/src/sync/mutex.go:46 sync.(*Mutex).Lock",
                "/home/build/shop/stock.go:71 main.transfer",
            ],
        )
        .by(1, "/home/build/shop/main.go:38 main.main")
        .waits(90);
        one.0.waiting_on = Some(Box::new([on(WaitKind::Mutex, "lock", at, wants)]));
        one
    };
    let sender = |goid: u64| {
        let mut one = g(
            goid,
            "chan send",
            &[
                "/usr/local/go/src/runtime/chan.go:160 runtime.chansend",
                "/home/build/shop/mail.go:12 main.deliver",
            ],
        )
        .by(9, "/home/build/shop/mail.go:9 main.order")
        .label("tenant", "acme");
        one.0.waiting_on = Some(Box::new([on(WaitKind::Chan, "send", queue, "main.queue")]));
        one
    };
    let mut all = vec![
        g(1, "running", &["/home/build/shop/main.go:58 main.main"]).thread(48_211),
        locker(20, "main.stock", stock),
        locker(21, "main.audit", stock + 8),
    ];
    if second == 0 {
        all.push(
            g(9, "runnable", &["/home/build/shop/mail.go:9 main.order"])
                .by(1, "/home/build/shop/main.go:40 main.main"),
        );
    }
    all.extend((30..33 + 4 * second).map(sender));
    let mut snapshot = snapshot(second, all);
    let mutex = |name: &str, at, waits, has| Object {
        kind: WaitKind::Mutex,
        addr: Addr(at),
        name: Some(name.into()),
        variable: None,
        state: ObjectState::Mutex {
            locked: true,
            starving: false,
            waiters: 1,
        },
        queues: vec![Queue {
            op: "lock".into(),
            goids: vec![Goid(waits)],
        }],
        holders: vec![Holder {
            goid: Goid(has),
            frame: Some(2),
            by: HeldBy::Code,
        }],
        more_holders: 0,
    };
    let channel = Object {
        kind: WaitKind::Chan,
        addr: Addr(queue),
        name: Some("main.queue".into()),
        variable: None,
        state: ObjectState::Chan(ChanState {
            len: 0,
            cap: 0,
            closed: false,
            elem_type: Some("string".into()),
            timer: None,
        }),
        queues: vec![Queue {
            op: "send".into(),
            goids: (30..33 + 4 * second).map(Goid).collect(),
        }],
        holders: Vec::new(),
        more_holders: 0,
    };
    snapshot.objects = Some(vec![
        mutex("main.stock", stock, 20, 21),
        mutex("main.audit", stock + 8, 21, 20),
        channel,
    ]);
    let m = |id: i64, thread: i32, curg| M {
        m: MRef {
            id,
            at: Addr(0x00c0_0004_0000),
        },
        thread: Some(Tid(thread)),
        curg,
        g0: Arc::new(
            g(
                0,
                "idle",
                &[
                    "/usr/local/go/src/runtime/sys_linux_amd64.s:558 runtime.futex",
                    "/usr/local/go/src/runtime/proc.go:3300 runtime.findRunnable",
                ],
            )
            .0,
        ),
    };
    snapshot.ms = vec![m(1, 48_214, None), m(0, 48_211, Some(Goid(1)))];
    snapshot
}

/// The story's screen, with or without someone at the keys.
pub(crate) struct Screen {
    pub model: Model,
    terminal: Terminal<TestBackend>,
    pub copied: Option<String>,
    pub edited: Option<(PathBuf, u32)>,
}

pub(crate) fn options() -> UiOptions {
    UiOptions {
        title: "checkout".into(),
        color: false,
        light: false,
        keymap: Default::default(),
        view: String::new(),
        filter: String::new(),
        interval: Duration::from_secs(1),
        max_overhead: None,
        at_work: Arc::default(),
    }
}

impl Screen {
    pub fn new(width: u16, height: u16) -> Screen {
        let mut model = Model::new(options());
        update(&mut model, Msg::Resize(width, height));
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        Screen {
            model,
            terminal,
            copied: None,
            edited: None,
        }
    }

    /// With all of the story told.
    pub fn story(width: u16, height: u16) -> Screen {
        let mut screen = Screen::new(width, height);
        for snapshot in story() {
            screen.sample(snapshot);
        }
        screen
    }

    pub fn sample(&mut self, snapshot: Snapshot) {
        self.model.now += Duration::from_secs(1);
        self.feed(FeedEvent::Snapshot(Arc::new(snapshot)));
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        update(&mut self.model, Msg::Resize(width, height));
    }

    pub fn feed(&mut self, event: FeedEvent) {
        update(&mut self.model, Msg::Feed(event));
        self.grant();
    }

    /// Does what the loop would do with wishes, at once.
    fn grant(&mut self) {
        for wish in std::mem::take(&mut self.model.wishes) {
            match wish {
                Wish::Analyse(snapshot) => {
                    let found = analysis::findings(&snapshot);
                    update(&mut self.model, Msg::Found(found));
                }
                Wish::Read(path) => {
                    update(&mut self.model, Msg::Source(path, None));
                }
                Wish::Suspend => {}
                Wish::Copy(text) => self.copied = Some(text),
                Wish::Edit(path, line) => self.edited = Some((path, line)),
            }
        }
    }

    pub fn key(&mut self, key: Key) -> Option<Effect> {
        let effect = update(&mut self.model, Msg::Key(key));
        self.grant();
        effect
    }

    /// Types characters.
    pub fn keys(&mut self, keys: &str) -> Option<Effect> {
        keys.chars()
            .map(|c| self.key(Key::Char(c)))
            .last()
            .flatten()
    }

    /// What is on the screen.
    pub fn text(&mut self) -> String {
        self.terminal
            .draw(|frame| view(&self.model, frame))
            .unwrap();
        let buffer = self.terminal.backend().buffer();
        let area = buffer.area;
        let line = |y: u16| -> String {
            let cells = (0..area.width).map(|x| buffer[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..area.height).map(|y| line(y) + "\n").collect()
    }

    /// The goids in the list, in its order.
    pub fn goids(&self) -> Vec<u64> {
        let items =
            (0..self.model.list.len()).filter_map(|i| self.model.list.item(&self.model.watch, i));
        items
            .filter_map(|item| match item {
                crate::list::Item::Goroutine(row) => Some(row.goroutine.goid.0),
                crate::list::Item::Unreadable(_) => None,
            })
            .collect()
    }
}
