//! What is remembered of each sample, for the overview.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Snapshot, Status};

use crate::list::function;
use crate::trends::Alike;
use crate::watch::{Mark, Watch, elapsed};

/// How many samples are remembered.
const SAMPLES: usize = 600;
/// How many places are remembered of the last one.
const PLACES: usize = 100;

/// One sample, in numbers: of the program's own goroutines, and of all changes.
pub(crate) struct Point {
    pub user: u32,
    /// By [`Status::ALL`].
    pub by_status: [u32; Status::ALL.len()],
    /// By what [`model::Goroutine::state`] says.
    pub by_state: HashMap<String, u32>,
    /// Since the sample before.
    pub created: u32,
    pub ended: u32,
    pub elapsed: Duration,
    pub pause: Option<Duration>,
}

#[derive(Clone, Default)]
pub(crate) struct Series {
    pub points: VecDeque<Arc<Point>>,
    /// Where most of the last sample's goroutines are, and how many.
    pub places: Vec<(String, usize)>,
}

impl Series {
    /// Takes in the watch's last sample; `before` is the one before that.
    pub fn sample(&mut self, watch: &Watch, alike: &[Alike<'_>], before: Option<&Snapshot>) {
        let Some(snapshot) = &watch.snapshot else {
            return;
        };
        let mut by_status = [0; Status::ALL.len()];
        let mut by_state: HashMap<&str, u32> = HashMap::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for Alike { one, count } in alike {
            let at = Status::ALL.iter().position(|status| *status == one.status);
            if let Some(sum) = at.and_then(|at| by_status.get_mut(at)) {
                *sum += count;
            }
            *by_state.entry(one.state()).or_default() += count;
            *places.entry(function(one).0).or_default() += *count as usize;
        }
        let mut places: Vec<(&str, usize)> = places.into_iter().collect();
        places.sort_unstable_by_key(|(name, n)| (Reverse(*n), *name));
        let places = places.into_iter().take(PLACES);
        self.places = places.map(|(name, n)| (name.to_owned(), n)).collect();
        let is_user = |mark: Mark| {
            let rows = watch.rows.iter();
            let rows = rows.filter(|row| row.mark == mark && row.missed <= 1);
            rows.filter(|row| !row.goroutine.system).count() as u32
        };
        self.points.push_back(Arc::new(Point {
            user: watch.user as u32,
            by_status,
            by_state: by_state
                .into_iter()
                .map(|(state, n)| (state.to_owned(), n))
                .collect(),
            created: before.map_or(0, |_| is_user(Mark::New)),
            ended: before.map_or(0, |_| is_user(Mark::Gone)),
            elapsed: before.map_or(Duration::ZERO, |before| elapsed(before, snapshot)),
            pause: snapshot.capture.pause,
        }));
        if self.points.len() > SAMPLES {
            self.points.pop_front();
        }
    }

    /// The share of its time that the program stood still between the last samples.
    pub fn overhead(&self) -> Option<f64> {
        let recent = self.points.iter().rev().take(10);
        let recent: Vec<&Arc<Point>> = recent.filter(|p| !p.elapsed.is_zero()).collect();
        let time: Duration = recent.iter().map(|p| p.elapsed).sum();
        let pause: Duration = recent.iter().filter_map(|p| p.pause).sum();
        (!time.is_zero()).then(|| pause.as_secs_f64() / time.as_secs_f64())
    }
}
