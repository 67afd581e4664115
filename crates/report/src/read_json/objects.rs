//! `objects`, read back.

use model::{Addr, ChanState, Goid, HeldBy, Holder, Object, ObjectState, Queue, WaitKind};
use serde::Deserialize;

use super::entries::{Text, Word};
use super::shared::Strings;
use super::waiting::op;

/// An entry as it is read. Which fields are there tells what is known.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectIn {
    kind: Text<WaitKind>,
    addr: Text<Addr>,
    name: Option<String>,
    variable: Option<Text<Addr>>,
    len: Option<u64>,
    cap: Option<u64>,
    closed: Option<bool>,
    elem_type: Option<String>,
    when: Option<i64>,
    counter: Option<u32>,
    locked: Option<bool>,
    starving: Option<bool>,
    waiters: Option<u32>,
    readers: Option<u32>,
    writer: Option<bool>,
    departing: Option<u32>,
    queues: Vec<QueueIn>,
    holders: Vec<HolderIn>,
    more_holders: usize,
}

#[derive(Deserialize)]
struct QueueIn {
    op: String,
    goids: Vec<u64>,
}

#[derive(Deserialize)]
struct HolderIn {
    goid: u64,
    frame: Option<usize>,
    by: Text<HeldBy>,
}

impl ObjectIn {
    pub(super) fn into_object(self, strings: &mut Strings) -> Object {
        let chan = (self.len, self.cap, self.closed);
        let mutex = (self.locked, self.starving, self.waiters);
        let rwmutex = (self.readers, self.writer, self.departing);
        let state = match (chan, mutex, rwmutex, self.counter) {
            ((Some(len), Some(cap), Some(closed)), ..) => ObjectState::Chan(ChanState {
                len,
                cap,
                closed,
                elem_type: self.elem_type.map(|name| strings.share(name)),
                timer: self.when,
            }),
            (_, (Some(locked), Some(starving), Some(waiters)), ..) => ObjectState::Mutex {
                locked,
                starving,
                waiters,
            },
            (_, _, (Some(readers), Some(writer), Some(departing)), _) => ObjectState::RwMutex {
                readers,
                writer,
                departing,
            },
            (_, (_, _, Some(waiters)), _, Some(counter)) => {
                ObjectState::WaitGroup { counter, waiters }
            }
            _ => ObjectState::Unknown,
        };
        let queues = self.queues.into_iter().map(|queue| Queue {
            op: op(queue.op),
            goids: queue.goids.into_iter().map(Goid).collect(),
        });
        let holders = self.holders.into_iter().map(|holder| Holder {
            goid: Goid(holder.goid),
            frame: holder.frame,
            by: holder.by.0,
        });
        Object {
            kind: self.kind.0,
            addr: self.addr.0,
            name: self.name.map(|name| strings.share(name)),
            variable: self.variable.map(|at| at.0),
            state,
            queues: queues.collect(),
            holders: holders.collect(),
            more_holders: self.more_holders,
        }
    }
}

impl Word for HeldBy {
    const WHAT: &'static str = "a way to hold an object";

    fn from_word(word: &str) -> Option<Self> {
        HeldBy::ALL.into_iter().find(|by| by.as_str() == word)
    }
}
