//! Goroutines that are stuck with each other.

use std::sync::Arc;

use model::{
    Addr, ChanState, GcPhase, Goid, HeldBy, Holder, M, MRef, Object, ObjectState, P, PStatus,
    Queue, Scheduler, Snapshot, Tid, WaitKind, WaitState, WaitingOn,
};

use super::{g, snapshot};

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
    snapshot.scheduler = Some(scheduler(second));
    let m = |id: i64, thread: i32, curg, p| M {
        m: MRef {
            id,
            at: Addr(0x00c0_0004_0000),
        },
        thread: Some(Tid(thread)),
        curg,
        p,
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
    snapshot.ms = vec![
        m(1, 48_214, None, None),
        m(0, 48_211, Some(Goid(1)), Some(0)),
    ];
    snapshot
}

/// Two Ps: one that has others wait for it, and one that nobody needs.
fn scheduler(second: u64) -> Scheduler {
    let p = |id, status, m| P {
        id,
        status,
        m,
        runnext: None,
        runq: Some(Vec::new()),
    };
    Scheduler {
        gomaxprocs: 2,
        ps: vec![
            P {
                runnext: Some(Goid(20)),
                runq: Some(vec![Goid(30), Goid(31)]),
                ..p(0, PStatus::Running, Some(0))
            },
            p(1, PStatus::Idle, None),
        ],
        runq: Some(vec![Goid(21)]),
        runqsize: Some(1),
        gcwaiting: Some(false),
        gcphase: Some(GcPhase::Mark),
        numgc: Some(1_204 + second),
        last_gc_unix: Some((1_790_000_000 + second - 3) * 1_000_000_000),
    }
}
