//! `objects` in JSON (docs/SCHEMA.md).

use model::{Object, ObjectState};
use serde::Serialize;

use crate::json::Hex;

/// One entry. A field that is `None` makes no sense for the kind, or is not known, and is left out; `Some(None)` is `null`.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectDto<'a> {
    kind: &'static str,
    addr: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    variable: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elem_type: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counter: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starving: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiters: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readers: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writer: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    departing: Option<u32>,
    queues: Vec<QueueDto<'a>>,
    holders: Vec<HolderDto>,
    more_holders: usize,
}

#[derive(Serialize)]
pub(crate) struct QueueDto<'a> {
    op: &'a str,
    goids: Vec<u64>,
}

#[derive(Serialize)]
pub(crate) struct HolderDto {
    goid: u64,
    frame: Option<usize>,
    by: &'static str,
}

impl<'a> ObjectDto<'a> {
    pub(crate) fn new(object: &'a Object) -> Self {
        let queues = object.queues.iter().map(|queue| QueueDto {
            op: &queue.op,
            goids: queue.goids.iter().map(|goid| goid.0).collect(),
        });
        let holders = object.holders.iter().map(|holder| HolderDto {
            goid: holder.goid.0,
            frame: holder.frame,
            by: holder.by.as_str(),
        });
        let plain = ObjectDto {
            kind: object.kind.as_str(),
            addr: Some(Hex(object.addr)),
            name: object.name.as_deref(),
            variable: object.variable.map(Hex),
            queues: queues.collect(),
            holders: holders.collect(),
            more_holders: object.more_holders,
            ..ObjectDto::default()
        };
        match &object.state {
            ObjectState::Unknown => plain,
            ObjectState::Chan(state) => ObjectDto {
                len: Some(state.len),
                cap: Some(state.cap),
                closed: Some(state.closed),
                elem_type: Some(state.elem_type.as_deref()),
                when: state.timer,
                ..plain
            },
            &ObjectState::Mutex {
                locked,
                starving,
                waiters,
            } => ObjectDto {
                locked: Some(locked),
                starving: Some(starving),
                waiters: Some(waiters),
                ..plain
            },
            &ObjectState::RwMutex {
                readers,
                writer,
                departing,
            } => ObjectDto {
                readers: Some(readers),
                writer: Some(writer),
                departing: Some(departing),
                ..plain
            },
            &ObjectState::WaitGroup { counter, waiters } => ObjectDto {
                counter: Some(counter),
                waiters: Some(waiters),
                ..plain
            },
        }
    }
}
