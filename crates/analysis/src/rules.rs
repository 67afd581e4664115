//! The rules, one file each. `docs/FINDINGS.md` says what each means, and how often it is right.

mod channel_orphan;
mod crowd;
mod empty_select;
mod far_timer;
mod held_by_stuck;
mod leaked;
mod lock_abandoned;
mod nil_channel;
mod pile_up;
mod stuck_syscall;
mod wait_cycle;
mod waitgroup;

use std::cmp::Reverse;
use std::collections::HashMap;

use model::{Addr, Goid, Object, Snapshot, WaitKind};

use crate::finding::{Certainty, Finding, Severity, Trend};
use crate::words;
use crate::world::World;

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its ID, as [`Finding::rule`].
    pub id: &'static str,
    /// What it looks for, in a few words.
    pub what: &'static str,
    find: fn(&World<'_>) -> Vec<Finding>,
}

/// All rules.
pub const RULES: &[Rule] = &[
    Rule {
        id: nil_channel::ID,
        what: "goroutines that wait on nil channels",
        find: nil_channel::find,
    },
    Rule {
        id: leaked::ID,
        what: "goroutines that Go's garbage collector has found to wait for ever",
        find: leaked::find,
    },
    Rule {
        id: wait_cycle::ID,
        what: "goroutines that wait for each other",
        find: wait_cycle::find,
    },
    Rule {
        id: held_by_stuck::ID,
        what: "locks and channels whose only other users are stuck themselves",
        find: held_by_stuck::find,
    },
    Rule {
        id: lock_abandoned::ID,
        what: "locked locks that nobody but those who wait for them refers to",
        find: lock_abandoned::find,
    },
    Rule {
        id: channel_orphan::ID,
        what: "channels and conditions that nobody but those who wait on them refers to",
        find: channel_orphan::find,
    },
    Rule {
        id: waitgroup::ID,
        what: "WaitGroups that wait for goroutines that are gone or stuck",
        find: waitgroup::find,
    },
    Rule {
        id: pile_up::ID,
        what: "many goroutines that queue for one thing",
        find: pile_up::find,
    },
    Rule {
        id: crowd::ID,
        what: "many goroutines from one go statement that wait in one place",
        find: crowd::find,
    },
    Rule {
        id: far_timer::ID,
        what: "timers that are far away",
        find: far_timer::find,
    },
    Rule {
        id: stuck_syscall::ID,
        what: "goroutines in a system call that may block for long",
        find: stuck_syscall::find,
    },
    Rule {
        id: empty_select::ID,
        what: "goroutines in an empty select",
        find: empty_select::find,
    },
];

/// What all rules find: what matters most comes first.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let world = World::new(snapshot);
    let mut all: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.find)(&world)).collect();
    // An object that nobody waits on, which only a file can have, is nobody's trouble.
    all.retain(|finding| !finding.goids.is_empty());
    for finding in &mut all {
        finding.goids.sort_unstable();
        finding.goids.dedup();
        finding.waited = longest_wait(&world, &finding.goids);
    }
    all.sort_by_key(|f| (f.severity, f.certainty, Reverse(f.goids.len())));
    all
}

/// The same, each with how it compares with an earlier snapshot of the same process.
pub fn findings_since(old: &Snapshot, new: &Snapshot) -> Vec<Finding> {
    let before = counts(old, &findings(old));
    let mut all = findings(new);
    let counts = counts(new, &all);
    for finding in &mut all {
        let key = Key::new(new, finding);
        let now = counts.get(&key).copied().unwrap_or_default();
        finding.trend = Some(match before.get(&key) {
            None => Trend::New,
            Some(&before) if before < now => Trend::Grown(before),
            Some(&before) if before > now => Trend::Shrunk(before),
            Some(_) => Trend::Same,
        });
    }
    all
}

/// How many goroutines are in each; those who wait for one object in several places count together.
fn counts(snapshot: &Snapshot, findings: &[Finding]) -> HashMap<Key, usize> {
    let mut counts: HashMap<Key, usize> = HashMap::new();
    for finding in findings {
        *counts.entry(Key::new(snapshot, finding)).or_default() += finding.goids.len();
    }
    counts
}

/// What makes a finding the same as one in another snapshot: the rule and the object or, where it has none or many,
/// the place in the program.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    rule: &'static str,
    object: Option<(WaitKind, Addr)>,
    place: String,
}

impl Key {
    fn new(snapshot: &Snapshot, finding: &Finding) -> Key {
        let first = finding.goids.first();
        let first = first.and_then(|goid| snapshot.goroutines.iter().find(|g| g.goid == *goid));
        let (object, place) = match *finding.objects.as_slice() {
            [one] => (Some(one), String::new()),
            _ => (None, first.map_or(String::new(), |g| words::place(g))),
        };
        Key {
            rule: finding.rule,
            object,
            place,
        }
    }
}

fn longest_wait(world: &World<'_>, goids: &[Goid]) -> Option<u64> {
    let known = goids
        .iter()
        .filter_map(|&goid| world.waited(world.goroutine(goid)?));
    known.max()
}

/// How many goroutines are told of in the details.
const MAX_TOLD: usize = 3;

/// The same finding, about an object; where the first of `who` are is told with it.
fn about(world: &World<'_>, object: &Object, who: &[Goid], finding: Finding) -> Finding {
    let told = who.iter().take(MAX_TOLD);
    Finding {
        details: told.map(|&goid| words::who_and_why(world, goid)).collect(),
        objects: vec![(object.kind, object.addr)],
        ..finding
    }
}

/// A finding with what every rule says.
fn finding(
    rule: &'static str,
    severity: Severity,
    certainty: Certainty,
    goids: Vec<Goid>,
    sentence: String,
) -> Finding {
    Finding {
        rule,
        severity,
        certainty,
        goids,
        because_of: Vec::new(),
        objects: Vec::new(),
        sentence,
        details: Vec::new(),
        waited: None,
        trend: None,
    }
}
