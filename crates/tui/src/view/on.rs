//! What a goroutine waits on, in words.

use model::{ChanState, Goroutine, Object, ObjectState, WaitKind, WaitState, WaitingOn};

use crate::state::Model;
use crate::text::{age, clean};

/// For a column: the first thing, and how many more there are.
pub(super) fn short(g: &Goroutine, model: &Model) -> String {
    let list = match g.waiting_on.as_deref() {
        None => return "?".to_owned(),
        Some(list) => list,
    };
    let Some(first) = list.first() else {
        return String::new();
    };
    let more = match list.len() {
        1 => String::new(),
        n => format!(" +{}", n - 1),
    };
    clean(&format!("{}{more}", what(first, model))).into_owned()
}

/// `chan main.queue`, `mutex 0xc000010000`, `timer 5s`, `127.0.0.1:80 → …`.
fn what(on: &WaitingOn, model: &Model) -> String {
    let kind = on.kind.as_str();
    match (&on.state, &on.name, on.addr) {
        (WaitState::Timer(when), ..) => format!("timer {}", due(*when, model)),
        (
            WaitState::File {
                file: Some(file), ..
            },
            ..,
        ) => file.to_string(),
        (WaitState::File { fd: Some(fd), .. }, ..) => format!("fd {fd}"),
        (WaitState::Chan(None), ..) => "nil chan".to_owned(),
        (_, Some(name), _) => format!("{kind} {name}"),
        (_, None, Some(addr)) if on.kind.is_object() => format!("{kind} {addr}"),
        _ if on.kind == WaitKind::Syscall => on.op.as_deref().unwrap_or(kind).to_owned(),
        _ => kind.to_owned(),
    }
}

/// `in 5s`, by the program's clock at the sample.
fn due(when: i64, model: &Model) -> String {
    let now = model.snapshot().and_then(|s| s.capture.nanotime);
    let left = now
        .and_then(|now| i64::try_from(now).ok())
        .map(|now| when.saturating_sub(now));
    match left.map(u64::try_from) {
        None => "at an unknown time".to_owned(),
        Some(Ok(left)) => format!("in {}", age(std::time::Duration::from_nanos(left))),
        Some(Err(_)) => "due".to_owned(),
    }
}

/// For the detail pane: `waits to receive from chan main.queue`, and what is known of that.
pub(super) fn sentence(on: &WaitingOn, model: &Model) -> String {
    let op = match on.op.as_deref() {
        Some("receive") => "to receive from",
        Some("send") => "to send to",
        Some("lock") => "to lock",
        Some("rlock") => "to read-lock",
        Some("read") => "to read from",
        Some("write") => "to write to",
        _ => "for",
    };
    let state = match &on.state {
        WaitState::Chan(Some(state)) => format!(", {}", channel(state)),
        WaitState::Chan(None) => ": for ever".to_owned(),
        WaitState::WaitGroup { counter, waiters } => {
            format!(", {counter} not done, {waiters} waiting")
        }
        WaitState::File {
            deadline: Some(when),
            ..
        } => format!(", deadline {}", due(*when, model)),
        _ => String::new(),
    };
    format!("waits {op} {}{state}", what(on, model))
}

fn channel(state: &ChanState) -> String {
    let elem = match &state.elem_type {
        Some(elem) => format!("chan {elem}, "),
        None => String::new(),
    };
    let fill = match state.cap {
        0 => "unbuffered".to_owned(),
        cap => format!("{} of {cap} full", state.len),
    };
    let closed = if state.closed { ", closed" } else { "" };
    format!("{elem}{fill}{closed}")
}

/// The state of an object.
pub(super) fn state(object: &Object) -> String {
    match &object.state {
        ObjectState::Unknown => String::new(),
        ObjectState::Chan(state) => channel(state),
        ObjectState::Mutex {
            locked, starving, ..
        } => {
            let locked = if *locked { "locked" } else { "not locked" };
            let starving = if *starving { ", starving" } else { "" };
            format!("{locked}{starving}")
        }
        ObjectState::RwMutex {
            readers,
            writer,
            departing,
        } => {
            let writer = if *writer { "a writer" } else { "no writer" };
            format!("{writer}, {readers} readers, {departing} of them departing")
        }
        ObjectState::WaitGroup { counter, .. } => format!("{counter} not done"),
    }
}
