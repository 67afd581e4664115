//! An object: the executable, a shared library, or the vDSO.

use std::fs::File;
use std::sync::Arc;

use addr2line::demangle_auto;
use gimli::UnwindContext;
use model::{Addr, Arch};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSection as _, ReadCache};
use target::{Mapping, ReadMemory};

use crate::Call;
use crate::image::{Image, MAX_BYTES, ObjectFile, Program, unpacked};
use crate::lines::{Line, Lines};
use crate::state::State;
use crate::symbols::Symbols;
use crate::tables::{Step, Tables};
use crate::walk::Text;

/// What is mapped from one file at one place.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its first part.
    pub mapping: Mapping,
    /// The address behind its last part.
    pub end: Addr,
    /// Its file's name without directories.
    pub name: Arc<str>,
    /// Looked into when an address in it is met; or why that was of no use.
    opened: Option<Result<Opened, String>>,
}

#[derive(Debug)]
struct Opened {
    image: Image,
    tables: Option<Tables>,
    names: Option<Names>,
}

/// What names the code of an object.
#[derive(Debug)]
struct Names {
    symbols: Symbols,
    lines: Option<Lines>,
}

impl Object {
    pub(crate) fn new(mapping: Mapping, end: Addr) -> Object {
        let name = mapping.path.file_name().unwrap_or(mapping.path.as_os_str());
        let name = name.to_string_lossy();
        let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
        Object {
            name: Arc::from(name),
            mapping,
            end,
            opened: None,
        }
    }

    /// Whether it lies where another one lies, and is of the same file.
    pub(crate) fn is(&self, other: &Object) -> bool {
        self.mapping == other.mapping && self.end == other.end
    }

    fn opened(&mut self, program: &dyn Program) -> Result<&mut Opened, String> {
        let (mapping, name) = (&self.mapping, &self.name);
        let opened = self.opened.get_or_insert_with(|| {
            let unreadable = |why: &str| format!("{name} cannot be read: {why}");
            let image = Image::open(mapping, program).map_err(|why| unreadable(&why))?;
            let tables = match image.headers.eh_frame_hdr {
                // Whether it has any is known only if they can be read.
                Some(place) => {
                    let tables = Tables::read(&image, place, program.image());
                    Some(tables.ok_or_else(|| unreadable(image.refusal))?)
                }
                None => section(&image),
            };
            Ok(Opened {
                image,
                tables,
                names: None,
            })
        });
        opened.as_mut().map_err(|why| why.clone())
    }

    /// From a frame to its caller. `Ok(None)` where it has no tables for that function.
    pub(crate) fn step(
        &mut self,
        arch: Arch,
        program: &dyn Program,
        context: &mut UnwindContext<usize>,
        stack: &dyn ReadMemory,
        state: &State,
        lookup: Addr,
    ) -> Result<Option<Step>, String> {
        let name = Arc::clone(&self.name);
        let opened = self.opened(program)?;
        if opened.image.headers.arch != arch {
            return Err(format!("{name} is for another processor"));
        }
        match &opened.tables {
            Some(tables) => tables.step(arch, context, stack, state, lookup),
            None => Ok(None),
        }
    }

    /// Where the function that `lookup` lies in begins, if anything tells.
    pub(crate) fn function(
        &mut self,
        arch: Arch,
        program: &dyn Program,
        lookup: Addr,
    ) -> Option<Addr> {
        let mapping = self.mapping.clone();
        let opened = self.opened(program).ok()?;
        opened
            .symbol(&mapping, program, lookup)
            .map(|(entry, _)| entry)
            .or_else(|| opened.tables.as_ref()?.function(arch, lookup))
    }

