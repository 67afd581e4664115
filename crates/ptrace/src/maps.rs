//! What files are mapped where (`/proc/PID/maps`), and opening them.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use model::Addr;
use nix::sys::stat::makedev;
use target::Mapping;

use crate::Process;

/// The text of `/proc/PID/maps`, to be made sense of when the process runs again.
pub struct Maps(pub(crate) Vec<u8>);

impl Maps {
    /// The mappings that have a name, in ascending order; what is anonymous is left out.
    pub fn named(&self) -> Vec<Mapping> {
        self.0.split(|&b| b == b'\n').filter_map(parse).collect()
    }
}

/// A line of proc_pid_maps(5): `start-end perms offset major:minor inode   path`.
fn parse(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let end = rest.iter().position(|&b| b == b' ')?;
        let (field, behind) = rest.split_at(end);
        rest = behind.get(1..)?;
        std::str::from_utf8(field).ok()
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = field()?.split_once('-')?;
    let (start, end) = (hex(start)?, hex(end)?);
    let _permissions = field()?;
    let file_offset = hex(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let device = makedev(hex(major)?, hex(minor)?);
    let inode = field()?.parse().ok()?;
    let path = rest.trim_ascii_start();
    (!path.is_empty() && start < end).then(|| Mapping {
        start: Addr(start),
        end: Addr(end),
        file_offset,
        file: (device, inode),
        path: unescape(path),
    })
}

/// The kernel writes a newline as `\012`, and nothing else otherwise than it is.
fn unescape(path: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, behind)) = rest.split_first() {
        match rest.strip_prefix(b"\\012") {
            Some(behind) => {
                bytes.push(b'\n');
                rest = behind;
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// A file that seems to be mapped.
#[derive(Debug)]
pub struct MappedFile {
    /// The file.
    pub file: File,
    /// Whether it is known to be the one that is mapped. Otherwise it has the same name; it
    /// may be another one, or only look so (file systems that lie above others have inode
    /// numbers of their own).
    pub is_same: bool,
}

impl Process {
    /// Opens a file that is mapped into it, also if it was deleted or lies in a file system that
    /// only the process sees; `None` where it cannot be had.
    pub fn open_mapped(&self, mapping: &Mapping) -> Option<MappedFile> {
        let (start, end) = (mapping.start.0, mapping.end.0);
        // Whoever has not CAP_CHECKPOINT_RESTORE may not open it there.
        let by_place = format!("{}map_files/{start:x}-{end:x}", self.inner.prefix);
        let path = mapping.path.as_os_str().as_bytes().strip_prefix(b"/")?;
        let mut by_name = format!("{}root/", self.inner.prefix).into_bytes();
        by_name.extend(path);
        let names = [by_place.into(), OsString::from_vec(by_name)];
        let mut other = None;
        for name in names {
            let Ok(file) = self.inner.dir.regular_file(&name) else {
                continue;
            };
            let Ok(meta) = file.metadata() else { continue };
            let is_same = (meta.dev(), meta.ino()) == mapping.file;
            if is_same {
                return Some(MappedFile { file, is_same });
            }
            other.get_or_insert(MappedFile { file, is_same });
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let text = b"7f0010000000-7f0010022000 r--p 00026000 fe:01 1234                       /lib/x y.so (deleted)\n\
            7f0010022000-7f0010023000 rw-p 00000000 00:00 0 \n\
            7ffd1000-7ffd3000 r-xp 00000000 00:00 0                          [vdso]\n\
            55-56 r-xp 00000000 08:02 7 /a\\012b\nnonsense\n1-0 r p 0 0:0 0 x\n";
        let named = Maps(text.to_vec()).named();
        let names: Vec<&str> = named.iter().map(|m| m.path.to_str().unwrap()).collect();
        assert_eq!(names, ["/lib/x y.so (deleted)", "[vdso]", "/a\nb"]);
        assert_eq!(named[0].start, Addr(0x7f0010000000));
        assert_eq!(named[0].end, Addr(0x7f0010022000));
        assert_eq!(named[0].file_offset, 0x26000);
        assert_eq!(named[0].file, (makedev(0xfe, 1), 1234));
        assert_eq!(named[1].file, (0, 0));
    }
}
