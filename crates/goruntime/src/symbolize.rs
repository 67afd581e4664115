//! From a program counter to function, file and line, inlined calls as frames of their own.

use std::sync::Arc;

use model::{Addr, Frame, FrameKind, Function, Site};
use rustc_hash::FxHashMap;

use crate::cgo::CCode;
use crate::module::{MAX_INLINED, Modules};
use crate::unwind::PhysicalFrame;

/// Each program counter is looked up once; names and files are shared.
#[derive(Debug, Default)]
pub(crate) struct Symbolizer {
    strings: FxHashMap<String, Arc<str>>,
    calls: FxHashMap<Addr, Arc<[Call]>>,
    sites: FxHashMap<(Addr, Addr), Site>,
}

/// A call as the tables tell it, inlined or physical.
#[derive(Clone, Debug)]
struct Call {
    function: Function,
    file: Arc<str>,
    line: u32,
    inlined: bool,
    kind: FrameKind,
}

impl Symbolizer {
    /// Appends the frames that a physical frame stands for, innermost first.
    pub(crate) fn expand(
        &mut self,
        modules: &Modules,
        physical: &PhysicalFrame,
        frames: &mut Vec<Frame>,
    ) {
        let calls = match self.calls.get(&physical.lookup) {
            Some(calls) => Arc::clone(calls),
            None => {
                let calls: Arc<[Call]> = self.look_up(modules, physical.lookup).into();
                self.calls.insert(physical.lookup, Arc::clone(&calls));
                calls
            }
        };
        frames.extend(calls.iter().map(|call| Frame {
            pc: physical.pc,
            function: call.function.clone(),
            file: Arc::clone(&call.file),
            line: call.line,
            inlined: call.inlined,
            kind: call.kind.clone(),
            trust: physical.trust,
        }));
    }

    /// The same for a frame of C.
    pub(crate) fn expand_c(
        &mut self,
        modules: &Modules,
        c: &mut CCode<'_>,
        physical: &PhysicalFrame,
        frames: &mut Vec<Frame>,
    ) {
        let object = c.frames.object_name(physical.lookup);
        for call in c.frames.calls(c.program, modules, physical.lookup) {
            frames.push(Frame {
                pc: physical.pc,
                function: Function {
                    name: self.intern(call.name),
                    entry: call.entry,
                },
                file: self.intern(call.file.unwrap_or_else(|| "?".to_owned())),
                line: call.line,
                inlined: call.inlined,
                kind: FrameKind::C {
                    object: object.clone(),
                },
                trust: physical.trust,
            });
        }
    }

    /// The place a return address stands for (`g.gopc`): as in `printcreatedby1`, the physical
    /// function and the line of the call.
    pub(crate) fn call_site(&mut self, modules: &Modules, pc: Addr) -> Site {
        let entry = modules.find(pc).map(|spot| spot.entry());
        let lookup = if entry.is_some_and(|entry| pc > entry) {
            Addr(pc.0 - 1)
        } else {
            pc
        };
        self.site(modules, pc, lookup)
    }

    /// The place a function starts (`g.startpc`).
    pub(crate) fn entry_site(&mut self, modules: &Modules, pc: Addr) -> Site {
        self.site(modules, pc, pc)
    }

    fn site(&mut self, modules: &Modules, pc: Addr, lookup: Addr) -> Site {
        if let Some(site) = self.sites.get(&(pc, lookup)) {
            return site.clone();
        }
        let function = modules.find(pc).map(|spot| Function {
            name: self.intern(spot.func.name()),
            entry: spot.entry(),
        });
        let place = modules
            .find(lookup)
            .and_then(|spot| spot.func.file_line(spot.offset));
        let (file, line) = place.unwrap_or_else(|| ("?".to_owned(), 0));
        let site = Site {
            pc,
            function,
            file: self.intern(file),
            line,
        };
        // Only what lies in the text is kept: there is an end to that.
        if site.function.is_some() {
            self.sites.insert((pc, lookup), site.clone());
        }
        site
    }

    /// `runtime/symtabinl.go`, `inlineUnwinder`.
    fn look_up(&mut self, modules: &Modules, lookup: Addr) -> Vec<Call> {
        let mut calls = Vec::new();
        let Some(mut spot) = modules.find(lookup) else {
            return calls;
        };
        let first = spot;
        let kind = |id: u8| {
            if first.is_wrapper(id) {
                FrameKind::Wrapper
            } else {
                FrameKind::Normal
            }
        };
        let (func, entry) = (spot.func, spot.entry());
        for _ in 0..MAX_INLINED {
            let Some((call, caller)) = spot.inlined() else {
                break;
            };
            let name = String::from_utf8_lossy(spot.name_of(&call)).into_owned();
            let place = func.file_line(spot.offset);
            calls.push(self.call(place, name, entry, true, kind(call.func_id)));
            spot = caller;
        }
        calls.push(self.call(
            func.file_line(spot.offset),
            func.name(),
            entry,
            false,
            kind(func.func_id),
        ));
        calls
    }

    fn call(
        &mut self,
        place: Option<(String, u32)>,
        name: String,
        entry: Addr,
        inlined: bool,
        kind: FrameKind,
    ) -> Call {
        let (file, line) = place.unwrap_or_else(|| ("?".to_owned(), 0));
        let function = Function {
            name: self.intern(name),
            entry,
        };
        Call {
            function,
            file: self.intern(file),
            line,
            inlined,
            kind,
        }
    }

    /// Forgets strings that nothing holds any more: labels come and go with requests.
    pub(crate) fn forget_unused(&mut self) {
        self.strings
            .retain(|_, shared| Arc::strong_count(shared) > 1);
    }

    /// One shared copy of a string.
    pub(crate) fn intern(&mut self, text: String) -> Arc<str> {
        if let Some(shared) = self.strings.get(&text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(text.as_str());
        self.strings.insert(text, Arc::clone(&shared));
        shared
    }
}
