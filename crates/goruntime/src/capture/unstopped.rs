//! Copying from a program that runs, and finding out what of it cannot be true.
//!
//! Every `g` is looked at twice before its stack is read, and once after. `docs/PAUSE.md` says what follows from that.

use std::sync::Arc;

use model::{Addr, Frame, Goroutine, StackEnd, Status, Trust};
use rustc_hash::FxHashMap;
use target::{ReadMemory, Target};

use super::facts::Facts;
use super::{Capture, capture, g_at, look};
use crate::error::CaptureError;
use crate::limits::Limits;
use crate::runtime::Runtime;
use crate::wanted::Wanted;

/// How far the goroutines can be trusted that were read without a stop.
pub struct Doubts {
    by_g: FxHashMap<Addr, Doubt>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It is proven not to have run.
    None,
    /// It was where it had been before.
    MayHaveRun,
    HasRun,
}

/// Copies from a program that has not been stopped. What `wanted` asks for of objects is left out: what refers to what
/// is true of one moment only.
pub fn capture_running(
    process: &dyn Target,
    runtime: &Runtime,
    limits: &Limits,
    wanted: Wanted,
) -> Result<(Capture, Doubts), CaptureError> {
    let gs = |memory: &dyn ReadMemory| -> Result<Vec<Addr>, CaptureError> {
        let (list, len) = super::list_gs(memory, runtime, limits)?;
        let mut gs = super::read_g_addresses(memory, list, len)?;
        gs.retain(|g| !g.is_null());
        Ok(gs)
    };
    let before = look(process, runtime, &gs(process)?);
    let mut captured = capture(process, runtime, limits, wanted, None)?;
    let gs = gs(&captured.memory)?;
    let after = look(process, runtime, &gs);
    let doubt = |at: Addr| {
        let g = |memory| g_at(memory, runtime, at);
        let (now, after) = (g(&captured.memory), g(&after));
        let Some((now, after)) = now.zip(after).filter(|(now, after)| now == after) else {
            return Doubt::HasRun;
        };
        if matches!(now.status(), Some(Status::Running) | None) {
            return Doubt::HasRun;
        }
        let facts = g(&before).and_then(|before| Facts::of(&before, runtime));
        match facts.is_some()
            && facts == Facts::of(&now, runtime)
            && facts == Facts::of(&after, runtime)
        {
            true => Doubt::None,
            false => Doubt::MayHaveRun,
        }
    };
    let by_g = gs.into_iter().map(|at| (at, doubt(at))).collect();
    captured.is_complete = false;
    Ok((captured, Doubts { by_g }))
}

impl Doubts {
    /// Marks what is in doubt, and takes away what cannot be true. Returns what the reader of the snapshot should know.
    pub fn mark(&self, goroutines: &mut [Arc<Goroutine>]) -> String {
        let mut assumed = FxHashMap::default();
        let (mut maybe, mut torn) = (0usize, 0usize);
        for goroutine in goroutines {
            let doubt = self.by_g.get(&goroutine.g).copied();
            match doubt.unwrap_or(Doubt::HasRun) {
                Doubt::None => {}
                Doubt::MayHaveRun => {
                    maybe += 1;
                    let goroutine = Arc::make_mut(goroutine);
                    let frames = Arc::clone(&goroutine.frames);
                    // The old ones are kept with the new: otherwise others might come to lie where they were.
                    let (_, new) = assumed
                        .entry(frames.as_ptr())
                        .or_insert_with(|| (Arc::clone(&frames), as_assumed(&frames)));
                    goroutine.frames = Arc::clone(new);
                    goroutine
                        .notes
                        .push("it may have run while it was read".to_owned());
                }
                Doubt::HasRun => {
                    torn += 1;
                    let goroutine = Arc::make_mut(goroutine);
                    goroutine.frames = Arc::from([]);
                    goroutine.stack_end = StackEnd::Early(Arc::from("it ran while it was read"));
                    goroutine.traceback.places = Box::default();
                    goroutine.waiting_on = None;
                }
            }
        }
        format!(
            "the process was not stopped: {torn} goroutines ran while they were read, and have no stack here; {maybe} more may have run, and \
             their frames are marked as assumed"
        )
    }
}

fn as_assumed(frames: &[Frame]) -> Arc<[Frame]> {
    let assumed = |frame: &Frame| Frame {
        trust: Trust::Assumed,
        ..frame.clone()
    };
    frames.iter().map(assumed).collect()
}
