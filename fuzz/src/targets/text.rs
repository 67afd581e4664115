//! What is read as text: snapshots, Go dumps, filters.

use std::sync::LazyLock;
use std::time::SystemTime;

use model::{Filter, Snapshot};

use crate::check;

/// A saved snapshot.
pub(super) fn snapshot(bytes: &[u8]) {
    let _ = report::looks_like_snapshot(bytes);
    match report::read_json(bytes) {
        Ok(snapshot) => {
            check::written(&snapshot);
            check::compared(&REAL, &snapshot);
        }
        Err(why) => {
            check::refusal(&why);
        }
    }
}

/// The text of Go's own traceback.
pub(super) fn dump(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = report::looks_like_dump(&text);
    let dump = report::parse_dump(&text);
    let snapshot = report::snapshot_of(&dump, SystemTime::UNIX_EPOCH);
    check::written(&snapshot);
    check::compared(&report::reduced(&REAL, &dump), &snapshot);
}

/// A filter, as it is typed, used on a real snapshot.
pub(super) fn filter(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Filter::parse(&text) {
        Ok(filter) => {
            let _ = (
                filter.is_empty(),
                filter.asks_for_names(),
                format!("{filter:?}"),
            );
            let mut matcher = filter.matcher(REAL.capture.nanotime);
            for g in &REAL.goroutines {
                let matches = matcher.matches(g);
                assert_eq!(matches, filter.matches(g, REAL.capture.nanotime));
            }
        }
        Err(why) => check::refusal(&why),
    }
}

/// A real one.
pub(super) static REAL: LazyLock<Snapshot> = LazyLock::new(|| {
    let seed = include_bytes!("../../seeds/snapshot/mixed.json");
    report::read_json(&seed[..]).unwrap()
});
