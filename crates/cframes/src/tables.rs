//! An object's unwind tables (`.eh_frame`), and one step by them: from a function's registers to
//! those of its caller.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EndianSlice, FrameDescriptionEntry, LittleEndian, Register,
    RegisterRule, UnwindContext, UnwindSection, UnwindTableRow, Vendor,
};
use model::{Addr, Arch};
use target::{ReadMemory, Registers};

use crate::elf::Place;
use crate::expression::{evaluate, unknown_register};
use crate::image::Image;
use crate::index::Index;
use crate::state::{State, numbers};

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = FrameDescriptionEntry<Slice<'a>>;

/// The tables of an object, at their run-time addresses.
#[derive(Debug)]
pub(crate) struct Tables {
    /// `.eh_frame` and whatever lies behind it, and where it is.
    frames: (u64, Vec<u8>),
    index: Option<Index>,
}

/// What is the caller of a frame.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made"
)]
pub(crate) enum Step {
    Caller {
        state: State,
        /// Whether the frame was made by the kernel for a signal: then the caller made no call but was interrupted.
        by_signal: bool,
    },
    /// There is none: the thread begins here.
    None,
}

impl Tables {
    /// Reads the tables that an object's headers lead to; `None` if they are not to be had.
    pub(crate) fn read(image: &Image, place: Place, memory: &dyn ReadMemory) -> Option<Tables> {
        let header = image.read(memory, place)?;
        let index = Index::parse(place.at.wrapping_add(image.bias), header)?;
        let rest = image.rest_of_segment(index.frames.wrapping_sub(image.bias))?;
        let bytes = image.read(memory, rest)?;
        Some(Tables {
            frames: (index.frames, bytes),
            index: Some(index),
        })
    }

    /// What a file has of `.eh_frame` in a section that no program header leads to.
    pub(crate) fn of_section(at: u64, bytes: Vec<u8>) -> Tables {
        Tables {
            frames: (at, bytes),
            index: None,
        }
    }

    fn section(&self, arch: Arch) -> (EhFrame<Slice<'_>>, BaseAddresses) {
        let (at, bytes) = &self.frames;
        let bases = BaseAddresses::default().set_eh_frame(*at);
        let mut section = EhFrame::new(bytes, LittleEndian);
        section.set_address_size(8);
        if arch == Arch::Arm64 {
            section.set_vendor(Vendor::AArch64);
        }
        (section, bases)
    }

    /// The entry for an address.
    fn entry(&self, arch: Arch, at: Addr) -> Result<Option<Entry<'_>>, gimli::Error> {
        let (section, bases) = self.section(arch);
        let found = match &self.index {
            None => section.fde_for_address(&bases, at.0, EhFrame::cie_from_offset),
            Some(index) => {
                let offset = index.find(at.0);
                let Some(offset) = offset.and_then(|offset| usize::try_from(offset).ok()) else {
                    return Ok(None);
                };
                section.fde_from_offset(&bases, offset.into(), EhFrame::cie_from_offset)
            }
        };
        match found {
            Ok(entry) if entry.contains(at.0) => Ok(Some(entry)),
            Ok(_) | Err(gimli::Error::NoUnwindInfoForAddress) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Where the function with the code at `at` begins.
    pub(crate) fn function(&self, arch: Arch, at: Addr) -> Option<Addr> {
        let entry = self.entry(arch, at).ok().flatten()?;
        Some(Addr(entry.initial_address()))
    }

    /// From a frame to its caller; `lookup` is an address inside the instruction that the function is at.
    /// `Ok(None)` where the tables do not speak of that function.
    pub(crate) fn step(
        &self,
        arch: Arch,
        context: &mut UnwindContext<usize>,
        stack: &dyn ReadMemory,
        state: &State,
        lookup: Addr,
    ) -> Result<Option<Step>, String> {
        let damaged = |why: gimli::Error| format!("its unwind table cannot be read: {why}");
        let Some(entry) = self.entry(arch, lookup).map_err(damaged)? else {
            return Ok(None);
        };
        let (section, bases) = self.section(arch);
        let row = match entry.unwind_info_for_address(&section, &bases, context, lookup.0) {
            Ok(row) => row,
            Err(gimli::Error::NoUnwindInfoForAddress) => return Ok(None),
            Err(why) => return Err(damaged(why)),
        };
        // The kernel's own table has only the frame pointer and the link register of what was interrupted.
        if entry.is_signal_trampoline() && arch == Arch::Arm64 {
            return interrupted(arch, stack, state).map(Some);
        }
        let frame = Frame {
            arch,
            row,
            section,
            encoding: entry.cie().encoding(),
            return_address: usize::from(entry.cie().return_address_register().0),
            stack,
            state,
        };
        frame.caller(entry.is_signal_trampoline()).map(Some)
    }
}

/// A frame and the rules for it.
struct Frame<'a> {
    arch: Arch,
    row: &'a UnwindTableRow<usize>,
    section: EhFrame<Slice<'a>>,
    encoding: gimli::Encoding,
    /// The column of the return address.
    return_address: usize,
    stack: &'a dyn ReadMemory,
    state: &'a State,
}

