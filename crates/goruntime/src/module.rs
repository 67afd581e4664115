//! The program's text at run time: from an address to a function of pclntab.

use std::ops::Range;
use std::sync::Arc;

use gobinary::{ArgPiece, Func, GoBinary, InlinedCall, PointerMap};
use model::{Addr, LinkAddr};
use rustc_hash::FxHashMap;

use crate::image::Image;
use crate::runtime::ModuleData;

/// A module (`runtime.moduledata`) of the running program with its executable's tables.
#[derive(Debug)]
pub(crate) struct Module {
    binary: Arc<GoBinary>,
    /// `moduledata.text`: text offsets count from here.
    text: Addr,
    /// `moduledata.etext`.
    etext: Addr,
    /// `moduledata.types` and `moduledata.etypes`: type descriptors and their names.
    types: Range<Addr>,
    /// From the first variable to the end of the last.
    data: Range<Addr>,
    /// By how much its addresses are above those it was linked for.
    bias: u64,
    /// `moduledata.gofunc` as a link-time address: funcdata offsets count from here.
    gofunc: LinkAddr,
    /// `abi.FuncIDWrapper`; the highest of its kind in every Go version.
    wrapper_id: u8,
    /// Functions that have to be treated specially, by text offset.
    roles: FxHashMap<u32, Role>,
}

/// What is special about a function. The runtime goes by `abi.FuncID`, whose numbers
/// change from version to version; the names do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Normal,
    /// Starts the main goroutine: a program's own, though its name says `runtime`.
    Main,
    /// Starts a coroutine (`iter.Pull`): a program's own.
    Corostart,
    /// Calls finalizers: the program's own while it does.
    RunFinalizers,
    /// Calls cleanups: the program's own while it does.
    RunCleanups,
    /// Call injected by a signal handler.
    Sigpanic,
    /// Call injected by a signal handler.
    AsyncPreempt,
    /// Call injected by a debugger.
    DebugCall,
    /// On a system stack: the goroutine's own goes on where the scheduler saved it.
    Morestack,
    /// On a system stack: the goroutine's own goes on where it saved it.
    Mcall,
    /// On a system stack: the goroutine's own goes on where the scheduler saved it.
    Systemstack,
    /// Sets the stack pointer, but both stacks can be unwound through it.
    Cgocallback,
    /// Calls C from a goroutine, with word left where.
    Cgocall,
    /// Switches to the system stack and calls C.
    Asmcgocall,
    /// Called by C to call Go.
    Crosscall2,
    /// Called by functions that are about to switch stacks, and have not yet.
    GosaveSystemstackSwitch,
    /// Jumps into a goroutine.
    Gogo,
    /// Makes the system call of `vfork`, with its return address in a register (amd64).
    RawVforkSyscall,
    /// Called by the kernel for a signal; what was interrupted lies behind its frame.
    Sigtramp,
}

fn role_of(name: &[u8]) -> Option<Role> {
    Some(match name {
        b"runtime.main" => Role::Main,
        // Never started as a goroutine on Linux, but the runtime's rule names it too.
        b"runtime.handleAsyncEvent" => Role::Main,
        b"runtime.corostart" => Role::Corostart,
        // Called runfinq before Go 1.25.
        b"runtime.runFinalizers" | b"runtime.runfinq" => Role::RunFinalizers,
        b"runtime.runCleanups" => Role::RunCleanups,
        b"runtime.sigpanic" => Role::Sigpanic,
        b"runtime.asyncPreempt" => Role::AsyncPreempt,
        b"runtime.debugCallV2" => Role::DebugCall,
        b"runtime.morestack" => Role::Morestack,
        b"runtime.mcall" => Role::Mcall,
        b"runtime.systemstack" => Role::Systemstack,
        b"runtime.cgocallback" => Role::Cgocallback,
        b"runtime.cgocall" => Role::Cgocall,
        b"runtime.asmcgocall" => Role::Asmcgocall,
        b"crosscall2" => Role::Crosscall2,
        b"gosave_systemstack_switch" => Role::GosaveSystemstackSwitch,
        b"runtime.gogo" | b"gogo" => Role::Gogo,
        b"syscall.rawVforkSyscall" => Role::RawVforkSyscall,
        b"runtime.sigtramp" | b"runtime.cgoSigtramp" => Role::Sigtramp,
        _ => return None,
    })
}

