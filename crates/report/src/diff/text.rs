//! The comparison as text, for a reader at a terminal: what grew most comes first, what
//! did not change is one line for each place.

use std::io::{self, Write};

use model::{Dialect, DiffCounts, Differences, Escaped, Frame, Goid, Goroutine, Labels, Snapshot};

use super::{Comparison, Group, Moved, Pair};
use crate::page::{Page, State, place_of, program, shown_frames};
use crate::words::{counted, left_out, long_time, thousands};

/// How a comparison is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiffOptions {
    /// Whether to use colours (ANSI escape sequences).
    pub color: bool,
    /// Columns that the lists of goids may take; 80 unless given. Other lines are as
    /// long as what they tell.
    pub width: Option<usize>,
    /// Whether to tell of the runtime's own goroutines as well.
    pub include_system: bool,
    /// How many groups to show of each sort at most; what is left out is counted.
    pub max_groups: Option<usize>,
}

/// Writes the comparison as text. `out` need not be buffered.
pub fn write_diff(
    comparison: &Comparison<'_>,
    out: impl Write,
    options: &DiffOptions,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    let mut text = Text {
        comparison,
        options,
        page: Page::new(
            &mut out,
            options.color,
            options.width,
            comparison.new.build.dialect(),
        ),
    };
    text.header()?;
    text.sections()?;
    out.flush()
}

struct Text<'a, W> {
    comparison: &'a Comparison<'a>,
    options: &'a DiffOptions,
    page: Page<W>,
}

