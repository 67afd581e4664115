//! `goinspect snapshot`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};

use report::{Style, SummaryOptions, write_json, write_summary};
use sampler::{Options, Session};

use crate::args::{self, Common, FilterArg, Format};
use crate::failure::{Failure, written};
use crate::tell;

/// Takes one snapshot and writes it.
pub fn run(command: &args::Snapshot, common: &Common) -> Result<(), Failure> {
    let pid = args::process(&command.target)?;
    let mut session = Session::open(pid, options(common))?;
    let mut snapshot = session.sample()?;
    if let Some(filter) = &common.filter {
        keep(&mut snapshot, filter);
    }
    if common.verbose {
        let pause = snapshot.capture.pause.unwrap_or_default();
        tell(format_args!(
            "the process was stopped for {pause:.1?}; {} bytes were read",
            snapshot.capture.bytes_read
        ));
    }
    match &command.output {
        None => {
            let on_terminal = io::stdout().is_terminal();
            written(
                write(
                    &snapshot,
                    command.format,
                    common,
                    on_terminal,
                    io::stdout().lock(),
                ),
                "stdout",
            )
        }
        Some(path) => {
            let name = path.display().to_string();
            let file = File::create(path)
                .map_err(|why| Failure::not_found(format!("cannot write {name}: {why}")))?;
            written(write(&snapshot, command.format, common, false, file), &name)
        }
    }
}

/// What the common options mean for the sampler.
pub fn options(common: &Common) -> Options {
    Options {
        exe: common.exe.clone(),
        dead: common.all,
        ..Options::default()
    }
}

/// Leaves out what the filter does not want, and says so in the snapshot.
fn keep(snapshot: &mut model::Snapshot, filter: &FilterArg) {
    let all = snapshot.goroutines.len();
    let now = snapshot.capture.nanotime;
    snapshot
        .goroutines
        .retain(|g| filter.filter.matches(g, now));
    let left_out = all - snapshot.goroutines.len();
    snapshot.diagnostics.push(format!(
        "the filter {:?} left out {left_out} of {all} goroutines",
        filter.text
    ));
}

fn write(
    snapshot: &model::Snapshot,
    format: Format,
    common: &Common,
    on_terminal: bool,
    out: impl Write,
) -> io::Result<()> {
    match format {
        Format::Json => write_json(
            snapshot,
            if on_terminal {
                Style::Pretty
            } else {
                Style::Line
            },
            out,
        ),
        Format::Summary => {
            let options = SummaryOptions {
                color: common.color.enabled()
                    && (on_terminal || common.color == args::Color::Always),
                width: None,
                include_system: common.all,
                max_groups: None,
            };
            write_summary(snapshot, out, &options)
        }
    }
}
