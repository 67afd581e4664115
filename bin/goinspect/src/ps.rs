//! `goinspect ps`.

use std::io::{self, Write};

use model::Escaped;
use sampler::GoProcess;

use crate::args::Common;
use crate::failure::{Failure, written};
use crate::tell;

/// Lists the Go processes. None of them is stopped.
pub fn run(common: &Common) -> Result<(), Failure> {
    let found = sampler::go_processes()?;
    let processes = &found.processes;
    written(write(processes, io::stdout().lock()), "stdout")?;
    let not_counted = processes.iter().filter_map(|process| {
        let why = process.goroutines.as_ref().err()?;
        Some(format!("{}: goroutines not counted: {why}", process.pid))
    });
    if common.verbose {
        for line in not_counted.chain(found.unknown.iter().map(ToString::to_string)) {
            tell(Escaped(&line));
        }
    }
    let unknown = found.unknown.len();
    if processes.is_empty() {
        tell("no Go process was found");
    }
    if unknown > 0 {
        let more = if common.verbose { "" } else { " (-v says why)" };
        let what = if unknown == 1 { "process" } else { "processes" };
        tell(format_args!(
            "{unknown} {what} could not be looked at, Go program or not{more}"
        ));
    }
    if found.hidden {
        tell("there may be more: /proc is mounted with hidepid");
    }
    let incomplete = unknown > 0 || found.hidden || processes.iter().any(|p| p.goroutines.is_err());
    if let (true, Some(hint)) = (incomplete, &found.hint) {
        tell(format_args!("hint: {}", Escaped(hint)));
    }
    Ok(())
}

const HEADER: [&str; 6] = ["PID", "GOROUTINES", "THREADS", "GO", "NAME", "MODULE"];

fn write(processes: &[GoProcess], mut out: impl Write) -> io::Result<()> {
    let rows: Vec<[String; 6]> = processes
        .iter()
        .map(|p| {
            [
                p.pid.to_string(),
                p.goroutines
                    .as_ref()
                    .map_or_else(|_| "?".to_owned(), u64::to_string),
                p.threads.to_string(),
                Escaped(&p.go_version).to_string(),
                Escaped(&p.name).to_string(),
                p.main
                    .as_ref()
                    .map_or_else(String::new, |main| Escaped(main).to_string()),
            ]
        })
        .collect();
    let mut widths = HEADER.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: [&str; 6]| {
        let [pid, goroutines, threads, go, name, module] = cells;
        let [w_pid, w_goroutines, w_threads, w_go, w_name, _] = widths;
        let line = format!(
            "{pid:>w_pid$}  {goroutines:>w_goroutines$}  {threads:>w_threads$}  {go:w_go$}  {name:w_name$}  {module}"
        );
        writeln!(out, "{}", line.trim_end())
    };
    line(HEADER)?;
    for row in &rows {
        line(row.each_ref().map(String::as_str))?;
    }
    out.flush()
}
