//! The command line: raw arguments to meaning, in one place.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use model::Filter;

/// Shows what every goroutine of a running Go program is doing, and why, from outside:
/// no code change, no endpoint, no restart.
///
/// The program is stopped for a few milliseconds, copied from, and let go on. Nothing is ever
/// written to it.
#[derive(Parser, Debug)]
#[command(name = "goinspect", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What all commands understand.
    #[command(flatten)]
    pub common: Common,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 a defect of goinspect, 2 the command line, 3 no such process or file,
4 not allowed, 5 not a Go program or not a supported one, 6 a damaged or foreign file,
7 the process ended or replaced itself meanwhile.";

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Watch the goroutines of a process in the terminal.
    Attach(Attach),
    /// Take one snapshot and print it.
    Snapshot(Snapshot),
    /// Look at a core file: in the terminal UI, or in a pipe as Go's own traceback text.
    Core(Core),
    /// Write a series of snapshots of a process into a file; `attach FILE` replays it.
    Record(Record),
    /// Compare two snapshots, core files or Go dumps, goroutine by goroutine.
    Diff(Diff),
    /// Tell the story of one goroutine: what it waits on, since when, who could wake it, where it comes from.
    Why(Why),
    /// Tell what is stuck, because of whom, and how sure that is.
    Findings(Findings),
    /// List the Go processes on this machine.
    Ps,
}

/// `goinspect attach`.
#[derive(ClapArgs, Debug)]
pub struct Attach {
    /// The ID of the process to watch, or a file to look at: a core, a saved snapshot, a Go dump, or a
    /// recording, which is replayed.
    pub target: String,
    /// Time between two samples: 500ms, 1s, 1m. A recording is replayed as fast as it was recorded, unless this says otherwise.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub interval: Option<Duration>,
    /// The share of its time that the program may be stopped for at most: 1%, 0.2%. Where the interval is too short
    /// for that, samples are taken further apart.
    #[arg(long, value_name = "PERCENT", value_parser = parse_share)]
    pub max_overhead: Option<f64>,
}

/// `goinspect record`.
#[derive(ClapArgs, Debug)]
pub struct Record {
    /// The ID of the process to record.
    pub target: String,
    /// The file to write. One that exists is left alone, unless --force is given.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Time between two samples: 500ms, 1s, 1m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub interval: Duration,
    /// How long to record; without it until Ctrl-C, or the end of the process.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Option<Duration>,
}

/// `goinspect snapshot`.
#[derive(ClapArgs, Debug)]
pub struct Snapshot {
    /// The ID of the process to look at, or a file: a core, a saved snapshot, a Go dump, a recording (its
    /// last sample; FILE@N is its Nth).
    pub target: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
    /// How and where to.
    #[command(flatten)]
    pub output: Output,
}

/// `goinspect core`.
#[derive(ClapArgs, Debug)]
pub struct Core {
    /// The core file; .zst, .lz4, .gz and .xz are read as they are.
    pub core: PathBuf,
    /// Print it in this format, even on a terminal.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// How and where to.
    #[command(flatten)]
    pub output: Output,
}

