//! What is known of a running program's Go runtime before it is stopped.

use std::sync::Arc;

use gobinary::{DebugInfo, GoBinary, GoVersion, Wanted};
use model::{Addr, LinkAddr};
use target::ReadMemory;

use crate::contract::{self, AncestorInfo, Bubble, DbgVar, G, Hmap, M, Moduledata, SyncGroup};
use crate::error::LoadError;
use crate::labels::LabelLayout;
use crate::limits::Limits;
use crate::module::Module;
use crate::values::{Header, STRING_SIZE};

/// The runtime of one running program: layouts, addresses, tables. Valid as long as the
/// process runs the same executable.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) module: Module,
    pub(crate) g: G,
    pub(crate) m: M,
    pub(crate) hmap: Option<Hmap>,
    pub(crate) bubble: Option<Bubble>,
    pub(crate) sync_group: Option<SyncGroup>,
    pub(crate) ancestor_info: Option<AncestorInfo>,
    pub(crate) allglen: Addr,
    pub(crate) allgptr: Addr,
    pub(crate) allm: Addr,
    pub(crate) fing_status: Option<Addr>,
    pub(crate) wait_reasons: Vec<Arc<str>>,
    /// `runtime.isIdleInSynctest`, by wait reason.
    pub(crate) idle_in_synctest: Vec<bool>,
    /// Whether the program prints labels in its tracebacks (`GODEBUG=tracebacklabels`).
    pub(crate) traceback_labels: bool,
    pub(crate) diagnostics: Vec<String>,
}

/// More wait reasons than any Go version has (1.27: 47).
const MAX_WAIT_REASONS: u64 = 256;
/// More settings of `GODEBUG` than any Go version has (1.27: 40).
const MAX_SETTINGS: u64 = 512;
/// Longer than the name of any.
const MAX_NAME: usize = 64;

impl Runtime {
    /// What has to be looked for in an executable. One that was stripped is opened, too
    /// ([`GoBinary::debug_info`]).
    pub fn open_binary(file: std::fs::File) -> Result<GoBinary, gobinary::BinaryError> {
        with_wanted(|wanted| GoBinary::open(file, wanted))
    }

    /// The same in a separate debug file; unless `trusted`, it must be known to be the right one.
    pub fn use_debug_file(
        binary: &mut GoBinary,
        file: std::fs::File,
        trusted: bool,
    ) -> Result<(), gobinary::BinaryError> {
        with_wanted(|wanted| binary.use_debug_file(file, wanted, trusted))
    }

    /// Reads what stays the same while the program runs. `entry` is the program's entry point
    /// at run time (`AT_ENTRY`); `mem` may be that of a running process.
    pub fn load(
        binary: Arc<GoBinary>,
        mem: &dyn ReadMemory,
        entry: Addr,
    ) -> Result<Runtime, LoadError> {
        if binary.debug_info == DebugInfo::None {
            return Err(gobinary::BinaryError::NoDebugInfo.into());
        }
        let bias = entry.0.wrapping_sub(binary.entry.0);
        let at_run_time = |link: LinkAddr| Addr(link.0.wrapping_add(bias));
        let variable = |name: &str| binary.variable(name).map(|v| at_run_time(v.at));
        let mut diagnostics = Vec::new();
        if binary.version > GoVersion::NEWEST_TESTED {
            diagnostics.push(format!(
                "{} is newer than {}, the newest version that goinspect was tested with",
                binary.build.go_version,
                GoVersion::NEWEST_TESTED
            ));
        }
        let module = load_module(
            &binary,
            mem,
            bias,
            variable(contract::FIRSTMODULEDATA)?,
            &mut diagnostics,
        )?;
        let reasons = binary.variable(contract::WAIT_REASON_STRINGS)?;
        Ok(Runtime {
            g: G::resolve(&binary.types)?,
            m: M::resolve(&binary.types)?,
            hmap: Hmap::resolve(&binary.types).ok(),
            bubble: Bubble::resolve(&binary.types).ok(),
            sync_group: SyncGroup::resolve(&binary.types).ok(),
            ancestor_info: AncestorInfo::resolve(&binary.types).ok(),
            idle_in_synctest: load_idle_in_synctest(&binary, mem, bias),
            traceback_labels: variable(contract::DBGVARS)
                .ok()
                .zip(DbgVar::resolve(&binary.types).ok())
                .and_then(|(at, layout)| load_setting(mem, at, &layout, "tracebacklabels"))
                .is_some_and(|value| value == 1),
            allglen: variable(contract::ALLGLEN)?,
            allgptr: variable(contract::ALLGPTR)?,
            allm: variable(contract::ALLM)?,
            fing_status: variable(contract::FING_STATUS).ok(),
            wait_reasons: load_wait_reasons(mem, at_run_time(reasons.at), reasons.size)?,
            module,
            diagnostics,
        })
    }

