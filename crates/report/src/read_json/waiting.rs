//! `waitingOn`, read back.

use std::borrow::Cow;

use model::{Addr, ChanState, WaitKind, WaitState, WaitingOn};
use serde::Deserialize;

use super::entries::{Text, Word};
use super::shared::Strings;

/// An entry as it is read. Which fields are there tells what is known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WaitingIn {
    kind: Text<WaitKind>,
    op: Option<String>,
    addr: Option<Text<Addr>>,
    name: Option<String>,
    len: Option<u64>,
    cap: Option<u64>,
    closed: Option<bool>,
    elem_type: Option<String>,
    counter: Option<u32>,
    waiters: Option<u32>,
    when: Option<i64>,
    #[serde(default, with = "present")]
    fd: Option<Option<i32>>,
    file: Option<String>,
    deadline: Option<i64>,
}

/// Tells a `null` from what is left out.
mod present {
    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Option<i32>>, D::Error> {
        Option::<i32>::deserialize(input).map(Some)
    }
}

impl WaitingIn {
    pub(super) fn into_waiting_on(self, strings: &mut Strings) -> WaitingOn {
        let kind = self.kind.0;
        let state = match (kind, self.len, self.cap, self.closed) {
            (WaitKind::Chan, Some(len), Some(cap), Some(closed)) => {
                WaitState::Chan(Some(ChanState {
                    len,
                    cap,
                    closed,
                    elem_type: self.elem_type.map(|name| strings.share(name)),
                    timer: self.when,
                }))
            }
            (WaitKind::Chan, ..) => WaitState::Chan(None),
            _ => match (self.counter, self.waiters, self.when, self.fd) {
                (Some(counter), Some(waiters), ..) => WaitState::WaitGroup { counter, waiters },
                (_, _, Some(when), _) => WaitState::Timer(when),
                (.., Some(fd)) => WaitState::File {
                    fd,
                    file: self.file.map(|file| strings.share(file)),
                    deadline: self.deadline,
                },
                _ => WaitState::Nothing,
            },
        };
        WaitingOn {
            kind,
            op: self.op.map(op),
            addr: self.addr.map(|addr| addr.0),
            name: self.name.map(|name| strings.share(name)),
            state,
        }
    }
}

/// What is to be done with something.
pub(super) fn op(op: String) -> Cow<'static, str> {
    match KNOWN_OPS.iter().find(|known| **known == op) {
        Some(known) => Cow::Borrowed(*known),
        None => Cow::Owned(op),
    }
}

/// Of which no copy is needed.
const KNOWN_OPS: &[&str] = &[
    "receive", "send", "lock", "rlock", "wait", "acquire", "read", "write", "run",
];

impl Word for WaitKind {
    const WHAT: &'static str = "a kind of wait";

    fn from_word(word: &str) -> Option<Self> {
        WaitKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
