//! What is known of a running program's Go runtime before it is stopped.

use std::sync::Arc;

use gobinary::{DebugInfo, GoBinary, GoVersion, Scalar, TypeTable, Wanted};
use model::{Addr, LayoutSource, SymbolSource, TextMapping};
use target::ReadMemory;

use crate::contract::{
    self, AncestorInfo, Bubble, DbgVar, G, Hchan, Hmap, M, Moduledata, NotifyList, PollDesc,
    SemTable, SemaRoot, Sudog, SyncGroup, Timer,
};
use crate::error::LoadError;
use crate::heap::HeapLayout;
use crate::image::Image;
use crate::labels::LabelLayout;
use crate::limits::Limits;
use crate::locate::{self, Layouts, Variables};
use crate::module::{Module, Modules};
use crate::scheduler::SchedulerLayout;
use crate::values::{Header, STRING_SIZE};
use crate::waits::WaitClass;

/// The runtime of one running program: layouts, addresses, tables. Valid as long as the
/// process runs the same executable.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) modules: Modules,
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
    pub(crate) fing_running: Option<Addr>,
    pub(crate) wait_reasons: Vec<Arc<str>>,
    /// `runtime.isIdleInSynctest`, by wait reason.
    pub(crate) idle_in_synctest: Vec<bool>,
    /// Whether the program prints labels in its tracebacks (`GODEBUG=tracebacklabels`).
    pub(crate) traceback_labels: bool,
    /// What is needed to tell what goroutines wait on.
    pub(crate) waits: WaitLayouts,
    /// What is needed to find objects on the heap.
    pub(crate) heap: Option<HeapLayout>,
    /// What is needed to tell of the scheduler, or why nothing is told.
    pub(crate) scheduler: Result<SchedulerLayout, String>,
    /// Where the address of the next module will be.
    next_module: Addr,
    text: Option<TextMapping>,
    layout: LayoutSource,
    symbols: SymbolSource,
    pub(crate) diagnostics: Vec<String>,
}

