//! What changed between two snapshots of a program: what both the text and the JSON tell.
//!
//! Goroutines are told in groups that stand in the same place, so ten thousand that came
//! are one entry. A place is where goroutines are and where they are from: state, calls, and creator.

mod json;
mod text;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use model::{Addr, Change, DiffCounts, Differences, Goroutine, Snapshot, StackEnd, Stacks, Status};

pub use self::json::{DIFF_SCHEMA, write_diff_json};
pub use self::text::{DiffOptions, write_diff};
use crate::words::counted;

/// Two snapshots, compared goroutine by goroutine.
///
/// Goroutines that have ended (dead ones, which a snapshot may hold on demand) count as not there.
pub struct Comparison<'a> {
    old: &'a Snapshot,
    new: &'a Snapshot,
    names: [Option<&'a str>; 2],
    notes: Vec<String>,
    different_processes: bool,
    /// The program's own goroutines.
    counts: DiffCounts,
    /// The runtime's own.
    system_counts: DiffCounts,
    came: Vec<Group<'a>>,
    gone: Vec<Group<'a>>,
    changed: Vec<Moved<'a>>,
    same: Vec<Group<'a>>,
}

/// Goroutines of one place.
struct Group<'a> {
    /// The one with the smallest ID; in what makes the place all are alike.
    sample: &'a Goroutine,
    /// All, by ID.
    members: Vec<&'a Goroutine>,
    /// How many were in this place in the old snapshot, whatever became of them.
    before: usize,
    /// And how many are there in the new one.
    now: usize,
}

/// Goroutines that went from one place to another, or changed in the same way otherwise.
struct Moved<'a> {
    what: Differences,
    /// The one with the smallest ID.
    sample: Pair<'a>,
    /// All, by ID.
    members: Vec<Pair<'a>>,
}

/// A goroutine as it was and as it is.
#[derive(Clone, Copy)]
struct Pair<'a> {
    was: &'a Goroutine,
    is: &'a Goroutine,
}

impl<'a> Comparison<'a> {
    /// Compares them. `old` should be the older one; if it is not, a note says so.
    pub fn new(old: &'a Snapshot, new: &'a Snapshot) -> Self {
        let diff = model::diff(&old.goroutines, &new.goroutines);
        let mut places = Places::default();
        let was = places.of(old);
        let is = places.of(new);
        let mut groups = Groups::default();
        let mut counts = [DiffCounts::default(); 2];
        let mut count = |g: &Goroutine, one: fn(&mut DiffCounts) -> &mut usize| {
            let [own, system] = &mut counts;
            *one(if g.system { system } else { own }) += 1;
        };

        let gone = diff
            .gone
            .iter()
            .copied()
            .filter_map(|i| was.get(i).copied());
        for (g, place) in gone.flatten() {
            count(g, |c| &mut c.gone);
            groups.gone.entry(place).or_default().push(g);
        }
        for (change, now) in diff.changes.iter().zip(&is) {
            let (before, what) = match *change {
                Change::New => (None, Differences::default()),
                Change::Same { old } => (was.get(old).copied().flatten(), Differences::default()),
                Change::Changed { old, what } => (was.get(old).copied().flatten(), what),
            };
            match (before, *now) {
                (None, None) => {}
                (None, Some((g, place))) => {
                    count(g, |c| &mut c.new);
                    groups.came.entry(place).or_default().push(g);
                }
                (Some((g, place)), None) => {
                    count(g, |c| &mut c.gone);
                    groups.gone.entry(place).or_default().push(g);
                }
                (Some((was, from)), Some((is, to))) if what.any() => {
                    count(is, |c| &mut c.changed);
                    let moves = groups.changed.entry((from, to, flags(what)));
                    let (_, pairs) = moves.or_insert_with(|| (what, Vec::new()));
                    pairs.push(Pair { was, is });
                }
                (Some(_), Some((g, place))) => {
                    count(g, |c| &mut c.same);
                    groups.same.entry(place).or_default().push(g);
                }
            }
        }

        let [own_counts, system_counts] = counts;
        let reasons = signs_of_different_processes(old, new, diff.reused.len());
        Comparison {
            old,
            new,
            names: [None, None],
            notes: notes(old, new, &reasons),
            different_processes: !reasons.is_empty(),
            counts: own_counts,
            system_counts,
            came: places.groups(groups.came, |before, now| signed(now) - signed(before)),
            gone: places.groups(groups.gone, |before, now| signed(before) - signed(now)),
            changed: moved(groups.changed),
            same: places.groups(groups.same, |_, _| 0),
        }
    }

