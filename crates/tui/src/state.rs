//! All that the screen depends on.

use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use analysis::Finding;
use model::{Filter, FilterError, Goid, Snapshot};

use crate::chips::Chips;
use crate::cursor::{Cause, Cursor};
use crate::filter_line::FilterLine;
use crate::keymap::{Action, Keymap};
use crate::list::List;
use crate::outline::Outline;
use crate::pace::interval_within;
use crate::past::Step;
use crate::question::Question;
use crate::run::UiOptions;
use crate::save::SaveLine;
use crate::series::Series;
use crate::theme::Theme;
use crate::timeline::Timeline;
use crate::trends::By;
use crate::view::detail::Subject;
use crate::view::groups;
use crate::watch::{Since, Watch};

/// The views, in the order of their tabs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum View {
    /// A line for each goroutine.
    #[default]
    Goroutines,
    /// Those that have something in common.
    Groups,
    /// Who started whom.
    Tree,
    /// Channels and locks.
    Objects,
    /// What is stuck.
    Findings,
    /// The runtime's threads.
    Threads,
    /// Numbers over time.
    Overview,
}

impl View {
    /// All of them.
    pub const ALL: [View; 7] = [
        View::Goroutines,
        View::Groups,
        View::Tree,
        View::Objects,
        View::Findings,
        View::Threads,
        View::Overview,
    ];

    /// Its name in the configuration: `groups`.
    pub fn name(self) -> &'static str {
        match self {
            View::Goroutines => "goroutines",
            View::Groups => "groups",
            View::Tree => "tree",
            View::Objects => "objects",
            View::Findings => "findings",
            View::Threads => "threads",
            View::Overview => "overview",
        }
    }

    /// The view of a name.
    pub fn named(name: &str) -> Option<View> {
        Self::ALL.into_iter().find(|view| view.name() == name)
    }

    /// The view `steps` tabs further on, around the end.
    pub(crate) fn step(self, steps: usize) -> View {
        let at = Self::ALL.iter().position(|view| *view == self);
        let mut around = Self::ALL.into_iter().cycle();
        around.nth(at.unwrap_or_default() + steps).unwrap_or(self)
    }
}

/// After that long it is said that an answer is still to come.
pub(crate) const LATE: Duration = Duration::from_millis(150);

/// Something to be done outside: `update` only asks for it, and what comes of it is a message.
#[derive(Debug)]
pub(crate) enum Wish {
    /// To look for what is stuck, off the path of the keys.
    Analyse(Arc<Snapshot>),
    /// To take in what happened, and to answer what is asked now, off the path of the keys.
    Work(Vec<Step>),
    /// To free what is no longer shown, off the path of the keys.
    Free(Box<dyn Any + Send>),
    /// To read a source file.
    Read(PathBuf),
    /// To put a text on the terminal's clipboard.
    Copy(String),
    /// To open a file at a line in the user's editor.
    Edit(PathBuf, u32),
    /// To write a sample to a file.
    Save(Arc<Snapshot>, PathBuf),
    /// To stop goinspect until the shell resumes it.
    Suspend,
}

/// Which pane the moving keys move in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Focus {
    List,
    Detail,
}

/// What lies over the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overlay {
    Help,
    Diagnostics,
}

