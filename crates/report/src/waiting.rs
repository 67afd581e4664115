//! `waitingOn` in JSON (docs/SCHEMA.md).

use model::{WaitState, WaitingOn};
use serde::Serialize;

use crate::json::Hex;

/// One entry. A field that is `None` makes no sense for the kind and is left out; `Some(None)` is `null`.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WaitingDto<'a> {
    kind: &'static str,
    op: Option<&'a str>,
    addr: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Option<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elem_type: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counter: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiters: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fd: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Option<i64>>,
}

impl<'a> WaitingDto<'a> {
    pub(crate) fn new(on: &'a WaitingOn) -> Self {
        let plain = WaitingDto {
            kind: on.kind.as_str(),
            op: on.op.as_deref(),
            addr: on.addr.map(Hex),
            name: on.name.as_deref(),
            ..WaitingDto::default()
        };
        match &on.state {
            WaitState::Nothing => plain,
            WaitState::Chan(state) => WaitingDto {
                len: Some(state.as_ref().map(|s| s.len)),
                cap: Some(state.as_ref().map(|s| s.cap)),
                closed: Some(state.as_ref().map(|s| s.closed)),
                elem_type: Some(state.as_ref().and_then(|s| s.elem_type.as_deref())),
                when: state.as_ref().and_then(|s| s.timer),
                ..plain
            },
            WaitState::WaitGroup { counter, waiters } => WaitingDto {
                counter: Some(*counter),
                waiters: Some(*waiters),
                ..plain
            },
            WaitState::Timer(when) => WaitingDto {
                when: Some(*when),
                ..plain
            },
            WaitState::File { fd, file, deadline } => WaitingDto {
                fd: Some(*fd),
                file: Some(file.as_deref()),
                deadline: Some(*deadline),
                ..plain
            },
        }
    }
}
