//! The C code of a target: what is mapped where, and the files.

use std::fs::File;
use std::path::{Path, PathBuf};

use cframes::{ObjectFile, Program};
use model::{Addr, BuildIds};
use target::{Mapping, ReadMemory};

use crate::executable::places;

/// Where a target's C code is read.
pub(crate) struct Native<'a> {
    pub memory: &'a dyn ReadMemory,
    pub open: &'a dyn Fn(&Mapping) -> Option<ObjectFile>,
    /// Opens a file by its path.
    pub open_path: &'a dyn Fn(&Path) -> Option<File>,
    /// The file that has the Go code, and its path as the target has it.
    pub go: (&'a File, &'a Path),
    /// Its debug file, if the user has named one.
    pub debug_file: Option<&'a Path>,
}

impl Native<'_> {
    fn is_go(&self, mapping: &Mapping) -> bool {
        mapping.path == self.go.1
    }
}

impl Program for Native<'_> {
    fn image(&self) -> &dyn ReadMemory {
        self.memory
    }

    fn open(&self, mapping: &Mapping) -> Option<ObjectFile> {
        if !self.is_go(mapping) {
            return (self.open)(mapping);
        }
        let file = self.go.0.try_clone().ok()?;
        let is_same = true;
        Some(ObjectFile { file, is_same })
    }

    fn open_debug(
        &self,
        mapping: &Mapping,
        ids: &BuildIds,
        link: Option<&[u8]>,
    ) -> Vec<ObjectFile> {
        let named = self.debug_file.filter(|_| self.is_go(mapping));
        let (paths, is_same): (Vec<PathBuf>, bool) = match named {
            Some(path) => (vec![path.to_owned()], true),
            None => (places(ids, link, &mapping.path), false),
        };
        let files = paths.iter().filter_map(|path| match is_same {
            true => File::open(path).ok(),
            false => (self.open_path)(path),
        });
        files.map(|file| ObjectFile { file, is_same }).collect()
    }
}

/// The kernel's library, which programs have without a file. It has a page or two; what lies
/// behind it is found as what it is.
pub(crate) fn vdso(at: Addr) -> Mapping {
    Mapping {
        start: at,
        end: Addr(at.0.saturating_add(0x4000)),
        file_offset: 0,
        file: (0, 0),
        path: "[vdso]".into(),
    }
}
