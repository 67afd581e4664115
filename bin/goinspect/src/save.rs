//! Writing the sample that is looked at in the terminal UI to a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use model::Snapshot;
use report::{Style, write_json};

/// Writes a sample to a new file, as `goinspect snapshot -o` does. What is there is never written over.
pub fn save(snapshot: &Snapshot, path: &Path) -> Result<String, String> {
    let name = path.display();
    let cannot = |why: io::Error| match why.kind() {
        io::ErrorKind::AlreadyExists => format!("{name} exists: nothing was written"),
        _ => format!("cannot write {name}: {why}"),
    };
    let file = File::create_new(path).map_err(cannot)?;
    let mut out = BufWriter::new(file);
    let written = write_json(snapshot, Style::Line, &mut out).and_then(|()| out.flush());
    if let Err(why) = written {
        // Half a snapshot is of no use to anybody.
        let _ = fs::remove_file(path);
        return Err(cannot(why));
    }
    let bytes = fs::metadata(path).map_or(0, |file| file.len());
    let count = snapshot.goroutines.len();
    let s = if count == 1 { "" } else { "s" };
    Ok(format!("wrote {name}: {count} goroutine{s}, {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_can_be_read_back_and_nothing_is_written_over() {
        let dump = "goroutine 7 [select]:\nmain.main()\n\t/src/main.go:5 +0x1d\n";
        let dump = report::parse_dump(dump);
        let mut snapshot = report::snapshot_of(&dump, std::time::SystemTime::UNIX_EPOCH);
        // A dump does not say for which processor it is; a process does.
        snapshot.target.arch = "amd64";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let said = save(&snapshot, &path).unwrap();
        let text = fs::read(&path).unwrap();
        assert!(
            said.contains(&format!("1 goroutine, {} bytes", text.len())),
            "{said}"
        );
        let read = report::read_json(&*text).unwrap();
        assert_eq!(read.goroutines[0].goid, model::Goid(7));
        let said = save(&snapshot, &path).unwrap_err();
        assert!(said.contains("exists: nothing was written"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), text);
        let nowhere = folder.path().join("no/a.json");
        assert!(
            save(&snapshot, &nowhere)
                .unwrap_err()
                .contains("cannot write")
        );
    }
}
