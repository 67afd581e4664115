//! The loop: messages in, screen out.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::Backend;

use crate::analyst::Analyst;
use crate::chips::Chip;
use crate::feed::{Feed, FeedEvent, Request};
use crate::keymap::Keymap;
use crate::save::Saver;
use crate::source;
use crate::state::{LATE, Model, View, Wish};
use crate::terminal::{self, Keyboard};
use crate::update::{Effect, Msg, update};
use crate::view::view;
use crate::worker::Worker;

/// How the screen starts.
#[derive(Clone, Debug)]
pub struct UiOptions {
    /// The program's name, for the header.
    pub title: String,
    /// Whether to use colours. Without them the same is said by signs, bold and reverse video.
    pub color: bool,
    /// Whether the terminal's background is light.
    pub light: bool,
    /// Whether the terminal has more colours than sixteen.
    pub true_color: bool,
    /// Which keys do what.
    pub keymap: Keymap,
    /// The view to start with.
    pub view: View,
    /// The filter to start with, in the language of [`model::Filter`]; empty for none.
    pub filter: String,
    /// Filters that are kept beside it.
    pub chips: Vec<Chip>,
    /// The interval that the sampler starts with.
    pub interval: Duration,
    /// The share of the program's time that stops may take at most (0.01 is a percent), if the sampler
    /// keeps to one: see [`crate::interval_within`].
    pub max_overhead: Option<f64>,
    /// Writes the sample that the user wants to keep.
    pub saver: Saver,
    /// Held by whoever takes samples while the program stands still: goinspect does not let itself be stopped
    /// (Ctrl-Z) in the middle of that.
    pub at_work: Arc<Mutex<()>>,
}

/// Why the screen was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The user wanted to.
    Quit,
    /// [`FeedEvent::Quit`].
    Terminated,
}

/// Why the screen could not be shown any longer.
#[derive(Debug)]
pub enum UiError {
    /// Standard output or input is not a terminal.
    NoTerminal,
    /// The terminal failed, or went away.
    Terminal(io::Error),
    /// A thread panicked; its message has been printed.
    Panicked,
}

impl fmt::Display for UiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UiError::NoTerminal => f.write_str("this is not a terminal"),
            UiError::Terminal(error) => write!(f, "the terminal failed: {error}"),
            UiError::Panicked => f.write_str("a thread of goinspect panicked"),
        }
    }
}

impl std::error::Error for UiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            UiError::Terminal(error) => Some(error),
            UiError::NoTerminal | UiError::Panicked => None,
        }
    }
}

/// Shows the screen until the user leaves it. The terminal is as it was afterwards, whatever
/// happens, and the sampler has been asked to stop.
pub fn run(feed: Feed, options: UiOptions) -> Result<Exit, UiError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let _ = feed.requests.send(Request::Stop);
        return Err(UiError::NoTerminal);
    }
    let requests = feed.requests.clone();
    let result = terminal::enter()
        .map_err(UiError::Terminal)
        .and_then(|(mut terminal, _guard)| run_on(&mut terminal, &mut Keyboard, feed, options));
    // The sampler may be gone already: then it has stopped.
    let _ = requests.send(Request::Stop);
    result
}

/// Where keys, mouse and sizes come from.
pub(crate) trait Events {
    /// The next one, if it comes within `timeout`.
    fn next(&mut self, timeout: Duration) -> io::Result<Option<Msg>>;

    /// Puts a text on the clipboard.
    fn copy(&mut self, _text: &str) -> io::Result<()> {
        Ok(())
    }

    /// Stops the process; comes back when it is resumed.
    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Lets the user edit a file, and comes back when that is done. Says what went wrong.
    fn edit(&mut self, _file: &Path, _line: u32) -> io::Result<Option<String>> {
        Ok(None)
    }
}

/// How long a new sample may wait for being shown. Keys never wait.
const PATIENCE: Duration = Duration::from_millis(40);
/// How often the screen is drawn anew when nothing happens: the sample's age grows.
const CLOCK: Duration = Duration::from_millis(500);