impl Module {
    /// The module of an image, with its `moduledata`.
    pub(crate) fn new(image: &Image, data: &ModuleData) -> Module {
        let binary = Arc::clone(&image.binary);
        let (layout, word) = (&data.layout, |field| data.word(field));
        let table = &binary.pclntab;
        let mut roles = FxHashMap::default();
        let mut wrapper_id = 0;
        for func in (0..table.len()).filter_map(|i| table.func(i)) {
            wrapper_id = wrapper_id.max(func.func_id);
            if let Some(role) = func.name_bytes().and_then(role_of) {
                roles.insert(func.entry, role);
            }
        }
        let gofunc = LinkAddr(word(layout.gofunc).0.wrapping_sub(image.bias));
        Module {
            text: word(layout.text),
            etext: word(layout.etext),
            types: word(layout.types)..word(layout.etypes),
            // Go's own linker begins with noptrdata, and the C compiler's with data.
            data: word(layout.noptrdata).min(word(layout.data))
                ..word(layout.enoptrbss).max(word(layout.ebss)),
            bias: image.bias,
            gofunc,
            wrapper_id,
            roles,
            binary,
        }
    }

    /// The innermost call that was inlined into `func` at the text offset `at`.
    fn inlined_call(&self, func: &Func<'_>, at: u32) -> Option<InlinedCall> {
        let tree = self.gofunc.0.wrapping_add(u64::from(func.inline_tree()?));
        self.binary
            .inlined_call(LinkAddr(tree), func.inline_index(at)?)
    }

    /// The function that contains `pc`.
    fn find(&self, pc: Addr) -> Option<Spot<'_>> {
        if pc < self.text || pc >= self.etext {
            return None;
        }
        let offset = u32::try_from(pc.0 - self.text.0).ok()?;
        Some(Spot {
            module: self,
            func: self.binary.pclntab.find(offset)?,
            offset,
        })
    }
}

/// A place in the program's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'m> {
    module: &'m Module,
    /// The function.
    pub func: Func<'m>,
    /// The place as a text offset.
    pub offset: u32,
}

impl<'m> Spot<'m> {
    /// What is special about the function.
    pub(crate) fn role(&self) -> Role {
        let roles = &self.module.roles;
        roles.get(&self.func.entry).copied().unwrap_or(Role::Normal)
    }

    /// Where the function starts.
    pub(crate) fn entry(&self) -> Addr {
        Addr(self.module.text.0.wrapping_add(u64::from(self.func.entry)))
    }

    /// The call in which it is, if that was inlined, and the place of that call, which
    /// may have been inlined itself (`runtime/symtabinl.go`, `inlineUnwinder`).
    pub(crate) fn inlined(&self) -> Option<(InlinedCall, Spot<'m>)> {
        let call = self.module.inlined_call(&self.func, self.offset)?;
        let offset = self.func.entry.wrapping_add(call.parent_pc);
        Some((call, Spot { offset, ..*self }))
    }

    /// The place in the function itself from which all that was inlined here was called.
    pub(crate) fn outermost(self) -> Spot<'m> {
        let calls = (0..MAX_INLINED).scan(self, |spot, _| {
            *spot = spot.inlined()?.1;
            Some(*spot)
        });
        calls.last().unwrap_or(self)
    }

    /// The name of an inlined function.
    pub(crate) fn name_of(&self, call: &InlinedCall) -> &'m [u8] {
        self.module.binary.pclntab.name(call.name).unwrap_or(b"?")
    }

    /// Whether this `abi.FuncID` is that of wrappers.
    pub(crate) fn is_wrapper(&self, func_id: u8) -> bool {
        func_id == self.module.wrapper_id
    }

    /// How its arguments are laid out here.
    pub(crate) fn arguments(&self) -> Vec<ArgPiece> {
        let module = self.module;
        module
            .binary
            .arguments(&self.func, self.offset, module.gofunc)
    }

    /// Which words of its frame hold pointers, if this is a call.
    pub(crate) fn pointer_map(&self) -> Option<PointerMap> {
        let module = self.module;
        let binary = &module.binary;
        binary.pointer_map(&self.func, self.offset, module.gofunc)
    }
}

