//! What is stuck in a snapshot, because of whom, and how sure that is.
//!
//! [`findings`] applies small rules, one file each, to a snapshot with its objects; [`Story`] tells one
//! goroutine's. Nothing here asks the target again. What a rule says is *proven* only if the
//! snapshot leaves no other way; everything that goes by pointers found on stacks is *suspected*.
#![forbid(unsafe_code)]

mod finding;
mod rules;
mod story;
mod words;
mod world;

pub use finding::{Certainty, Finding, Severity, Trend};
pub use rules::{RULES, Rule, findings, findings_since};
pub use story::{Ancestor, Companion, On, Story};
pub use world::{Hope, World};
