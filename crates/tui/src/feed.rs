//! What connects the screen with whoever takes the snapshots.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use model::Snapshot;

/// The two ends of a running sampler. It is on a thread of its own; neither side ever waits for
/// the other.
#[derive(Debug)]
pub struct Feed {
    /// What it tells. Should the other end be dropped without [`FeedEvent::Ended`], the
    /// screen says so and stays.
    pub events: Receiver<FeedEvent>,
    /// What it is asked for. Requests after the end are dropped.
    pub requests: Sender<Request>,
}

/// What the sampler tells.
#[derive(Clone, Debug)]
pub enum FeedEvent {
    /// A new sample.
    Snapshot(Arc<Snapshot>),
    /// A sample of a recording.
    Recorded {
        /// Which one, from 0.
        index: usize,
        /// How many there are.
        of: usize,
        /// Those before it, the oldest first, that tell what has just changed ([`crate::context`] says how many
        /// are enough); not needed where it follows the one that was sent last.
        before: Vec<Arc<Snapshot>>,
        /// Itself.
        sample: Arc<Snapshot>,
        /// Whether it stands still there until it is asked to go on.
        paused: bool,
    },
    /// A sample could not be taken; the next one may succeed.
    Failed {
        /// What failed.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// There will be no more samples: the target ended, or there was only one to show.
    Ended {
        /// Why, in a sentence.
        message: String,
    },
    /// Leave: goinspect was asked to end from outside (SIGTERM, SIGHUP).
    Quit,
}

/// What the sampler is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Take one sample now, paused or not.
    Sample,
    /// Show this sample of a recording, from 0, and pause.
    Show(usize),
    /// Take samples this far apart from now on.
    SetInterval(Duration),
    /// Take no samples but those asked for.
    Pause,
    /// Take samples again.
    Resume,
    /// No more samples are wanted; sent last, whatever makes the screen end.
    Stop,
}
