//! `goinspect why`.

use analysis::Story;
use model::Goid;
use report::{FindingsOptions, write_why};

use crate::args::{self, Common};
use crate::failure::Failure;
use crate::findings::whole;
use crate::output::write_to;

/// Takes a snapshot and tells the story of one of its goroutines.
pub fn run(command: &args::Why, common: &Common) -> Result<(), Failure> {
    let snapshot = whole(&command.target, common)?;
    let story = Story::new(&snapshot, Goid(command.goid)).ok_or_else(|| {
        let what = format!("{} has no goroutine {}", command.target, command.goid);
        Failure::not_found(what)
            .hint("it may have ended; `goinspect snapshot` shows those that live")
    })?;
    write_to(command.output.as_deref(), |on_terminal, out| {
        let options = FindingsOptions {
            color: common.color.on(on_terminal),
            width: None,
        };
        write_why(&snapshot, &story, out, &options)
    })
}
