//! The summary: goroutines that stand at the same place in the same state are told
//! once, the largest group first. For a reader at a terminal.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use model::{Escaped, Goid, Goroutine, Group, Snapshot, TargetKind};

use crate::findings::{at_the_top, severity};
use crate::page::{Page, State, program};
use crate::waits;
use crate::words::{age, bytes, counted, left_out, short_time, thousands};

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
        page: Page::new(
            &mut out,
            options.color,
            options.width,
            snapshot.build.dialect(),
        ),
    };
    summary.header()?;
    summary.findings()?;
    summary.groups()?;
    out.flush()
}

struct Summary<'a, W> {
    snapshot: &'a Snapshot,
    options: &'a SummaryOptions,
    page: Page<W>,
}

impl<W: Write> Summary<'_, W> {
    fn header(&mut self) -> io::Result<()> {
        let s = self.snapshot;
        self.program()?;
        self.capture()?;

        let (system, user): (Vec<_>, Vec<_>) = s.goroutines.iter().partition(|g| g.system);
        write!(
            self.page,
            "{}",
            self.page.paint.bold(counted(user.len(), "goroutine"))
        )?;
        write_states(&mut self.page, ": ", &user)?;
        if !system.is_empty() {
            write!(
                self.page,
                "; {} of the runtime's own",
                thousands(system.len())
            )?;
        }
        writeln!(self.page)?;
        if let Some(scheduler) = &s.scheduler {
            writeln!(self.page, "{}", scheduler.title())?;
        }

        let noted = s.goroutines.iter().filter(|g| !g.notes.is_empty()).count();
        if noted > 0 {
            let have = if noted == 1 { "has" } else { "have" };
            let text = format!(
                "{} {have} notes on what could not be read or is not certain; the JSON snapshot holds them",
                counted(noted, "goroutine")
            );
            writeln!(self.page, "{}", self.page.paint.warning(text))?;
        }
        self.unreadable()?;
        for diagnostic in &s.diagnostics {
            writeln!(
                self.page,
                "{} {}",
                self.page.paint.warning("note:"),
                Escaped(diagnostic)
            )?;
        }
        Ok(())
    }

    /// What was looked at.
    fn program(&mut self) -> io::Result<()> {
        let (t, b) = (&self.snapshot.target, &self.snapshot.build);
        let name = program(self.snapshot);
        write!(self.page, "{}", self.page.paint.bold(Escaped(&name)))?;
        if let Some(pid) = t.pid {
            write!(self.page, " (pid {pid})")?;
        }
        write!(
            self.page,
            ", {}, {}",
            Escaped(&b.go_version),
            Escaped(t.arch)
        )?;
        writeln!(self.page, ", {}", counted(t.threads, "thread"))?;
        // A module may hold many programs: the package says which one this is.
        let package = b.path.as_deref().map(|p| format!("package {p}"));
        let module = b.main.as_deref().map(|m| format!("module {m}"));
        let origin: Vec<String> = package.into_iter().chain(module).collect();
        if !origin.is_empty() {
            writeln!(self.page, "built from {}", Escaped(&origin.join(", ")))?;
        }
        if t.kind == TargetKind::Core {
            match &t.core {
                Some(core) => {
                    writeln!(self.page, "core file {}", Escaped(&core.to_string_lossy()))?
                }
                None => writeln!(self.page, "from a core file")?,
            }
        }
        Ok(())
    }

    /// When and how it was read.
    fn capture(&mut self) -> io::Result<()> {
        let c = &self.snapshot.capture;
        match jiff::Timestamp::try_from(self.snapshot.captured_at) {
            Ok(time) => write!(
                self.page,
                "captured {}",
                time.strftime("%Y-%m-%d %H:%M:%S UTC")
            )?,
            Err(_) => write!(self.page, "captured at an unknown time")?,
        }
        if let Some(pause) = c.pause {
            write!(self.page, ", paused {}", short_time(pause))?;
        }
        writeln!(self.page, ", read {}", bytes(c.bytes_read))?;
        if !c.consistent {
            let text = "not consistent: the program ran on while some of this was read";
            writeln!(self.page, "{}", self.page.paint.warning(text))?;
        }
        Ok(())
    }

    /// What is stuck, as far as the rules see it.
    fn findings(&mut self) -> io::Result<()> {
        let (findings, more) = at_the_top(self.snapshot);
        if findings.is_empty() {
            return Ok(());
        }
        writeln!(self.page)?;
        for finding in &findings {
            let mark = severity(self.page.paint, finding);
            let certainty = finding.certainty.as_str();
            writeln!(
                self.page,
                "{mark} {} ({certainty})",
                Escaped(&finding.sentence)
            )?;
        }
        let all = match more {
            0 => "`goinspect findings` tells more of each".to_owned(),
            _ => format!(
                "… and {}: see `goinspect findings`",
                counted(more, "more finding")
            ),
        };
        writeln!(self.page, "{}", self.page.paint.dim(all))
    }

    fn unreadable(&mut self) -> io::Result<()> {
        let entries = &self.snapshot.unreadable;
        if entries.is_empty() {
            return Ok(());
        }
        let text = format!("{} could not be read:", counted(entries.len(), "goroutine"));
        writeln!(self.page, "{}", self.page.paint.warning(text))?;
        for u in entries.iter().take(MAX_UNREADABLE) {
            let reason = Escaped(&u.reason);
            writeln!(self.page, "  allgs[{}] at {}: {reason}", u.index, u.g)?;
        }
        if let Some(more) = left_out(entries.len(), MAX_UNREADABLE) {
            writeln!(self.page, "  … and {} more", thousands(more))?;
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
            writeln!(self.page)?;
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
        rest.extend(self.page.hidden_frames());
        if !rest.is_empty() {
            writeln!(self.page)?;
        }
        for line in rest {
            writeln!(self.page, "{}", self.page.paint.dim(line))?;
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
            self.page,
            "{} [{}]",
            self.page.paint.bold(counted(group.count, "goroutine")),
            self.page.paint.state(State::of(sample))
        )?;
        let now = self.snapshot.capture.nanotime;
        let oldest = members().filter_map(|g| g.waitsince).min();
        if let Some(age) = now.zip(oldest).and_then(|(now, since)| age(now, since)) {
            let oldest = if group.count == 1 { "" } else { "oldest " };
            // The runtime notes the time only when its garbage collector comes by.
            write!(self.page, " ({oldest}waiting over {age})")?;
        }
        writeln!(self.page)?;
        self.page.goids(&group.goids)?;
        waits::of_group(&mut self.page, members(), now)?;
        self.page.frames(&sample.frames)?;
        self.page.early_ends(members())?;
        self.page.creators(members())
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