impl<W: Write> Text<'_, W> {
    fn header(&mut self) -> io::Result<()> {
        let c = self.comparison;
        let [old, new] = c.names;
        self.side("old", c.old, old)?;
        self.side("new", c.new, new)?;
        for note in &c.notes {
            let paint = self.page.paint;
            writeln!(self.page, "{} {}", paint.warning("note:"), Escaped(note))?;
        }
        match c.interval() {
            None => {}
            Some(0) => write!(self.page, "at the same time: ")?,
            Some(nanos) => {
                let later = if nanos < 0 { "earlier" } else { "later" };
                write!(self.page, "{} {later}: ", long_time(nanos.unsigned_abs()))?;
            }
        }
        let counts = self.page.paint.bold(in_words(c.counts));
        writeln!(self.page, "{counts}")?;
        if self.options.include_system {
            let counts = in_words(c.system_counts);
            writeln!(self.page, "of the runtime's own: {counts}")?;
        }
        Ok(())
    }

    /// One of the snapshots.
    fn side(&mut self, which: &str, s: &Snapshot, name: Option<&str>) -> io::Result<()> {
        write!(self.page, "{which}: ")?;
        if let Some(name) = name {
            let name = self.page.paint.bold(Escaped(name));
            write!(self.page, "{name}, ")?;
        }
        write!(self.page, "{}", Escaped(&program(s)))?;
        if let Some(pid) = s.target.pid {
            write!(self.page, " (pid {pid})")?;
        }
        if !s.build.go_version.is_empty() {
            write!(self.page, ", {}", Escaped(&s.build.go_version))?;
        }
        match jiff::Timestamp::try_from(s.captured_at) {
            Ok(time) => {
                let time = time.strftime("%Y-%m-%d %H:%M:%S UTC");
                write!(self.page, ", captured {time}")?;
            }
            Err(_) => write!(self.page, ", captured at an unknown time")?,
        }
        let own = s.user_goroutines().count();
        writeln!(self.page, ", {}", counted(own, "goroutine"))
    }

    fn sections(&mut self) -> io::Result<()> {
        let c = self.comparison;
        self.section("New", &c.came, |text, group| text.group("+", group))?;
        self.section("Gone", &c.gone, |text, group| text.group("-", group))?;
        self.section("Changed", &c.changed, Self::moved)?;
        self.section("The same", &c.same, Self::same)?;

        // What this page leaves out.
        let mut rest = Vec::new();
        let DiffCounts {
            new,
            gone,
            changed,
            same,
        } = c.system_counts;
        let system = new + gone + changed + same;
        if !self.options.include_system && system > 0 {
            let system = counted(system, "goroutine");
            rest.push(format!("{system} of the runtime's own not listed"));
        }
        rest.extend(self.page.hidden_frames());
        if !rest.is_empty() {
            writeln!(self.page)?;
        }
        for line in rest {
            let line = self.page.paint.dim(line);
            writeln!(self.page, "{line}")?;
        }
        Ok(())
    }

    fn section<T: OfOnePlace>(
        &mut self,
        title: &str,
        groups: &[T],
        show: fn(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        let system = self.options.include_system;
        let listed = |group: &&T| system || !group.sample().system;
        let groups: Vec<&T> = groups.iter().filter(listed).collect();
        if groups.is_empty() {
            return Ok(());
        }
        let all: usize = groups.iter().map(|group| group.count()).sum();
        let title = self.page.paint.bold(format!("{title}: {}", thousands(all)));
        writeln!(self.page, "\n{title}")?;
        let max = self.options.max_groups.unwrap_or(usize::MAX);
        for group in groups.iter().take(max) {
            show(self, group)?;
        }
        if let Some(more) = left_out(groups.len(), max) {
            let goroutines = groups.iter().skip(max).map(|group| group.count()).sum();
            let text = format!(
                "… and {} with {}",
                counted(more, "more group"),
                counted(goroutines, "goroutine")
            );
            writeln!(self.page, "\n{}", self.page.paint.dim(text))?;
        }
        Ok(())
    }

    /// Goroutines that came or went.
    fn group(&mut self, sign: &str, group: &Group<'_>) -> io::Result<()> {
        let sample = group.sample;
        let count = format!("{sign}{}", counted(group.count(), "goroutine"));
        let count = match sign {
            "+" => self.page.paint.more(count),
            _ => self.page.paint.less(count),
        };
        let state = self.page.paint.state(State::of(sample));
        write!(self.page, "\n{count} [{state}]")?;
        // Not told where it goes without saying.
        if group.before > 0 && group.now > 0 {
            let (before, now) = (thousands(group.before), thousands(group.now));
            write!(self.page, " ({before} here before, {now} now)")?;
        }
        writeln!(self.page)?;
        let members = || group.members.iter().copied();
        let goids: Vec<Goid> = members().map(|g| g.goid).collect();
        self.page.goids(&goids)?;
        self.page.frames(&sample.frames)?;
        self.page.early_ends(members())?;
        self.page.creators(members())
    }

    fn moved(&mut self, group: &Moved<'_>) -> io::Result<()> {
        let Pair { was, is } = group.sample;
        let paint = self.page.paint;
        let count = paint.bold(counted(group.count(), "goroutine"));
        write!(self.page, "\n{count} [{}", paint.state(State::of(was)))?;
        if group.what.state {
            write!(self.page, " → {}", paint.state(State::of(is)))?;
        }
        let visibly = group.what.stack && !look_alike(&was.frames, &is.frames, &self.page.dialect);
        let Differences {
            state,
            stack,
            ran,
            labels,
            thread,
        } = group.what;
        write!(self.page, "]")?;
        for (so, what) in [
            (stack && visibly && !state, ", moved"),
            (stack && !visibly, ", moved within the calls shown"),
            (ran, ", ran in between"),
            (labels, ", other labels"),
            (thread, ", other thread"),
        ] {
            write!(self.page, "{}", if so { what } else { "" })?;
        }
        writeln!(self.page)?;
        let members = || group.members.iter().map(|pair| pair.is);
        let goids: Vec<Goid> = members().map(|g| g.goid).collect();
        self.page.goids(&goids)?;
        if labels {
            self.was_is("labels", group, |g| labels_in_words(g.labels.as_ref()))?;
        }
        if thread {
            let thread = |g: &Goroutine| g.thread.map_or("none".to_owned(), |t| t.to_string());
            self.was_is("thread", group, thread)?;
        }
        if visibly {
            writeln!(self.page, "  was")?;
            self.page.frames(&was.frames)?;
            self.page
                .early_ends(group.members.iter().map(|pair| pair.was))?;
            writeln!(self.page, "  is")?;
        }
        self.page.frames(&is.frames)?;
        self.page.early_ends(members())?;
        self.page.creators(members())
    }

    /// From what to what, if it is the same for all of them.
    fn was_is(
        &mut self,
        what: &str,
        group: &Moved<'_>,
        value: impl Fn(&Goroutine) -> String,
    ) -> io::Result<()> {
        let both = |pair: &Pair<'_>| (value(pair.was), value(pair.is));
        let common = both(&group.sample);
        if group.members.iter().all(|pair| both(pair) == common) {
            writeln!(self.page, "  {what} {} → {}", common.0, common.1)?;
        }
        Ok(())
    }

    /// One line: what did not change is there to be known of, not to be read again.
    fn same(&mut self, group: &Group<'_>) -> io::Result<()> {
        let sample = group.sample;
        let paint = self.page.paint;
        let count = paint.bold(counted(group.count(), "goroutine"));
        write!(self.page, "{count} [{}]", paint.state(State::of(sample)))?;
        if let [only] = group.members[..] {
            write!(self.page, " goid {}", only.goid)?;
        }
        if let Some(frame) = sample.top_user_frame().or(sample.frames.first()) {
            let c = if frame.is_c() { " [C]" } else { "" };
            let place = paint.dim(place_of(frame));
            write!(self.page, " {}{c} {place}", Escaped(&frame.function.name))?;
        }
        // Who created the main goroutine goes without saying.
        let creator = sample.gopc.as_ref().filter(|_| sample.goid != Goid(1));
        if let Some(function) = creator.and_then(|site| site.function.as_ref()) {
            let creator = format!(", created by {}", Escaped(&function.name));
            write!(self.page, "{}", paint.dim(creator))?;
        }
        writeln!(self.page)
    }
}

