//! `goinspect diff`: what became of each goroutine.

use model::Snapshot;
use report::{Comparison, DiffOptions, Dump, Style, parse_dump, write_diff, write_diff_json};
use sampler::Wanted;

use crate::args::{self, Common, TextOrJson};
use crate::failure::Failure;
use crate::output::write_to;
use crate::target::{Given, read_text};

/// Compares two targets.
pub fn run(command: &args::Diff, common: &Common) -> Result<(), Failure> {
    let (old, new) = (Given::parse(&command.old)?, Given::parse(&command.new)?);
    if let Given::Process(pid) = old {
        return Err(Failure::command_line(format!(
            "{pid} is a process: what was before cannot be asked of it now"
        ))
        .hint("save a snapshot first: goinspect snapshot PID -o FILE"));
    }
    let texts = [text(&old)?, text(&new)?];
    let dumps = texts.each_ref().map(|text| text.as_deref().map(parse_dump));
    let take = |given: &Given, other: &Option<Dump<'_>>| -> Result<Snapshot, Failure> {
        let wanted = Wanted {
            dead: common.all,
            objects: common.asks_for_names(),
            ..Wanted::default()
        };
        let snapshot = given.snapshot(common, wanted)?;
        // A text holds less than a snapshot: what is compared with it is reduced to the same.
        Ok(match (given, other) {
            (Given::Dump(_), _) | (_, None) => snapshot,
            (_, Some(dump)) => report::reduced(&snapshot, dump),
        })
    };
    let [old_dump, new_dump] = &dumps;
    let (old, new) = (take(&old, new_dump)?, take(&new, old_dump)?);
    let comparison = Comparison::new(&old, &new).named(&command.old, &command.new);
    write_to(
        command.output.as_deref(),
        |on_terminal, out| match command.format {
            TextOrJson::Json if on_terminal => write_diff_json(&comparison, Style::Pretty, out),
            TextOrJson::Json => write_diff_json(&comparison, Style::Line, out),
            TextOrJson::Text => {
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

/// The text of a dump; `None` for what is none.
fn text(given: &Given) -> Result<Option<String>, Failure> {
    match given {
        Given::Dump(path) => read_text(path).map(Some),
        _ => Ok(None),
    }
}
