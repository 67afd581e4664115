//! All that the screen depends on.

use std::time::Duration;

use model::{Filter, FilterError, Goid};

use crate::input::Input;
use crate::list::{Cause, Id, List};
use crate::run::UiOptions;
use crate::theme::Theme;
use crate::timeline::Timeline;
use crate::watch::Watch;

/// Which pane the moving keys move in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Focus {
    List,
    Stack,
}

/// What lies over the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overlay {
    Help,
    Diagnostics,
}

/// The filter line while it is edited. A filter that parses is applied at once.
pub(crate) struct FilterLine {
    pub input: Input,
    pub error: Option<FilterError>,
    /// What it was before, for Esc.
    pub before: String,
}

pub(crate) struct Model {
    pub title: String,
    pub theme: Theme,
    pub size: (u16, u16),
    /// Since the screen began.
    pub now: Duration,
    pub watch: Watch,
    pub timeline: Timeline,
    pub list: List,
    pub focus: Focus,
    /// The first line of the stack pane that is shown.
    pub stack_scroll: usize,
    pub overlay: Option<Overlay>,
    pub overlay_scroll: usize,
    pub filter_line: Option<FilterLine>,
    pub interval: Duration,
    pub paused: bool,
}

impl Model {
    pub fn new(options: UiOptions) -> Model {
        let mut model = Model {
            title: options.title,
            theme: Theme {
                color: options.color,
            },
            size: (80, 24),
            now: Duration::ZERO,
            watch: Watch::default(),
            timeline: Timeline::default(),
            list: List::default(),
            focus: Focus::List,
            stack_scroll: 0,
            overlay: None,
            overlay_scroll: 0,
            filter_line: None,
            interval: options.interval,
            paused: false,
        };
        if let Some(error) = model.try_filter(&options.filter) {
            let input = Input::new(options.filter);
            let before = String::new();
            model.filter_line = Some(FilterLine {
                input,
                error: Some(error),
                before,
            });
        }
        model
    }

    /// Applies a filter; one that is wrong leaves the last one in force.
    pub fn try_filter(&mut self, text: &str) -> Option<FilterError> {
        match Filter::parse(text) {
            Ok(filter) => {
                self.list.set_filter(text.trim(), filter);
                self.list.rebuild(&self.watch, Cause::Asked);
                None
            }
            Err(error) => Some(error),
        }
    }

    /// The goroutine that is selected.
    pub fn selected_goid(&self) -> Option<Goid> {
        match self.list.selected {
            Some(Id::Goroutine(goid)) => Some(goid),
            _ => None,
        }
    }

    pub fn shows_filter_line(&self) -> bool {
        self.filter_line.is_some() || !self.list.filter_text.is_empty()
    }
}