/// What a section lists.
trait OfOnePlace {
    fn sample(&self) -> &Goroutine;
    fn count(&self) -> usize;
}

impl OfOnePlace for Group<'_> {
    fn sample(&self) -> &Goroutine {
        self.sample
    }

    fn count(&self) -> usize {
        self.members.len()
    }
}

impl OfOnePlace for Moved<'_> {
    fn sample(&self) -> &Goroutine {
        self.sample.is
    }

    fn count(&self) -> usize {
        self.members.len()
    }
}

/// `12 new, 3 gone, 1 changed, 1,234 the same`.
fn in_words(counts: DiffCounts) -> String {
    format!(
        "{} new, {} gone, {} changed, {} the same",
        thousands(counts.new),
        thousands(counts.gone),
        thousands(counts.changed),
        thousands(counts.same)
    )
}

/// Whether the frames that are shown of two stacks read the same.
fn look_alike(old: &[Frame], new: &[Frame], dialect: &Dialect) -> bool {
    fn read(frame: &Frame) -> (&str, &str, u32) {
        (&frame.function.name, &frame.file, frame.line)
    }
    let (old, new) = (shown_frames(old, dialect), shown_frames(new, dialect));
    old.len() == new.len()
        && old
            .iter()
            .zip(&new)
            .all(|(old, new)| read(old) == read(new))
}

/// `tenant=acme, path=/`.
fn labels_in_words(labels: Option<&Labels>) -> String {
    match labels {
        None => "unreadable".to_owned(),
        Some(none) if none.is_empty() => "none".to_owned(),
        Some(labels) => {
            let pairs = labels.iter();
            let pairs = pairs.map(|(k, v)| format!("{}={}", Escaped(k), Escaped(v)));
            let pairs: Vec<String> = pairs.collect();
            pairs.join(", ")
        }
    }
}
