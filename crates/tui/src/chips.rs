//! Filters that are kept, each of which is in force or not.

use model::Filter;

use crate::keymap::Key;
use crate::state::Model;

/// A filter that is kept.
#[derive(Clone, Debug)]
pub struct Chip {
    /// What it is called.
    pub name: String,
    /// Itself.
    pub filter: Filter,
    /// Whether it is in force.
    pub on: bool,
}

/// How many are kept at most: each has a digit.
const MAX: usize = 9;

/// The kept filters, and the one that is pointed at while the keys are for them.
#[derive(Default)]
pub(crate) struct Chips {
    pub list: Vec<Chip>,
    pub at: Option<usize>,
}

impl Chips {
    pub fn new(list: Vec<Chip>) -> Chips {
        Chips { list, at: None }
    }

    fn on(&self) -> impl Iterator<Item = &Filter> {
        let on = self.list.iter().filter(|chip| chip.on);
        on.map(|chip| &chip.filter)
    }

    /// The filter that holds where that of the line does, and all that are in force.
    pub fn with(&self, line: Filter) -> Filter {
        self.on().fold(line, |all, one| all.and(one))
    }

    fn turn(&mut self, at: usize) {
        if let Some(chip) = self.list.get_mut(at) {
            chip.on = !chip.on;
        }
    }

    pub fn turn_off(&mut self) {
        self.list.iter_mut().for_each(|chip| chip.on = false);
    }
}

/// Keeps the filter of the line.
pub(crate) fn keep(model: &mut Model) {
    let text = model.asked.choice.filter_text.clone();
    let chips = &mut model.chips;
    model.said = Some(match Filter::parse(&text) {
        _ if text.is_empty() => "there is no filter to keep: / writes one".to_owned(),
        _ if chips.list.len() >= MAX => format!("{MAX} filters are kept already: v, x removes one"),
        Err(_) => return,
        Ok(filter) => {
            let said = format!("kept {text}: v turns it off and on");
            let known = chips.list.iter_mut().find(|chip| chip.name == text);
            match known {
                Some(chip) => chip.on = true,
                None => chips.list.push(Chip {
                    name: text,
                    filter,
                    on: true,
                }),
            }
            model.try_filter("");
            said
        }
    });
}

/// The keys are for the kept filters from now on.
pub(crate) fn enter(model: &mut Model) {
    match model.chips.list.is_empty() {
        true => model.said = Some("no filter is kept: f keeps the one in force".to_owned()),
        false => model.chips.at = Some(0),
    }
}

/// A key, while the keys are for the kept filters.
pub(crate) fn on_key(model: &mut Model, key: Key) {
    let chips = &mut model.chips;
    let Some(at) = chips.at else {
        return;
    };
    let last = chips.list.len().saturating_sub(1);
    match key {
        Key::Left | Key::Char('h') => chips.at = Some(at.saturating_sub(1)),
        Key::Right | Key::Char('l') | Key::Tab => chips.at = Some((at + 1).min(last)),
        Key::Char(' ') | Key::Enter => chips.turn(at),
        Key::Char(digit @ '1'..='9') => {
            let digit = digit.to_digit(10).unwrap_or(1) as usize - 1;
            chips.at = Some(digit.min(last));
            chips.turn(digit);
        }
        Key::Char('x') | Key::Delete if at < chips.list.len() => {
            chips.list.remove(at);
            chips.at = (!chips.list.is_empty()).then(|| at.min(last.saturating_sub(1)));
        }
        Key::Esc | Key::Char('v' | 'q') => chips.at = None,
        _ => return,
    }
    let text = model.asked.choice.filter_text.clone();
    if model.chips.with(Filter::parse(&text).unwrap_or_default()) != model.asked.choice.filter {
        model.try_filter(&text);
    }
}
