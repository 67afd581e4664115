//! The summary: goroutines that stand at the same place in the same state are told
//! once, the largest group first. For a reader at a terminal.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use model::{
    Addr, Escaped, Frame, Goid, Goroutine, Group, Site, Snapshot, StackEnd, Status, TargetKind,
    Trust, shown_by_go,
};

/// How the summary is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SummaryOptions {
    /// Whether to use colours (ANSI escape sequences).
    pub color: bool,
    /// Columns that the lists of goids may take; 80 unless given. Other lines are as
    /// long as what they tell: a function or a path is never cut.
    pub width: Option<usize>,
    /// Whether to list the runtime's own goroutines as well.
    pub include_system: bool,
    /// How many groups to show at most; what is left out is counted.
    pub max_groups: Option<usize>,
}

/// How many unreadable entries are told one by one before the rest is only counted.
const MAX_UNREADABLE: usize = 5;

/// How many creators of one group's goroutines are told before the rest is only counted.
const MAX_CREATORS: usize = 3;

/// Writes what the snapshot shows, grouped. `out` need not be buffered.
pub fn write_summary(
    snapshot: &Snapshot,
    out: impl Write,
    options: &SummaryOptions,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let mut summary = Summary {
        snapshot,
        options,
        out: &mut out,
        hidden_frames: 0,
    };
    summary.header()?;
    summary.groups()?;
    out.flush()
}

struct Summary<'a, W> {
    snapshot: &'a Snapshot,
    options: &'a SummaryOptions,
    out: W,
    /// Frames left out of the stacks shown so far.
    hidden_frames: usize,
}