    /// What the user calls them, for example the names of the files.
    pub fn named(mut self, old: &'a str, new: &'a str) -> Self {
        self.names = [Some(old), Some(new)];
        self
    }

    /// Whether they are hardly of one run of a program, so that the comparison means little.
    pub fn different_processes(&self) -> bool {
        self.different_processes
    }

    /// How many of the program's own goroutines became what.
    pub fn counts(&self) -> DiffCounts {
        self.counts
    }

    /// From one time of capture to the other, in nanoseconds; negative if the old snapshot is the newer.
    /// `None` where a time is not known.
    fn interval(&self) -> Option<i128> {
        let nanos = |time: SystemTime| Some(jiff::Timestamp::try_from(time).ok()?.as_nanosecond());
        Some(nanos(self.new.captured_at)? - nanos(self.old.captured_at)?)
    }
}

/// Differences as something that can be a key.
fn flags(what: Differences) -> [bool; 5] {
    let Differences {
        state,
        stack,
        ran,
        labels,
        thread,
    } = what;
    [state, stack, ran, labels, thread]
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// From which place to which, and what else differs.
type Move = (usize, usize, [bool; 5]);

/// A goroutine, and the number of its place.
type Placed<'a> = (&'a Goroutine, usize);

/// Groups that are being filled, by their places.
#[derive(Default)]
struct Groups<'a> {
    came: BTreeMap<usize, Vec<&'a Goroutine>>,
    gone: BTreeMap<usize, Vec<&'a Goroutine>>,
    same: BTreeMap<usize, Vec<&'a Goroutine>>,
    changed: BTreeMap<Move, (Differences, Vec<Pair<'a>>)>,
}

/// Where goroutines can be.
#[derive(PartialEq, Eq, Hash)]
struct Place<'a> {
    stack: usize,
    ends_early: Option<&'a str>,
    status: Status,
    waitreason: Option<&'a str>,
    gopc: Option<Addr>,
    system: bool,
}

/// Numbers places, and counts who is there.
#[derive(Default)]
struct Places<'a> {
    stacks: Stacks<'a>,
    numbers: HashMap<Place<'a>, usize>,
    /// How many are in each place, for each snapshot in the order in which they were asked for.
    population: Vec<Vec<usize>>,
}

impl<'a> Places<'a> {
    /// For every goroutine of the snapshot, itself and its place; `None` for those that have ended.
    fn of(&mut self, snapshot: &'a Snapshot) -> Vec<Option<Placed<'a>>> {
        let mut population = Vec::new();
        let mut place_of = |g: &'a Arc<Goroutine>| {
            let place = Place {
                stack: self.stacks.number(&g.frames),
                ends_early: match &g.stack_end {
                    StackEnd::Complete => None,
                    StackEnd::Early(why) => Some(why),
                },
                status: g.status,
                waitreason: g.waitreason.as_deref(),
                gopc: g.gopc.as_ref().map(|site| site.pc),
                system: g.system,
            };
            let next = self.numbers.len();
            let number = *self.numbers.entry(place).or_insert(next);
            if population.len() <= number {
                population.resize(number + 1, 0);
            }
            if let Some(count) = population.get_mut(number) {
                *count += 1;
            }
            number
        };
        let placed = snapshot.goroutines.iter().map(|g| {
            let alive = g.status != Status::Dead;
            alive.then(|| (&**g, place_of(g)))
        });
        let placed = placed.collect();
        self.population.push(population);
        placed
    }