pub(crate) struct Model {
    pub title: String,
    pub theme: Theme,
    pub keymap: Keymap,
    pub size: (u16, u16),
    /// Since the screen began.
    pub now: Duration,
    /// What is to be shown. What is shown may still be what was asked for before.
    pub asked: Question,
    /// Whether the list was asked for in another order, which begins at its top.
    pub from_top: bool,
    /// The number of the answer that is shown.
    pub answered: u64,
    /// Since when an answer has been missing.
    pub working: Option<Duration>,
    pub watch: Arc<Watch>,
    /// Why the last attempt to take a sample failed, and what to do.
    pub trouble: Option<(String, Option<String>)>,
    /// Why there will be no more samples.
    pub ended: Option<String>,
    pub timeline: Timeline,
    pub list: List,
    pub view: View,
    pub groups: Outline,
    pub group_list: Vec<groups::Group>,
    pub by: By,
    pub tree: Outline,
    pub objects: Outline,
    pub findings: Outline,
    pub finding_list: Arc<[Finding]>,
    /// For how long the longest of each one's goroutines has been as it is.
    pub finding_since: Vec<Since>,
    /// Whether the findings are those of a sample, and not yet to come.
    pub analysed: bool,
    pub threads: Outline,
    pub series: Arc<Series>,
    pub focus: Focus,
    /// What the detail pane was led to, if not to what is selected, and the way there.
    pub way: Vec<Subject>,
    /// The line of the detail pane that is pointed at, and the first one that is shown.
    pub detail: Cursor,
    /// Whether the runtime's calls are left out of stacks.
    pub fold: bool,
    /// The call whose source lines are shown.
    pub source_of: Option<usize>,
    /// Source files, by path; `None` for those that could not be read.
    pub sources: HashMap<PathBuf, Option<Arc<[String]>>>,
    pub wishes: Vec<Wish>,
    /// Said once in the line of keys: what was just done.
    pub said: Option<String>,
    pub overlay: Option<Overlay>,
    pub overlay_scroll: usize,
    pub filter_line: Option<FilterLine>,
    pub chips: Chips,
    pub save_line: Option<SaveLine>,
    pub interval: Duration,
    pub paused: bool,
    /// The share of the program's time that stops may take, if there is a limit.
    pub max_overhead: Option<f64>,
}

impl Model {
    pub fn new(options: UiOptions) -> Model {
        let mut model = Model {
            title: options.title,
            theme: Theme {
                color: options.color,
                light: options.light,
                true_color: options.true_color,
            },
            keymap: options.keymap,
            size: (80, 24),
            now: Duration::ZERO,
            asked: Question::new(options.view),
            from_top: false,
            answered: 0,
            working: None,
            watch: Arc::default(),
            trouble: None,
            ended: None,
            timeline: Timeline::default(),
            list: List::default(),
            view: options.view,
            groups: Outline::default(),
            group_list: Vec::new(),
            by: By::Stack,
            tree: Outline::default(),
            objects: Outline::default(),
            findings: Outline::default(),
            finding_list: Arc::default(),
            finding_since: Vec::new(),
            analysed: false,
            threads: Outline::default(),
            series: Arc::default(),
            focus: Focus::List,
            way: Vec::new(),
            detail: Cursor::default(),
            fold: true,
            source_of: None,
            sources: HashMap::new(),
            wishes: Vec::new(),
            said: None,
            overlay: None,
            overlay_scroll: 0,
            filter_line: None,
            chips: Chips::new(options.chips),
            save_line: None,
            interval: options.interval,
            paused: false,
            max_overhead: options.max_overhead,
        };
        if let Some(error) = model.try_filter(&options.filter) {
            let line = FilterLine::new(options.filter, String::new());
            model.filter_line = Some(FilterLine {
                error: Some(error),
                ..line
            });
            model.ask(Cause::Asked);
        }
        model
    }

    /// Applies a filter; one that is wrong leaves the last one in force.
    pub fn try_filter(&mut self, text: &str) -> Option<FilterError> {
        match Filter::parse(text) {
            Ok(filter) => {
                self.asked.choice.filter_text = text.trim().to_owned();
                self.asked.choice.filter = self.chips.with(filter);
                self.ask(Cause::Asked);
                None
            }
            Err(error) => Some(error),
        }
    }

    /// Asks for what `asked` says now.
    pub fn ask(&mut self, cause: Cause) {
        self.asked.generation += 1;
        self.from_top |= cause == Cause::Asked;
        self.work(Vec::new());
    }

    /// Has what happened taken in; what is asked for stays as it is.
    pub fn work(&mut self, steps: Vec<Step>) {
        self.working.get_or_insert(self.now);
        self.wishes.push(Wish::Work(steps));
    }

