//! Since Go 1.26 the garbage collector can tell that nothing that is alive leads to what a goroutine waits
//! on (`runtime/mgc.go`, `findGoroutineLeaks`). It does so when the program asks for the `goroutineleak` profile.

use model::Status;

use crate::finding::{Certainty, Finding, Severity};
use crate::rules::finding;
use crate::words;
use crate::world::World;

pub(super) const ID: &str = "leaked";

pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let groups = model::group(&world.snapshot.goroutines);
    let leaked = groups
        .into_iter()
        .filter(|group| group.sample.status == Status::Leaked);
    leaked
        .map(|group| {
            let sentence = format!(
                "{} in {} for what nothing alive leads to: Go's garbage collector has marked this as a leak",
                words::count_wait(group.count),
                words::place(&group.sample),
            );
            finding(ID, Severity::Error, Certainty::Proven, group.goids, sentence)
        })
        .collect()
}
