//! The story of one goroutine.

use std::sync::Arc;

use model::{Goid, Goroutine, Object, Site, Snapshot, WaitingOn};

use crate::finding::Finding;
use crate::rules::findings;
use crate::world::World;

/// How far an ancestry is followed.
const MAX_ANCESTORS: usize = 100;

/// What is to be told of one goroutine.
#[derive(Debug)]
pub struct Story<'a> {
    /// Which one.
    pub goroutine: &'a Arc<Goroutine>,
    /// What it waits on, with who else has to do with it.
    pub waits_on: Vec<On<'a>>,
    /// For how long it is known to have waited, in nanoseconds.
    pub waited: Option<u64>,
    /// Those who created it, and those who created them, up to the first of whom nothing is known.
    pub ancestors: Vec<Ancestor<'a>>,
    /// How many goroutines it has created that are still there.
    pub children: usize,
    /// What the rules say of it.
    pub findings: Vec<Finding>,
}

/// One thing that it waits on.
#[derive(Debug)]
pub struct On<'a> {
    /// What it is.
    pub on: &'a WaitingOn,
    /// The object, if it is one.
    pub object: Option<&'a Object>,
    /// Who waits with it, itself left out, in the order of the queues.
    pub with: Vec<Goid>,
    /// Who could have to do with it.
    pub others: Vec<Companion<'a>>,
}

/// A goroutine that refers to something that another waits on.
#[derive(Debug)]
pub struct Companion<'a> {
    /// Which one.
    pub goroutine: &'a Arc<Goroutine>,
    /// The function that refers to it.
    pub function: Option<&'a str>,
    /// Whether it could move.
    pub is_stuck: bool,
}

/// One who created a goroutine.
#[derive(Debug)]
pub struct Ancestor<'a> {
    /// Its ID.
    pub goid: Goid,
    /// The goroutine, if it is still there.
    pub goroutine: Option<&'a Arc<Goroutine>>,
    /// The `go` statement by which it created the one before.
    pub gopc: Option<&'a Site>,
}

impl<'a> Story<'a> {
    /// That of a goroutine; `None` if there is none of that ID.
    pub fn new(snapshot: &'a Snapshot, goid: Goid) -> Option<Story<'a>> {
        let world = World::new(snapshot);
        let goroutine = world.goroutine(goid)?;
        let list = goroutine.waiting_on.as_deref().unwrap_or_default();
        let all = findings(snapshot);
        Some(Story {
            goroutine,
            waits_on: list.iter().map(|on| On::new(&world, on, goid)).collect(),
            waited: world.waited(goroutine),
            ancestors: ancestors(&world, goroutine),
            children: snapshot
                .goroutines
                .iter()
                .filter(|g| g.parent_goid == Some(goid))
                .count(),
            findings: all
                .into_iter()
                .filter(|f| f.goids.contains(&goid) || f.because_of.contains(&goid))
                .collect(),
        })
    }
}

impl<'a> On<'a> {
    fn new(world: &World<'a>, on: &'a WaitingOn, goid: Goid) -> On<'a> {
        let object = on.addr.and_then(|at| world.object(on.kind, at));
        let waiters = object.into_iter().flat_map(Object::waiters);
        let holders = object.into_iter().flat_map(|object| &object.holders);
        let others = holders.filter_map(|holder| {
            let goroutine = world.goroutine(holder.goid).filter(|g| !g.system)?;
            Some(Companion {
                goroutine,
                function: holder
                    .frame_of(goroutine)
                    .map(|frame| &*frame.function.name),
                is_stuck: world.is_stuck(holder.goid),
            })
        });
        On {
            on,
            object,
            with: waiters.filter(|&other| other != goid).collect(),
            others: others.collect(),
        }
    }
}

fn ancestors<'a>(world: &World<'a>, goroutine: &'a Arc<Goroutine>) -> Vec<Ancestor<'a>> {
    let mut ancestors: Vec<Ancestor<'a>> = Vec::new();
    let mut child = goroutine;
    // By the goroutines that are still there, as far as that leads.
    while let Some(goid) = child.parent_goid {
        let is_new = ancestors.iter().all(|known| known.goid != goid);
        if ancestors.len() >= MAX_ANCESTORS || !is_new || goid == goroutine.goid {
            return ancestors;
        }
        let parent = world.goroutine(goid);
        ancestors.push(Ancestor {
            goid,
            goroutine: parent,
            gopc: child.gopc.as_ref(),
        });
        match parent {
            Some(parent) => child = parent,
            None => break,
        }
    }
    // What the program keeps of them (GODEBUG=tracebackancestors) leads further.
    let told = goroutine.traceback.ancestors.iter().skip(ancestors.len());
    let mut before = match ancestors.len().checked_sub(1) {
        Some(last) => goroutine
            .traceback
            .ancestors
            .get(last)
            .and_then(|a| a.gopc.as_ref()),
        None => goroutine.gopc.as_ref(),
    };
    for ancestor in told {
        ancestors.push(Ancestor {
            goid: ancestor.goid,
            goroutine: world.goroutine(ancestor.goid),
            gopc: before,
        });
        before = ancestor.gopc.as_ref();
    }
    ancestors
}