/// More plugins than any program has.
const MAX_MODULES: usize = 1000;
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

    /// Reads what stays the same while the program runs. `image` has the Go runtime; `others` gives
    /// what else is loaded at an address (plugins). `mem` may be that of a running process.
    pub fn load(
        image: &Image,
        mem: &dyn ReadMemory,
        others: &dyn Fn(Addr) -> Option<Image>,
    ) -> Result<Runtime, LoadError> {
        let Image { binary, bias } = image;
        let bias = *bias;
        let mut diagnostics = Vec::new();
        if binary.version > GoVersion::NEWEST_TESTED {
            diagnostics.push(format!(
                "{} is newer than {}, the newest version that goinspect was tested with",
                binary.build.go_version,
                GoVersion::NEWEST_TESTED
            ));
        }
        let mut layouts = match binary.debug_info {
            DebugInfo::Own => Layouts::given(&binary.types, LayoutSource::Dwarf),
            DebugInfo::Separate => Layouts::given(&binary.types, LayoutSource::DebugFile),
            DebugInfo::None => Layouts::of_version(binary)?,
        };
        let symbols = match binary.has_symbols() {
            true => SymbolSource::Symtab,
            false => SymbolSource::Found,
        };
        let layout = layouts.moduledata()?;
        let first = match symbols {
            SymbolSource::Symtab => {
                image.at_run_time(binary.variable(contract::FIRSTMODULEDATA)?.at)
            }
            SymbolSource::Found => locate::find_first_module(binary, mem, bias, &layout)?,
        };
        if binary.debug_info == DebugInfo::None {
            let data = ModuleData::read(mem, first, layout)?;
            layouts.correct(mem, data.word(layout.types)..data.word(layout.etypes));
        }
        let layout = layouts.moduledata()?;
        let data = ModuleData::read(mem, first, layout)?;
        let main = load_module(image, &data, &mut diagnostics)?;
        let (plugins, next_module) = load_plugins(mem, &data, others, &mut diagnostics);
        let types = &layouts.types;
        let variables = match symbols {
            SymbolSource::Symtab => Variables::from_symbols(binary, bias, types),
            SymbolSource::Found => Variables::find(binary, mem, bias, types, &data)?,
        };
        diagnostics.extend(layouts.diagnostics);
        let (reasons, count) = (
            variables.need(contract::WAIT_REASON_STRINGS)?,
            variables.wait_reasons,
        );
        Ok(Runtime {
            g: G::resolve(types)?,
            m: M::resolve(types)?,
            hmap: Hmap::resolve(types).ok(),
            bubble: Bubble::resolve(types).ok(),
            sync_group: SyncGroup::resolve(types).ok(),
            ancestor_info: AncestorInfo::resolve(types).ok(),
            idle_in_synctest: variables
                .get(contract::IS_IDLE_IN_SYNCTEST)
                .map_or_else(Vec::new, |at| load_idle_in_synctest(mem, at, count)),
            traceback_labels: variables
                .get(contract::DBGVARS)
                .zip(DbgVar::resolve(types).ok())
                .and_then(|(at, layout)| load_setting(mem, at, &layout, "tracebacklabels"))
                .is_some_and(|value| value == 1),
            allglen: variables.need(contract::ALLGLEN)?,
            allgptr: variables.need(contract::ALLGPTR)?,
            allm: variables.need(contract::ALLM)?,
            fing_status: variables.get(contract::FING_STATUS),
            fing_running: variables.get(contract::FING_RUNNING),
            wait_reasons: load_wait_reasons(mem, reasons, count)?,
            waits: WaitLayouts::resolve(types, &variables),
            heap: HeapLayout::resolve(types, &variables),
            scheduler: SchedulerLayout::resolve(types, &variables, layouts.source, symbols),
            layout: layouts.source,
            symbols,
            modules: Modules::new(main, plugins),
            next_module,
            text: image.mapping_of(data.word(data.layout.text)),
            diagnostics,
        })
    }

    /// Whether plugins have been loaded since.
    pub fn has_new_modules(&self, mem: &dyn ReadMemory) -> bool {
        mem.read_u64(self.next_module).is_ok_and(|next| next != 0)
    }

    /// What kind of wait a reason means.
    pub(crate) fn wait_class(&self, reason: u64) -> WaitClass {
        let reason = usize::try_from(reason).ok();
        let reason = reason.and_then(|i| self.wait_reasons.get(i));
        reason.map_or(WaitClass::Other, |reason| WaitClass::of(reason))
    }

    /// Where the layouts of the runtime's structures came from.
    pub fn layout(&self) -> LayoutSource {
        self.layout
    }

    /// Where the addresses of the runtime's variables came from.
    pub fn symbols(&self) -> SymbolSource {
        self.symbols
    }

    /// The executable.
    pub fn binary(&self) -> &GoBinary {
        self.modules.binary()
    }

    /// Where the part of the executable lies that has the Go code.
    pub fn text(&self) -> Option<TextMapping> {
        self.text
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

/// The layouts and places of what goroutines wait on. A Go version that lacks one of them has its goroutines
/// shown all the same.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct WaitLayouts {
    pub sudog: Option<Sudog>,
    pub hchan: Option<Hchan>,
    pub poll_desc: Option<PollDesc>,
    pub timer: Option<Timer>,
    pub notify_list: Option<NotifyList>,
    /// The root of a tree in a slot of `runtime.semtable`, and the size of a slot in bytes.
    pub treap: Option<(Scalar, u64)>,
    /// Where `runtime.semtable` is; several places where that could not be told.
    pub semtables: Vec<Addr>,
}