    /// The calls that the frame with the code at `lookup` stands for, innermost first.
    pub(crate) fn calls(
        &mut self,
        arch: Arch,
        program: &dyn Program,
        text: &dyn Text,
        lookup: Addr,
    ) -> Vec<Call> {
        let (object, mapping) = (Arc::clone(&self.name), self.mapping.clone());
        let known = text.function(lookup);
        let Ok(opened) = self.opened(program) else {
            // What has no name is known by its place; here not even its link-time address is.
            let (entry, name) = known.unwrap_or_else(|| (lookup, format!("{lookup}")));
            return vec![Call::unnamed(name, entry)];
        };
        let symbol = opened.symbol(&mapping, program, lookup).or(known);
        let (entry, name) = match symbol {
            Some((entry, name)) => (entry, demangle_auto(name.into(), None).into_owned()),
            None => {
                let tables = opened.tables.as_ref();
                let entry = tables.and_then(|tables| tables.function(arch, lookup));
                let entry = entry.unwrap_or(lookup);
                let link = entry.0.wrapping_sub(opened.image.bias);
                (entry, format!("{object}+{link:#x}"))
            }
        };
        let mut lines = opened.lines(&mapping, program, lookup);
        // The last one is the function itself, for which a symbol has a name, too.
        let Some(last) = lines.pop() else {
            return vec![Call::unnamed(name, entry)];
        };
        let mut calls: Vec<Call> = lines
            .into_iter()
            .map(|line| Call {
                name: line.function.unwrap_or_else(|| "?".to_owned()),
                entry,
                file: line.file,
                line: line.line,
                inlined: true,
            })
            .collect();
        // `read` is as good a name as `__GI___libc_read`.
        let underscores = |name: &str| name.len() - name.trim_start_matches('_').len();
        let plainer = |function: &String| underscores(function) <= underscores(&name);
        calls.push(Call {
            name: last.function.filter(plainer).unwrap_or(name),
            entry,
            file: last.file,
            line: last.line,
            inlined: false,
        });
        calls
    }
}

impl Call {
    /// One of which no more is known than a name.
    pub(crate) fn unnamed(name: String, entry: Addr) -> Call {
        Call {
            name,
            entry,
            file: None,
            line: 0,
            inlined: false,
        }
    }
}

impl Opened {
    fn names(&mut self, mapping: &Mapping, program: &dyn Program) -> &Names {
        let image = &self.image;
        self.names
            .get_or_insert_with(|| Names::read(image, mapping, program))
    }

    /// The symbol at a run-time address: where its function begins, and its name.
    fn symbol(
        &mut self,
        mapping: &Mapping,
        program: &dyn Program,
        at: Addr,
    ) -> Option<(Addr, String)> {
        let bias = self.image.bias;
        let names = self.names(mapping, program);
        let (entry, name) = names.symbols.find(at.0.wrapping_sub(bias))?;
        let name = String::from_utf8_lossy(name).into_owned();
        Some((Addr(entry.wrapping_add(bias)), name))
    }

    /// The calls at a run-time address, as far as debug information has them.
    fn lines(&mut self, mapping: &Mapping, program: &dyn Program, at: Addr) -> Vec<Line> {
        let bias = self.image.bias;
        let lines = self.names(mapping, program).lines.as_ref();
        lines
            .map(|lines| lines.find(at.0.wrapping_sub(bias)))
            .unwrap_or_default()
    }
}

impl Names {
    fn read(image: &Image, mapping: &Mapping, program: &dyn Program) -> Names {
        let own = image.file.as_ref();
        let mut lines = own.and_then(Lines::read);
        let debug = match lines {
            Some(_) => None,
            None => {
                let link = own.and_then(debug_link);
                let found = program.open_debug(mapping, &image.ids, link.as_deref());
                let is_right = |found: &ObjectFile| {
                    found.is_same
                        || image.ids.gnu.is_some() && build_id(&found.file) == image.ids.gnu
                };
                found.into_iter().find(is_right).map(|found| found.file)
            }
        };
        if let Some(debug) = &debug {
            lines = Lines::read(debug);
        }
        let files: Vec<&File> = own.into_iter().chain(&debug).collect();
        Names {
            symbols: Symbols::read(&files, image, program.image()),
            lines,
        }
    }
}

/// The name that an object gives its debug file.
fn debug_link(file: &File) -> Option<Vec<u8>> {
    let cache = ReadCache::new(file.try_clone().ok()?);
    let elf = ElfFile64::<LittleEndian, _>::parse(&cache).ok()?;
    let (name, _) = elf.gnu_debuglink().ok().flatten()?;
    Some(name.to_vec())
}

/// The build ID of a debug file, of which not much more is where its program headers say.
fn build_id(file: &File) -> Option<Vec<u8>> {
    let cache = ReadCache::new(file.try_clone().ok()?);
    let elf = ElfFile64::<LittleEndian, _>::parse(&cache).ok()?;
    Some(elf.build_id().ok().flatten()?.to_vec())
}

/// The tables of an object that has no program header for them, as static programs may.
fn section(image: &Image) -> Option<Tables> {
    let cache = ReadCache::new(image.file.as_ref()?.try_clone().ok()?);
    let elf = ElfFile64::<LittleEndian, _>::parse(&cache).ok()?;
    let section = elf.section_by_name(".eh_frame")?;
    let bytes = unpacked(&section, MAX_BYTES)?;
    Some(Tables::of_section(
        section.address().wrapping_add(image.bias),
        bytes,
    ))
}