    /// The executable.
    pub fn binary(&self) -> &GoBinary {
        &self.module.binary
    }

    /// How pprof labels are laid out.
    pub(crate) fn label_layout(&self) -> LabelLayout {
        match self.hmap {
            // A program of Go 1.24 or later has the old map type too, if it was built
            // with GOEXPERIMENT=noswissmap; its labels are a list all the same.
            Some(hmap) if !self.binary().version.has_label_lists() => LabelLayout::Map(hmap),
            _ => LabelLayout::List,
        }
    }

    /// Whether the program prints pprof labels in its tracebacks (`GODEBUG=tracebacklabels`).
    pub fn traceback_labels(&self) -> bool {
        self.traceback_labels
    }

    /// What the reader of every snapshot should know, in sentences.
    pub fn diagnostics(&self) -> &[String] {
        &self.diagnostics
    }
}

fn with_wanted<T>(open: impl FnOnce(Wanted<'_>) -> T) -> T {
    let variables: Vec<&str> = contract::VARIABLES.iter().map(|v| v.name).collect();
    open(Wanted {
        types: contract::STRUCTS,
        variables: &variables,
    })
}

fn load_module(
    binary: &Arc<GoBinary>,
    mem: &dyn ReadMemory,
    bias: u64,
    at: Addr,
    diagnostics: &mut Vec<String>,
) -> Result<Module, LoadError> {
    let layout = Moduledata::resolve(&binary.types)?;
    let mut bytes = vec![0; layout.size];
    mem.read(at, &mut bytes).map_err(|why| LoadError::Read {
        what: contract::FIRSTMODULEDATA,
        at,
        why,
    })?;
    let word = |field: gobinary::Scalar| field.get(&bytes).unwrap_or(0);
    let pclntab = binary.pclntab_at.0.wrapping_add(bias);
    if word(layout.pc_header) != pclntab {
        return Err(LoadError::Mismatch(format!(
            "runtime.firstmoduledata.pcHeader is {:#x}, but pclntab should be at {pclntab:#x}",
            word(layout.pc_header)
        )));
    }
    if word(layout.text_sections) > 1 {
        diagnostics.push(
            "the program's text is in several sections: functions behind the first are not named"
                .into(),
        );
    }
    if word(layout.next) != 0 {
        diagnostics.push(
            "plugins or Go shared libraries are loaded: their functions are not named".into(),
        );
    }
    let gofunc = LinkAddr(word(layout.gofunc).wrapping_sub(bias));
    Ok(Module::new(
        Arc::clone(binary),
        Addr(word(layout.text)),
        Addr(word(layout.etext)),
        gofunc,
    ))
}

fn load_idle_in_synctest(binary: &GoBinary, mem: &dyn ReadMemory, bias: u64) -> Vec<bool> {
    let Ok(variable) = binary.variable(contract::IS_IDLE_IN_SYNCTEST) else {
        return Vec::new();
    };
    let mut bytes = vec![0; variable.size.min(MAX_WAIT_REASONS) as usize];
    match mem.read(Addr(variable.at.0.wrapping_add(bias)), &mut bytes) {
        Ok(()) => bytes.into_iter().map(|byte| byte != 0).collect(),
        Err(_) => Vec::new(),
    }
}

/// A setting of `GODEBUG` that can change while the program runs; `None` if it has none of that name.
fn load_setting(mem: &dyn ReadMemory, at: Addr, layout: &DbgVar, name: &str) -> Option<u32> {
    let list = Header::read(mem, at).ok()?;
    for i in 0..list.len.min(MAX_SETTINGS) {
        let entry = mem.read_u64(list.at.checked_add(8 * i)?).ok()?;
        let mut bytes = vec![0; layout.extent()];
        mem.read(Addr(entry), &mut bytes).ok()?;
        let found = Header {
            at: Addr(layout.name.get(&bytes)?),
            len: layout.name_len.get(&bytes)?,
        };
        if found.text(mem, MAX_NAME).ok()? == name {
            let mut value = [0; 4];
            mem.read(Addr(layout.atomic?.get(&bytes)?), &mut value)
                .ok()?;
            return Some(u32::from_le_bytes(value));
        }
    }
    None
}

fn load_wait_reasons(
    mem: &dyn ReadMemory,
    at: Addr,
    size: u64,
) -> Result<Vec<Arc<str>>, LoadError> {
    let what = contract::WAIT_REASON_STRINGS;
    let limit = Limits::default().string_bytes;
    (0..(size / STRING_SIZE).min(MAX_WAIT_REASONS))
        .map(|i| {
            let slot = Addr(at.0.wrapping_add(i * STRING_SIZE));
            Header::read(mem, slot)
                .and_then(|header| header.text(mem, limit))
                .map(Arc::from)
                .map_err(|why| LoadError::Read {
                    what,
                    at: slot,
                    why,
                })
        })
        .collect()
}
