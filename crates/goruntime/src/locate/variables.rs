//! The runtime's variables, by the functions whose code refers to them and by what is in them.

mod scheduler;

use std::collections::BTreeSet;
use std::ops::Range;

use gobinary::{GoBinary, TypeTable};
use model::Addr;
use rustc_hash::{FxHashMap, FxHashSet};
use target::{ReadMemory, Want};

use super::code;
use crate::contract::{self, DbgVar, G, M, Mheap, SemTable};
use crate::error::LoadError;
use crate::limits::Limits;
use crate::runtime::ModuleData;
use crate::start::{RawG, RawM};
use crate::values::{Header, STRING_SIZE};

/// A running program changes while it is looked at. What does not fit together is looked at again, so often.
const ATTEMPTS: usize = 20;
/// How many goroutines are looked at to tell whether a list is one of goroutines.
const SAMPLE: usize = 256;
/// Longer than any wait reason.
const MAX_REASON: u64 = 64;
/// More wait reasons than any Go version has.
const MAX_REASONS: usize = 256;
/// More settings of `GODEBUG` than any Go version has.
const MAX_SETTINGS: u64 = 512;
/// Larger than the data of any program that is looked through as a whole.
const MAX_DATA: u64 = 1 << 30;
/// Bytes of code of one function that are looked through: those that are looked at are far smaller.
const MAX_CODE: u32 = 1 << 20;

/// Functions whose code refers to a variable.
const ALLGADD: &str = "runtime.allgadd";
const MCOMMONINIT: &str = "runtime.mcommoninit";
const SEMACQUIRE: &str = "runtime.semacquire1";
const CREATEFING: &str = "runtime.createfing";
const IS_SYSTEM_GOROUTINE: &str = "runtime.isSystemGoroutine";
const RUNFINQ: &str = "runtime.runfinq";
const FIND_OBJECT: &str = "runtime.findObject";
/// What finds it for that, inlined unless nothing is.
const SPAN_OF: &str = "runtime.spanOf";
const PARSEGODEBUG: &str = "runtime.parsegodebug";
const REPARSEDEBUGVARS: &str = "runtime.reparsedebugvars";
const BUBBLE_STATUS: &str = "runtime.(*synctestBubble).changegstatus";
const IS_IDLE: &str = "runtime.waitReason.isIdleInSynctest";
const GROUP_STATUS: &str = "runtime.(*synctestGroup).changegstatus";
const FUNCTIONS: &[&str] = &[
    ALLGADD,
    MCOMMONINIT,
    SEMACQUIRE,
    CREATEFING,
    IS_SYSTEM_GOROUTINE,
    RUNFINQ,
    FIND_OBJECT,
    SPAN_OF,
    PARSEGODEBUG,
    REPARSEDEBUGVARS,
    BUBBLE_STATUS,
    GROUP_STATUS,
    IS_IDLE,
];

/// Where the variables of the contract are at run time, and how many elements those have that are arrays.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    at: FxHashMap<&'static str, Addr>,
    /// Where `runtime.semtable` is, or may be.
    pub semtables: Vec<Addr>,
    /// Where `runtime.mheap_.arenas` is, or may be.
    pub arenas: Vec<Addr>,
    /// How many words there are in `runtime.waitReasonStrings`.
    pub wait_reasons: usize,
}

impl Variables {
    /// From the executable's symbol table.
    pub(crate) fn from_symbols(binary: &GoBinary, bias: u64, types: &TypeTable) -> Variables {
        let symbol = |name| binary.variable(name).ok();
        let arenas =
            |heap: Addr| heap.checked_add(Mheap::resolve(types).ok()?.arenas.offset as u64);
        Variables {
            at: contract::VARIABLES
                .iter()
                .filter_map(|v| Some((v.name, Addr(symbol(v.name)?.at.0.wrapping_add(bias)))))
                .collect(),
            semtables: symbol(contract::SEMTABLE)
                .map(|v| Addr(v.at.0.wrapping_add(bias)))
                .into_iter()
                .collect(),
            arenas: symbol(contract::MHEAP)
                .and_then(|v| arenas(Addr(v.at.0.wrapping_add(bias))))
                .into_iter()
                .collect(),
            wait_reasons: symbol(contract::WAIT_REASON_STRINGS)
                .map_or(0, |v| (v.size / STRING_SIZE) as usize)
                .min(MAX_REASONS),
        }
    }

    /// Where a variable is.
    pub(crate) fn get(&self, name: &str) -> Option<Addr> {
        self.at.get(name).copied()
    }

