//! The program's text at run time: from an address to a function of pclntab.

use std::sync::Arc;

use gobinary::{Func, GoBinary, InlinedCall};
use model::{Addr, LinkAddr};
use rustc_hash::FxHashMap;

use crate::symbolize::MAX_INLINED;

/// A module (`runtime.moduledata`) of the running program with its executable's tables.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub binary: Arc<GoBinary>,
    /// `moduledata.text`: text offsets count from here.
    pub text: Addr,
    /// `moduledata.etext`.
    pub etext: Addr,
    /// `moduledata.gofunc` as a link-time address: funcdata offsets count from here.
    pub gofunc: LinkAddr,
    /// `abi.FuncIDWrapper`; the highest of its kind in every Go version.
    pub wrapper_id: u8,
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
    /// Called by functions that are about to switch stacks, and have not yet.
    GosaveSystemstackSwitch,
    /// Jumps into a goroutine.
    Gogo,
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
        b"gosave_systemstack_switch" => Role::GosaveSystemstackSwitch,
        b"runtime.gogo" | b"gogo" => Role::Gogo,
        b"runtime.sigtramp" | b"runtime.cgoSigtramp" => Role::Sigtramp,
        _ => return None,
    })
}

impl Module {
    /// A module of the executable `binary`; the addresses are those of its `moduledata`.
    pub(crate) fn new(binary: Arc<GoBinary>, text: Addr, etext: Addr, gofunc: LinkAddr) -> Module {
        let table = &binary.pclntab;
        let mut roles = FxHashMap::default();
        let mut wrapper_id = 0;
        for func in (0..table.len()).filter_map(|i| table.func(i)) {
            wrapper_id = wrapper_id.max(func.func_id);
            if let Some(role) = func.name_bytes().and_then(role_of) {
                roles.insert(func.entry, role);
            }
        }
        Module {
            text,
            etext,
            gofunc,
            wrapper_id,
            roles,
            binary,
        }
    }

    /// What is special about a function.
    pub(crate) fn role(&self, func: &Func<'_>) -> Role {
        self.roles.get(&func.entry).copied().unwrap_or(Role::Normal)
    }

    /// `pc` as a text offset, if it lies in the text.
    pub(crate) fn text_offset(&self, pc: Addr) -> Option<u32> {
        if pc < self.text || pc >= self.etext {
            return None;
        }
        u32::try_from(pc.0 - self.text.0).ok()
    }

    /// The function that contains `pc` (`runtime/symtab.go`, `findfunc`).
    pub(crate) fn find(&self, pc: Addr) -> Option<Func<'_>> {
        self.binary.pclntab.find(self.text_offset(pc)?)
    }

    /// The innermost call that was inlined into `func` at the text offset `at`.
    pub(crate) fn inlined_call(&self, func: &Func<'_>, at: u32) -> Option<InlinedCall> {
        let tree = self.gofunc.0.wrapping_add(u64::from(func.inline_tree()?));
        self.binary
            .inlined_call(LinkAddr(tree), func.inline_index(at)?)
    }

    /// The text offset in `func` itself from which all that was inlined there at `at` was called.
    pub(crate) fn outermost_call(&self, func: &Func<'_>, mut at: u32) -> u32 {
        for _ in 0..MAX_INLINED {
            let Some(call) = self.inlined_call(func, at) else {
                break;
            };
            at = func.entry.wrapping_add(call.parent_pc);
        }
        at
    }

    /// Where a function starts at run time.
    pub(crate) fn entry(&self, func: &Func<'_>) -> Addr {
        Addr(self.text.0.wrapping_add(u64::from(func.entry)))
    }
}