impl WaitLayouts {
    fn resolve(types: &TypeTable, variables: &Variables) -> WaitLayouts {
        /// `runtime/sema.go`, `semTabSize`.
        const SLOTS: u64 = 251;
        let slots = SemTable::resolve(types)
            .ok()
            .map(|table| table.size as u64 / SLOTS);
        WaitLayouts {
            sudog: Sudog::resolve(types).ok(),
            hchan: Hchan::resolve(types).ok(),
            poll_desc: PollDesc::resolve(types).ok(),
            timer: Timer::resolve(types).ok(),
            notify_list: NotifyList::resolve(types).ok(),
            treap: SemaRoot::resolve(types)
                .ok()
                .map(|root| root.treap)
                .zip(slots),
            semtables: variables.semtables.clone(),
        }
    }
}

/// The bytes of a `runtime.moduledata`.
pub(crate) struct ModuleData {
    at: Addr,
    pub(crate) layout: Moduledata,
    bytes: Vec<u8>,
}

impl ModuleData {
    fn read(mem: &dyn ReadMemory, at: Addr, layout: Moduledata) -> Result<ModuleData, LoadError> {
        let mut bytes = vec![0; layout.size];
        mem.read(at, &mut bytes).map_err(|why| LoadError::Read {
            what: contract::FIRSTMODULEDATA,
            at,
            why,
        })?;
        Ok(ModuleData { at, layout, bytes })
    }

    /// The value of a field.
    pub(crate) fn word(&self, field: gobinary::Scalar) -> Addr {
        Addr(field.get(&self.bytes).unwrap_or(0))
    }
}

fn load_module(
    image: &Image,
    data: &ModuleData,
    diagnostics: &mut Vec<String>,
) -> Result<Module, LoadError> {
    let (layout, word) = (&data.layout, |field| data.word(field));
    let pclntab = image.at_run_time(image.binary.pclntab_at);
    if word(layout.pc_header) != pclntab {
        return Err(LoadError::Mismatch(format!(
            "runtime.firstmoduledata.pcHeader is {}, but pclntab should be at {pclntab}",
            word(layout.pc_header)
        )));
    }
    if word(layout.text_sections).0 > 1 {
        diagnostics.push(
            "the program's text is in several sections: functions behind the first are not named"
                .into(),
        );
    }
    Ok(Module::new(image, data))
}

/// The modules behind the first, and where the address of one more will be. One whose file is not
/// to be had is left out and said so.
fn load_plugins(
    mem: &dyn ReadMemory,
    first: &ModuleData,
    others: &dyn Fn(Addr) -> Option<Image>,
    diagnostics: &mut Vec<String>,
) -> (Vec<Module>, Addr) {
    let layout = first.layout;
    let next_of = |data: &ModuleData| {
        let field = Addr(data.at.0.wrapping_add(layout.next.offset as u64));
        (field, data.word(layout.next))
    };
    let mut modules = Vec::new();
    let (mut field, mut next) = next_of(first);
    for _ in 0..MAX_MODULES {
        if next.is_null() {
            break;
        }
        let data = match ModuleData::read(mem, next, layout) {
            Ok(data) => data,
            Err(why) => {
                diagnostics.push(format!("the list of modules ends early: {why}"));
                break;
            }
        };
        let place = data.word(layout.pc_header);
        let loaded = others(place).map(|image| load_module(&image, &data, diagnostics));
        match loaded {
            Some(Ok(module)) => modules.push(module),
            Some(Err(why)) => diagnostics.push(format!("a plugin's functions are not named: {why}")),
            None => diagnostics.push(format!(
                "a plugin's functions are not named: the file that is mapped at {place} cannot be read"
            )),
        }
        (field, next) = next_of(&data);
    }
    (modules, field)
}

fn load_idle_in_synctest(mem: &dyn ReadMemory, at: Addr, count: usize) -> Vec<bool> {
    let mut bytes = vec![0; count];
    match mem.read(at, &mut bytes) {
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
    count: usize,
) -> Result<Vec<Arc<str>>, LoadError> {
    let what = contract::WAIT_REASON_STRINGS;
    let limit = Limits::default().string_bytes;
    (0..count as u64)
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
