//! The terminal UI over hostile snapshots, played by any keys.

use tui::Screen;

use crate::check;
use crate::input::Input;

/// How many columns and lines there are, how many keys, the keys; then a snapshot as JSON.
pub(super) fn screen(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (columns, lines) = (u16::from(input.u8()), u16::from(input.u8() % 100));
    let count = usize::from(input.u8() % 64);
    let keys = String::from_utf8_lossy(input.take(count));
    let Ok(snapshot) = report::read_json(input.0) else {
        return;
    };
    let mut screen = Screen::new(columns.max(1), lines.max(1));
    screen.sample(super::text::REAL.clone());
    screen.sample(snapshot);
    drawn(&mut screen);
    for key in keys.chars() {
        screen.press(key);
        drawn(&mut screen);
    }
    for view in '1'..='7' {
        for key in [view, 'l', '\n', 'z', '\x1b'] {
            screen.press(key);
            drawn(&mut screen);
        }
    }
}

fn drawn(screen: &mut Screen) {
    check::harmless("the screen", &screen.text());
}
