//! The story of one goroutine, for a reader at a terminal.

use std::io::{self, Write};

use analysis::{Companion, On, Story};
use model::{Escaped, Goid, Object, ObjectState, Site, Snapshot};

use crate::findings::{FindingsOptions, severity};
use crate::page::{Page, State, program};
use crate::waits;
use crate::words::{counted, long_time};

/// How many of those who wait with it, and of those who could wake it, are named.
const MAX_NAMED: usize = 5;
/// How many of its ancestors.
const MAX_ANCESTORS: usize = 10;

/// Writes what is known of one goroutine and why it waits. `out` need not be buffered.
pub fn write_why(
    snapshot: &Snapshot,
    story: &Story<'_>,
    out: impl Write,
    options: &FindingsOptions,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let dialect = snapshot.build.dialect();
    let mut page = Page::new(&mut out, options.color, options.width, dialect);
    let g = story.goroutine;
    let head = format!("goroutine {}", g.goid);
    write!(
        page,
        "{} [{}]",
        page.paint.bold(head),
        page.paint.state(State::of(g))
    )?;
    match story.waited.filter(|&waited| waited >= 1_000_000_000) {
        Some(waited) => write!(page, " for more than {}", long_time(waited.into()))?,
        None if g.waitreason.is_some() => {
            write!(
                page,
                ", since when is not known (Go notes it at a garbage collection)"
            )?;
        }
        None => {}
    }
    writeln!(page, ", of {}", Escaped(&program(snapshot)))?;
    if g.system {
        writeln!(page, "It is one of the runtime's own.")?;
    }
    if let Some(thread) = g.thread {
        writeln!(page, "It is on thread {thread}.")?;
    }
    for on in &story.waits_on {
        waits_on(&mut page, on, snapshot)?;
    }
    if g.waiting_on.is_none() {
        let text = "What it waits on is not known; the notes of the JSON snapshot may say why.";
        writeln!(page, "{}", page.paint.warning(text))?;
    }
    for finding in &story.findings {
        let mark = severity(page.paint, finding);
        let certainty = finding.certainty.as_str();
        writeln!(page, "{mark} {} ({certainty})", Escaped(&finding.sentence))?;
    }
    if let Some(labels) = g.labels.as_ref().filter(|labels| !labels.is_empty()) {
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        writeln!(page, "Labels: {}", Escaped(&labels.join(" ")))?;
    }
    ancestry(&mut page, story)?;
    if story.children > 0 {
        writeln!(
            page,
            "It has started {} that still live.",
            counted(story.children, "goroutine")
        )?;
    }
    writeln!(page, "Its stack:")?;
    page.frames(&g.frames)?;
    page.early_ends(std::iter::once(&**g))?;
    for note in &g.notes {
        writeln!(page, "{} {}", page.paint.warning("note:"), Escaped(note))?;
    }
    out.flush()
}

fn waits_on<W: Write>(page: &mut Page<W>, on: &On<'_>, snapshot: &Snapshot) -> io::Result<()> {
    let what = waits::what(on.on, snapshot.capture.nanotime);
    let state = on
        .object
        .and_then(state)
        .map_or(String::new(), |state| format!(", {state}"));
    writeln!(page, "It waits {}{}.", Escaped(&what), Escaped(&state))?;
    if !on.with.is_empty() {
        let named = named(on.with.iter().map(Goid::to_string), on.with.len());
        writeln!(
            page,
            "    With it wait{} {named}.",
            if on.with.len() == 1 { "s" } else { "" }
        )?;
    }
    if on.object.is_none() {
        return Ok(());
    }
    let more = on.object.map_or(0, |object| object.more_holders);
    match (on.others.as_slice(), more) {
        ([], 0) => writeln!(
            page,
            "    No other goroutine's stack or code leads to it. Who may come by it on a longer way is not known."
        ),
        (others, more) => {
            writeln!(page, "    Could have to do with it:")?;
            for other in others.iter().take(MAX_NAMED) {
                writeln!(page, "        {}", Escaped(&companion(other)))?;
            }
            match others.len().saturating_sub(MAX_NAMED) + more {
                more @ 1.. => writeln!(page, "        and {more} more"),
                _ => Ok(()),
            }
        }
    }
}

/// `locked, 3 wait`.
fn state(object: &Object) -> Option<String> {
    Some(match &object.state {
        ObjectState::Unknown => return None,
        ObjectState::Chan(state) => {
            let closed = if state.closed { ", closed" } else { "" };
            match state.cap {
                0 => format!("unbuffered{closed}"),
                cap => format!("with {} of {cap} places taken{closed}", state.len),
            }
        }
        ObjectState::Mutex {
            locked, waiters, ..
        } => {
            format!(
                "{}, {waiters} in its queue",
                if *locked { "locked" } else { "not locked" }
            )
        }
        ObjectState::RwMutex {
            readers,
            writer,
            departing,
        } => match (writer, departing) {
            (true, 0) => format!(
                "a writer has it, {} wait",
                counted(*readers as usize, "reader")
            ),
            (true, n) => format!(
                "a writer waits for {} to leave",
                counted(*n as usize, "reader")
            ),
            (false, _) => format!("{} have it", counted(*readers as usize, "reader")),
        },
        ObjectState::WaitGroup { counter, .. } => format!("{counter} Done missing"),
    })
}

fn companion(other: &Companion<'_>) -> String {
    let g = other.goroutine;
    let function = other
        .function
        .map_or(String::new(), |name| format!(" by {name}"));
    let stuck = if other.is_stuck { ", stuck itself" } else { "" };
    format!("goroutine {} [{}]{function}{stuck}", g.goid, g.state())
}

/// `goroutines 5, 6 and 7 more`.
fn named(names: impl Iterator<Item = String>, count: usize) -> String {
    let names: Vec<String> = names.take(MAX_NAMED).collect();
    let s = if count == 1 { "" } else { "s" };
    let more = match count.checked_sub(names.len()) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    };
    format!("goroutine{s} {}{more}", names.join(", "))
}

fn ancestry<W: Write>(page: &mut Page<W>, story: &Story<'_>) -> io::Result<()> {
    if story.ancestors.is_empty() {
        // Before Go 1.21 the parent is not known, but the place is.
        if let Some(site) = story
            .goroutine
            .gopc
            .as_ref()
            .filter(|_| story.goroutine.goid != Goid(1))
        {
            writeln!(page, "It was started {}.", Escaped(&place(Some(site))))?;
        }
        return Ok(());
    }
    writeln!(page, "It was started")?;
    for ancestor in story.ancestors.iter().take(MAX_ANCESTORS) {
        let state = match ancestor.goroutine {
            Some(g) => format!("[{}]", g.state()),
            None => "(ended)".to_owned(),
        };
        let line = format!(
            "by goroutine {} {state} {}",
            ancestor.goid,
            place(ancestor.gopc)
        );
        writeln!(page, "    {}", Escaped(&line))?;
    }
    if let Some(more @ 1..) = story.ancestors.len().checked_sub(MAX_ANCESTORS) {
        writeln!(page, "    and {more} more before")?;
    }
    Ok(())
}

fn place(site: Option<&Site>) -> String {
    match site {
        Some(site) => {
            let name = site
                .function
                .as_ref()
                .map_or("?", |function| &*function.name);
            format!("in {name} ({}:{})", site.file, site.line)
        }
        None => "in an unknown place".to_owned(),
    }
}
