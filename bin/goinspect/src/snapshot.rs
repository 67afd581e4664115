//! `goinspect snapshot`.

use std::io::{self, IsTerminal};

use report::{
    PprofOptions, Style, SummaryOptions, TracebackOptions, caveats, write_folded, write_json,
    write_pprof, write_summary, write_traceback,
};
use sampler::{Options, Wanted};

use crate::args::{self, Common, Format, Level};
use crate::failure::Failure;
use crate::output::write_to;
use crate::target::Given;
use crate::tell;

/// Takes one snapshot and writes it.
pub fn run(command: &args::Snapshot, common: &Common) -> Result<(), Failure> {
    check(command.format, &command.output)?;
    let wanted = wanted(command.format, &command.output, common);
    let snapshot = Given::parse(&command.target)?.snapshot(common, wanted)?;
    if common.verbose {
        if let Some(pause) = snapshot.capture.pause {
            tell(format_args!("the process was stopped for {pause:.1?}"));
        }
        tell(format_args!(
            "{} bytes were read",
            snapshot.capture.bytes_read
        ));
    }
    print(&snapshot, command.format, &command.output, common)
}

/// Whether a format can be written as it is asked for. To be known before a process is stopped for it.
pub fn check(format: Format, output: &args::Output) -> Result<(), Failure> {
    if output.per_goroutine && format != Format::Pprof {
        let what = "--per-goroutine is for --format pprof only";
        return Err(Failure::command_line(what)
            .hint("--format json has every goroutine with all that is known of it"));
    }
    if format == Format::Pprof && output.output.is_none() && io::stdout().is_terminal() {
        let what = "a pprof profile is binary, and stdout is a terminal";
        return Err(Failure::command_line(what)
            .hint("write it to a file with -o FILE; `go tool pprof -top FILE` shows it"));
    }
    Ok(())
}

/// What a format needs of a snapshot.
pub fn wanted(format: Format, output: &args::Output, common: &Common) -> Wanted {
    let is_traceback = format == Format::Traceback;
    Wanted {
        dead: common.all,
        places: is_traceback,
        objects: matches!(format, Format::Json | Format::Summary) || common.asks_for_names(),
        ms: is_traceback && output.traceback == Level::System,
        scheduler: matches!(format, Format::Json | Format::Summary),
    }
}

/// Writes a snapshot where it is wanted.
pub fn print(
    snapshot: &model::Snapshot,
    format: Format,
    output: &args::Output,
    common: &Common,
) -> Result<(), Failure> {
    let written = write_to(output.output.as_deref(), |on_terminal, out| match format {
        Format::Json if on_terminal => write_json(snapshot, Style::Pretty, out),
        Format::Json => write_json(snapshot, Style::Line, out),
        Format::Traceback => {
            let options = TracebackOptions {
                level: match output.traceback {
                    Level::All => report::Level::All,
                    Level::System => report::Level::System,
                },
                elide: output.elide,
            };
            write_traceback(snapshot, out, &options)
        }
        Format::Summary => {
            let options = SummaryOptions {
                color: common.color.on(on_terminal),
                width: None,
                include_system: common.all,
                max_groups: None,
            };
            write_summary(snapshot, out, &options)
        }
        Format::Pprof => {
            let options = PprofOptions {
                all: common.all,
                per_goroutine: output.per_goroutine,
            };
            write_pprof(snapshot, out, &options)
        }
        Format::Folded => write_folded(snapshot, out, common.all),
    });
    // Folded stacks have no place for remarks.
    if written.is_ok() && format == Format::Folded {
        for caveat in caveats(snapshot, MAX_CAVEATS) {
            tell(format_args!("note: {}", model::Escaped(&caveat)));
        }
    }
    written
}

/// How many remarks are told before the rest is only counted.
const MAX_CAVEATS: usize = 10;

/// What the common options mean for the sampler.
pub fn options(common: &Common, wanted: Wanted) -> Options {
    Options {
        exe: common.exe.clone(),
        debug_file: common.debug_file.clone(),
        module: common.module.clone(),
        force: common.force,
        wanted,
        max_pause: Some(common.max_pause),
        nonblocking: common.nonblocking,
        ..Options::default()
    }
}
