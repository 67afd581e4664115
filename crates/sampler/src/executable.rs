//! Opening an executable, and finding the file that has its debug information where that was
//! split off (`objcopy --only-keep-debug`, Debian's `-dbgsym` packages, debuginfod).

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gobinary::GoBinary;
use goruntime::Runtime;
use model::BuildIds;
use ptrace::Process;

use crate::error::{Error, ErrorKind};

/// Opens an executable that lies at `path`. Where it was stripped, its debug information is
/// taken from `debug_file`, or looked for in the places where debuggers look, which `open`
/// opens; nothing is fetched over a network.
pub(crate) fn open(
    file: File,
    path: &Path,
    debug_file: Option<&Path>,
    open: &dyn Fn(&Path) -> Option<File>,
) -> Result<GoBinary, Error> {
    let mut binary = Runtime::open_binary(file)?;
    if let Some(debug_file) = debug_file {
        let subject = |error: Error| error.on(format!("debug file {}", debug_file.display()));
        let file =
            File::open(debug_file).map_err(|why| subject(Error::new(ErrorKind::NotFound, why)))?;
        Runtime::use_debug_file(&mut binary, file, true).map_err(|why| subject(why.into()))?;
    } else if binary.is_stripped() {
        // The first that is the right one; what is wrong with others is of no interest.
        let link = binary.debug_link.as_deref();
        let places = places(&binary.build_ids, link, path);
        let _ = places.into_iter().find(|place| {
            open(place)
                .is_some_and(|file| Runtime::use_debug_file(&mut binary, file, false).is_ok())
        });
    }
    Ok(binary)
}

/// Opens a file where a process sees it, in its container, or else where goinspect sees it.
pub(crate) fn open_as_seen_by(process: &Process, path: &Path) -> Option<File> {
    let here = || File::open(path).ok();
    process.open_in_root(path).or_else(here)
}

/// Where a debug file may be, in the order in which gdb looks (`info "(gdb)Separate Debug Files"`),
/// and then in debuginfod's cache. `link` is the name that the file at `path` gives its own.
pub(crate) fn places(ids: &BuildIds, link: Option<&[u8]>, path: &Path) -> Vec<PathBuf> {
    const GLOBAL: &str = "/usr/lib/debug";
    let mut places = Vec::new();
    let id: Option<String> = ids
        .gnu
        .as_ref()
        .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect());
    if let Some((first, rest)) = id.as_deref().and_then(|id| id.split_at_checked(2)) {
        places.push(Path::new(GLOBAL).join(format!(".build-id/{first}/{rest}.debug")));
    }
    if let (Some(link), Some(folder)) = (link, path.parent()) {
        let link = OsStr::from_bytes(link);
        places.push(folder.join(link));
        places.push(folder.join(".debug").join(link));
        let below = folder.strip_prefix("/").unwrap_or(folder);
        places.push(Path::new(GLOBAL).join(below).join(link));
    }
    let variable = |name| env::var_os(name).map(PathBuf::from);
    let cache = variable("DEBUGINFOD_CACHE_PATH")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("debuginfod_client")))
        .or_else(|| Some(variable("HOME")?.join(".cache/debuginfod_client")));
    if let (Some(cache), Some(id)) = (cache, id) {
        places.push(cache.join(id).join("debuginfo"));
    }
    places
}
