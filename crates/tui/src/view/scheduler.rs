//! The detail pane of the scheduler, and of a P.

use std::time::SystemTime;

use model::{Goid, P, Scheduler, Snapshot};

use super::about::MAX_NAMED;
use super::detail::Document;
use super::header::plural;
use crate::text::{age, thousands};

/// How many there are, what they are at, who waits for them, and the garbage collector.
pub(super) fn all<'a>(document: &mut Document<'a>, snapshot: &'a Snapshot) {
    let theme = document.model.theme;
    let Some(scheduler) = &snapshot.scheduler else {
        return document.text("This sample does not tell of it.", theme.dim());
    };
    document.text(&scheduler.title(), theme.plain());
    if let Some(text) = collections(scheduler, snapshot.captured_at) {
        document.text(&text, theme.plain());
    }
    queue(document, "the global run queue", scheduler.runq.as_deref());
    for p in scheduler.ps.iter().filter(|p| p.queued() > 0) {
        let n = p.queued();
        let what = format!(
            "{}{} in the queue of P {}, the next to run first:",
            thousands(n),
            plural(n, " goroutine"),
            p.id
        );
        document.text(&what, theme.bold());
        in_turn(document, p);
    }
}

/// One P, and who waits for it.
pub(super) fn p<'a>(document: &mut Document<'a>, snapshot: &'a Snapshot, id: u64) {
    let theme = document.model.theme;
    let ps = snapshot
        .scheduler
        .as_ref()
        .map(|scheduler| scheduler.ps.as_slice());
    let Some(p) = ps.unwrap_or_default().iter().find(|p| p.id == id) else {
        return document.text(
            &format!("This sample does not tell of P {id}."),
            theme.dim(),
        );
    };
    let status = p.status.as_str();
    let has = match p.m {
        Some(m) => format!("P {id} is {status}; M {m} has it"),
        None => format!("P {id} is {status}; no M has it"),
    };
    document.text(&has, theme.plain());
    if p.runq.is_some() && p.queued() == 0 {
        return document.text("No goroutine is in its run queue.", theme.dim());
    }
    document.text("In its run queue, the next to run first:", theme.bold());
    in_turn(document, p);
}

fn in_turn(document: &mut Document<'_>, p: &P) {
    let runq = p.runq.as_deref();
    let next = p.runnext.iter();
    goroutines(document, next.chain(runq.unwrap_or_default()), p.queued());
    if runq.is_none() {
        let dim = document.model.theme.dim();
        document.text("The rest of it could not be read.", dim);
    }
}

fn queue(document: &mut Document<'_>, what: &str, runq: Option<&[Goid]>) {
    let theme = document.model.theme;
    match runq {
        None => document.text(&format!("What is in {what} is not known."), theme.dim()),
        Some([]) => document.text(&format!("No goroutine is in {what}."), theme.dim()),
        Some(goids) => {
            let n = goids.len();
            let what = format!(
                "{}{} in {what}, the next to run first:",
                thousands(n),
                plural(n, " goroutine")
            );
            document.text(&what, theme.bold());
            goroutines(document, goids.iter(), n);
        }
    }
}

fn goroutines<'g>(document: &mut Document<'_>, goids: impl Iterator<Item = &'g Goid>, n: usize) {
    for goid in goids.take(MAX_NAMED) {
        document.other("", *goid);
    }
    if let Some(more @ 1..) = n.checked_sub(MAX_NAMED) {
        let dim = document.model.theme.dim();
        document.text(&format!("  and {} more", thousands(more)), dim);
    }
}

/// How many there were, and when the last one was.
fn collections(scheduler: &Scheduler, at: SystemTime) -> Option<String> {
    let numgc = scheduler.numgc?;
    let n = usize::try_from(numgc).unwrap_or(usize::MAX);
    let many = format!("{} garbage{}", thousands(n), plural(n, " collection"));
    let verb = if n == 1 { "is" } else { "are" };
    Some(
        match scheduler.last_gc().map(|last| at.duration_since(last)) {
            Some(Ok(since)) => format!(
                "{many} {verb} over, the last one {} before this sample",
                age(since)
            ),
            Some(Err(_)) | None => format!("{many} {verb} over"),
        },
    )
}
