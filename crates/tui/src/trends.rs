//! What goroutines have in common, and how many of each sort there were from sample to sample.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use model::{Frame, Goroutine, Status, WaitKind, WaitingOn};

use crate::list::created_by;
use crate::watch::{Mark, Watch};

/// What goroutines are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum By {
    Stack,
    Reason,
    Creator,
    Object,
    Label,
}

impl By {
    pub const ALL: [By; 5] = [By::Stack, By::Reason, By::Creator, By::Object, By::Label];

    pub fn next(self) -> By {
        let at = Self::ALL.iter().position(|by| *by == self);
        let mut around = Self::ALL.into_iter().cycle();
        around.nth(at.unwrap_or_default() + 1).unwrap_or(self)
    }

    pub fn word(self) -> &'static str {
        match self {
            By::Stack => "stack",
            By::Reason => "wait reason",
            By::Creator => "creator",
            By::Object => "object",
            By::Label => "label",
        }
    }
}

/// How many samples the line of bars shows.
pub(crate) const BARS: usize = 12;
/// For how many samples a group that is empty is remembered, unless it was there from the beginning.
const EMPTY_STAYS: u32 = 60;

/// The past of a group.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trend {
    /// How many there were in the first sample.
    pub first: u32,
    /// In the last ones, the newest last; before the first sample there were none.
    counts: [u32; BARS],
    /// How many of these there are.
    samples: usize,
    empty: u32,
}

impl Trend {
    /// How many there were in the last samples, the newest last.
    pub fn counts(&self) -> impl Iterator<Item = u32> + Clone {
        self.counts.into_iter().skip(BARS - self.samples.min(BARS))
    }
}

/// The past of all groups, whatever they are by.
#[derive(Default)]
pub(crate) struct Trends {
    groups: HashMap<(By, u64), Trend, RandomState>,
    samples: usize,
}

impl Trends {
    /// Takes in the watch's last sample: the program's own goroutines, whatever the filter says.
    pub fn sample(&mut self, watch: &Watch, alike: &[Alike<'_>]) {
        let mut counts: HashMap<(By, u64), u32, RandomState> = HashMap::default();
        let mut keys = Keys::default();
        for g in own(watch) {
            for by in [By::Object, By::Label] {
                keys.each(by, g, |key| *counts.entry((by, key)).or_default() += 1);
            }
        }
        for Alike { one, count } in alike {
            for by in [By::Stack, By::Reason, By::Creator] {
                keys.each(by, one, |key| {
                    *counts.entry((by, key)).or_default() += count
                });
            }
        }
        let first = self.samples == 0;
        self.samples += 1;
        for (key, count) in &counts {
            self.groups.entry(*key).or_insert_with(|| Trend {
                first: if first { *count } else { 0 },
                ..Trend::default()
            });
        }
        let samples = self.samples.min(BARS);
        self.groups.retain(|key, trend| {
            let count = counts.get(key).copied().unwrap_or(0);
            trend.counts.rotate_left(1);
            if let Some(last) = trend.counts.last_mut() {
                *last = count;
            }
            trend.samples = samples;
            trend.empty = if count == 0 { trend.empty + 1 } else { 0 };
            trend.first > 0 || trend.empty < EMPTY_STAYS
        });
    }

    /// The past of a group; `None` unless its last count is `now`: with a filter the lines are about others.
    pub fn of(&self, by: By, key: u64, now: usize) -> Option<Trend> {
        let trend = *self.groups.get(&(by, key))?;
        let last = trend.counts.last().copied().unwrap_or(0);
        (self.samples > 1 && last as usize == now).then_some(trend)
    }
}

/// Goroutines that have their calls, their state and their creator in common.
pub(crate) struct Alike<'a> {
    pub one: &'a Goroutine,
    pub count: u32,
}

