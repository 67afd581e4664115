//! Objects made by hand, one of each kind.

use model::{Addr, ChanState, Goid, HeldBy, Holder, Object, ObjectState, Queue, WaitKind};

/// What the main goroutine and the workers wait on.
pub fn objects() -> Vec<Object> {
    let holder = |goid, frame, by| Holder {
        goid: Goid(goid),
        frame,
        by,
    };
    let queue = |op: &'static str, goids: std::ops::Range<u64>| Queue {
        op: op.into(),
        goids: goids.map(Goid).collect(),
    };
    vec![
        Object {
            kind: WaitKind::WaitGroup,
            addr: Addr(0x6e_0018),
            name: Some("main.running+0x8".into()),
            variable: Some(Addr(0x6e_0018)),
            state: ObjectState::WaitGroup {
                counter: 1234,
                waiters: 1,
            },
            queues: vec![queue("wait", 1..2)],
            holders: vec![
                holder(18, Some(1), HeldBy::Part),
                holder(19, None, HeldBy::Address),
                holder(20, Some(0), HeldBy::Heap),
                holder(99, Some(2), HeldBy::Code),
            ],
            more_holders: 1231,
        },
        Object {
            kind: WaitKind::Chan,
            addr: Addr(0xc0_0009_e060),
            name: None,
            variable: None,
            state: ObjectState::Chan(ChanState {
                len: 0,
                cap: 16,
                closed: false,
                elem_type: Some("main.job".into()),
                timer: None,
            }),
            queues: vec![queue("receive", 18..21)],
            holders: Vec::new(),
            more_holders: 0,
        },
        Object {
            kind: WaitKind::Mutex,
            addr: Addr(0xc0_0001_0000),
            name: None,
            variable: None,
            state: ObjectState::Mutex {
                locked: true,
                starving: false,
                waiters: 2,
            },
            queues: vec![queue("lock", 7..9)],
            holders: Vec::new(),
            more_holders: 0,
        },
        Object {
            kind: WaitKind::RwMutex,
            addr: Addr(0xc0_0001_0040),
            name: Some("main.table".into()),
            variable: Some(Addr(0x6e_0100)),
            state: ObjectState::RwMutex {
                readers: 3,
                writer: true,
                departing: 2,
            },
            queues: vec![queue("lock", 9..10), queue("rlock", 10..11)],
            holders: Vec::new(),
            more_holders: 0,
        },
        Object {
            kind: WaitKind::Cond,
            addr: Addr(0xc0_0001_0080),
            name: None,
            variable: None,
            state: ObjectState::Unknown,
            queues: vec![queue("wait", 12..13)],
            holders: Vec::new(),
            more_holders: 0,
        },
    ]
}