    /// Whether what was asked for takes its time.
    pub fn is_late(&self) -> bool {
        let late = |since: Duration| self.now.saturating_sub(since) >= LATE;
        self.working.is_some_and(late)
    }

    /// What to ask now.
    pub fn question(&self) -> Question {
        let outline = self.outline_of(self.asked.view);
        let line = self.filter_line.as_ref();
        Question {
            touched: outline.map_or_else(Arc::default, |outline| outline.touched.clone()),
            completing: line.map(|line| line.input.before_cursor().to_owned()),
            ..self.asked.clone()
        }
    }

    /// The lines of the view, if it is one of those that have heads.
    pub fn outline(&self) -> Option<&Outline> {
        self.outline_of(self.view)
    }

    fn outline_of(&self, view: View) -> Option<&Outline> {
        match view {
            View::Goroutines | View::Overview => None,
            View::Groups => Some(&self.groups),
            View::Tree => Some(&self.tree),
            View::Objects => Some(&self.objects),
            View::Findings => Some(&self.findings),
            View::Threads => Some(&self.threads),
        }
    }

    pub fn outline_mut(&mut self) -> Option<&mut Outline> {
        match self.view {
            View::Goroutines | View::Overview => None,
            View::Groups => Some(&mut self.groups),
            View::Tree => Some(&mut self.tree),
            View::Objects => Some(&mut self.objects),
            View::Findings => Some(&mut self.findings),
            View::Threads => Some(&mut self.threads),
        }
    }

    /// Where one is in the view.
    pub fn cursor(&self) -> &Cursor {
        self.outline().map_or(&self.list.at, |outline| &outline.at)
    }

    /// How many lines the view has.
    pub fn len(&self) -> usize {
        match (self.view, self.outline()) {
            (_, Some(outline)) => outline.lines.len(),
            (View::Overview, None) => 0,
            (_, None) => self.list.len(),
        }
    }

    pub fn select(&mut self, line: usize) {
        match self.outline_mut() {
            Some(outline) => outline.select(line),
            None => self.list.select(&self.watch, line),
        }
    }

    /// What the detail pane is about.
    pub fn subject(&self) -> Option<Subject> {
        if let Some(subject) = self.way.last() {
            return Some(*subject);
        }
        if self.view == View::Overview {
            return None;
        }
        self.cursor().selected.map(Subject::of)
    }

    /// The goroutine that is looked at.
    pub fn selected_goid(&self) -> Option<Goid> {
        match self.subject() {
            Some(Subject::Goroutine(goid)) => Some(goid),
            _ => None,
        }
    }

    /// How far apart samples are taken, by the limit and the last pause.
    pub fn effective_interval(&self) -> Duration {
        let pause = self.snapshot().and_then(|s| s.capture.pause);
        match (self.max_overhead, pause) {
            (Some(share), Some(pause)) => interval_within(self.interval, pause, share),
            _ => self.interval,
        }
    }

    /// Whether a key does anything here: what does not is not offered.
    pub fn can(&self, action: Action) -> bool {
        let ended = self.ended.is_some();
        match action {
            Action::Pause | Action::Step | Action::Longer | Action::Shorter => !ended,
            // Nothing came before, and nothing will come.
            Action::Mark | Action::Unmark | Action::Only => !ended || self.watch.counts.is_some(),
            Action::NextSort | Action::PreviousSort | Action::Reverse => {
                self.view == View::Goroutines
            }
            Action::GroupBy => self.view == View::Groups,
            Action::Open | Action::Copy | Action::Edit | Action::Fold => {
                self.view != View::Overview
            }
            Action::Save => self.snapshot().is_some(),
            Action::Back => !self.way.is_empty(),
            _ => true,
        }
    }

    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.watch.snapshot.as_ref()
    }

    pub fn shows_filter_line(&self) -> bool {
        self.filter_line.is_some() || !self.asked.choice.filter_text.is_empty()
    }
}
