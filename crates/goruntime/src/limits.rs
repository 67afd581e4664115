//! Caps on what a target can make large. Whatever is cut because of one is said so.

/// How much is read at most. The defaults are far above what real programs have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entries of `runtime.allgs`.
    pub goroutines: usize,
    /// OS threads on `runtime.allm`.
    pub threads: usize,
    /// Entries of `runtime.allp`.
    pub ps: usize,
    /// Bytes of one stack (`runtime.maxstacksize` is 1 GB by default).
    pub stack_bytes: u64,
    /// Bytes of all stacks together.
    pub all_stack_bytes: u64,
    /// Bytes of the used part of a system stack (`g0`, `gsignal`).
    pub system_stack_bytes: u64,
    /// Bytes of the used part of the stack that a thread's C code has.
    pub c_stack_bytes: u64,
    /// The same of all threads together.
    pub all_c_stack_bytes: u64,
    /// Frames of one stack.
    pub frames: usize,
    /// Frames of all stacks together, equal stacks counted once. Stacks of a program that means harm may lie
    /// over one another.
    pub all_frames: usize,
    /// C frames that follow one another.
    pub c_frames: usize,
    /// pprof labels of one goroutine.
    pub labels: usize,
    /// Bytes of one string.
    pub string_bytes: usize,
    /// How often small objects are followed from one to the next while the target stands still.
    pub rounds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            goroutines: 1 << 24,
            threads: 1 << 16,
            ps: 1 << 12,
            stack_bytes: 1 << 30,
            all_stack_bytes: 1 << 32,
            system_stack_bytes: 1 << 18,
            c_stack_bytes: 1 << 23,
            all_c_stack_bytes: 1 << 26,
            frames: 1 << 22,
            all_frames: 1 << 25,
            c_frames: 1 << 16,
            labels: 4096,
            string_bytes: 1 << 16,
            rounds: 24,
        }
    }
}
