//! What many goroutines have in common is turned into text once.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Frame, Goroutine};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::writer::as_text;
use super::{Each, FrameDto, GoroutineDto, Style};

/// All goroutines.
pub(super) struct Goroutines<'a> {
    pub(super) all: &'a [Arc<Goroutine>],
    pub(super) style: Style,
}

/// A goroutine's stack.
pub(super) enum Frames<'a> {
    Each(Each<'a, Frame, FrameDto<'a>>),
    Text(Arc<RawValue>),
}

impl Serialize for Frames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Frames::Each(frames) => frames.serialize(serializer),
            Frames::Text(text) => text.as_ref().serialize(serializer),
        }
    }
}

impl Serialize for Goroutines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stacks = match self.style {
            Style::Line => Stacks::new(self.all),
            // There is no text for it that would do at any depth.
            Style::Pretty => Stacks::default(),
        };
        serializer.collect_seq(self.all.iter().map(|g| {
            let mut dto = GoroutineDto::new(g);
            if let Some(text) = stacks.text(&g.frames) {
                dto.frames = Frames::Text(text);
            }
            dto
        }))
    }
}

/// The stacks that more than one goroutine has, as text.
#[derive(Default)]
struct Stacks {
    /// Equal stacks of one snapshot usually are one allocation. How many goroutines have it, and the text from the
    /// second on.
    by_pointer: HashMap<*const Frame, (usize, Option<Arc<RawValue>>)>,
    bytes: usize,
}

impl Stacks {
    /// No more text is kept.
    const MAX_BYTES: usize = 64 << 20;

    fn new(all: &[Arc<Goroutine>]) -> Stacks {
        let mut stacks = Stacks::default();
        for g in all {
            stacks.by_pointer.entry(g.frames.as_ptr()).or_default().0 += 1;
        }
        stacks.by_pointer.retain(|_, (count, _)| *count > 1);
        stacks
    }

    fn text(&mut self, frames: &[Frame]) -> Option<Arc<RawValue>> {
        let (_, text) = self.by_pointer.get_mut(&frames.as_ptr())?;
        if text.is_none() && self.bytes < Self::MAX_BYTES {
            // What cannot be turned into text says so when it is written.
            let new: Arc<RawValue> = as_text(&Each(frames, FrameDto::new)).ok()?.into();
            self.bytes += new.get().len();
            *text = Some(new);
        }
        text.clone()
    }
}
