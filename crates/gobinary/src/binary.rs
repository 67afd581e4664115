//! A Go executable with all that is wanted of it, read once, before the target is stopped.

use std::fs::File;
use std::sync::OnceLock;

use model::{Arch, BuildIds, LinkAddr};
use object::ReadCache;
use rustc_hash::FxHashMap;

use crate::GoVersion;
use crate::build_version;
use crate::buildinfo::{self, BuildInfo};
use crate::dwarf;
use crate::elf::{Elf, Image, Segment, Variable};
use crate::error::BinaryError;
use crate::pclntab::{InlinedCall, Pclntab};
use crate::types::TypeTable;

/// What to look for in an executable.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Structs by their full names (`runtime.g`).
    pub types: &'a [&'a str],
    /// Variables by their full names (`runtime.allglen`).
    pub variables: &'a [&'a str],
}

/// A Go executable.
#[derive(Debug)]
pub struct GoBinary {
    /// Its processor.
    pub arch: Arch,
    /// Its Go version.
    pub version: GoVersion,
    /// What the linker recorded of the build.
    pub build: BuildInfo,
    /// The wanted types, as far as DWARF has them.
    pub types: TypeTable,
    /// What tells it from other builds.
    pub build_ids: BuildIds,
    /// Its entry point; with the running program's own it gives the load bias.
    pub entry: LinkAddr,
    /// Its pclntab.
    pub pclntab: Pclntab,
    /// Where pclntab is.
    pub pclntab_at: LinkAddr,
    /// Where the types and the addresses of variables come from.
    pub debug_info: DebugInfo,
    /// The name that the executable gives its debug file (`.gnu_debuglink`).
    pub debug_link: Option<Vec<u8>>,
    variables: FxHashMap<String, Variable>,
    /// All variables of the symbol table; read when the first is asked for.
    all_variables: OnceLock<Vec<(Variable, String)>>,
    /// The debug file, where the symbol table is in one.
    symbol_file: Option<File>,
    image: Image,
}

/// Where debug information comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DebugInfo {
    /// The executable has its own.
    Own,
    /// A file of its own has it ([`GoBinary::use_debug_file`]).
    Separate,
    /// There is none: the executable was stripped.
    None,
}

impl GoBinary {
    /// Reads the build information only: enough to tell whether it is a Go program, and which.
    pub fn identify(file: File) -> Result<(Arch, BuildInfo), BinaryError> {
        let cache = ReadCache::new(file);
        let elf = Elf::parse(&cache)?;
        Ok((elf.arch(), read_build_info(&elf)?))
    }

    /// Reads an executable. Takes tens of milliseconds for a program of 10 MB.
    pub fn open(file: File, wanted: Wanted<'_>) -> Result<GoBinary, BinaryError> {
        let cache = ReadCache::new(file.try_clone()?);
        let elf = Elf::parse(&cache)?;
        let build = read_build_info(&elf)?;
        let version = GoVersion::parse(&build.go_version)
            .filter(|v| *v >= GoVersion::OLDEST)
            .ok_or_else(|| BinaryError::UnsupportedVersion(build.go_version.clone()))?;
        let (pclntab_at, pclntab) = read_pclntab(&elf)?;
        let types = read_types(&elf, wanted.types)?;
        Ok(GoBinary {
            arch: elf.arch(),
            version,
            debug_info: match &types {
                Some(_) => DebugInfo::Own,
                None => DebugInfo::None,
            },
            types: types.unwrap_or_default(),
            debug_link: elf.debug_link(),
            build_ids: elf.build_ids()?,
            entry: elf.entry(),
            pclntab,
            pclntab_at,
            variables: elf.symbols(wanted.variables),
            all_variables: OnceLock::new(),
            symbol_file: None,
            image: Image {
                file,
                segments: elf.segments(),
            },
            build,
        })
    }

    /// Reads a plugin of the program `host`: a plugin has neither build information nor a
    /// runtime of its own.
    pub fn open_plugin(file: File, host: &GoBinary) -> Result<GoBinary, BinaryError> {
        let cache = ReadCache::new(file.try_clone()?);
        let elf = Elf::parse(&cache)?;
        let (pclntab_at, pclntab) = read_pclntab(&elf)?;
        Ok(GoBinary {
            arch: elf.arch(),
            version: host.version,
            build: host.build.clone(),
            types: TypeTable::default(),
            build_ids: elf.build_ids()?,
            entry: elf.entry(),
            pclntab,
            pclntab_at,
            debug_info: DebugInfo::None,
            debug_link: None,
            variables: FxHashMap::default(),
            all_variables: OnceLock::new(),
            symbol_file: None,
            image: Image {
                segments: elf.segments(),
                file,
            },
        })
    }

    /// Whether its types or its symbols are missing.
    pub fn is_stripped(&self) -> bool {
        self.debug_info == DebugInfo::None || !self.has_symbols()
    }

    /// Whether it has a symbol table that knows the wanted variables.
    pub fn has_symbols(&self) -> bool {
        !self.variables.is_empty()
    }

    /// Takes types and variables from a debug file (`objcopy --only-keep-debug`), or from an unstripped
    /// copy. Its build IDs must not be others; unless `trusted`, they must be known.
    pub fn use_debug_file(
        &mut self,
        file: File,
        wanted: Wanted<'_>,
        trusted: bool,
    ) -> Result<(), BinaryError> {
        let cache = ReadCache::new(file.try_clone()?);
        let elf = Elf::parse(&cache)?;
        let ids = elf.build_ids()?;
        let compared = self.build_ids.gnu.is_some() && ids.gnu.is_some()
            || self.build_ids.go.is_some() && ids.go.is_some();
        if ids.differ(&self.build_ids) || !compared && !trusted {
            return Err(BinaryError::ForeignDebugFile {
                executable: Box::new(self.build_ids.clone()),
                debug_file: Box::new(ids),
            });
        }
        self.types = read_types(&elf, wanted.types)?.ok_or(BinaryError::NoDebugInfo)?;
        self.variables = elf.symbols(wanted.variables);
        self.debug_info = DebugInfo::Separate;
        self.symbol_file = Some(file);
        self.all_variables = OnceLock::new();
        Ok(())
    }

