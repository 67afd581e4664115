//! The terminal UI over a stream of snapshots.
//!
//! It knows nothing of processes: a [`Feed`] brings snapshots and takes requests. Inside it is
//! one loop: a [`Msg`] comes in, `update` changes the [`Model`], `view` draws it. Both are pure, so that
//! tests can play any keys on any snapshots without a terminal.
//!
//! Everything on the screen that comes from the target passes through `text::clean` first: a
//! program must not be able to send escape sequences to the terminal of whoever looks at it.

mod analyst;
mod chips;
mod complete;
mod cursor;
mod feed;
mod filter_line;
mod input;
mod keymap;
mod layout;
mod list;
mod mouse;
mod navigate;
mod outline;
mod pace;
mod past;
mod question;
mod row;
mod run;
mod samples;
mod save;
mod screen;
mod series;
mod source;
mod state;
mod terminal;
mod text;
mod theme;
mod timeline;
mod trends;
mod update;
mod view;
mod watch;
mod worker;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use chips::Chip;
pub use feed::{Feed, FeedEvent, Request};
pub use keymap::Keymap;
pub use pace::interval_within;
pub use run::{Exit, UiError, UiOptions, run};
pub use save::{Save, Saver};
pub use screen::Screen;
pub use state::View;
pub use timeline::context;