    /// The groups, those first for whose places `growth` is largest, then the largest.
    fn groups(
        &self,
        members: BTreeMap<usize, Vec<&'a Goroutine>>,
        growth: fn(usize, usize) -> i64,
    ) -> Vec<Group<'a>> {
        let count = |snapshot: usize, place: usize| {
            let population = self.population.get(snapshot);
            population.and_then(|p| p.get(place)).copied().unwrap_or(0)
        };
        let mut groups: Vec<Group<'a>> = members
            .into_iter()
            .filter_map(|(place, mut members)| {
                members.sort_by_key(|g| g.goid);
                Some(Group {
                    sample: members.first()?,
                    members,
                    before: count(0, place),
                    now: count(1, place),
                })
            })
            .collect();
        groups.sort_by_key(|group| {
            (
                Reverse(growth(group.before, group.now)),
                Reverse(group.members.len()),
                group.sample.goid,
            )
        });
        groups
    }
}

/// The largest groups first.
fn moved<'a>(groups: BTreeMap<Move, (Differences, Vec<Pair<'a>>)>) -> Vec<Moved<'a>> {
    let mut moved: Vec<Moved<'a>> = groups
        .into_values()
        .filter_map(|(what, mut members)| {
            members.sort_by_key(|pair| pair.is.goid);
            Some(Moved {
                what,
                sample: *members.first()?,
                members,
            })
        })
        .collect();
    moved.sort_by_key(|group| (Reverse(group.members.len()), group.sample.is.goid));
    moved
}

/// Why the snapshots look like two runs of a program, or two programs.
fn signs_of_different_processes(old: &Snapshot, new: &Snapshot, reused: usize) -> Vec<String> {
    let mut signs = Vec::new();
    let mut compare = |what: &str, old: Option<String>, new: Option<String>| {
        // What is not known is no sign.
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            signs.push(format!("{what} {old}, then {new}"));
        }
    };
    let pid = |s: &Snapshot| s.target.pid.map(|pid| pid.to_string());
    compare("process ID", pid(old), pid(new));
    let arch = |s: &Snapshot| Some(s.target.arch.to_owned());
    compare("processor", arch(old), arch(new));
    let go = |s: &Snapshot| Some(s.build.go_version.clone());
    compare("built with", go(old), go(new));
    compare("package", old.build.path.clone(), new.build.path.clone());
    compare("module", old.build.main.clone(), new.build.main.clone());
    for key in ["vcs.revision", "vcs.time", "vcs.modified"] {
        let setting = |s: &Snapshot| s.build.settings.get(key).cloned();
        compare(key, setting(old), setting(new));
    }
    if reused > 0 {
        let ids = counted(reused, "goroutine ID");
        signs.push(format!(
            "{ids} used for other goroutines, which count as gone and new"
        ));
    }
    signs
}

/// What the reader should know, in sentences.
fn notes(old: &Snapshot, new: &Snapshot, signs: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if !signs.is_empty() {
        notes.push(format!(
            "these look like different processes: {}",
            signs.join("; ")
        ));
    }
    if old.captured_at > new.captured_at {
        notes.push("the old snapshot is the later one: what is new here was there first".into());
    }
    for (snapshot, which, elsewhere) in [(old, "old", "new"), (new, "new", "gone")] {
        if !snapshot.unreadable.is_empty() {
            notes.push(format!(
                "{} could not be read in the {which} snapshot, and may be among the {elsewhere} ones here",
                counted(snapshot.unreadable.len(), "goroutine")
            ));
        }
        if !snapshot.capture.consistent {
            notes.push(format!(
                "the {which} snapshot is not consistent: the program ran on while some of it was read"
            ));
        }
    }
    let by_old: HashSet<&String> = old.diagnostics.iter().collect();
    let by_new: HashSet<&String> = new.diagnostics.iter().collect();
    let (both, only_old): (Vec<_>, Vec<_>) = old
        .diagnostics
        .iter()
        .partition(|said| by_new.contains(said));
    let only_new = new.diagnostics.iter().filter(|said| !by_old.contains(said));
    let say = |who: &str, said: &String| format!("{who}: {said}");
    notes.extend(both.iter().map(|said| say("both snapshots say", said)));
    notes.extend(
        only_old
            .iter()
            .map(|said| say("the old snapshot says", said)),
    );
    notes.extend(only_new.map(|said| say("the new snapshot says", said)));
    notes
}
