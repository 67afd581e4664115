//! `goinspect ps`.

use std::io::{self, Write};

use model::Escaped;
use sampler::GoProcess;

use crate::args::Common;
use crate::failure::{Failure, written};
use crate::tell;

/// Lists the Go processes. None of them is stopped.
pub fn run(common: &Common) -> Result<(), Failure> {
    let processes = sampler::go_processes()?;
    written(write(&processes, io::stdout().lock()), "stdout")?;
    for process in &processes {
        if let (true, Err(why)) = (common.verbose, &process.goroutines) {
            tell(format_args!(
                "{}: goroutines not counted: {}",
                process.pid,
                Escaped(why)
            ));
        }
    }
    if processes.is_empty() {
        tell("no Go process was found among those whose executable may be read");
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
