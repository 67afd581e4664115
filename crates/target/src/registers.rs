//! The registers of a thread.

use model::Addr;

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
}
