//! The registers of a frame, as far as they are known.

use model::{Addr, Arch};
use target::Registers;

/// The registers that a function had when it made a call, or was interrupted. What the called functions
/// did not save is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Program counter.
    pub pc: Addr,
    /// The general registers by their DWARF numbers, as in [`Registers::general`].
    pub general: [Option<u64>; 32],
}

impl From<&Registers> for State {
    fn from(registers: &Registers) -> State {
        State {
            pc: registers.pc,
            general: registers.general.map(Some),
        }
    }
}

/// The DWARF numbers of registers with a role, and which a function gives back as they were
/// (System V psABI for x86-64, Procedure Call Standard for the Arm 64-bit Architecture).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub sp: usize,
    pub fp: usize,
    /// Where a call leaves its return address, if that is a register.
    pub lr: Option<usize>,
    pub saved: &'static [usize],
}

pub(crate) fn numbers(arch: Arch) -> Numbers {
    match arch {
        Arch::Amd64 => Numbers {
            sp: 7,
            fp: 6,
            lr: None,
            saved: &[3, 6, 12, 13, 14, 15],
        },
        Arch::Arm64 => Numbers {
            sp: 31,
            fp: 29,
            lr: Some(30),
            saved: &[19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29],
        },
    }
}

impl State {
    /// One of which only the program counter and the stack pointer are known.
    pub fn new(arch: Arch, pc: Addr, sp: Addr) -> State {
        let mut state = State {
            pc,
            general: [None; 32],
        };
        state.set(numbers(arch).sp, Some(sp.0));
        state
    }

    /// A register by its DWARF number.
    pub fn get(&self, number: usize) -> Option<u64> {
        self.general.get(number).copied().flatten()
    }

    /// Sets a register by its DWARF number; one that there is not stays unset.
    pub fn set(&mut self, number: usize, value: Option<u64>) {
        if let Some(register) = self.general.get_mut(number) {
            *register = value;
        }
    }

    /// The stack pointer.
    pub fn sp(&self, arch: Arch) -> Option<Addr> {
        self.get(numbers(arch).sp).map(Addr)
    }
}
