//! `goinspect attach`: the terminal UI, and the thread that takes its samples.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use model::Snapshot;
use sampler::{ErrorKind, Session, Wanted};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;
use tui::{Feed, FeedEvent, Request, Saver, UiError, UiOptions};

use crate::args::{self, Common};
use crate::config::{Config, Theme};
use crate::failure::Failure;
use crate::replay::Replay;
use crate::save::save;
use crate::snapshot::options;
use crate::target::{Given, open_recording, unreadable_recording};

/// The time between two samples of a process.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches a process until the user leaves, or shows a file.
pub fn run(command: &args::Attach, common: &Common) -> Result<(), Failure> {
    let given = Given::parse(&command.target)?;
    let pid = match &given {
        Given::Process(pid) => *pid,
        Given::Recording(path, number) => return replay(path, *number, command.interval, common),
        _ => return show(&given, common),
    };
    let interval = command.interval.unwrap_or(INTERVAL);
    // What is wrong with the target is said before the terminal is taken over.
    let mut session = Session::open(pid, options(common, wanted(common)))?;
    let first = session.sample()?;
    let (mut screen, events, asked) = Screen::new(&first, interval, common)?;
    screen.options.max_overhead = command.max_overhead;
    let max_overhead = command.max_overhead;
    let at_work = screen.options.at_work.clone();
    let pause = first.capture.pause.unwrap_or_default();
    let sampler = thread::Builder::new()
        .name("goinspect-sampler".to_owned())
        .spawn(move || {
            let first = Arc::new(first);
            if events.send(FeedEvent::Snapshot(first.clone())).is_ok() {
                Sampling {
                    session,
                    events,
                    asked,
                    interval,
                    max_overhead,
                    pause,
                    at_work,
                    paused: false,
                    last: first,
                }
                .run();
            }
        })
        .map_err(|why| Failure::internal(format!("cannot start a thread: {why}")))?;
    let left = screen.run();
    // The target goes on before goinspect says good-bye.
    let ended = sampler.join();
    left?;
    ended.map_err(|_| Failure::internal("the sampling thread panicked"))
}

/// Plays a recording from its beginning, or stands still at the sample that is asked for.
fn replay(
    path: &Path,
    number: Option<usize>,
    interval: Option<Duration>,
    common: &Common,
) -> Result<(), Failure> {
    let given = Given::Recording(path.to_owned(), number);
    let mut recording = open_recording(path)?;
    // What is wrong is said before the terminal is taken over. There is no sample 0, and none with the largest of all numbers.
    let asked = number.map_or(0, |number| number.wrapping_sub(1));
    let mut first = recording.sample(asked);
    if number.is_none() {
        // One good sample is enough; of those that are damaged the screen tells.
        let mut others = 1..recording.count();
        while first.is_err()
            && let Some(at) = others.next()
        {
            first = recording.sample(at).or(first);
        }
    }
    let first = first.map_err(|why| unreadable_recording(path, &why))?;
    let interval = interval.unwrap_or(recording.interval());
    let (mut screen, events, asked) = Screen::new(&first, interval, common)?;
    if screen.options.title.is_empty() {
        screen.options.title = given.file_name();
    }
    let mut replay = Replay::new(recording, interval, events, asked);
    let player = thread::Builder::new()
        .name("goinspect-replay".to_owned())
        .spawn(move || match number {
            // There is no sample 0: it has been refused.
            Some(number) => replay.stand_at(number.saturating_sub(1)),
            None => replay.play(),
        })
        .map_err(|why| Failure::internal(format!("cannot start a thread: {why}")))?;
    let left = screen.run();
    let ended = player.join();
    left?;
    ended.map_err(|_| Failure::internal("the replaying thread panicked"))
}

/// Shows the one state that a file holds.
pub fn show(given: &Given, common: &Common) -> Result<(), Failure> {
    // The screen has a filter of its own, which can be changed.
    let unfiltered = Common {
        filter: None,
        ..common.clone()
    };
    let only = given.snapshot(&unfiltered, wanted(common))?;
    let (mut screen, events, _asked) = Screen::new(&only, Duration::MAX, common)?;
    if screen.options.title.is_empty() {
        screen.options.title = given.file_name();
    }
    let what = given.what();
    let _ = events.send(FeedEvent::Snapshot(Arc::new(only)));
    let _ = events.send(FeedEvent::Ended {
        message: format!("{what} holds one state only"),
    });
    screen.run()
}

fn wanted(common: &Common) -> Wanted {
    Wanted {
        dead: common.all,
        objects: true,
        ms: true,
        scheduler: true,
        ..Wanted::default()
    }
}

/// The terminal UI before it runs.
struct Screen {
    feed: Feed,
    options: UiOptions,
}

