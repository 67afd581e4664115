//! Goroutines for unit tests.

use std::sync::Arc;

use crate::{
    Addr, Frame, FrameKind, Function, Goid, Goroutine, StackEnd, Status, Traceback, Trust,
};

pub(crate) fn frames(names: &[&str]) -> Arc<[Frame]> {
    let frame = |name: &&str| Frame {
        pc: Addr(1),
        function: Function {
            name: (*name).into(),
            entry: Addr(1),
        },
        file: "/src/a.go".into(),
        line: 1,
        inlined: false,
        kind: FrameKind::Normal,
        trust: Trust::Exact,
    };
    names.iter().map(frame).collect()
}

/// One that waits for `reason`.
pub(crate) fn goroutine(goid: u64, reason: &str, frames: &Arc<[Frame]>) -> Arc<Goroutine> {
    Arc::new(Goroutine {
        goid: Goid(goid),
        parent_goid: None,
        g: Addr(0xc000),
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
        stack: None,
        frames: frames.clone(),
        stack_end: StackEnd::Complete,
        traceback: Traceback::default(),
        notes: Vec::new(),
    })
}
