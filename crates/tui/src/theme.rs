//! Looks. Colours are the terminal's own sixteen, so that they suit its background; where it has all colours, ones that can be
//! read on any dark, or any light, background. Nothing is said by colour alone: every meaning has a sign or a word as well.

use ratatui::style::{Color, Modifier, Style};

use crate::watch::Mark;

/// With or without colours.
#[derive(Clone, Copy)]
pub(crate) struct Theme {
    pub color: bool,
    /// Whether the background is light: yellow and cyan can hardly be read there.
    pub light: bool,
    /// Whether the terminal has more than sixteen.
    pub true_color: bool,
}

/// A colour among the terminal's sixteen; and among all, on dark and on light.
struct Hue(Color, Color, [u32; 2]);

const YELLOW: Hue = Hue(Color::Yellow, Color::Magenta, [0xe5b567, 0x8a5a00]);
const CYAN: Hue = Hue(Color::Cyan, Color::Blue, [0x6fb7d6, 0x1f5f8b]);
const RED: Hue = Hue(Color::Red, Color::Red, [0xff7b72, 0xb3261e]);
const GREEN: Hue = Hue(Color::Green, Color::Green, [0x7fc98f, 0x1b6e3c]);

impl Theme {
    fn colored(self, hue: Hue) -> Style {
        let Hue(on_dark, on_light, [all_on_dark, all_on_light]) = hue;
        let color = match (self.true_color, self.light) {
            (false, false) => on_dark,
            (false, true) => on_light,
            (true, false) => Color::from_u32(all_on_dark),
            (true, true) => Color::from_u32(all_on_light),
        };
        match self.color {
            true => Style::new().fg(color),
            false => Style::new(),
        }
    }

    fn yellow(self) -> Style {
        self.colored(YELLOW)
    }

    fn cyan(self) -> Style {
        self.colored(CYAN)
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
        self.colored(RED).add_modifier(Modifier::BOLD)
    }

    pub fn mark(self, mark: Mark) -> Style {
        match mark {
            Mark::Same => self.plain(),
            Mark::New => self.colored(GREEN),
            Mark::Changed | Mark::Moved => self.yellow(),
            Mark::Gone => self.dim(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance and contrast as WCAG 2 defines them.
    fn luminance(rgb: u32) -> f64 {
        let part = |shift: u32| {
            let c = f64::from(rgb >> shift & 0xff) / 255.0;
            match c <= 0.040_45 {
                true => c / 12.92,
                false => ((c + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
    }

    fn contrast(a: u32, b: u32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn all_can_be_read_on_their_background() {
        for Hue(_, _, [on_dark, on_light]) in [YELLOW, CYAN, RED, GREEN] {
            for dark in [0x00_0000, 0x1e_1e1e, 0x28_2c34] {
                assert!(contrast(on_dark, dark) >= 4.5, "{on_dark:x} on {dark:x}");
            }
            for light in [0xff_ffff, 0xfd_f6e3] {
                assert!(
                    contrast(on_light, light) >= 4.5,
                    "{on_light:x} on {light:x}"
                );
            }
        }
    }

    #[test]
    fn without_colour_there_is_none() {
        for (light, true_color) in [(false, false), (true, true)] {
            let theme = Theme {
                color: false,
                light,
                true_color,
            };
            let styles = [
                theme.error(),
                theme.notice(),
                theme.key(),
                theme.mark(Mark::New),
            ];
            assert!(styles.iter().all(|style| style.fg.is_none()));
        }
    }
}