impl<W: Write> Summary<'_, W> {
    fn header(&mut self) -> io::Result<()> {
        let s = self.snapshot;
        self.program()?;
        self.capture()?;

        let (system, user): (Vec<_>, Vec<_>) = s.goroutines.iter().partition(|g| g.system);
        write!(self.out, "{}", self.bold(counted(user.len(), "goroutine")))?;
        write_states(&mut self.out, ": ", &user)?;
        if !system.is_empty() {
            write!(
                self.out,
                "; {} of the runtime's own",
                thousands(system.len())
            )?;
        }
        writeln!(self.out)?;

        let noted = s.goroutines.iter().filter(|g| !g.notes.is_empty()).count();
        if noted > 0 {
            let have = if noted == 1 { "has" } else { "have" };
            let text = format!(
                "{} {have} notes on what could not be read or is not certain; the JSON snapshot holds them",
                counted(noted, "goroutine")
            );
            writeln!(self.out, "{}", self.warning(text))?;
        }
        self.unreadable()?;
        for diagnostic in &s.diagnostics {
            writeln!(
                self.out,
                "{} {}",
                self.warning("note:"),
                Escaped(diagnostic)
            )?;
        }
        Ok(())
    }

    /// What was looked at.
    fn program(&mut self) -> io::Result<()> {
        let (t, b) = (&self.snapshot.target, &self.snapshot.build);
        let exe = t.exe.as_deref().map(|p| p.to_string_lossy());
        let name = exe
            .as_deref()
            .or(b.path.as_deref())
            .unwrap_or("a Go program");
        write!(self.out, "{}", self.bold(Escaped(name)))?;
        if let Some(pid) = t.pid {
            write!(self.out, " (pid {pid})")?;
        }
        write!(
            self.out,
            ", {}, {}",
            Escaped(&b.go_version),
            Escaped(t.arch)
        )?;
        writeln!(self.out, ", {}", counted(t.threads, "thread"))?;
        // A module may hold many programs: the package says which one this is.
        let package = b.path.as_deref().map(|p| format!("package {p}"));
        let module = b.main.as_deref().map(|m| format!("module {m}"));
        let origin: Vec<String> = package.into_iter().chain(module).collect();
        if !origin.is_empty() {
            writeln!(self.out, "built from {}", Escaped(&origin.join(", ")))?;
        }
        if t.kind == TargetKind::Core {
            match &t.core {
                Some(core) => writeln!(self.out, "core file {}", Escaped(&core.to_string_lossy()))?,
                None => writeln!(self.out, "from a core file")?,
            }
        }
        Ok(())
    }

    /// When and how it was read.
    fn capture(&mut self) -> io::Result<()> {
        let c = &self.snapshot.capture;
        match jiff::Timestamp::try_from(self.snapshot.captured_at) {
            Ok(time) => write!(
                self.out,
                "captured {}",
                time.strftime("%Y-%m-%d %H:%M:%S UTC")
            )?,
            Err(_) => write!(self.out, "captured at an unknown time")?,
        }
        if let Some(pause) = c.pause {
            write!(self.out, ", paused {}", short_time(pause))?;
        }
        writeln!(self.out, ", read {}", bytes(c.bytes_read))?;
        if !c.consistent {
            let text = "not consistent: the program ran on while some of this was read";
            writeln!(self.out, "{}", self.warning(text))?;
        }
        Ok(())
    }

    fn unreadable(&mut self) -> io::Result<()> {
        let entries = &self.snapshot.unreadable;
        if entries.is_empty() {
            return Ok(());
        }
        let text = format!("{} could not be read:", counted(entries.len(), "goroutine"));
        writeln!(self.out, "{}", self.warning(text))?;
        for u in entries.iter().take(MAX_UNREADABLE) {
            let reason = Escaped(&u.reason);
            writeln!(self.out, "  allgs[{}] at {}: {reason}", u.index, u.g)?;
        }
        if let Some(more) = left_out(entries.len(), MAX_UNREADABLE) {
            writeln!(self.out, "  … and {} more", thousands(more))?;
        }
        Ok(())
    }

    fn groups(&mut self) -> io::Result<()> {
        let all = &self.snapshot.goroutines;
        let listed: Vec<Arc<Goroutine>> = all
            .iter()
            .filter(|g| self.options.include_system || !g.system)
            .cloned()
            .collect();
        let by_goid: HashMap<Goid, &Goroutine> = listed.iter().map(|g| (g.goid, &**g)).collect();

        let groups = model::group(&listed);
        let max = self.options.max_groups.unwrap_or(usize::MAX);
        for group in groups.iter().take(max) {
            writeln!(self.out)?;
            self.group(group, &by_goid)?;
        }

        // What this page leaves out.
        let mut rest = Vec::new();
        if let Some(more) = left_out(groups.len(), max) {
            let goroutines = groups.iter().skip(max).map(|g| g.count).sum();
            rest.push(format!(
                "… and {} with {}",
                counted(more, "more group"),
                counted(goroutines, "goroutine")
            ));
        }
        if let Some(system) = left_out(all.len(), listed.len()) {
            rest.push(format!(
                "{} of the runtime's own not listed",
                counted(system, "goroutine")
            ));
        }
        if self.hidden_frames > 0 {
            rest.push(format!(
                "{} of the runtime and of compiler-made wrappers not shown in these stacks, as in Go's own traceback",
                counted(self.hidden_frames, "frame")
            ));
        }
        if !rest.is_empty() {
            writeln!(self.out)?;
        }
        for line in rest {
            writeln!(self.out, "{}", self.dim(line))?;
        }
        Ok(())
    }

    fn group(&mut self, group: &Group, by_goid: &HashMap<Goid, &Goroutine>) -> io::Result<()> {
        let members = || {
            group
                .goids
                .iter()
                .filter_map(|goid| by_goid.get(goid).copied())
        };
        let sample = &group.sample;

        write!(
            self.out,
            "{} [{}]",
            self.bold(counted(group.count, "goroutine")),
            self.state(State::of(sample))
        )?;
        let now = self.snapshot.capture.nanotime;
        let oldest = members().filter_map(|g| g.waitsince).min();
        if let Some(age) = now.zip(oldest).and_then(|(now, since)| age(now, since)) {
            let oldest = if group.count == 1 { "" } else { "oldest " };
            // The runtime notes the time only when its garbage collector comes by.
            write!(self.out, " ({oldest}waiting over {age})")?;
        }
        writeln!(self.out)?;
        let width = self.options.width.unwrap_or(80);
        writeln!(self.out, "{}", goid_list(&group.goids, width))?;

        let shown = shown_by_go(&sample.frames, &self.snapshot.build.dialect());
        let frames: Vec<&Frame> = shown.iter().filter_map(|&i| sample.frames.get(i)).collect();
        self.hidden_frames += sample.frames.len() - frames.len();
        for frame in frames {
            write!(self.out, "    {}", Escaped(&frame.function.name))?;
            if frame.inlined {
                write!(self.out, " {}", self.dim("(inlined)"))?;
            }
            if frame.trust == Trust::Assumed {
                write!(self.out, " {}", self.warning("(assumed)"))?;
            }
            writeln!(self.out)?;
            self.place(&frame.file, frame.line)?;
        }

        let mut ends: Vec<&str> = members()
            .filter_map(|g| match &g.stack_end {
                StackEnd::Complete => None,
                StackEnd::Early(why) => Some(&**why),
            })
            .collect();
        ends.sort_unstable();
        ends.dedup();
        for why in ends {
            let text = format!("    … stack ends early: {}", Escaped(why));
            writeln!(self.out, "{}", self.warning(text))?;
        }
        self.creators(members())
    }

    /// Who created the goroutines of a group: the same stack may have been started from
    /// several places.
    fn creators<'g>(&mut self, members: impl Iterator<Item = &'g Goroutine>) -> io::Result<()> {
        let mut counts: BTreeMap<Addr, (&Site, usize)> = BTreeMap::new();
        let mut unknown = 0;
        for g in members {
            match &g.gopc {
                // The main goroutine is the runtime's start-up code's; Go does not tell either.
                Some(_) if g.goid == Goid(1) => {}
                Some(site) => counts.entry(site.pc).or_insert((site, 0)).1 += 1,
                None => unknown += 1,
            }
        }
        let mut creators: Vec<(&Site, usize)> = counts.into_values().collect();
        creators.sort_by_key(|&(_, count)| Reverse(count));

        // Counts are news only where there is more than one creator.
        let several = creators.len() > 1 || (unknown > 0 && !creators.is_empty());
        for &(site, count) in creators.iter().take(MAX_CREATORS) {
            write!(self.out, "    {}", self.dim("created by "))?;
            match &site.function {
                Some(function) => write!(self.out, "{}", Escaped(&function.name))?,
                None => write!(self.out, "code at {}", site.pc)?,
            }
            if several {
                write!(self.out, "{}", self.dim(format!(" ({})", thousands(count))))?;
            }
            writeln!(self.out)?;
            self.place(&site.file, site.line)?;
        }
        if let Some(more) = left_out(creators.len(), MAX_CREATORS) {
            let text = format!("… and by {}", counted(more, "other place"));
            writeln!(self.out, "    {}", self.dim(text))?;
        }
        if several && unknown > 0 {
            let text = format!("creator unknown ({})", thousands(unknown));
            writeln!(self.out, "    {}", self.dim(text))?;
        }
        Ok(())
    }

    fn place(&mut self, file: &str, line: u32) -> io::Result<()> {
        let place = format!("{}:{line}", Escaped(file));
        writeln!(self.out, "        {}", self.dim(place))
    }

    fn bold<T: Display>(&self, text: T) -> Painted<T> {
        self.paint("1", text)
    }

    fn dim<T: Display>(&self, text: T) -> Painted<T> {
        self.paint("2", text)
    }

    fn state<T: Display>(&self, text: T) -> Painted<T> {
        self.paint("36", text)
    }

    fn warning<T: Display>(&self, text: T) -> Painted<T> {
        self.paint("33", text)
    }

    fn paint<T: Display>(&self, sgr: &'static str, text: T) -> Painted<T> {
        Painted {
            sgr: self.options.color.then_some(sgr),
            text,
        }
    }
}

