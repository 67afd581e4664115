//! What a snapshot should hold.

/// What is wanted beyond the live goroutines and their frames; nothing by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Goroutines that have ended.
    pub dead: bool,
    /// Where each frame lies and its arguments ([`model::FramePlace`]).
    pub places: bool,
    /// What goroutines wait on, each once, and who else refers to it ([`model::Object`]).
    pub objects: bool,
    /// The runtime's threads with what stands on their system stacks ([`model::M`]).
    pub ms: bool,
    /// The Ps and the run queues ([`model::Scheduler`]).
    pub scheduler: bool,
}
