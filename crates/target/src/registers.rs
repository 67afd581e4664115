//! The registers of a thread.

use model::{Addr, Arch};

use crate::{ReadError, ReadMemory};

/// The general registers of a thread, under the names that Go code gives them, and all of
/// them by number, as unwinding C code needs them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registers {
    /// Program counter.
    pub pc: Addr,
    /// Stack pointer.
    pub sp: Addr,
    /// Link register; `None` on architectures that have none.
    pub lr: Option<Addr>,
    /// Frame pointer (`rbp`, `x29`).
    pub fp: Addr,
    /// The register that Go code keeps the current `g` in (`r14` on amd64, `x28` on arm64).
    /// C code uses it for other things.
    pub g: Addr,
    /// The number of the system call that the thread is in; `None` where it is in none, or that is not known.
    pub syscall: Option<u64>,
    /// All general registers by their DWARF numbers: on amd64 those of [`Registers::amd64`], then
    /// zeros; on arm64 those of [`Registers::arm64`].
    pub general: [u64; 32],
}

impl Registers {
    /// Those of an x86-64 processor. `general` is `rax`, `rdx`, `rcx`, `rbx`, `rsi`, `rdi`, `rbp`, `rsp`,
    /// `r8` … `r15` (System V psABI, figure 3.36).
    pub fn amd64(pc: u64, general: [u64; 16]) -> Registers {
        let [_, _, _, _, _, _, fp, sp, _, _, _, _, _, _, g, _] = general;
        let mut all = [0; 32];
        for (to, from) in all.iter_mut().zip(general) {
            *to = from;
        }
        Registers {
            pc: Addr(pc),
            sp: Addr(sp),
            lr: None,
            fp: Addr(fp),
            g: Addr(g),
            syscall: None,
            general: all,
        }
    }

    /// Those of a 64-bit ARM processor. `general` is `x0` … `x30`, `sp` (DWARF for the Arm 64-bit
    /// Architecture, table 4.1).
    pub fn arm64(pc: u64, general: [u64; 32]) -> Registers {
        let [.., g, fp, lr, sp] = general;
        Registers {
            pc: Addr(pc),
            sp: Addr(sp),
            lr: Some(Addr(lr)),
            fp: Addr(fp),
            g: Addr(g),
            syscall: None,
            general,
        }
    }

    /// The same, of a thread that the kernel was entered by with this number (`orig_rax` on amd64, `x8` on
    /// arm64); a negative one is none.
    pub fn in_syscall(self, number: u64) -> Registers {
        Registers {
            syscall: Some(number).filter(|&number| number.cast_signed() >= 0),
            ..self
        }
    }

    /// Those that the kernel saved when a signal interrupted the thread. `frame` is where the stack pointer
    /// is when the handler has returned to the trampoline that gives them back (`struct rt_sigframe` of
    /// `arch/x86/include/asm/sigframe.h` and `arch/arm64/kernel/signal.c`; `ucontext` in
    /// `runtime/defs_linux_$GOARCH.go`).
    pub fn of_signal_frame(
        arch: Arch,
        frame: Addr,
        memory: &dyn ReadMemory,
    ) -> Result<Registers, ReadError> {
        let word = |offset: u64| memory.read_u64(Addr(frame.0.wrapping_add(offset)));
        match arch {
            // The return address has been left behind: here is the ucontext. Its general
            // registers follow flags, link and stack (40 bytes), in the order r8 … r15, rdi, rsi,
            // rbp, rbx, rdx, rax, rcx, rsp, rip; here they are in the order of DWARF.
            Arch::Amd64 => {
                const ORDER: [u64; 16] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7];
                let mut general = [0; 16];
                for (register, i) in general.iter_mut().zip(ORDER) {
                    *register = word(40 + 8 * i)?;
                }
                Ok(Registers::amd64(word(40 + 8 * 16)?, general))
            }
            // The siginfo (128 bytes), then the ucontext: 176 bytes up to the fault address, then
            // x0 … x30, sp, pc.
            Arch::Arm64 => {
                let register = |i: u64| word(128 + 176 + 8 + 8 * i);
                let mut general = [0; 32];
                for (to, i) in general.iter_mut().zip(0..) {
                    *to = register(i)?;
                }
                Ok(Registers::arm64(register(32)?, general))
            }
        }
    }
}
