//! `goinspect diff`: what became of each goroutine.

use model::Snapshot;
use report::{Comparison, DiffOptions, Style, TracebackOptions, write_diff, write_diff_json};
use sampler::Wanted;

use crate::args::{self, Common, DiffFormat};
use crate::failure::Failure;
use crate::snapshot::write_to;
use crate::target::Given;

/// Compares two targets.
pub fn run(command: &args::Diff, common: &Common) -> Result<(), Failure> {
    let (old, new) = (Given::parse(&command.old)?, Given::parse(&command.new)?);
    if let Given::Process(pid) = old {
        return Err(Failure::command_line(format!(
            "{pid} is a process: what was before cannot be asked of it now"
        ))
        .hint("save a snapshot first: goinspect snapshot PID -o FILE"));
    }
    let is_dump = |given: &Given| matches!(given, Given::Dump(_));
    // A text holds less than a snapshot: what is compared with it is reduced to the same.
    let reduce = is_dump(&old) || is_dump(&new);
    let take = |given: &Given| -> Result<Snapshot, Failure> {
        let wanted = Wanted {
            dead: common.all,
            ..Wanted::default()
        };
        let snapshot = given.snapshot(common, wanted)?;
        match reduce && !is_dump(given) {
            true => as_dump(&snapshot),
            false => Ok(snapshot),
        }
    };
    let (old, new) = (take(&old)?, take(&new)?);
    let comparison = Comparison::new(&old, &new).named(&command.old, &command.new);
    write_to(
        command.output.as_deref(),
        |on_terminal, out| match command.format {
            DiffFormat::Json if on_terminal => write_diff_json(&comparison, Style::Pretty, out),
            DiffFormat::Json => write_diff_json(&comparison, Style::Line, out),
            DiffFormat::Text => {
                let options = DiffOptions {
                    color: common.color.on(on_terminal),
                    width: None,
                    include_system: common.all,
                    max_groups: None,
                };
                write_diff(&comparison, out, &options)
            }
        },
    )
}

/// What is left of a snapshot when it is written as a Go dump and read back.
fn as_dump(snapshot: &Snapshot) -> Result<Snapshot, Failure> {
    let mut text = Vec::new();
    report::write_traceback(snapshot, &mut text, &TracebackOptions::default())
        .map_err(|why| Failure::internal(format!("cannot write to memory: {why}")))?;
    let dump = String::from_utf8_lossy(&text);
    Ok(report::snapshot_of(
        &report::parse_dump(&dump),
        snapshot.captured_at,
    ))
}
