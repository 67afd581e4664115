//! Source files, as they are on this machine.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// Longer files, and lines, are not shown.
const MAX_BYTES: u64 = 4 << 20;

/// A file's lines. The path comes from the target: whatever is not a file of text is not read.
pub(crate) fn read(path: &Path) -> Option<Arc<[String]>> {
    let is_source = path
        .extension()
        .is_some_and(|e| ["go", "s", "c", "h", "cc", "cpp"].iter().any(|s| e == *s));
    // Looked at before it is opened: opening a pipe or a device may block or do something.
    let meta = std::fs::metadata(path).ok()?;
    if !path.is_absolute() || !is_source || !meta.is_file() || meta.len() > MAX_BYTES {
        return None;
    }
    let file = BufReader::new(File::open(path).ok()?.take(MAX_BYTES));
    file.lines()
        .collect::<Result<Vec<String>, _>>()
        .ok()
        .map(Arc::from)
}
