//! Which of the files that are mapped into a target have Go code, and where they lie.
//!
//! Mostly that is the executable. A C program may have Go libraries (`-buildmode=c-shared`), each with a
//! Go runtime of its own; a Go program may have plugins, which share its runtime.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gobinary::{BinaryError, GoBinary};
use goruntime::Image;
use model::Addr;
use target::Mapping;

use crate::error::{Error, ErrorKind};
use crate::executable;

/// What is mapped into a target, and how its files are opened.
pub(crate) struct Mapped<'a> {
    pub mappings: Vec<Mapping>,
    pub open: &'a dyn Fn(&Mapping) -> Option<File>,
    /// The same for other files, by their paths.
    pub open_path: &'a dyn Fn(&Path) -> Option<File>,
}

/// The Go code that is looked at.
pub(crate) struct Chosen {
    pub image: Image,
    /// The library that it is in; `None`: the executable.
    pub library: Option<PathBuf>,
    /// The file itself, for what else may be wanted of it.
    pub file: File,
    /// What the reader of every snapshot should know.
    pub diagnostics: Vec<String>,
}

impl Mapped<'_> {
    /// The Go code of a target: that of the executable or, if that has none, of its only Go
    /// library; where there are several, the one that `module` names by its file name or path.
    pub(crate) fn choose(
        &self,
        exe: (&File, &Path),
        entry: &dyn Fn() -> Result<Option<Addr>, Error>,
        module: Option<&str>,
        debug_file: Option<&Path>,
    ) -> Result<Chosen, Error> {
        let (file, path) = exe;
        let is_go = !matches!(
            GoBinary::identify(file.try_clone()?),
            Err(BinaryError::NotGo)
        );
        let wanted = |path: &Path| module.is_none_or(|name| path.ends_with(name));
        if is_go && wanted(path) {
            let binary = Arc::new(executable::open(
                file.try_clone()?,
                path,
                debug_file,
                self.open_path,
            )?);
            // A core of a program that is not position-independent need not say where it lies.
            let entry = entry()?.unwrap_or(Addr(binary.entry.0));
            let others = match module {
                None => self.libraries(path),
                Some(_) => Vec::new(),
            };
            return Ok(Chosen {
                image: Image::at_entry(binary, entry),
                library: None,
                file: file.try_clone()?,
                diagnostics: others.iter().map(another).collect(),
            });
        }
        let libraries = self.libraries(path);
        let mut found = libraries.iter().filter(|library| wanted(&library.path));
        let (library, more) = (found.next(), found.next());
        match (library, more, module) {
            (Some(library), None, _) => self.open_library(library, debug_file),
            (Some(_), Some(_), _) => Err(several(&libraries)),
            (None, _, Some(name)) => {
                let exe = is_go.then(|| path.display().to_string());
                let all: Vec<_> = exe.into_iter().chain(names(&libraries)).collect();
                let what = format!("nothing in it that has Go code is called {name}");
                let hint = format!("there is: {}", all.join(", "));
                Err(Error::new(ErrorKind::NotFound, what).hint(hint))
            }
            (None, _, None) => Err(BinaryError::NotGo.into()),
        }
    }

    /// The Go libraries beside the executable: those files that have build information.
    fn libraries(&self, exe: &Path) -> Vec<Mapping> {
        let mut found: Vec<Mapping> = Vec::new();
        let mut seen = BTreeSet::new();
        for mapping in &self.mappings {
            let is_new = mapping.path.is_absolute() && seen.insert(&mapping.path);
            if is_new
                && mapping.path != exe
                && (self.open)(mapping).is_some_and(|file| GoBinary::identify(file).is_ok())
            {
                found.push(mapping.clone());
            }
        }
        found
    }

    fn open_library(&self, library: &Mapping, debug_file: Option<&Path>) -> Result<Chosen, Error> {
        let damaged = |what| {
            let path = library.path.display();
            Error::new(ErrorKind::Damaged, format!("{path}: {what}"))
        };
        let file = (self.open)(library).ok_or_else(|| damaged("cannot be opened"))?;
        let binary = executable::open(file.try_clone()?, &library.path, debug_file, self.open_path)
            .map_err(|why| why.on(library.path.display()))?;
        let image = Image::mapped(Arc::new(binary), library.file_offset, library.start)
            .ok_or_else(|| damaged("is not loaded where it says"))?;
        Ok(Chosen {
            image,
            library: Some(library.path.clone()),
            file,
            diagnostics: Vec::new(),
        })
    }

    /// The plugin that is loaded at an address.
    pub(crate) fn plugin(&self, host: &GoBinary, at: Addr) -> Option<Image> {
        let mapping = self.mappings.iter().find(|mapping| mapping.contains(at))?;
        let binary = GoBinary::open_plugin((self.open)(mapping)?, host).ok()?;
        let offset = mapping.file_offset.checked_add(at.0 - mapping.start.0)?;
        Image::mapped(Arc::new(binary), offset, at)
    }
}

fn names(libraries: &[Mapping]) -> impl Iterator<Item = String> {
    libraries.iter().map(|l| l.path.display().to_string())
}

fn another(library: &Mapping) -> String {
    format!(
        "{} has a Go runtime of its own, whose goroutines are not shown: --module chooses it",
        library.path.display()
    )
}

fn several(libraries: &[Mapping]) -> Error {
    let all: Vec<String> = names(libraries).collect();
    let what = format!("it has several Go runtimes: {}", all.join(", "));
    Error::new(ErrorKind::Ambiguous, what).hint("name one of these files with --module")
}