impl Screen {
    /// With the ends for whoever takes the samples.
    fn new(
        first: &Snapshot,
        interval: Duration,
        common: &Common,
    ) -> Result<(Screen, Sender<FeedEvent>, Receiver<Request>), Failure> {
        let (events, shown) = mpsc::channel();
        let (requests, asked) = mpsc::channel();
        leave_on_signals(events.clone())?;
        let filter = common.filter.as_ref();
        let config = Config::load()?;
        let options = UiOptions {
            title: title(first),
            color: common.color.enabled() && config.theme != Theme::None,
            light: config.theme == Theme::Light,
            true_color: config.true_color(std::env::var("COLORTERM").ok().as_deref()),
            keymap: config.keymap()?,
            view: config.view,
            filter: filter.map(|f| f.text.clone()).unwrap_or_default(),
            chips: config.chips()?,
            interval,
            max_overhead: None,
            saver: Saver(Arc::new(save)),
            at_work: Arc::default(),
        };
        let feed = Feed {
            events: shown,
            requests,
        };
        Ok((Screen { feed, options }, events, asked))
    }

    /// Until the user leaves.
    fn run(self) -> Result<(), Failure> {
        tui::run(self.feed, self.options).map_err(|why| match why {
            UiError::NoTerminal => {
                Failure::command_line("attach wants a terminal for its input and output")
                    .hint("`goinspect snapshot` prints what is there once")
            }
            why => Failure::internal(why.to_string()),
        })?;
        Ok(())
    }
}

/// The name of the program.
fn title(snapshot: &Snapshot) -> String {
    let exe = snapshot.target.exe.as_deref();
    let name = exe.map(|exe| exe.file_name().unwrap_or(exe.as_os_str()));
    name.map_or(String::new(), |name| name.to_string_lossy().into_owned())
}
/// Being asked to end from outside leaves the terminal as it was, too.
fn leave_on_signals(events: Sender<FeedEvent>) -> Result<(), Failure> {
    let cannot = |why| Failure::internal(format!("cannot watch for signals: {why}"));
    let mut signals = Signals::new([SIGTERM, SIGHUP]).map_err(cannot)?;
    let wait = move || {
        if signals.forever().next().is_some() {
            let _ = events.send(FeedEvent::Quit);
            // Reading from a terminal that is gone may never come back (crossterm polls an end
            // of file for ever), and then there is no screen to be tidied up either.
            thread::sleep(Duration::from_secs(1));
            std::process::exit(0);
        }
    };
    thread::Builder::new()
        .name("goinspect-signals".to_owned())
        .spawn(wait)
        .map_err(cannot)?;
    Ok(())
}

/// Takes a sample each interval, and whenever one is asked for.
struct Sampling {
    session: Session,
    events: Sender<FeedEvent>,
    asked: Receiver<Request>,
    interval: Duration,
    max_overhead: Option<f64>,
    /// How long the last stop was.
    pause: Duration,
    /// Held during each sample.
    at_work: Arc<Mutex<()>>,
    paused: bool,
    /// The last sample: the next one shares with it what did not change.
    last: Arc<Snapshot>,
}

impl Sampling {
    /// How often to see whether the target is still there while no samples are taken.
    const LOOK_WHILE_PAUSED: Duration = Duration::from_secs(1);

    fn run(&mut self) {
        let mut last = Instant::now();
        loop {
            let wait = if self.paused {
                Self::LOOK_WHILE_PAUSED
            } else {
                let share = self.max_overhead.unwrap_or(1.0);
                let interval = tui::interval_within(self.interval, self.pause, share);
                let due = last.checked_add(interval);
                due.map_or(Self::LOOK_WHILE_PAUSED, |due| {
                    due.saturating_duration_since(Instant::now())
                })
            };
            let request = self.asked.recv_timeout(wait);
            let due = match request {
                Err(RecvTimeoutError::Timeout) if self.paused => {
                    if let Some(error) = self.session.gone() {
                        let _ = self.events.send(FeedEvent::Ended {
                            message: error.message,
                        });
                        return;
                    }
                    false
                }
                Ok(Request::Sample) | Err(RecvTimeoutError::Timeout) => true,
                // That is for recordings; the screen has what was sampled.
                Ok(Request::Show(_)) => false,
                Ok(Request::SetInterval(interval)) => {
                    self.interval = interval;
                    false
                }
                Ok(Request::Pause) => {
                    self.paused = true;
                    false
                }
                Ok(Request::Resume) => {
                    self.paused = false;
                    false
                }
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            };
            if due {
                // From its end on: a slow target is not sampled without rest.
                let goes_on = self.sample();
                last = Instant::now();
                if !goes_on {
                    return;
                }
            }
        }
    }

    /// `false` if no more samples can be taken, or nobody wants them.
    fn sample(&mut self) -> bool {
        let at_work = self.at_work.lock();
        let sample = self.session.sample();
        drop(at_work);
        match sample {
            Ok(mut snapshot) => {
                self.pause = snapshot.capture.pause.unwrap_or_default();
                snapshot.share_unchanged(&self.last);
                self.last = Arc::new(snapshot);
                let event = FeedEvent::Snapshot(self.last.clone());
                self.events.send(event).is_ok()
            }
            Err(error) if error.kind == ErrorKind::Gone => {
                let _ = self.events.send(FeedEvent::Ended {
                    message: error.message,
                });
                false
            }
            Err(error) => {
                let failed = FeedEvent::Failed {
                    message: error.message,
                    hint: error.hint,
                };
                self.events.send(failed).is_ok()
            }
        }
    }
}
