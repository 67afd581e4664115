//! The line in which the filter is edited, and its keys.

use model::FilterError;

use crate::complete::Completion;
use crate::cursor::Cause;
use crate::input::Input;
use crate::keymap::Key;
use crate::state::Model;
use crate::update::scroll;

/// The filter line while it is edited. A filter that parses is applied at once.
pub(crate) struct FilterLine {
    pub input: Input,
    pub error: Option<FilterError>,
    /// What can be written where the cursor stands.
    pub completion: Completion,
    /// The one of its words that Tab has put there last, and how long it is.
    pub taken: Option<(usize, usize)>,
    /// What it was before, for Esc.
    pub before: String,
}

impl FilterLine {
    pub fn new(text: String, before: String) -> FilterLine {
        FilterLine {
            completion: Completion::default(),
            input: Input::new(text),
            error: None,
            taken: None,
            before,
        }
    }

    /// Takes the next word that is offered: first what they have in common.
    pub fn take(&mut self) {
        if self.taken.is_none() {
            // What is offered may still be for what was there before the last key.
            if self.completion.of != self.input.before_cursor() {
                return;
            }
            if let Some(common) = self.completion.common() {
                let common = common.to_owned();
                self.input.replace_before(self.completion.replaced, &common);
                return;
            }
        }
        let (next, replaced) = match self.taken {
            Some((at, len)) => (at + 1, len),
            None => (0, self.completion.replaced),
        };
        let next = next % self.completion.words.len().max(1);
        if let Some(word) = self.completion.words.get(next) {
            self.input.replace_before(replaced, word);
            self.taken = Some((next, word.len()));
        }
    }
}

pub(crate) fn on_key(model: &mut Model, key: Key) {
    let Some(line) = &mut model.filter_line else {
        return;
    };
    match key {
        Key::Esc => {
            let before = line.before.clone();
            model.filter_line = None;
            model.try_filter(&before);
        }
        // What is wrong is not silently dropped: the line stays open.
        Key::Enter if line.error.is_none() => model.filter_line = None,
        Key::Up | Key::Down | Key::PageUp | Key::PageDown => {
            if let Some(action) = model.keymap.action(key) {
                scroll(model, action);
            }
        }
        Key::Tab => {
            line.take();
            apply(model);
        }
        key => {
            if line.input.key(key) {
                line.taken = None;
                apply(model);
            }
        }
    }
}

/// Shows what the line says by now, or what is wrong with it.
pub(crate) fn apply(model: &mut Model) {
    let Some(mut line) = model.filter_line.take() else {
        return;
    };
    line.error = model.try_filter(line.input.text());
    if line.error.is_some() {
        // What could be written is asked for all the same.
        model.ask(Cause::Sample);
    }
    model.filter_line = Some(line);
}