/// The loop itself, for any terminal and any source of events.
pub(crate) fn run_on<B: Backend>(
    terminal: &mut Terminal<B>,
    events: &mut impl Events,
    feed: Feed,
    options: UiOptions,
) -> Result<Exit, UiError>
where
    B::Error: Send + Sync + 'static,
{
    let failed = |error: B::Error| UiError::Terminal(io::Error::other(error));
    let start = Instant::now();
    let at_work = options.at_work.clone();
    let saver = options.saver.clone();
    let mut model = Model::new(options);
    let size = terminal.size().map_err(failed)?;
    update(&mut model, Msg::Resize(size.width, size.height));
    let mut outside = Outside {
        analyst: Analyst::start().map_err(UiError::Terminal)?,
        worker: Worker::start().map_err(UiError::Terminal)?,
        at_work,
        saver,
        saved: channel(),
        saving: Vec::new(),
    };
    let mut connected = true;
    let mut drawn: Option<Duration> = None;
    loop {
        let now = start.elapsed();
        update(&mut model, Msg::Tick(now));
        let clock = if model.working.is_some() { LATE } else { CLOCK };
        if drawn.is_none_or(|at| now.saturating_sub(at) >= clock) {
            terminal.draw(|frame| view(&model, frame)).map_err(failed)?;
            drawn = Some(now);
        }
        // First: what comes below may be answered at once, and then these are older.
        let answers = outside.worker.answers().into_iter().map(Box::new);
        let mut messages: Vec<Msg> = answers.map(Msg::Answer).collect();
        while connected {
            match feed.events.try_recv() {
                Ok(event) => messages.push(Msg::Feed(event)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    connected = false;
                    let message = "the sampler has stopped".to_owned();
                    messages.push(Msg::Feed(FeedEvent::Ended { message }));
                }
            }
        }
        messages.extend(outside.analyst.findings.try_iter().map(Msg::Found));
        messages.extend(outside.saved.1.try_iter().map(Msg::Said));
        let patience = if messages.is_empty() {
            PATIENCE
        } else {
            Duration::ZERO
        };
        // All that is there is taken in before the next drawing: a held key must not lag behind.
        let mut event = events.next(patience).map_err(UiError::Terminal)?;
        while let Some(message) = event {
            messages.push(message);
            event = events.next(Duration::ZERO).map_err(UiError::Terminal)?;
        }
        if terminal::panicked() {
            return Err(UiError::Panicked);
        }
        for message in messages {
            drawn = None;
            match update(&mut model, message) {
                Some(Effect::Exit(exit)) => return Ok(exit),
                Some(Effect::Request(request)) => {
                    // Whoever is gone cannot be asked; `Ended` is on its way.
                    let _ = feed.requests.send(request);
                }
                None => {}
            }
            // What is typed next is about what this shows.
            while !model.wishes.is_empty() {
                for wish in std::mem::take(&mut model.wishes) {
                    outside.grant(wish, &mut model, terminal, events)?;
                }
            }
        }
    }
}

/// Those who do what `update` must not.
struct Outside {
    analyst: Analyst,
    worker: Worker,
    at_work: Arc<Mutex<()>>,
    saver: Saver,
    /// What became of files that were to be written.
    saved: (Sender<String>, Receiver<String>),
    saving: Vec<JoinHandle<()>>,
}

impl Drop for Outside {
    /// What is being written is not left half written.
    fn drop(&mut self) {
        for thread in self.saving.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Outside {
    fn grant<B: Backend>(
        &mut self,
        wish: Wish,
        model: &mut Model,
        terminal: &mut Terminal<B>,
        events: &mut impl Events,
    ) -> Result<(), UiError>
    where
        B::Error: Send + Sync + 'static,
    {
        let failed = |error: B::Error| UiError::Terminal(io::Error::other(error));
        match wish {
            Wish::Analyse(snapshot) => self.analyst.look_at(snapshot),
            Wish::Work(steps) => {
                if let Some(answer) = self.worker.ask(steps, model.question()) {
                    update(model, Msg::Answer(Box::new(answer)));
                }
            }
            Wish::Free(what) => self.worker.free(what),
            Wish::Save(snapshot, path) => {
                let (saver, saved) = (self.saver.clone(), self.saved.0.clone());
                // With a million goroutines it takes seconds.
                let write = move || {
                    let said = (saver.0)(&snapshot, &path).unwrap_or_else(|why| why);
                    // Whoever has left the screen is not told.
                    let _ = saved.send(said);
                };
                let thread = thread::Builder::new().name("goinspect-save".to_owned());
                self.saving
                    .push(thread.spawn(write).map_err(UiError::Terminal)?);
            }
            Wish::Read(path) => {
                let lines = source::read(&path);
                update(model, Msg::Source(path, lines));
            }
            Wish::Copy(text) => events.copy(&text).map_err(UiError::Terminal)?,
            Wish::Suspend => {
                // Whoever panicked with it has let the program go.
                let still = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
                events.suspend().map_err(UiError::Terminal)?;
                drop(still);
                terminal.clear().map_err(failed)?;
                // It may have another size now.
                let size = terminal.size().map_err(failed)?;
                update(model, Msg::Resize(size.width, size.height));
            }
            Wish::Edit(path, line) => {
                let trouble = events.edit(&path, line).map_err(UiError::Terminal)?;
                terminal.clear().map_err(failed)?;
                if let Some(trouble) = trouble {
                    update(model, Msg::Said(trouble));
                }
            }
        }
        Ok(())
    }
}
