//! What goroutines wait on, in words.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write as _};

use model::{Escaped, Goroutine, WaitKind, WaitState, WaitingOn};

use crate::page::Page;
use crate::words::{counted, left_out, long_time, thousands};

/// How many different things are told of a group.
const MAX_THINGS: usize = 3;

/// `to receive from the channel main.queue (chan int)`.
pub(crate) fn what(on: &WaitingOn, nanotime: Option<u64>) -> String {
    let op = match on.op.as_deref() {
        Some("receive") => "to receive from",
        Some("send") => "to send to",
        Some("lock") => "to lock",
        Some("rlock") => "to read-lock",
        Some("read") => "to read from",
        Some("write") => "to write to",
        _ => "for",
    };
    let name = match (&on.name, on.addr) {
        (Some(name), _) => format!(" {name}"),
        (None, Some(addr)) => format!(" {addr}"),
        (None, None) => String::new(),
    };
    let due = |when: i64| {
        let now = nanotime.and_then(|now| i64::try_from(now).ok());
        let left = now.map(|now| when.saturating_sub(now));
        match left.and_then(|left| u128::try_from(left).ok()) {
            Some(left) => format!("due in {}", long_time(left)),
            None => "due now".to_owned(),
        }
    };
    match &on.state {
        WaitState::Chan(None) => format!("{op} a nil channel: for ever"),
        WaitState::Chan(Some(state)) => {
            let elem = state.elem_type.as_deref().unwrap_or("?");
            let timer = state
                .timer
                .map_or(String::new(), |when| format!(", a timer {}", due(when)));
            format!("{op} the channel{name} (chan {elem}{timer})")
        }
        WaitState::Timer(when) => format!("for a timer {}", due(*when)),
        WaitState::File { fd, file, deadline } => {
            let fd = fd.map_or("a file".to_owned(), |fd| format!("file {fd}"));
            let file = file
                .as_ref()
                .map_or(String::new(), |file| format!(" ({file})"));
            let deadline = match deadline {
                Some(when) => format!(", with a deadline {}", due(*when)),
                None => ", without a deadline".to_owned(),
            };
            format!("{op} {fd}{file}{deadline}")
        }
        WaitState::WaitGroup { .. } | WaitState::Nothing => {
            let call = match (on.kind, on.op.as_deref()) {
                (WaitKind::Syscall, Some(call)) => {
                    return format!("in the system call {call}");
                }
                (WaitKind::Runtime, _) => return format!("in the runtime:{name}"),
                _ => on.kind.as_str(),
            };
            format!("{op} the {call}{name}")
        }
    }
}

/// What those of a group wait on: the most frequent first. Nothing of what the wait reason says as well.
pub(crate) fn of_group<'g>(
    page: &mut Page<impl io::Write>,
    members: impl Iterator<Item = &'g Goroutine>,
    nanotime: Option<u64>,
) -> io::Result<()> {
    // By the thing, how many wait on it, and which of the things was met first.
    let mut things: HashMap<&WaitingOn, (usize, usize)> = HashMap::new();
    let mut goroutines = 0;
    for g in members {
        goroutines += 1;
        let list = g.waiting_on.as_deref().unwrap_or_default();
        for (i, on) in list.iter().enumerate() {
            // A select may name a channel twice; its cases are in the order of addresses.
            let before = i.checked_sub(1).and_then(|before| list.get(before));
            if !says_more_than_the_reason(on) || before == Some(on) {
                continue;
            }
            let order = things.len();
            things.entry(on).or_insert((0, order)).0 += 1;
        }
    }
    let mut things: Vec<(&WaitingOn, (usize, usize))> = things.into_iter().collect();
    things.sort_by_key(|&(_, (count, order))| (Reverse(count), order));
    if let Some(&(on, (1, _))) = things.first()
        && goroutines > 1
        && things.len() > MAX_THINGS
    {
        let (things, such) = (counted(things.len(), "different thing"), what(on, nanotime));
        return writeln!(page, "  wait for {things}, such as {}", Escaped(&such));
    }
    for &(on, (count, _)) in things.iter().take(MAX_THINGS) {
        let s = if count == 1 { "s" } else { "" };
        let who = match count == goroutines {
            true => format!("wait{s}"),
            false => format!("{} wait{s}", thousands(count)),
        };
        writeln!(page, "  {who} {}", Escaped(&what(on, nanotime)))?;
    }
    if let Some(more) = left_out(things.len(), MAX_THINGS) {
        writeln!(page, "  … or for one of {}", counted(more, "other thing"))?;
    }
    Ok(())
}

fn says_more_than_the_reason(on: &WaitingOn) -> bool {
    !matches!(
        on.kind,
        WaitKind::Runtime | WaitKind::Coroutine | WaitKind::Synctest
    )
}