/// All of the watch's last sample, without the runtime's own. They are many, and their kinds are few.
pub(crate) fn alike(watch: &Watch) -> Vec<Alike<'_>> {
    let mut places: HashMap<_, usize, RandomState> = HashMap::default();
    let mut kinds: Vec<Alike<'_>> = Vec::new();
    for g in own(watch) {
        let reason = g.waitreason.as_ref().map(|reason| reason.as_ptr());
        let gopc = g.gopc.as_ref().map(|site| site.pc);
        let kind = (g.frames.as_ptr(), g.status, reason, gopc);
        let place = *places.entry(kind).or_insert(kinds.len());
        match kinds.get_mut(place) {
            Some(kind) => kind.count += 1,
            None => kinds.push(Alike { one: g, count: 1 }),
        }
    }
    kinds
}

fn own(watch: &Watch) -> impl Iterator<Item = &Goroutine> {
    let rows = watch.rows.iter().filter(|row| row.mark != Mark::Gone);
    let all = rows.map(|row| &*row.goroutine);
    all.filter(|g| !g.system && g.status != Status::Dead)
}

/// Computes the groups' keys; each stack is looked at once.
#[derive(Default)]
pub(crate) struct Keys<'a> {
    stacks: HashMap<*const Frame, (u64, std::marker::PhantomData<&'a Frame>), RandomState>,
}

impl<'a> Keys<'a> {
    /// Calls `each` with the key of every group that a goroutine is in.
    pub fn each(&mut self, by: By, g: &'a Goroutine, mut each: impl FnMut(u64)) {
        match by {
            By::Stack => {
                let stack = self.stacks.entry(g.frames.as_ptr());
                let (stack, _) =
                    stack.or_insert_with(|| (hash(&*g.frames), std::marker::PhantomData));
                each(hash(&(*stack, g.status, &g.waitreason)));
            }
            By::Reason => each(hash(g.state())),
            By::Creator => each(hash(created_by(g))),
            By::Object if g.waiting_on.is_none() => each(hash(&false)),
            By::Object => {
                let mut seen = Vec::new();
                for on in g.waiting_on.iter().flatten() {
                    let key = object_key(on);
                    // Two cases of a select may be about one channel.
                    if !seen.contains(&key) {
                        seen.push(key);
                        each(key);
                    }
                }
                if seen.is_empty() {
                    each(hash(""));
                }
            }
            By::Label => match g.labels.as_deref() {
                // Not the same as having none.
                None => each(hash(&false)),
                Some([]) => each(hash("")),
                Some(labels) => labels.iter().for_each(|label| each(hash(label))),
            },
        }
    }

    /// What a group is called by what one of its goroutines says.
    pub fn title(by: By, g: &Goroutine, key: u64) -> String {
        match by {
            By::Stack => g.state().to_owned(),
            By::Reason => g.state().to_owned(),
            By::Creator => match created_by(g) {
                "" => "(the runtime, or not known)".to_owned(),
                name => name.to_owned(),
            },
            By::Object if g.waiting_on.is_none() => "(could not be read)".to_owned(),
            By::Object => {
                let mut all = g.waiting_on.iter().flatten();
                let object = all.find(|on| object_key(on) == key);
                object.map_or("(no object)".to_owned(), object_title)
            }
            By::Label => {
                let labels = g.labels.iter().flatten();
                let label = labels.clone().find(|label| hash(*label) == key);
                match (label, &g.labels) {
                    (Some((name, value)), _) => format!("{name}={value}"),
                    (None, None) => "(could not be read)".to_owned(),
                    (None, Some(_)) => "(no labels)".to_owned(),
                }
            }
        }
    }
}

/// The same for what others can wait on, too, if it is the same. What has a name goes by that; what is no object, by its kind.
fn object_key(on: &WaitingOn) -> u64 {
    match (&on.name, on.addr) {
        (Some(name), _) => hash(&(on.kind, &**name)),
        (None, Some(addr)) if on.kind.is_object() => hash(&(on.kind, addr)),
        _ => hash(&on.kind),
    }
}

fn object_title(on: &WaitingOn) -> String {
    let kind = on.kind.as_str();
    match (&on.name, on.addr) {
        (Some(name), _) => format!("{kind} {name}"),
        (None, Some(addr)) if on.kind.is_object() => format!("{kind} {addr}"),
        (None, None) if on.kind == WaitKind::Chan => "chan nil".to_owned(),
        _ => kind.to_owned(),
    }
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
