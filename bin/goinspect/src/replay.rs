//! Replaying a recording in the terminal UI: the thread that brings its samples.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use model::Snapshot;
use report::{ReadRecordingError, Recording};
use tui::{FeedEvent, Request};

/// A recording as it is played.
pub struct Replay {
    recording: Recording,
    events: Sender<FeedEvent>,
    asked: Receiver<Request>,
    interval: Duration,
    paused: bool,
    /// The sample that was to be shown last, and the last that could be; `None` before the first.
    at: Option<usize>,
    shown: Option<usize>,
    /// Samples that were read last, so that going back is quick.
    read: VecDeque<(usize, Arc<Snapshot>)>,
}

/// How many samples are kept for going back, and how many goroutines they have together: of those that did not change
/// each takes a pointer.
const MAX_READ: usize = 600;
const MAX_GOROUTINES: usize = 8 << 20;

/// What a recording says of its interval may be anything.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(86_400);

impl Replay {
    /// With the ends that the screen has the others of.
    pub fn new(
        recording: Recording,
        interval: Duration,
        events: Sender<FeedEvent>,
        asked: Receiver<Request>,
    ) -> Replay {
        Replay {
            recording,
            events,
            asked,
            interval: interval.clamp(SHORTEST, LONGEST),
            paused: false,
            at: None,
            shown: None,
            read: VecDeque::new(),
        }
    }

    /// Plays it, until nobody looks any longer.
    pub fn play(&mut self) {
        self.run(0);
    }

    /// Shows one of its samples, and plays on only when it is asked to.
    pub fn stand_at(&mut self, index: usize) {
        self.paused = true;
        self.run(index);
    }

    fn run(&mut self, start: usize) {
        let mut next = Some(start);
        loop {
            if next.take().is_some_and(|at| !self.show(at)) {
                return;
            }
            let shown_at = Instant::now();
            while next.is_none() {
                let wait = match self.paused {
                    true => Duration::MAX,
                    false => self.interval.saturating_sub(shown_at.elapsed()),
                };
                next = match self.asked.recv_timeout(wait) {
                    Err(RecvTimeoutError::Timeout) => self.following(),
                    Ok(request) => match self.obey(request) {
                        Some(next) => next,
                        None => return,
                    },
                    Err(RecvTimeoutError::Disconnected) => return,
                };
            }
        }
    }

    /// The sample to show then, if any; `None` at the end.
    fn obey(&mut self, request: Request) -> Option<Option<usize>> {
        let mut next = None;
        let mut request = Some(request);
        // Keys that are held down come faster than samples: the last one counts.
        while let Some(one) = request {
            match one {
                Request::Show(at) => {
                    self.paused = true;
                    next = Some(at);
                }
                Request::Sample => next = self.following(),
                Request::SetInterval(interval) => self.interval = interval,
                Request::Pause => self.paused = true,
                Request::Resume => {
                    self.paused = false;
                    // At the end it begins anew.
                    next = next.or_else(|| self.following().is_none().then_some(0));
                }
                Request::Stop => return None,
            }
            request = self.asked.try_recv().ok();
        }
        Some(next)
    }

    fn following(&self) -> Option<usize> {
        let next = self.at.map_or(0, |at| at + 1);
        (next < self.recording.count()).then_some(next)
    }

    /// `false` if nobody looks any longer.
    fn show(&mut self, at: usize) -> bool {
        let goes_on = self.shown.is_some_and(|shown| shown + 1 == at);
        self.at = Some(at);
        self.paused |= at + 1 >= self.recording.count();
        let event = match self.get(at) {
            Ok(sample) => {
                self.shown = Some(at);
                let before = match goes_on {
                    true => Vec::new(),
                    false => self.context(at, tui::context(sample.goroutines.len())),
                };
                FeedEvent::Recorded {
                    index: at,
                    of: self.recording.count(),
                    before,
                    sample,
                    paused: self.paused,
                }
            }
            Err(why) => FeedEvent::Failed {
                message: why.to_string(),
                hint: None,
            },
        };
        self.events.send(event).is_ok()
    }

    /// The samples before one, as far as they can be read.
    fn context(&mut self, at: usize, count: usize) -> Vec<Arc<Snapshot>> {
        let before = at.saturating_sub(count)..at;
        before.filter_map(|at| self.get(at).ok()).collect()
    }

    fn get(&mut self, at: usize) -> Result<Arc<Snapshot>, ReadRecordingError> {
        if let Some((_, sample)) = self.read.iter().find(|(index, _)| *index == at) {
            return Ok(sample.clone());
        }
        let mut sample = self.recording.sample(at)?;
        if at + 1 == self.recording.count() {
            // Where the recording ends, one sees why.
            let mut last = Arc::unwrap_or_clone(sample);
            last.diagnostics.extend_from_slice(self.recording.notes());
            let end = self.recording.end();
            last.diagnostics
                .extend(end.map(|why| format!("the recording ended: {why}")));
            sample = Arc::new(last);
        }
        self.read.push_back((at, sample.clone()));
        let mut goroutines: usize = self.read.iter().map(|(_, s)| s.goroutines.len()).sum();
        while self.read.len() > MAX_READ || goroutines > MAX_GOROUTINES {
            match self.read.pop_front() {
                Some((_, oldest)) => goroutines -= oldest.goroutines.len(),
                None => break,
            }
        }
        Ok(sample)
    }
}