/// Calls inlined into one another: the compiler's own budget ends far below.
pub(crate) const MAX_INLINED: usize = 1000;

/// The modules of a program: its executable's, and those of its plugins.
#[derive(Debug)]
pub(crate) struct Modules {
    main: Module,
    others: Vec<Module>,
}

impl Modules {
    /// `main` is that of the executable or, in a C program, that of the Go library.
    pub(crate) fn new(main: Module, others: Vec<Module>) -> Modules {
        Modules { main, others }
    }

    /// The executable, or the Go library.
    pub(crate) fn binary(&self) -> &GoBinary {
        &self.main.binary
    }

    /// Where the offsets in the type descriptor at `at` count from (`runtime/type.go`, `resolveNameOff`).
    pub(crate) fn types_at(&self, at: Addr) -> Option<Addr> {
        let mut modules = std::iter::once(&self.main).chain(&self.others);
        let module = modules.find(|module| module.types.contains(&at))?;
        Some(module.types.start)
    }

    /// The variable at `at`, with an offset if it is within it, where the executable has symbols.
    pub(crate) fn variable_at(&self, at: Addr) -> Option<String> {
        let mut modules = std::iter::once(&self.main).chain(&self.others);
        let module = modules.find(|module| module.data.contains(&at))?;
        let (name, offset) = module
            .binary
            .variable_at(LinkAddr(at.0.wrapping_sub(module.bias)))?;
        Some(match offset {
            0 => name.to_owned(),
            _ => format!("{name}+{offset:#x}"),
        })
    }

    /// The code of the function that contains `pc`, as it is in the executable, and where it lies.
    pub(crate) fn code_of(&self, pc: Addr) -> Option<(Addr, Vec<u8>)> {
        /// Larger than any function that people write.
        const MAX: u32 = 1 << 20;
        let module = self.find(pc)?.module;
        let table = &module.binary.pclntab;
        let index = table.index_of(u32::try_from(pc.0.checked_sub(module.text.0)?).ok()?)?;
        let entry = table.func(index)?.entry;
        let len = table
            .func_end(index)?
            .checked_sub(entry)
            .filter(|&len| len <= MAX)?;
        let at = module.text.checked_add(u64::from(entry))?;
        let mut code = vec![0; len as usize];
        let link = LinkAddr(at.0.wrapping_sub(module.bias));
        module.binary.read(link, &mut code)?;
        Some((at, code))
    }

    /// Where the variables of each module are.
    pub(crate) fn data(&self) -> impl Iterator<Item = Range<Addr>> {
        let modules = std::iter::once(&self.main).chain(&self.others);
        modules.map(|module| module.data.clone())
    }

    /// The address of the variable that `at` is in; `at` itself where the executable has no symbols. `None` for what
    /// is no variable.
    pub(crate) fn start_of_variable(&self, at: Addr) -> Option<Addr> {
        let mut modules = std::iter::once(&self.main).chain(&self.others);
        let module = modules.find(|module| module.data.contains(&at))?;
        let found = module
            .binary
            .variable_at(LinkAddr(at.0.wrapping_sub(module.bias)));
        Some(Addr(at.0 - found.map_or(0, |(_, offset)| offset)))
    }

    /// Where the function with a role starts, if the program has one.
    pub(crate) fn start_of(&self, role: Role) -> Option<Addr> {
        let main = &self.main;
        let mut roles = main.roles.iter();
        let (&offset, _) = roles.find(|(_, of)| **of == role)?;
        main.text.checked_add(u64::from(offset))
    }

    /// Whether C can call Go: whether there is any C.
    pub(crate) fn has_c(&self) -> bool {
        self.start_of(Role::Crosscall2).is_some()
    }

    /// The function that contains `pc` (`runtime/symtab.go`, `findfunc`).
    pub(crate) fn find(&self, pc: Addr) -> Option<Spot<'_>> {
        let others = || self.others.iter().find_map(|module| module.find(pc));
        self.main.find(pc).or_else(others)
    }
}