/// `goinspect diff`.
#[derive(ClapArgs, Debug)]
pub struct Diff {
    /// What was before: a saved snapshot, a core file, a Go dump, a recording (its last sample; FILE@N is its Nth).
    pub old: String,
    /// What came after: one of these, or the ID of a process.
    pub new: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `goinspect why`.
#[derive(ClapArgs, Debug)]
pub struct Why {
    /// The ID of the process to look at, or a file: a core, a saved snapshot, a Go dump, a recording (its
    /// last sample; FILE@N is its Nth).
    pub target: String,
    /// The ID of the goroutine.
    pub goid: u64,
    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `goinspect findings`.
#[derive(ClapArgs, Debug)]
pub struct Findings {
    /// The ID of the process to look at, or a file: a core, a saved snapshot, a Go dump, a recording (its
    /// last sample; FILE@N is its Nth).
    pub target: String,
    /// An earlier snapshot of the same process: each finding then says whether it is new, and whether it grows.
    #[arg(long, value_name = "FILE")]
    pub since: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The formats of a comparison, and of findings.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextOrJson {
    /// For people.
    Text,
    /// For programs (docs/SCHEMA.md).
    Json,
}

/// The formats of a snapshot.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Everything, for programs to read (docs/SCHEMA.md).
    Json,
    /// Go's own text, as a crash or SIGQUIT prints it.
    Traceback,
    /// Groups of identical stack and state, largest first.
    Summary,
    /// A goroutine profile for `go tool pprof`.
    Pprof,
    /// Folded stacks, for flame graphs.
    Folded,
}

/// How a snapshot is printed.
#[derive(ClapArgs, Debug)]
pub struct Output {
    /// How much a traceback tells.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::All)]
    pub traceback: Level,
    /// Leave out the middle of stacks of more than 100 frames in a traceback, as Go does.
    #[arg(long)]
    pub elide: bool,
    /// A sample for every goroutine in a pprof profile, with goid, status, wait reason and creator as
    /// labels.
    #[arg(long)]
    pub per_goroutine: bool,
    /// Write to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The levels of GOTRACEBACK.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The program's own goroutines without the runtime's frames.
    All,
    /// All goroutines, all frames, and where they lie.
    System,
}

/// Options that all commands understand.
#[derive(ClapArgs, Clone, Debug)]
pub struct Common {
    /// The executable of the process or core, when it cannot be found or lacks debug information.
    #[arg(long, global = true, value_name = "BIN")]
    pub exe: Option<PathBuf>,
    /// The file that has the debug information of a stripped executable; it is looked for
    /// where debuggers look, too.
    #[arg(long, global = true, value_name = "FILE")]
    pub debug_file: Option<PathBuf>,
    /// The library whose goroutines are meant, by its file name or path, where a program has
    /// several Go runtimes.
    #[arg(long, global = true, value_name = "FILE")]
    pub module: Option<String>,
    /// Use the executable even if it is not the one that wrote the core; overwrite the file to record to.
    #[arg(long, global = true)]
    pub force: bool,
    /// Only goroutines that match: goid:17 status:waiting reason:"chan receive" func:net/http
    /// top:… created:main.main label:tenant=acme on:0xc00009e060 on:main.queue age:>5m system:true; -term negates;
    /// a bare word matches any function name.
    #[arg(long, global = true, value_name = "EXPR", value_parser = parse_filter)]
    pub filter: Option<FilterArg>,
    /// Goroutines that have ended, too, and in summaries, profiles and folded stacks the
    /// runtime's own.
    #[arg(long, global = true)]
    pub all: bool,
    /// The longest time that the process may stand still. What would take longer is left out, and the
    /// snapshot says so.
    #[arg(long, global = true, value_name = "DURATION", default_value = "3s", value_parser = parse_pause)]
    pub max_pause: Duration,
    /// Do not stop the process at all. Goroutines that run meanwhile have no stack then, and what is not proven
    /// to be of one moment is marked.
    #[arg(long, global = true, conflicts_with = "max_pause")]
    pub nonblocking: bool,
    /// Whether to use colours.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    /// Say more on stderr.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to a file or pipe, or to the terminal.
    pub fn on(self, on_terminal: bool) -> bool {
        self == Color::Always || on_terminal && self.enabled()
    }

    /// Whether to colour what goes to stdout.
    pub fn enabled(self) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org: set, and not empty.
            Color::Auto => {
                std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                    && std::io::stdout().is_terminal()
            }
        }
    }
}

impl Common {
    /// Whether the names of what is waited on are needed to filter.
    pub fn asks_for_names(&self) -> bool {
        self.filter
            .as_ref()
            .is_some_and(|given| given.filter.asks_for_names())
    }
}

/// A filter and what the user wrote.
#[derive(Clone, Debug)]
pub struct FilterArg {
    /// As written.
    pub text: String,
    /// What it means.
    pub filter: Filter,
}

fn parse_filter(text: &str) -> Result<FilterArg, String> {
    let filter = Filter::parse(text).map_err(|error| error.to_string())?;
    Ok(FilterArg {
        text: text.to_owned(),
        filter,
    })
}

/// Time between two samples.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text)?;
    if !(0.01..=86_400.0).contains(&seconds) {
        return Err("from 10ms to 1440m".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// How long a process may stand still.
fn parse_pause(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text)?;
    if !(0.001..=60.0).contains(&seconds) {
        return Err("from 1ms to 60s".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// `500ms`, `1s`, `1.5s`, `2m`.
fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit() && c != '.') {
        Some(at) => text.split_at(at),
        None => return Err("a unit is missing: ms, s or m".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text} does not begin with a number"))?;
    match unit {
        "ms" => Ok(number / 1000.0),
        "s" => Ok(number),
        "m" => Ok(number * 60.0),
        _ => Err(format!("{unit} is no unit: use ms, s or m")),
    }
}

/// `1%`, `0.2%`: as a part of 1.
fn parse_share(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.trim().parse::<f64>() {
        Ok(percent) if (0.001..=50.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("from 0.001% to 50%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn pauses() {
        assert_eq!(parse_pause("5ms"), Ok(Duration::from_millis(5)));
        assert!(parse_pause("0.1ms").is_err());
        assert!(parse_pause("2m").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["1", "s", "0s", "1h", "-1s", "NaNs", ""] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(parse_share("1%"), Ok(0.01));
        assert_eq!(parse_share("25"), Ok(0.25));
        for wrong in ["", "%", "0%", "100%", "-1%", "NaN%"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }
}