    /// The same for one that must be there.
    pub(crate) fn need(&self, name: &'static str) -> Result<Addr, LoadError> {
        self.get(name)
            .ok_or_else(|| gobinary::BinaryError::NoSymbol(name.to_owned()).into())
    }

    /// Looks for them in a program without symbols.
    pub(crate) fn find(
        binary: &GoBinary,
        mem: &dyn ReadMemory,
        bias: u64,
        types: &TypeTable,
        module: &ModuleData,
    ) -> Result<Variables, LoadError> {
        let (layout, word) = (&module.layout, |field| module.word(field));
        let finder = Finder {
            mem,
            g: G::resolve(types)?,
            m: M::resolve(types)?,
            text: word(layout.text)..word(layout.etext),
            has_more_modules: !word(layout.next).is_null(),
            noptrdata: word(layout.noptrdata)..word(layout.enoptrdata),
            data: word(layout.data)..word(layout.edata),
            bss: word(layout.bss)..word(layout.ebss),
            noptrbss: word(layout.noptrbss)..word(layout.enoptrbss),
            code: read_code(binary, mem, word(layout.text)),
            binary,
            bias,
        };
        let mut at = FxHashMap::default();
        let allm = finder.allm()?;
        at.insert(contract::ALLM, allm);
        let (allgptr, allglen) = finder.allgs(allm)?;
        at.insert(contract::ALLGPTR, allgptr);
        at.insert(contract::ALLGLEN, allglen);
        let (reasons, wait_reasons) = finder.wait_reasons()?;
        at.insert(contract::WAIT_REASON_STRINGS, reasons);
        let optional = [
            (contract::FING_STATUS, finder.fing_status()),
            (contract::FING_RUNNING, finder.fing_running()),
            (contract::DBGVARS, finder.dbgvars(types)),
            (
                contract::IS_IDLE_IN_SYNCTEST,
                finder.idle_in_synctest(wait_reasons),
            ),
        ];
        at.extend(
            optional
                .into_iter()
                .filter_map(|(name, at)| Some((name, at?))),
        );
        at.extend(finder.scheduler(types, allm));
        Ok(Variables {
            at,
            semtables: finder.semtables(types),
            // Its code goes to the table of arenas directly, or from the beginning of the heap.
            arenas: Mheap::resolve(types).map_or_else(
                |_| Vec::new(),
                |heap| {
                    let functions = [FIND_OBJECT, SPAN_OF].into_iter();
                    let found = functions.flat_map(|name| finder.references(name));
                    found
                        .flat_map(|at| [Some(at), at.checked_add(heap.arenas.offset as u64)])
                        .flatten()
                        .collect()
                },
            ),
            wait_reasons,
        })
    }
}

/// The code of [`FUNCTIONS`] and [`scheduler::functions`] with where it is.
fn read_code(
    binary: &GoBinary,
    mem: &dyn ReadMemory,
    text: Addr,
) -> FxHashMap<&'static str, (Addr, Vec<u8>)> {
    let table = &binary.pclntab;
    let mut found = FxHashMap::default();
    let functions = FUNCTIONS.iter().copied();
    let mut left: Vec<_> = functions.chain(scheduler::functions()).collect();
    for index in 0..table.len() {
        let Some(func) = table.func(index) else {
            continue;
        };
        let is_it = |name: &&str| func.name_bytes() == Some(name.as_bytes());
        // A second one of the same name is none of Go's, and a million of them would take for ever.
        let Some(name) = left.iter().position(is_it).map(|i| left.swap_remove(i)) else {
            continue;
        };
        let end = table.func_end(index).unwrap_or(func.entry);
        let at = Addr(text.0.wrapping_add(u64::from(func.entry)));
        let len = end.saturating_sub(func.entry).min(MAX_CODE);
        let mut code = vec![0; len as usize];
        if mem.read(at, &mut code).is_ok() {
            found.insert(name, (at, code));
        }
    }
    found
}

struct Finder<'a> {
    binary: &'a GoBinary,
    mem: &'a dyn ReadMemory,
    bias: u64,
    g: G,
    m: M,
    text: Range<Addr>,
    /// Whether there is Go code outside this text, too.
    has_more_modules: bool,
    noptrdata: Range<Addr>,
    data: Range<Addr>,
    bss: Range<Addr>,
    noptrbss: Range<Addr>,
    code: FxHashMap<&'static str, (Addr, Vec<u8>)>,
}

