//! Who could wake whom.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{
    Addr, Goid, Goroutine, Object, ObjectState, Objects, Snapshot, Status, WaitKind, WaitState,
};

/// What may make a goroutine go on.
#[derive(Clone, PartialEq, Debug)]
pub enum Hope<'a> {
    /// It runs, or what it waits for comes from outside or by itself: time, network, the runtime. Or it
    /// is not known what it waits on.
    Free,
    /// Another goroutine has to do something to one of these.
    Others(Vec<&'a Object>),
    /// Nothing can.
    Never,
}

/// A snapshot with what follows from it at once.
#[derive(Debug)]
pub struct World<'a> {
    /// What was looked at.
    pub snapshot: &'a Snapshot,
    by_goid: HashMap<Goid, &'a Arc<Goroutine>>,
    objects: Objects<'a>,
    stuck: HashSet<Goid>,
}

impl<'a> World<'a> {
    /// Of a snapshot that has objects; of another less is known.
    pub fn new(snapshot: &'a Snapshot) -> World<'a> {
        let mut world = World {
            snapshot,
            by_goid: snapshot.goroutines.iter().map(|g| (g.goid, g)).collect(),
            objects: Objects::new(snapshot.objects.as_deref().unwrap_or_default()),
            stuck: HashSet::new(),
        };
        world.stuck = world.find_stuck();
        world
    }

    /// A goroutine.
    pub fn goroutine(&self, goid: Goid) -> Option<&'a Arc<Goroutine>> {
        self.by_goid.get(&goid).copied()
    }

    /// All objects.
    pub fn objects(&self) -> &'a [Object] {
        self.snapshot.objects.as_deref().unwrap_or_default()
    }

    /// An object.
    pub fn object(&self, kind: WaitKind, at: Addr) -> Option<&'a Object> {
        self.objects.get(kind, at)
    }

    /// What may make a goroutine go on.
    pub fn hope(&self, g: &Goroutine) -> Hope<'a> {
        let reason = g.waitreason.as_deref().unwrap_or_default();
        let is_nil = reason.contains("(nil chan)") || reason.starts_with("select (no cases)");
        match (g.status, &g.waiting_on) {
            (Status::Leaked, _) => Hope::Never,
            (Status::Waiting, _) if is_nil && !g.system => Hope::Never,
            (Status::Waiting, Some(list)) if !g.system => self.hope_of_list(g, list),
            _ => Hope::Free,
        }
    }

    fn hope_of_list(&self, g: &Goroutine, list: &[model::WaitingOn]) -> Hope<'a> {
        if list.is_empty() {
            // A select without cases, or one whose channels are all nil.
            let is_select = g
                .waitreason
                .as_deref()
                .is_some_and(|r| r.starts_with("select"));
            return if is_select { Hope::Never } else { Hope::Free };
        }
        let mut objects = Vec::new();
        for on in list {
            match (on.kind.is_object(), on.addr, &on.state) {
                (true, None, WaitState::Chan(None)) => {}
                (true, Some(at), _) => match self.object(on.kind, at) {
                    Some(object) if !comes_by_itself(object) => objects.push(object),
                    _ => return Hope::Free,
                },
                _ => return Hope::Free,
            }
        }
        match objects.is_empty() {
            true => Hope::Never,
            false => Hope::Others(objects),
        }
    }

    /// The goroutines that could serve those who wait on an object, as far as stacks tell.
    pub fn helpers(&self, object: &Object) -> Vec<Goid> {
        let holders = object.holders.iter().map(|holder| holder.goid);
        // Of one that was left out of the snapshot nothing is known: it may be able to.
        let is_user = |goid: &Goid| self.goroutine(*goid).is_none_or(|g| !g.system);
        holders.filter(is_user).collect()
    }

    /// Those who wait on an object, if none of them could go on; `None` if one could, or there are none.
    pub fn stuck_waiters(&self, object: &Object) -> Option<Vec<Goid>> {
        let waiters: Vec<Goid> = object.waiters().collect();
        let all_stuck = waiters.iter().all(|&goid| self.is_stuck(goid));
        (all_stuck && !waiters.is_empty()).then_some(waiters)
    }

    /// Whether nobody who is known to be able to could make it go on.
    pub fn is_stuck(&self, goid: Goid) -> bool {
        self.stuck.contains(&goid)
    }

    /// The largest set of waiting goroutines in which all wait for each other or for nobody.
    fn find_stuck(&self) -> HashSet<Goid> {
        let mut waiting: HashMap<Goid, Vec<&Object>> = HashMap::new();
        let mut stuck = HashSet::new();
        for g in &self.snapshot.goroutines {
            match self.hope(g) {
                Hope::Free => {}
                Hope::Never => {
                    stuck.insert(g.goid);
                }
                Hope::Others(objects) => {
                    stuck.insert(g.goid);
                    waiting.insert(g.goid, objects);
                }
            }
        }
        // Whoever is freed may free those that wait for it: each object is looked at once for each freed helper.
        let mut helped: HashMap<Goid, Vec<Goid>> = HashMap::new();
        let mut open: Vec<Goid> = Vec::new();
        for (&goid, objects) in &waiting {
            for object in objects {
                if object.more_holders > 0 {
                    open.push(goid);
                }
                for helper in self.helpers(object) {
                    helped.entry(helper).or_default().push(goid);
                    if !stuck.contains(&helper) {
                        open.push(goid);
                    }
                }
            }
        }
        while let Some(goid) = open.pop() {
            if waiting.contains_key(&goid) && stuck.remove(&goid) {
                open.extend(helped.get(&goid).into_iter().flatten());
            }
        }
        stuck
    }

    /// For how long it is known to have waited, in nanoseconds.
    pub fn waited(&self, g: &Goroutine) -> Option<u64> {
        self.snapshot.capture.nanotime?.checked_sub(g.waitsince?)
    }
}

/// Whether what the waiters want will come without another goroutine.
fn comes_by_itself(object: &Object) -> bool {
    match &object.state {
        // Signals come from outside.
        ObjectState::Chan(state) => {
            let elem = state.elem_type.as_deref();
            state.timer.is_some() || state.closed || elem == Some("os.Signal")
        }
        // Nobody has it: it is just being handed over.
        ObjectState::Mutex { locked, .. } => !locked,
        ObjectState::WaitGroup { counter, .. } => *counter == 0,
        ObjectState::RwMutex { .. } | ObjectState::Unknown => false,
    }
}