impl Frame<'_> {
    fn caller(&self, by_signal: bool) -> Result<Step, String> {
        let numbers = numbers(self.arch);
        let cfa = self.cfa()?;
        if let Some(RegisterRule::Undefined) = self.rule(self.return_address) {
            return Ok(Step::None);
        }
        let mut pc = self
            .register(self.return_address, cfa)?
            .ok_or("its return address was not kept")?;
        if self.is_signed() {
            pc = strip_signature(pc, cfa);
        }
        let mut caller = State {
            pc: Addr(pc),
            general: [None; 32],
        };
        for number in 0..caller.general.len() {
            let value = if number == numbers.sp && self.rule(number).is_none() {
                Some(cfa)
            } else if Some(number) == numbers.lr && !by_signal {
                // Its place was taken by the call that was just gone back over.
                None
            } else {
                self.register(number, cfa)?
            };
            caller.set(number, value);
        }
        match pc {
            0 => Ok(Step::None),
            _ => Ok(Step::Caller {
                state: caller,
                by_signal,
            }),
        }
    }

    fn cfa(&self) -> Result<u64, String> {
        match self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => self
                .state
                .get(usize::from(register.0))
                .map(|value| value.wrapping_add_signed(*offset))
                .ok_or_else(|| unknown_register(register.0)),
            CfaRule::Expression(expression) => {
                let expression = expression
                    .get(&self.section)
                    .map_err(|why| why.to_string())?;
                evaluate(expression, self.encoding, self.state, None, self.stack)
            }
        }
    }

    fn rule(&self, number: usize) -> Option<RegisterRule<usize>> {
        self.row.register(Register(number as u16))
    }

    /// The value of a register in the caller; `None` where it was not kept.
    fn register(&self, number: usize, cfa: u64) -> Result<Option<u64>, String> {
        let word = |at: u64| {
            let word = self.stack.read_u64(Addr(at));
            word.map(Some).map_err(|why| why.to_string())
        };
        let evaluated = |expression: gimli::UnwindExpression<usize>| {
            let expression = expression
                .get(&self.section)
                .map_err(|why| why.to_string())?;
            evaluate(expression, self.encoding, self.state, Some(cfa), self.stack)
        };
        let Some(rule) = self.rule(number) else {
            // What a table does not mention a function gives back as it was, or need not.
            let numbers = numbers(self.arch);
            let is_kept = numbers.saved.contains(&number) || numbers.lr == Some(number);
            return Ok(self.state.get(number).filter(|_| is_kept));
        };
        match rule {
            RegisterRule::Undefined => Ok(None),
            RegisterRule::SameValue => Ok(self.state.get(number)),
            RegisterRule::Offset(offset) => word(cfa.wrapping_add_signed(offset)),
            RegisterRule::ValOffset(offset) => Ok(Some(cfa.wrapping_add_signed(offset))),
            RegisterRule::Register(other) => Ok(self.state.get(usize::from(other.0))),
            RegisterRule::Expression(expression) => word(evaluated(expression)?),
            RegisterRule::ValExpression(expression) => evaluated(expression).map(Some),
            RegisterRule::Constant(value) => Ok(Some(value)),
            _ => Err("its unwind table has a rule of an unknown sort".to_owned()),
        }
    }

    /// Whether the return address is signed (`DW_CFA_AARCH64_negate_ra_state`).
    fn is_signed(&self) -> bool {
        self.arch == Arch::Arm64
            && matches!(
                self.row.register(gimli::AArch64::RA_SIGN_STATE),
                Some(RegisterRule::Constant(1))
            )
    }
}

/// A return address without its signature, which takes the bits that no address has. Which those
/// are (`CONFIG_ARM64_VA_BITS`) is told by the stack, which is near the end of the address space.
fn strip_signature(pc: u64, sp: u64) -> u64 {
    let used = 64 - sp.leading_zeros();
    let sizes = [36, 39, 42, 47, 48, 52];
    let bits = sizes.into_iter().find(|&bits| used <= bits).unwrap_or(52);
    pc & ((1 << bits) - 1)
}

/// The code of the trampoline that gives back what a signal interrupted, the same everywhere: a
/// system call, `rt_sigreturn`. (gdb and libgcc know it by this, too.)
const TRAMPOLINE_AMD64: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
const TRAMPOLINE_ARM64: [u8; 8] = [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];

/// What a signal interrupted, if the function is the trampoline that the handler returns to and
/// there is no table for it. `image` is the memory that has the code.
pub(crate) fn behind_trampoline(
    arch: Arch,
    image: &dyn ReadMemory,
    stack: &dyn ReadMemory,
    state: &State,
) -> Option<Step> {
    let code: &[u8] = match arch {
        Arch::Amd64 => &TRAMPOLINE_AMD64,
        Arch::Arm64 => &TRAMPOLINE_ARM64,
    };
    let mut there = [0; 9];
    let there = there.get_mut(..code.len())?;
    image.read(state.pc, there).ok()?;
    (there == code).then(|| interrupted(arch, stack, state).ok())?
}

fn interrupted(arch: Arch, stack: &dyn ReadMemory, state: &State) -> Result<Step, String> {
    let sp = state
        .sp(arch)
        .ok_or("the stack pointer in a signal's frame is not known")?;
    let registers = Registers::of_signal_frame(arch, sp, stack).map_err(|why| why.to_string())?;
    Ok(Step::Caller {
        state: State::from(&registers),
        by_signal: true,
    })
}
