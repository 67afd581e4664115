//! Looks. Colours are the terminal's own sixteen, so that they suit its background, and
//! nothing is said by colour alone: every meaning has a sign or a word as well.

use ratatui::style::{Color, Modifier, Style};

use crate::watch::Mark;

/// With or without colours.
#[derive(Clone, Copy)]
pub(crate) struct Theme {
    pub color: bool,
    /// Whether the background is light: yellow and cyan can hardly be read there.
    pub light: bool,
}

impl Theme {
    fn colored(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn yellow(self) -> Style {
        self.colored(if self.light {
            Color::Magenta
        } else {
            Color::Yellow
        })
    }

    fn cyan(self) -> Style {
        self.colored(if self.light { Color::Blue } else { Color::Cyan })
    }

    pub fn plain(self) -> Style {
        Style::new()
    }

    pub fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is there but rarely wanted.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The selected row, in the pane that has the focus or not.
    pub fn selected(self, focus: bool) -> Style {
        if focus {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            self.bold()
        }
    }

    /// The columns' names, and the lines between panes.
    pub fn frame(self) -> Style {
        self.cyan()
    }

    pub fn key(self) -> Style {
        self.cyan().add_modifier(Modifier::BOLD)
    }

    /// What must be noticed but is no error.
    pub fn notice(self) -> Style {
        self.yellow().add_modifier(Modifier::BOLD)
    }

    pub fn error(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn mark(self, mark: Mark) -> Style {
        match mark {
            Mark::Same => self.plain(),
            Mark::New => self.colored(Color::Green),
            Mark::Changed | Mark::Moved => self.yellow(),
            Mark::Gone => self.dim(),
        }
    }
}
