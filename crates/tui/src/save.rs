//! Saving the sample that is looked at: the name is asked for, and whoever runs the screen writes the file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use model::Snapshot;

use crate::input::Input;
use crate::keymap::Key;
use crate::state::{Model, Wish};

/// Writes a snapshot to a file that is not there yet, and says what was written, or why not.
#[derive(Clone)]
pub struct Saver(pub Arc<Save>);

/// See [`Saver`].
pub type Save = dyn Fn(&Snapshot, &Path) -> Result<String, String> + Send + Sync;

impl fmt::Debug for Saver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Saver")
    }
}

/// The line that asks for the name.
pub(crate) struct SaveLine {
    pub input: Input,
    snapshot: Arc<Snapshot>,
}

/// Asks for a name for the sample that is on the screen, whatever comes while it is written.
pub(crate) fn ask(model: &mut Model) {
    if let Some(snapshot) = model.snapshot().cloned() {
        model.overlay = None;
        model.save_line = Some(SaveLine {
            input: Input::new(name(&model.title, &snapshot)),
            snapshot,
        });
    }
}

/// `goinspect-4711-20261121T124354Z.json`: which program, and when.
fn name(title: &str, snapshot: &Snapshot) -> String {
    let of = match snapshot.target.pid {
        Some(pid) => pid.to_string(),
        None => title.chars().filter(|c| c.is_alphanumeric()).collect(),
    };
    let taken = Timestamp::try_from(snapshot.captured_at);
    let taken = taken.map(|taken| taken.strftime("%Y%m%dT%H%M%SZ").to_string());
    let parts = ["goinspect".to_owned(), of, taken.unwrap_or_default()];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("-") + ".json"
}

pub(crate) fn on_key(model: &mut Model, key: Key) {
    let Some(line) = &mut model.save_line else {
        return;
    };
    match key {
        Key::Esc => model.save_line = None,
        Key::Enter => {
            let path = PathBuf::from(line.input.text().trim());
            if path.as_os_str().is_empty() {
                return;
            }
            model.said = Some(format!("writing {} …", path.display()));
            model.wishes.push(Wish::Save(line.snapshot.clone(), path));
            model.save_line = None;
        }
        key => _ = line.input.key(key),
    }
}
