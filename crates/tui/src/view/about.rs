//! The detail pane of what has goroutines under it: groups, objects, findings, threads.

use model::{Addr, Object, Snapshot, WaitKind};

use super::detail::{Document, Link};
use super::{findings, on, scheduler, threads};
use crate::cursor::Head;
use crate::state::Model;
use crate::text::{clean, thousands};
use crate::trends::Keys;

/// How many goroutines are named in a row.
pub(super) const MAX_NAMED: usize = 200;
/// How many objects of a finding.
const MAX_OBJECTS: usize = 8;

pub(super) fn title(model: &Model, head: Head) -> String {
    match head {
        Head::Group(key) => match group_of(model, key) {
            Some(group) => {
                let n = group.rows.len();
                let s = if n == 1 { "" } else { "s" };
                format!("{} goroutine{s} by {}", thousands(n), model.by.word())
            }
            None => "a group that is empty now".to_owned(),
        },
        Head::Object(kind, at) => match object_of(model.snapshot().map(|s| &**s), kind, at) {
            Some(object) => object.title(),
            None => format!("{} {at}", kind.as_str()),
        },
        Head::Finding(key) => match finding_of(model, key) {
            Some(finding) => format!("{} ({})", finding.rule, finding.certainty.as_str()),
            None => "no longer found".to_owned(),
        },
        Head::Thread(id) => format!("M {id}"),
        Head::Scheduler => "the scheduler".to_owned(),
        Head::P(id) => format!("P {id}"),
    }
}

fn group_of(model: &Model, key: u64) -> Option<&super::groups::Group> {
    model.group_list.iter().find(|group| group.key == key)
}

fn object_of(snapshot: Option<&Snapshot>, kind: WaitKind, at: Addr) -> Option<&Object> {
    let objects = snapshot?.objects.as_deref()?;
    objects.iter().find(|o| o.kind == kind && o.addr == at)
}

fn finding_of(model: &Model, key: u64) -> Option<&analysis::Finding> {
    model.finding_list.iter().find(|f| findings::key(f) == key)
}

pub(super) fn group<'a>(document: &mut Document<'a>, key: u64) {
    let model = document.model;
    let theme = model.theme;
    let rows = group_of(model, key).map(|group| group.rows.as_slice());
    let sample = rows.and_then(|rows| model.watch.rows.get(*rows.first()? as usize));
    let (Some(rows), Some(sample)) = (rows, sample) else {
        return document.text("There is no goroutine in it now.", theme.dim());
    };
    document.text(&Keys::title(model.by, &sample.goroutine, key), theme.bold());
    let ids = rows
        .iter()
        .filter_map(|&i| model.watch.rows.get(i as usize));
    let ids = ids.take(8).map(|row| row.goroutine.goid.to_string());
    let ids: Vec<String> = ids.collect();
    let more = match rows.len().saturating_sub(ids.len()) {
        0 => String::new(),
        more => format!(
            " and {} more; Enter in the list shows them",
            thousands(more)
        ),
    };
    document.text(
        &format!("goroutines {}{more}", ids.join(", ")),
        theme.plain(),
    );
    if model.by != crate::trends::By::Stack {
        document.text("The stack of the first one:", theme.dim());
    }
    document.calls(&sample.goroutine);
    document.other("first: ", sample.goroutine.goid);
}