    /// Where a wanted variable is.
    pub fn variable(&self, name: &str) -> Result<Variable, BinaryError> {
        self.variables
            .get(name)
            .copied()
            .ok_or_else(|| BinaryError::NoSymbol(name.to_owned()))
    }

    /// The variable at an address, and how many bytes behind its beginning that is.
    pub fn variable_at(&self, at: LinkAddr) -> Option<(&str, u64)> {
        let all = self.all_variables.get_or_init(|| self.read_variables());
        let behind = all.partition_point(|(variable, _)| variable.at <= at);
        let (variable, name) = all.get(behind.checked_sub(1)?)?;
        let offset = at.0 - variable.at.0;
        (offset < variable.size).then_some((name, offset))
    }

    fn read_variables(&self) -> Vec<(Variable, String)> {
        let file = self.symbol_file.as_ref().unwrap_or(&self.image.file);
        let Ok(file) = file.try_clone() else {
            return Vec::new();
        };
        let cache = ReadCache::new(file);
        Elf::parse(&cache).map_or_else(|_| Vec::new(), |elf| elf.variables())
    }

    /// What the file holds at a link-time address; `None` where it does not hold all of it.
    pub fn read(&self, at: LinkAddr, buf: &mut [u8]) -> Option<()> {
        self.image.read(at, buf)
    }

    /// The parts of the file that are loaded.
    pub fn segments(&self) -> &[Segment] {
        &self.image.segments
    }

    /// Entry `index` of the inlining tree at `tree`.
    pub fn inlined_call(&self, tree: LinkAddr, index: u32) -> Option<InlinedCall> {
        let size = self.pclntab.inlined_size();
        let mut entry = vec![0; size];
        let at = tree.0.checked_add(u64::from(index) * size as u64)?;
        self.read(LinkAddr(at), &mut entry)?;
        self.pclntab.inlined_call(&entry)
    }
}

fn read_build_info(elf: &Elf<'_>) -> Result<BuildInfo, BinaryError> {
    let section = match elf.section(".go.buildinfo")? {
        Some(section) => section,
        // As debug/buildinfo does.
        None if !elf.has_sections() => {
            let found = elf.find(16, |rest| rest.starts_with(buildinfo::MAGIC));
            found.ok_or(BinaryError::NotGo)?.1.to_vec()
        }
        // Someone took it out, and left what makes it a Go program.
        None if PCLNTAB_SECTIONS
            .iter()
            .any(|name| elf.section_address(name).is_some()) =>
        {
            let go_version = build_version::find(elf).ok_or(BinaryError::NoVersion)?;
            return Ok(BuildInfo {
                go_version,
                ..BuildInfo::default()
            });
        }
        None => return Err(BinaryError::NotGo),
    };
    // Before Go 1.18 the section held pointers instead of strings.
    BuildInfo::parse(&section)
        .ok_or_else(|| BinaryError::UnsupportedVersion("Go 1.17 or earlier".into()))
}

/// The sections that pclntab is in; position-independent executables have it among the data that is relocated.
const PCLNTAB_SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// Where pclntab begins (`cmd/link/internal/ld/pcln.go`).
const PCLNTAB: &str = "runtime.pclntab";
/// Where it ends.
const EPCLNTAB: &str = "runtime.epclntab";

fn read_pclntab(elf: &Elf<'_>) -> Result<(LinkAddr, Pclntab), BinaryError> {
    for name in PCLNTAB_SECTIONS {
        if let (Some(address), Some(bytes)) = (elf.section_address(name), elf.section(name)?) {
            return Ok((address, Pclntab::parse(bytes)?));
        }
    }
    // The C linker may have put it together with other read-only data.
    let symbols = elf.symbols(&[PCLNTAB, EPCLNTAB]);
    if let (Some(start), Some(end)) = (symbols.get(PCLNTAB), symbols.get(EPCLNTAB))
        && let Some(bytes) = elf.bytes(start.at, end.at.0.saturating_sub(start.at.0))
    {
        return Ok((start.at, Pclntab::parse(bytes.to_vec())?));
    }
    // Without symbols it is found by its header, there or where there are no sections.
    if let Some((at, rest)) = elf.find(32, Pclntab::is_header) {
        return Ok((at, Pclntab::parse(rest.to_vec())?));
    }
    Err(BinaryError::damaged("it has no pclntab"))
}

/// `None` where there is no debug information.
fn read_types(elf: &Elf<'_>, wanted: &[&str]) -> Result<Option<TypeTable>, BinaryError> {
    let mut sections = FxHashMap::default();
    for name in [
        ".debug_info",
        ".debug_abbrev",
        ".debug_str",
        ".debug_line_str",
        ".debug_str_offsets",
        ".debug_addr",
        ".debug_types",
    ] {
        sections.insert(name, elf.section(name)?.unwrap_or_default());
    }
    if sections.get(".debug_info").is_none_or(Vec::is_empty) {
        return Ok(None);
    }
    let section = |name: &str| sections.get(name).map_or(&[][..], Vec::as_slice);
    dwarf::read_types(section, wanted)
        .map(Some)
        .map_err(|e| BinaryError::damaged(format!("DWARF: {e}")))
}