impl Finder<'_> {
    fn is_data(&self, at: Addr) -> bool {
        let ranges = [&self.noptrdata, &self.data, &self.bss, &self.noptrbss];
        ranges.into_iter().any(|range| range.contains(&at))
    }

    /// The variables that a function's code refers to, and perhaps others.
    fn references(&self, function: &str) -> BTreeSet<Addr> {
        let Some((at, code)) = self.code.get(function) else {
            return BTreeSet::new();
        };
        let mut found = BTreeSet::new();
        let is_loaded = |at: Addr| {
            let link = at.0.wrapping_sub(self.bias);
            self.binary
                .segments()
                .iter()
                .any(|s| s.at.0 <= link && link - s.at.0 < s.size)
        };
        let candidates: BTreeSet<Addr> = code::references(self.binary.arch, code, *at)
            .into_iter()
            .collect();
        for at in candidates {
            if self.is_data(at) {
                found.insert(at);
            } else if at.0 % 8 == 0 && !self.text.contains(&at) && is_loaded(at) {
                // Code for shared libraries finds a variable by way of the global offset table.
                let by_way = self.mem.read_u64(at).map(Addr);
                found.extend(by_way.into_iter().filter(|&at| self.is_data(at)));
            }
        }
        found
    }

    /// The words at several places, as nearly at once as can be.
    fn words(&self, places: &BTreeSet<Addr>) -> Vec<(Addr, u64)> {
        let aligned: Vec<Addr> = places.iter().copied().filter(|at| at.0 % 8 == 0).collect();
        let mut bytes = vec![[0; 8]; aligned.len()];
        let mut wants: Vec<Want<'_>> = aligned
            .iter()
            .zip(&mut bytes)
            .map(|(&at, buf)| Want::new(at, buf))
            .collect();
        self.mem.read_many(&mut wants);
        let read: Vec<bool> = wants.iter().map(|want| want.result.is_ok()).collect();
        let words = aligned.into_iter().zip(bytes).zip(read);
        words
            .filter(|(_, ok)| *ok)
            .map(|((at, word), _)| (at, u64::from_le_bytes(word)))
            .collect()
    }

    /// `runtime.allm`: what `mcommoninit` refers to that begins a list of Ms which ends with
    /// `runtime.m0`, a variable. Other variables lead into the middle of that list; `allm` to all of it.
    fn allm(&self) -> Result<Addr, LoadError> {
        let fail = |why: String| Err(LoadError::not_located(contract::ALLM, why));
        let references = self.references(MCOMMONINIT);
        let mut lists = Vec::new();
        for _ in 0..ATTEMPTS {
            let words = self.words(&references).into_iter();
            let list = |(at, head)| Some((at, self.list_of_ms(Addr(head))?.len()));
            lists = words.filter_map(list).collect();
            let longest = lists.iter().map(|(_, len)| *len).max().unwrap_or(0);
            lists.retain(|(_, len)| *len == longest);
            if lists.len() == 1 {
                break;
            }
        }
        match lists.as_slice() {
            [(at, _)] => Ok(*at),
            [] => fail(format!(
                "nothing that {MCOMMONINIT} refers to is a list of threads"
            )),
            _ => fail(format!(
                "{} of the variables that {MCOMMONINIT} refers to have its shape",
                lists.len()
            )),
        }
    }

    /// The Ms from `head` on, if that is what they are.
    fn list_of_ms(&self, head: Addr) -> Option<Vec<Addr>> {
        let limit = Limits::default().threads;
        let mut list = Vec::new();
        let mut next = head;
        while !next.is_null() {
            if list.len() >= limit {
                return None;
            }
            let mut bytes = vec![0; self.m.extent()];
            self.mem.read(next, &mut bytes).ok()?;
            let raw = RawM::parse(&self.m, &bytes)?;
            // One that is just being made has no g0 yet.
            if !raw.g0.is_null() && self.g(raw.g0)?.m != next {
                return None;
            }
            list.push(next);
            next = raw.alllink;
        }
        // The first M is a variable of the runtime's.
        self.is_data(*list.last()?).then_some(list)
    }

    fn g(&self, at: Addr) -> Option<RawG> {
        let mut bytes = vec![0; self.g.extent()];
        self.mem.read(at, &mut bytes).ok()?;
        RawG::parse(&self.g, &bytes)
    }

    /// `runtime.allgptr` and `runtime.allglen`: the variables that `allgadd` refers to beside the slice
    /// `runtime.allgs` and that say the same as it.
    fn allgs(&self, allm: Addr) -> Result<(Addr, Addr), LoadError> {
        let references = self.references(ALLGADD);
        let mut why = format!("nothing that {ALLGADD} refers to is a list of goroutines");
        for _ in 0..ATTEMPTS {
            let words: FxHashMap<Addr, u64> = self.words(&references).into_iter().collect();
            let mut found = Vec::new();
            for (&slice, &list) in &words {
                let at = |offset| slice.checked_add(offset).and_then(|at| words.get(&at));
                let (Some(&len), Some(&cap)) = (at(8), at(16)) else {
                    continue;
                };
                if len == 0 || cap < len {
                    continue;
                }
                let others = |value: u64| {
                    let is_other = move |at: Addr| at < slice || at.0 - slice.0 > 16;
                    let mut same = words
                        .iter()
                        .filter(move |(at, v)| is_other(**at) && **v == value);
                    let first = same.next().map(|(at, _)| *at);
                    first.filter(|_| same.next().is_none())
                };
                if let (Some(allgptr), Some(allglen)) = (others(list), others(len)) {
                    match self.check_gs(Addr(list), len, allm) {
                        Ok(()) => found.push((allgptr, allglen)),
                        Err(reason) => why = reason,
                    }
                }
            }
            match found.as_slice() {
                [one] => return Ok(*one),
                [] => {}
                _ => why = format!("{} lists have its shape", found.len()),
            }
        }
        Err(LoadError::not_located(contract::ALLGPTR, why))
    }

    /// Whether a list is one of goroutines: each has a stack, a known status and a goid of its own,
    /// begins in the program's text (unless C made it), and is on a known M if it is on any.
    fn check_gs(&self, list: Addr, len: u64, allm: Addr) -> Result<(), String> {
        let ms: FxHashSet<Addr> = self
            .mem
            .read_u64(allm)
            .ok()
            .and_then(|head| self.list_of_ms(Addr(head)))
            .into_iter()
            .flatten()
            .collect();
        let step = (len / SAMPLE as u64).max(1);
        let mut goids = FxHashSet::default();
        let mut alive = 0;
        for index in (0..len).step_by(step as usize) {
            let fail = |what: &str| Err(format!("entry {index} of the list it leads to {what}"));
            let Some(entry) = list.checked_add(index.saturating_mul(8)) else {
                return fail("has no address");
            };
            let Some(g) = self
                .mem
                .read_u64(entry)
                .ok()
                .and_then(|at| self.g(Addr(at)))
            else {
                return fail("cannot be read");
            };
            let Some(status) = g.status() else {
                return fail("has no status");
            };
            if matches!(status, model::Status::Dead | model::Status::Idle) {
                continue;
            }
            if g.lo.is_null() || g.lo >= g.hi || !(g.hi.0 - g.lo.0).is_power_of_two() {
                return fail("has no stack");
            }
            if !g.startpc.is_null() && !self.has_more_modules && !self.text.contains(&g.startpc) {
                return fail("does not begin in the program's text");
            }
            if !g.m.is_null() && !ms.contains(&g.m) {
                return fail("is on a thread that is not known");
            }
            if g.goid == 0 || !goids.insert(g.goid) {
                return fail("has no goid of its own");
            }
            alive += 1;
        }
        if alive == 0 {
            return Err("no goroutine in the list it leads to is alive".to_owned());
        }
        Ok(())
    }

    /// `runtime.waitReasonStrings` and how many there are: strings of which the first is empty and
    /// which have these among them.
    fn wait_reasons(&self) -> Result<(Addr, usize), LoadError> {
        const KNOWN: [&str; 4] = ["chan receive", "chan send", "select", "semacquire"];
        let fail = |why: &str| Err(LoadError::not_located(contract::WAIT_REASON_STRINGS, why));
        let Some(len) = self.data.end.0.checked_sub(self.data.start.0) else {
            return fail("there is no data");
        };
        let mut bytes = vec![0; len.min(MAX_DATA) as usize];
        if self.mem.read(self.data.start, &mut bytes).is_err() {
            return fail("the program's data cannot be read");
        }
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|w| u64::from_le_bytes(*w)).collect();
        let text = |i: usize| {
            let header = Header {
                at: Addr(*words.get(i)?),
                len: *words.get(i + 1)?,
            };
            if header.len == 0 || header.len > MAX_REASON {
                return None;
            }
            let text = header.text(self.mem, MAX_REASON as usize).ok()?;
            text.bytes()
                .all(|b| (b' '..=b'~').contains(&b))
                .then_some(text)
        };
        let mut found = Vec::new();
        for i in 0..words.len() {
            // The empty string, and behind it one that may be a wait reason: few places have that.
            let is_start = words.get(i..i + 2) == Some(&[0, 0])
                && words
                    .get(i + 3)
                    .is_some_and(|len| (4..=MAX_REASON).contains(len));
            if !is_start {
                continue;
            }
            let reasons: Vec<String> = (1..MAX_REASONS).map_while(|k| text(i + 2 * k)).collect();
            if KNOWN
                .iter()
                .all(|known| reasons.iter().any(|reason| reason == known))
            {
                let at = Addr(self.data.start.0 + 8 * i as u64);
                found.push((at, reasons.len() + 1));
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => fail("no list of strings is like it"),
            _ => fail("several lists of strings are like it"),
        }
    }

    /// `runtime.semtable`: what `semacquire1` refers to, and has room for it. There may be several such
    /// variables; what hangs in one of them tells whether it is the table.
    fn semtables(&self, types: &TypeTable) -> Vec<Addr> {
        let Ok(layout) = SemTable::resolve(types) else {
            return Vec::new();
        };
        let fits = |at: &Addr| {
            let ranges = [&self.bss, &self.noptrbss, &self.data];
            let end = at.checked_add(layout.size as u64);
            at.0.is_multiple_of(8)
                && ranges
                    .into_iter()
                    .any(|r| r.contains(at) && end.is_some_and(|end| end <= r.end))
        };
        self.references(SEMACQUIRE)
            .into_iter()
            .filter(fits)
            .collect()
    }

    /// `runtime.fingStatus`: the only variable of `createfing`.
    fn fing_status(&self) -> Option<Addr> {
        let mut found = self.references(CREATEFING).into_iter();
        let mut only = found
            .by_ref()
            .filter(|at| at.0 % 4 == 0 && self.noptrbss.contains(at));
        let first = only.next()?;
        only.next().is_none().then_some(first)
    }

    /// `runtime.fingRunning`: what both `isSystemGoroutine` and `runfinq` refer to, and is 0 or 1.
    fn fing_running(&self) -> Option<Addr> {
        let by_both = self.references(IS_SYSTEM_GOROUTINE);
        let by_both = by_both
            .intersection(&self.references(RUNFINQ))
            .copied()
            .collect::<Vec<_>>();
        let mut found = by_both.into_iter().filter(|&at| {
            let mut byte = [0];
            self.noptrbss.contains(&at) && self.mem.read(at, &mut byte).is_ok() && byte[0] <= 1
        });
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// `runtime.dbgvars`: a slice of pointers to settings, which have names.
    fn dbgvars(&self, types: &TypeTable) -> Option<Addr> {
        let layout = DbgVar::resolve(types).ok()?;
        let is_it = |at: Addr| -> Option<()> {
            let list = Header::read(self.mem, at).ok()?;
            (1..=MAX_SETTINGS).contains(&list.len).then_some(())?;
            for i in 0..list.len {
                let entry = Addr(self.mem.read_u64(list.at.checked_add(8 * i)?).ok()?);
                let name =
                    Header::read(self.mem, entry.checked_add(layout.name.offset as u64)?).ok()?;
                (1..=MAX_REASON).contains(&name.len).then_some(())?;
                let name = name.text(self.mem, MAX_REASON as usize).ok()?;
                name.bytes()
                    .all(|b| b.is_ascii_alphanumeric())
                    .then_some(())?;
            }
            Some(())
        };
        let mut found = [PARSEGODEBUG, REPARSEDEBUGVARS]
            .into_iter()
            .flat_map(|function| self.references(function))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|&at| self.data.contains(&at) && is_it(at).is_some());
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// `runtime.isIdleInSynctest`: a `bool` for each wait reason, of which some are set and the first is not.
    fn idle_in_synctest(&self, wait_reasons: usize) -> Option<Addr> {
        let is_it = |at: &Addr| {
            let mut bytes = vec![0; wait_reasons];
            self.mem.read(*at, &mut bytes).is_ok()
                && bytes.iter().all(|byte| *byte <= 1)
                && bytes.first() == Some(&0)
                && bytes.contains(&1)
        };
        let mut found = [BUBBLE_STATUS, GROUP_STATUS, IS_IDLE]
            .into_iter()
            .flat_map(|function| self.references(function))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter(|at| self.noptrdata.contains(at))
            .filter(is_it);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}