pub(super) fn object(document: &mut Document<'_>, snapshot: &Snapshot, kind: WaitKind, at: Addr) {
    let theme = document.model.theme;
    let Some(object) = object_of(Some(snapshot), kind, at) else {
        return document.text("No goroutine waits on it in this sample.", theme.dim());
    };
    let state = on::state(object);
    let name = match &object.name {
        Some(name) => format!("{name} at {at}"),
        None => at.to_string(),
    };
    document.text(&format!("{} {name}", kind.as_str()), theme.bold());
    if !state.is_empty() {
        document.text(&state, theme.plain());
    }
    for queue in &object.queues {
        let op = match &*queue.op {
            "" => String::new(),
            op => format!(" ({op})"),
        };
        let n = thousands(queue.goids.len());
        document.text(
            &format!("{n} waiting{op}, the next to be served first:"),
            theme.bold(),
        );
        for goid in queue.goids.iter().take(MAX_NAMED) {
            document.other("", *goid);
        }
        if let Some(more @ 1..) = queue.goids.len().checked_sub(MAX_NAMED) {
            document.text(&format!("  and {} more", thousands(more)), theme.dim());
        }
    }
    if object.holders.is_empty() && object.more_holders == 0 {
        return document.text(
            "No other goroutine's stack leads to it. Who comes by it over the heap or a global variable is not known.",
            theme.plain(),
        );
    }
    document.text("Refer to it, so may serve those who wait:", theme.bold());
    for holder in &object.holders {
        let row = document.model.watch.row_of(holder.goid);
        let function = row.and_then(|row| holder.frame_of(&row.goroutine));
        let by = function.map_or(String::new(), |f| format!(" in {}", f.function.name));
        document.other("", holder.goid);
        document.text(
            &format!("    by {}{}", holder.by.as_str(), clean(&by)),
            theme.dim(),
        );
    }
    if object.more_holders > 0 {
        document.text(
            &format!("  and {} more", thousands(object.more_holders)),
            theme.dim(),
        );
    }
}

pub(super) fn finding(document: &mut Document<'_>, key: u64) {
    let model = document.model;
    let theme = model.theme;
    let Some(finding) = finding_of(model, key) else {
        return document.text("It is no longer so.", theme.dim());
    };
    let severity = finding.severity;
    let text = format!(
        "{}, {}: {}",
        severity.as_str(),
        finding.certainty.as_str(),
        finding.sentence
    );
    document.text(&text, findings::style(theme, severity));
    for detail in &finding.details {
        document.text(&format!("· {detail}"), theme.plain());
    }
    for &(kind, at) in finding.objects.iter().take(MAX_OBJECTS) {
        let name = object_of(model.snapshot().map(|s| &**s), kind, at);
        let name = name.map_or(format!("{} {at}", kind.as_str()), Object::title);
        document.linked(&name, theme.plain(), Some(Link::Object(kind, at)));
    }
    if let Some(more @ 1..) = finding.objects.len().checked_sub(MAX_OBJECTS) {
        document.text(
            &format!("  and {} more like that", thousands(more)),
            theme.dim(),
        );
    }
    for goid in finding.goids.iter().take(MAX_NAMED) {
        document.other("", *goid);
    }
    if let Some(more @ 1..) = finding.goids.len().checked_sub(MAX_NAMED) {
        document.text(&format!("  and {} more", thousands(more)), theme.dim());
    }
    let causes = finding.because_of.iter();
    for goid in causes.filter(|goid| !finding.goids.contains(goid)) {
        document.other("because of ", *goid);
    }
}

pub(super) fn thread<'a>(document: &mut Document<'a>, snapshot: &'a Snapshot, id: i64) {
    let theme = document.model.theme;
    let Some(m) = snapshot.ms.iter().find(|m| m.m.id == id) else {
        return document.text("The program no longer has it.", theme.dim());
    };
    match m.thread {
        Some(thread) => document.text(&format!("thread {thread}, m at {}", m.m.at), theme.plain()),
        None => document.text(
            &format!("no thread is known for it, m at {}", m.m.at),
            theme.plain(),
        ),
    }
    match m.curg {
        Some(goid) => document.other("runs ", goid),
        None => document.text(
            &format!("runs no goroutine; it is in {}", threads::idle_in(m)),
            theme.plain(),
        ),
    }
    if let Some(p) = m.p {
        scheduler::p(document, snapshot, p);
    }
    // Of a thread that runs Go code there is nothing there.
    if m.curg.is_none() || !m.g0.frames.is_empty() {
        document.text("On its system stack:", theme.bold());
        document.calls(&m.g0);
    }
}
