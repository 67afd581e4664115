//! Functions, files and lines by debug information.

use std::fs::File;
use std::sync::Arc;

use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian, SectionId};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ReadCache};

/// Bytes of debug information that are read of one object at most.
const MAX_BYTES: u64 = 1 << 31;
/// Calls that are inlined into one another; the compiler's own are far fewer.
const MAX_INLINED: usize = 256;

/// The debug information of an object.
pub(crate) struct Lines(Context<EndianArcSlice<LittleEndian>>);

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

/// A call as debug information has it.
#[derive(Debug)]
pub(crate) struct Line {
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: u32,
}

impl Lines {
    /// Reads what a file has; `None` if it has none, or too much.
    pub(crate) fn read(file: &File) -> Option<Lines> {
        let cache = ReadCache::new(file.try_clone().ok()?);
        let elf = ElfFile64::<object::LittleEndian, _>::parse(&cache).ok()?;
        elf.section_by_name(".debug_info")?;
        let sizes = elf.sections().filter_map(|section| {
            let is_debug = section.name().is_ok_and(|name| name.starts_with(".debug_"));
            is_debug.then(|| Some(section.compressed_data().ok()?.uncompressed_size))?
        });
        if sizes.fold(0, u64::saturating_add) > MAX_BYTES {
            return None;
        }
        let dwarf = Dwarf::load(|id: SectionId| {
            let section = elf.section_by_name(id.name());
            let bytes = section.map(|section| section.uncompressed_data());
            let bytes = bytes.transpose()?.unwrap_or_default();
            let bytes: Arc<[u8]> = bytes.into_owned().into();
            Ok::<_, object::Error>(EndianArcSlice::new(bytes, LittleEndian))
        });
        Context::from_dwarf(dwarf.ok()?).ok().map(Lines)
    }

    /// The calls at a link-time address, innermost first; empty where nothing is known.
    pub(crate) fn find(&self, at: u64) -> Vec<Line> {
        let mut lines = Vec::new();
        let Ok(mut frames) = self.0.find_frames(at).skip_all_loads() else {
            return lines;
        };
        while let Ok(Some(frame)) = frames.next() {
            if lines.len() >= MAX_INLINED {
                break;
            }
            let location = frame.location.as_ref();
            let function = frame.function.as_ref().and_then(|f| f.demangle().ok());
            lines.push(Line {
                function: function.map(|name| name.into_owned()),
                file: location.and_then(|l| l.file).map(str::to_owned),
                line: location.and_then(|l| l.line).unwrap_or(0),
            });
        }
        lines
    }
}