/// Text in a colour: the only escape sequences in the output.
struct Painted<T> {
    sgr: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sgr {
            Some(sgr) => write!(f, "\x1b[{sgr}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// `: 1,234 chan receive, 2 running`, the most frequent first.
fn write_states(
    out: &mut impl Write,
    before: &str,
    goroutines: &[&Arc<Goroutine>],
) -> io::Result<()> {
    let mut counts: BTreeMap<State, usize> = BTreeMap::new();
    for g in goroutines {
        *counts.entry(State::of(g)).or_default() += 1;
    }
    let mut counts: Vec<(State, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| Reverse(count));
    let mut before = before;
    for (state, count) in counts {
        write!(out, "{before}{} {state}", thousands(count))?;
        before = ", ";
    }
    Ok(())
}

/// What Go's traceback puts in brackets: the wait reason or the status, and whether the
/// garbage collector found that nothing can ever wake it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct State<'a> {
    words: &'a str,
    leaked: bool,
}

impl<'a> State<'a> {
    fn of(g: &'a Goroutine) -> Self {
        State {
            words: g.state(),
            leaked: g.status == Status::Leaked && g.waitreason.is_some(),
        }
    }
}

impl Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaked = if self.leaked { " (leaked)" } else { "" };
        write!(f, "{}{leaked}", Escaped(self.words))
    }
}

