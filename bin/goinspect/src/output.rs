//! Where output goes: stdout, or a file that has its name only when it is whole.

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::failure::{Failure, written};

/// Lets `write` write to a file or to stdout, and tells it whether that is a terminal.
pub fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(bool, &mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let Some(path) = path else {
        let on_terminal = io::stdout().is_terminal();
        return written(write(on_terminal, &mut io::stdout().lock()), "stdout");
    };
    let name = path.display().to_string();
    let cannot_write = |why| Failure::not_found(format!("cannot write {name}: {why}"));
    match beside(path).map_err(cannot_write)? {
        Some(mut file) => {
            written(write(false, file.as_file_mut()), &name)?;
            let persisted = file.persist(path).map(drop).map_err(|why| why.error);
            written(persisted, &name)
        }
        None => {
            let mut file = File::create(path).map_err(cannot_write)?;
            written(write(false, &mut file), &name)
        }
    }
}

/// A temporary file that can take the place of `path`: who meets a part of a file under that name could take it for all.
/// `None` for what is to be written to as it is.
fn beside(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let before = match path.symlink_metadata() {
        Ok(meta) => Some(meta),
        Err(why) if why.kind() == io::ErrorKind::NotFound => None,
        Err(why) => return Err(why),
    };
    if let Some(meta) = &before {
        // A pipe, a device, a link, or a file that has other names, too, stays what it is.
        if !meta.is_file() || meta.nlink() != 1 {
            return Ok(None);
        }
        // What may not be written to may not be replaced either.
        File::options().write(true).open(path)?;
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".goinspect-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    let Some(before) = before else {
        return file.map(Some);
    };
    // Here, and not where there was nothing: a folder may be closed, and a file in it open.
    let Ok(file) = file else { return Ok(None) };
    let meta = file.as_file().metadata()?;
    let is_alike = (meta.uid(), meta.gid()) == (before.uid(), before.gid())
        && file.as_file().set_permissions(before.permissions()).is_ok();
    Ok(is_alike.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(path: &Path, text: &str, result: io::Result<()>) -> Result<(), Failure> {
        write_to(Some(path), |_, out| {
            out.write_all(text.as_bytes())?;
            result
        })
    }

    #[test]
    fn a_file_is_whole_or_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let full = || Err(io::ErrorKind::StorageFull.into());
        assert!(write(&path, "part", full()).is_err());
        assert!(!path.exists());
        write(&path, "whole", Ok(())).unwrap();
        assert!(write(&path, "part", full()).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn modes_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("out"), folder.path().join("link"));
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write(&path, "whole", Ok(())).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, "through", Ok(())).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "through");
    }
}
