//! Stacks that are equal are kept once: programs have thousands of goroutines in few places.

use std::sync::Arc;

use model::{Frame, StackEnd};
use rustc_hash::FxHashMap;

use crate::cgo::CCode;
use crate::module::Modules;
use crate::symbolize::Symbolizer;
use crate::unwind::{Code, PhysicalFrame};

/// The stacks seen, by their physical frames.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    known: FxHashMap<Box<[PhysicalFrame]>, Arc<[Frame]>>,
    ends: FxHashMap<String, Arc<str>>,
    /// Physical frames of those that are known.
    frames: usize,
}

impl Stacks {
    /// The frames that `physical` stands for.
    pub(crate) fn share(
        &mut self,
        modules: &Modules,
        symbolizer: &mut Symbolizer,
        c: &mut CCode<'_>,
        physical: &[PhysicalFrame],
    ) -> Arc<[Frame]> {
        if let Some(frames) = self.known.get(physical) {
            return Arc::clone(frames);
        }
        let mut frames = Vec::with_capacity(physical.len() * 2);
        for frame in physical {
            match frame.code {
                Code::Go => symbolizer.expand(modules, frame, &mut frames),
                Code::C(_) => symbolizer.expand_c(modules, c, frame, &mut frames),
            }
        }
        let frames: Arc<[Frame]> = frames.into();
        self.known.insert(physical.into(), Arc::clone(&frames));
        self.frames += physical.len();
        frames
    }

    /// How many frames are kept.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// How the walk over a stack ended.
    pub(crate) fn end(&mut self, result: Result<(), String>) -> StackEnd {
        match result {
            Ok(()) => StackEnd::Complete,
            Err(why) => {
                let shared = self
                    .ends
                    .entry(why)
                    .or_insert_with_key(|why| Arc::from(why.as_str()));
                StackEnd::Early(Arc::clone(shared))
            }
        }
    }

    /// Forgets what no snapshot holds any more, so that sampling for hours does not grow.
    pub(crate) fn forget_unused(&mut self) {
        self.known.retain(|_, frames| Arc::strong_count(frames) > 1);
        self.frames = self.known.keys().map(|physical| physical.len()).sum();
        self.ends.retain(|_, why| Arc::strong_count(why) > 1);
    }
}