/// As many goids as fit into `width`, at least one, and how many are left out.
fn goid_list(goids: &[Goid], width: usize) -> String {
    let columns = |s: &str| s.chars().count();
    let mut line = String::from(if goids.len() == 1 {
        "  goid"
    } else {
        "  goids"
    });
    // Columns of the whole list, had it place.
    let whole = goids.iter().fold(columns(&line), |sum, goid| {
        sum + ", ".len() + columns(&goid.to_string())
    }) - 1;
    for (i, goid) in goids.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let next = format!("{comma} {goid}");
        let tail = more_goids(goids.len() - i - 1);
        if i > 0 && whole > width && columns(&line) + columns(&next) + columns(&tail) > width {
            line.push_str(&more_goids(goids.len() - i));
            break;
        }
        line.push_str(&next);
    }
    line
}

fn more_goids(more: usize) -> String {
    format!(", … and {} more", thousands(more))
}

/// How many of `all` are left when `shown` were shown, if any.
fn left_out(all: usize, shown: usize) -> Option<usize> {
    all.checked_sub(shown).filter(|&n| n > 0)
}

/// `1 goroutine`, `1,234 goroutines`.
fn counted(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", thousands(n))
}

/// `1,234,567`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long ago, in whole units; `None` for less than a second, or for a time to come
/// (a value that cannot be right).
fn age(now: u64, since: u64) -> Option<String> {
    let seconds = now.checked_sub(since)? / 1_000_000_000;
    let (n, unit) = match seconds {
        0 => return None,
        1..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        // Up to two days, hours tell more.
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    Some(counted(usize::try_from(n).unwrap_or(usize::MAX), unit))
}

/// `480 µs`, `4.1 ms`, `1.2 s`.
fn short_time(d: Duration) -> String {
    let micros = d.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{:.1} ms", d.as_secs_f64() * 1e3),
        _ => format!("{:.1} s", d.as_secs_f64()),
    }
}

/// `512 bytes`, `1.5 kB`, `61.0 MB`.
fn bytes(n: u64) -> String {
    let scaled = |unit: u64| n as f64 / unit as f64;
    match n {
        0..1000 => format!("{n} bytes"),
        1000..1_000_000 => format!("{:.1} kB", scaled(1000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1_000_000)),
        _ => format!("{:.1} GB", scaled(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(counted(1, "goroutine"), "1 goroutine");
        assert_eq!(counted(0, "goroutine"), "0 goroutines");
        assert_eq!(short_time(Duration::from_micros(480)), "480 µs");
        assert_eq!(short_time(Duration::from_micros(4_100)), "4.1 ms");
        assert_eq!(short_time(Duration::from_millis(1_200)), "1.2 s");
        assert_eq!(bytes(61_000_000), "61.0 MB");
    }

    #[test]
    fn ages_are_floored_and_never_guessed() {
        let s = 1_000_000_000;
        assert_eq!(age(59 * s, 0).as_deref(), Some("59 seconds"));
        assert_eq!(age(119 * s, 0).as_deref(), Some("1 minute"));
        assert_eq!(age(47 * 3600 * s, 0).as_deref(), Some("47 hours"));
        assert_eq!(age(50 * 3600 * s, 0).as_deref(), Some("2 days"));
        assert_eq!(age(s / 2, 0), None);
        assert_eq!(age(0, s), None);
    }

    #[test]
    fn goids_fill_the_width_and_the_rest_is_counted() {
        let goids: Vec<Goid> = (1..=1000).map(Goid).collect();
        assert_eq!(goid_list(&goids[..1], 80), "  goid 1");
        assert_eq!(goid_list(&goids[..3], 80), "  goids 1, 2, 3");
        assert_eq!(goid_list(&goids[..4], 18), "  goids 1, 2, 3, 4");
        assert_eq!(goid_list(&goids, 30), "  goids 1, 2, … and 998 more");
        // However narrow, one goid is named.
        assert_eq!(goid_list(&goids, 0), "  goids 1, … and 999 more");
    }
}
