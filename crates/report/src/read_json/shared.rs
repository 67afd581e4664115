//! What goroutines have in common is made once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{Frame, Site};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::entries::{FrameIn, SiteIn};
use super::without_place;

/// Values of the snapshot that is being read, to be shared by its goroutines.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) strings: Strings,
    stacks: Remembered<Arc<[Frame]>>,
    /// The same stack may stand in the file in several spellings.
    distinct_stacks: HashSet<Arc<[Frame]>>,
    sites: Remembered<Site>,
}

impl Shared {
    /// The stack that a list of frames describes.
    pub(super) fn frames(&mut self, raw: Box<RawValue>) -> Result<Arc<[Frame]>, String> {
        let (strings, distinct) = (&mut self.strings, &mut self.distinct_stacks);
        self.stacks.get_or_read(raw, |frames: Vec<FrameIn>| {
            let frames = frames.into_iter().map(|f| f.into_frame(strings));
            share(distinct, frames.collect())
        })
    }

    pub(super) fn site(&mut self, raw: Box<RawValue>) -> Result<Site, String> {
        let strings = &mut self.strings;
        self.sites
            .get_or_read(raw, |site: SiteIn| site.into_site(strings))
    }
}

fn share<T: ?Sized + std::hash::Hash + Eq>(all: &mut HashSet<Arc<T>>, one: Arc<T>) -> Arc<T> {
    match all.get(&one) {
        Some(known) => known.clone(),
        None => {
            all.insert(one.clone());
            one
        }
    }
}

/// Strings, each once.
#[derive(Default)]
pub(super) struct Strings(HashSet<Arc<str>>);

impl Strings {
    pub(super) fn share(&mut self, text: String) -> Arc<str> {
        match self.0.get(text.as_str()) {
            Some(known) => known.clone(),
            None => share(&mut self.0, text.into()),
        }
    }
}

/// Values by the JSON they were read from.
struct Remembered<T> {
    by_text: HashMap<Box<str>, T>,
    /// Bytes of JSON that are kept. A file without anything in common is not kept in memory whole.
    kept: usize,
}

const MAX_KEPT: usize = 64 << 20;

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Remembered {
            by_text: HashMap::new(),
            kept: 0,
        }
    }
}

impl<T: Clone> Remembered<T> {
    fn get_or_read<D: for<'de> Deserialize<'de>>(
        &mut self,
        raw: Box<RawValue>,
        make: impl FnOnce(D) -> T,
    ) -> Result<T, String> {
        if let Some(known) = self.by_text.get(raw.get()) {
            return Ok(known.clone());
        }
        let read = serde_json::from_str(raw.get()).map_err(|e| without_place(&e))?;
        let value = make(read);
        if self.kept < MAX_KEPT {
            self.kept += raw.get().len();
            self.by_text.insert(raw.into(), value.clone());
        }
        Ok(value)
    }
}
