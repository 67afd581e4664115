//! From a snapshot's goroutine to the block that Go would print for it.

use std::borrow::Cow;
use std::fmt::Write;

use model::{
    Arg, Dialect, Escaped, Frame, FramePlace, Goid, Goroutine, LabelPlace, Site, Snapshot, Status,
    is_name_shown_by_go, shown_by_go,
};

use super::block::{Ancestor, Block, Call, CreatedBy, FrameWords, HeaderLabels, Line, MName};
use super::names::name_for_print;

/// How much a traceback tells: the levels of `GOTRACEBACK`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Level {
    /// The program's own goroutines without the runtime's own frames.
    #[default]
    All,
    /// All goroutines, all frames, and where they lie.
    System,
}

/// `runtime/traceback.go`, `tracebackInnerFrames`.
const INNER_FRAMES: usize = 50;
/// `runtime/traceback.go`, `tracebackOuterFrames`.
const OUTER_FRAMES: usize = 50;
/// Before Go 1.21, `_TracebackMaxFrames`: so many physical frames, hidden ones counted, and no more.
const MAX_FRAMES: usize = 100;
/// What follows them.
const MORE_FRAMES: &str = "...additional frames elided...";

/// The block that Go would print for a goroutine of `snapshot`, which holds
/// [`FramePlace`]s if the arguments are to be right. With `elide`, stacks of more than a hundred frames
/// lose their middle, as in Go's own text.
pub fn compose<'a>(
    snapshot: &'a Snapshot,
    g: &'a Goroutine,
    level: Level,
    elide: bool,
) -> Block<'a> {
    let dialect = &snapshot.build.dialect();
    let system = level == Level::System;
    let names_m = system && dialect.headers_name_m;
    let traceback = &g.traceback;
    Block {
        goid: g.goid.0,
        g: names_m.then_some(g.g),
        m: match traceback.m {
            _ if !names_m => MName::Untold,
            Some(m) => MName::On { id: m.id, at: m.at },
            None => MName::Nil,
        },
        state: state(g, dialect),
        minutes: minutes(snapshot, g),
        locked: g.locked_to_thread,
        bubble: traceback
            .bubble
            .map(|bubble| (Cow::Borrowed(dialect.bubble), bubble.id)),
        labels: labels(snapshot, g, dialect),
        lines: lines(g, level, elide, dialect),
        created_by: creator(g.goid, g.gopc.as_ref(), g.parent_goid, level, dialect),
        ancestors: traceback
            .ancestors
            .iter()
            .map(|a| ancestor(a, level, dialect))
            .collect(),
    }
}

/// `printAncestorTraceback`.
fn ancestor<'a>(a: &'a model::Ancestor, level: Level, dialect: &Dialect) -> Ancestor<'a> {
    let is_shown = |frame: &Frame, innermost| {
        level == Level::System || is_name_shown_by_go(&frame.function.name, innermost, dialect)
    };
    let mut lines = Vec::new();
    // A program counter stands for the calls up to the next one that is not inlined: the
    // innermost is printed, the physical one says whether.
    let calls = a.frames.split_inclusive(|frame| !frame.inlined);
    for (i, calls) in calls.enumerate() {
        if let (Some(call), Some(physical)) = (calls.first(), calls.last())
            && is_shown(physical, i == 0)
        {
            lines.push(Line::Call(Call {
                name: name_for_print(&call.function.name, dialect),
                args: Cow::Borrowed("..."),
                file: Escaped(&call.file).text(),
                line: call.line,
                offset: offset(call.pc.0, call.function.entry.0),
                words: None,
            }));
        }
    }
    if a.cut {
        lines.push(Line::Other(Cow::Borrowed(MORE_FRAMES)));
    }
    Ancestor {
        goid: a.goid.0,
        lines,
        // Who that was is told next.
        created_by: creator(a.goid, a.gopc.as_ref(), None, level, dialect),
    }
}

/// `goroutineheader`: the status or wait reason with its marks.
fn state<'a>(g: &'a Goroutine, dialect: &Dialect) -> Cow<'a, str> {
    let words = Escaped(g.state()).text();
    let durable = dialect.durable_suffix
        && g.traceback.bubble.is_some_and(|bubble| bubble.durable)
        && !words.ends_with("(durable)");
    let marks = [
        (g.status == Status::Leaked, " (leaked)"),
        (g.traceback.scan, " (scan)"),
        (durable, " (durable)"),
    ];
    let mut words = words;
    for (_, mark) in marks.iter().filter(|(holds, _)| *holds) {
        words.to_mut().push_str(mark);
    }
    words
}

fn minutes(snapshot: &Snapshot, g: &Goroutine) -> Option<u64> {
    const MINUTE: u64 = 60_000_000_000;
    let since = g.waitsince.filter(|_| g.status != Status::Leaked)?;
    let minutes = snapshot.capture.nanotime?.checked_sub(since)? / MINUTE;
    (minutes > 0).then_some(minutes)
}

