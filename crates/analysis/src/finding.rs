//! One thing that a rule has found.

use model::{Addr, Goid, WaitKind};

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Something will not go on by itself.
    Error,
    /// It looks like a defect, or will become one.
    Warning,
    /// Worth knowing when one looks for a defect; healthy programs have it, too.
    Info,
}

impl Severity {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// How sure it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Certainty {
    /// By Go's own rules there is no other way.
    Proven,
    /// All that was seen speaks for it, but what was not looked at may speak against it: the heap, global
    /// variables, other processes.
    Suspected,
}

impl Certainty {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Certainty::Proven => "proven",
            Certainty::Suspected => "suspected",
        }
    }
}

/// How a finding compares with an earlier snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trend {
    /// It was not there.
    New,
    /// It was there, with fewer goroutines: so many.
    Grown(usize),
    /// It was there, with as many.
    Same,
    /// It was there, with more goroutines: so many.
    Shrunk(usize),
}

/// One thing that a rule has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule's ID: stable, for programs.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// How sure it is.
    pub certainty: Certainty,
    /// The goroutines that are stuck, or that it is about; in ascending order.
    pub goids: Vec<Goid>,
    /// Those that it is because of: they hold what the others wait for.
    pub because_of: Vec<Goid>,
    /// The objects that they wait on.
    pub objects: Vec<(WaitKind, Addr)>,
    /// One sentence. It quotes the target: whoever shows it escapes it.
    pub sentence: String,
    /// More sentences: what leads to it, who waits for whom.
    pub details: Vec<String>,
    /// The longest time that one of the goroutines is known to have waited, in nanoseconds. Go notes when a wait began
    /// only when the garbage collector runs, so it may be longer.
    pub waited: Option<u64>,
    /// How it compares with an earlier snapshot, if there was one.
    pub trend: Option<Trend>,
}
