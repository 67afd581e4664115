//! What stands in the file, put together to a snapshot.

use std::sync::Arc;
use std::time::SystemTime;

use model::{BuildInfo, Goroutine, Object, Scheduler, Snapshot, TargetInfo, Unreadable};

use super::ReadJsonError;
use super::entries::CaptureIn;

/// So many entries of the list that is written, then, of the list before, from an index on so many.
pub(crate) type Run = [usize; 3];

/// A snapshot, or what has changed since another one.
pub(super) struct Parts {
    pub captured_at: SystemTime,
    pub target: Option<TargetInfo>,
    pub build: Option<BuildInfo>,
    pub capture: CaptureIn,
    pub same_goroutines: Vec<Run>,
    pub goroutines: Vec<Arc<Goroutine>>,
    pub same_objects: Vec<Run>,
    pub objects: Option<Vec<Object>>,
    /// `None` if nothing is said of it: then it is as before.
    pub scheduler: Option<Option<Scheduler>>,
    pub unreadable: Vec<Unreadable>,
    pub diagnostics: Vec<String>,
}

impl Parts {
    pub fn put_together(self, before: Option<&Snapshot>) -> Result<Snapshot, ReadJsonError> {
        let unfit = |list| ReadJsonError::Unfit { list };
        let old = before.map_or(&[][..], |before| &before.goroutines);
        let goroutines = merged(self.goroutines, &self.same_goroutines, old);
        let goroutines = goroutines.ok_or_else(|| unfit("goroutines"))?;
        let old = before.and_then(|before| before.objects.as_deref());
        let objects = match self.objects {
            Some(objects) => {
                let objects = merged(objects, &self.same_objects, old.unwrap_or_default());
                Some(objects.ok_or_else(|| unfit("objects"))?)
            }
            None => None,
        };
        let mut diagnostics = self.diagnostics;
        let counts = [
            (self.capture.goroutines, goroutines.len(), "goroutines"),
            (self.capture.unreadable, self.unreadable.len(), "unreadable"),
        ];
        for (said, are, list) in counts {
            if said != are {
                diagnostics.push(format!(
                    "the file was changed after it was written: it says that the list {list} has {said} entries, but there are {are}"
                ));
            }
        }
        let target = self.target.or_else(|| before.map(|b| b.target.clone()));
        let build = self.build.or_else(|| before.map(|b| b.build.clone()));
        Ok(Snapshot {
            captured_at: self.captured_at,
            target: target.ok_or_else(|| unfit("target"))?,
            build: build.ok_or_else(|| unfit("build"))?,
            capture: self.capture.into(),
            goroutines,
            objects,
            ms: Vec::new(),
            scheduler: self
                .scheduler
                .unwrap_or_else(|| before.and_then(|before| before.scheduler.clone())),
            traceback_labels: false,
            unreadable: self.unreadable,
            diagnostics,
        })
    }
}

/// The list that `same` tells of. An entry of the list before is in it once at most, so that a
/// small file cannot make a large list; `None` for what is no such list.
fn merged<T: Clone>(new: Vec<T>, same: &[Run], before: &[T]) -> Option<Vec<T>> {
    if same.is_empty() {
        return Some(new);
    }
    let mut new = new.into_iter();
    let mut all = Vec::new();
    let mut rest = before;
    for &[fresh, from, count] in same {
        if fresh > new.len() {
            return None;
        }
        all.extend(new.by_ref().take(fresh));
        let at = before.len() - rest.len();
        rest = rest.get(from.checked_sub(at)?..)?;
        let (kept, behind) = rest.split_at_checked(count)?;
        all.extend_from_slice(kept);
        rest = behind;
    }
    all.extend(new);
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_merged_or_refused() {
        let before = ['a', 'b', 'c', 'd'];
        let merge = |new: &str, same: &[Run]| {
            let merged = merged(new.chars().collect(), same, &before)?;
            Some(merged.into_iter().collect::<String>())
        };
        assert_eq!(merge("", &[[0, 0, 4]]).as_deref(), Some("abcd"));
        assert_eq!(
            merge("xyz", &[[1, 1, 1], [1, 3, 1]]).as_deref(),
            Some("xbydz")
        );
        for unfit in [[1, 0, 1], [0, 3, 2], [0, 5, 0], [0, usize::MAX, usize::MAX]] {
            assert_eq!(merge("", &[unfit]), None, "{unfit:?}");
        }
        // The same twice.
        assert_eq!(merge("", &[[0, 0, 2], [0, 1, 1]]), None);
    }
}