fn labels<'a>(
    snapshot: &Snapshot,
    g: &'a Goroutine,
    dialect: &Dialect,
) -> Option<HeaderLabels<'a>> {
    let labels = g.labels.as_ref().filter(|labels| !labels.is_empty())?;
    if !snapshot.traceback_labels || dialect.labels == LabelPlace::Nowhere {
        return None;
    }
    let pair = |(k, v): &'a (_, _)| {
        let text = |s: &'a std::sync::Arc<str>| Cow::Borrowed(&**s);
        (text(k), text(v))
    };
    Some(HeaderLabels {
        place: dialect.labels,
        pairs: labels.iter().map(pair).collect(),
    })
}

fn lines<'a>(g: &'a Goroutine, level: Level, elide: bool, dialect: &Dialect) -> Vec<Line<'a>> {
    // Go's text has no C frames (but for programs that have C's tracebacks made by
    // runtime.SetCgoTraceback).
    let go = || {
        g.frames
            .iter()
            .enumerate()
            .filter(|(_, frame)| !frame.is_c())
    };
    if go().next().is_none() && g.status != Status::Dead {
        return vec![Line::Unavailable];
    }
    let shown = match level {
        Level::All => shown_by_go(&g.frames, dialect),
        Level::System => go().map(|(i, _)| i).collect(),
    };
    let middle = match shown.len().checked_sub(INNER_FRAMES + OUTER_FRAMES) {
        Some(left_out @ 1..) if elide && dialect.elides_the_middle => {
            INNER_FRAMES..INNER_FRAMES + left_out
        }
        _ => 0..0,
    };
    let cut = elide && !dialect.elides_the_middle;
    let mut physical = 0;
    let mut lines = Vec::with_capacity(shown.len() - middle.len() + 1);
    let mut shown = shown.into_iter().enumerate().peekable();
    let mut places = g.traceback.places.iter();
    for (i, frame) in go() {
        let place = if frame.inlined { None } else { places.next() };
        if cut && physical == MAX_FRAMES {
            break;
        }
        physical += usize::from(!frame.inlined);
        let Some((nth, _)) = shown.next_if(|&(_, index)| index == i) else {
            continue;
        };
        if nth == middle.start && !middle.is_empty() {
            lines.push(Line::Elided(middle.len() as u64));
        }
        if !middle.contains(&nth) {
            lines.push(Line::Call(call(frame, place, level, dialect)));
        }
    }
    // Said only if as many were printed.
    if cut && lines.len() == MAX_FRAMES {
        lines.push(Line::Other(Cow::Borrowed(MORE_FRAMES)));
    }
    lines
}

fn call<'a>(
    frame: &'a Frame,
    place: Option<&FramePlace>,
    level: Level,
    dialect: &Dialect,
) -> Call<'a> {
    let entry = frame.function.entry;
    let words = place.filter(|_| level == Level::System);
    Call {
        name: name_for_print(&frame.function.name, dialect),
        args: match place {
            _ if frame.inlined => Cow::Borrowed("..."),
            Some(place) => Cow::Owned(arguments(&place.args)),
            // Not told: none would be a claim.
            None => Cow::Borrowed("..."),
        },
        file: Escaped(&frame.file).text(),
        line: frame.line,
        offset: offset(frame.pc.0, entry.0).filter(|_| !frame.inlined),
        words: words.and_then(|place| {
            Some(FrameWords {
                fp: place.fp?,
                sp: place.sp,
                pc: frame.pc,
            })
        }),
    }
}

fn offset(pc: u64, entry: u64) -> Option<u64> {
    pc.checked_sub(entry).filter(|&offset| offset > 0)
}

/// `printArgs`.
fn arguments(args: &[Arg]) -> String {
    let mut text = String::new();
    let mut first = true;
    for arg in args {
        if !first && *arg != Arg::Close {
            text.push_str(", ");
        }
        match *arg {
            Arg::Value { bits, live } => {
                let unsure = if live { "" } else { "?" };
                let _ = write!(text, "{bits:#x}{unsure}");
            }
            Arg::Unknown => text.push('_'),
            Arg::More => text.push_str("..."),
            Arg::Open => text.push('{'),
            Arg::Close => text.push('}'),
        }
        first = *arg == Arg::Open;
    }
    text
}

/// `printcreatedby`.
fn creator<'a>(
    goid: Goid,
    gopc: Option<&'a Site>,
    parent: Option<Goid>,
    level: Level,
    dialect: &Dialect,
) -> Option<CreatedBy<'a>> {
    let site = gopc.filter(|_| goid != Goid(1))?;
    let function = site.function.as_ref()?;
    if level == Level::All && !is_name_shown_by_go(&function.name, false, dialect) {
        return None;
    }
    Some(CreatedBy {
        name: name_for_print(&function.name, dialect),
        goid: parent.map(|goid| goid.0),
        file: Escaped(&site.file).text(),
        line: site.line,
        offset: offset(site.pc.0, function.entry.0),
    })
}
