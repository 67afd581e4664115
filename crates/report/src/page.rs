//! What the texts for people have in common: colours, and how the calls of goroutines
//! that stand in the same place are shown.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::io::{self, Write};

use model::{
    Addr, C_FRAMES_MISSING, Dialect, Escaped, Frame, Goid, Goroutine, Site, Snapshot, StackEnd,
    Status, Trust, shown_with_c,
};

use crate::words::{counted, left_out, thousands};

/// How many creators of one group's goroutines are told before the rest is only counted.
const MAX_CREATORS: usize = 3;

/// A text being written.
pub(crate) struct Page<W> {
    out: W,
    pub(crate) paint: Paint,
    width: usize,
    pub(crate) dialect: Dialect,
    /// Frames left out of the stacks shown so far.
    hidden_frames: usize,
}

impl<W: Write> Write for Page<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Page<W> {
    /// `width` is what lists of goids may take; the dialect says which frames are shown.
    pub(crate) fn new(out: W, color: bool, width: Option<usize>, dialect: Dialect) -> Self {
        Page {
            dialect,
            out,
            paint: Paint { color },
            width: width.unwrap_or(80),
            hidden_frames: 0,
        }
    }

    pub(crate) fn goids(&mut self, goids: &[Goid]) -> io::Result<()> {
        writeln!(self.out, "{}", goid_list(goids, self.width))
    }

    /// The calls, as Go's traceback would show them, and those in C.
    pub(crate) fn frames(&mut self, all: &[Frame]) -> io::Result<()> {
        let frames = shown_frames(all, &self.dialect);
        self.hidden_frames += all.len() - frames.len();
        for frame in frames {
            write!(self.out, "    {}", Escaped(&frame.function.name))?;
            if frame.is_c() {
                write!(self.out, " {}", self.paint.dim("[C]"))?;
            }
            if frame.inlined {
                write!(self.out, " {}", self.paint.dim("(inlined)"))?;
            }
            if frame.trust == Trust::Assumed {
                write!(self.out, " {}", self.paint.warning("(assumed)"))?;
            }
            writeln!(self.out)?;
            writeln!(self.out, "        {}", self.paint.dim(place_of(frame)))?;
        }
        Ok(())
    }

    /// Why stacks are not whole, where they are not.
    pub(crate) fn early_ends<'g>(
        &mut self,
        members: impl Iterator<Item = &'g Goroutine>,
    ) -> io::Result<()> {
        let mut ends = BTreeSet::new();
        for g in members {
            if let StackEnd::Early(why) = &g.stack_end {
                ends.insert(("stack ends early: ", &**why));
            }
            let missing = g.notes.iter();
            let missing = missing.filter_map(|note| note.strip_prefix(C_FRAMES_MISSING));
            ends.extend(missing.map(|why| (C_FRAMES_MISSING, why)));
        }
        for (what, why) in ends {
            let text = format!("    … {what}{}", Escaped(why));
            writeln!(self.out, "{}", self.paint.warning(text))?;
        }
        Ok(())
    }

    /// Who created the goroutines of a group: the same stack may have been started from
    /// several places.
    pub(crate) fn creators<'g>(
        &mut self,
        members: impl Iterator<Item = &'g Goroutine>,
    ) -> io::Result<()> {
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
            write!(self.out, "    {}", self.paint.dim("created by "))?;
            match &site.function {
                Some(function) => write!(self.out, "{}", Escaped(&function.name))?,
                None => write!(self.out, "code at {}", site.pc)?,
            }
            if several {
                write!(
                    self.out,
                    "{}",
                    self.paint.dim(format!(" ({})", thousands(count)))
                )?;
            }
            writeln!(self.out)?;
            self.place(&site.file, site.line)?;
        }
        if let Some(more) = left_out(creators.len(), MAX_CREATORS) {
            let text = format!("… and by {}", counted(more, "other place"));
            writeln!(self.out, "    {}", self.paint.dim(text))?;
        }
        if several && unknown > 0 {
            let text = format!("creator unknown ({})", thousands(unknown));
            writeln!(self.out, "    {}", self.paint.dim(text))?;
        }
        Ok(())
    }

    fn place(&mut self, file: &str, line: u32) -> io::Result<()> {
        let place = format!("{}:{line}", Escaped(file));
        writeln!(self.out, "        {}", self.paint.dim(place))
    }

    /// How many frames the stacks were shown without.
    pub(crate) fn hidden_frames(&self) -> Option<String> {
        (self.hidden_frames > 0).then(|| {
            format!(
                "{} of the runtime and of compiler-made wrappers not shown in these stacks, as in Go's own traceback",
                counted(self.hidden_frames, "frame")
            )
        })
    }
}

/// Where a call stands: file and line, or of C that was built without debug information the
/// object, which is all that is known.
pub(crate) fn place_of(frame: &Frame) -> String {
    match frame.object() {
        Some(object) if frame.line == 0 => Escaped(object).to_string(),
        _ => format!("{}:{}", Escaped(&frame.file), frame.line),
    }
}

/// What the program is called: its executable, or else its package.
pub(crate) fn program(snapshot: &Snapshot) -> Cow<'_, str> {
    let exe = snapshot.target.exe.as_deref();
    match (exe, snapshot.build.path.as_deref()) {
        (Some(exe), _) => exe.to_string_lossy(),
        (None, Some(package)) => package.into(),
        (None, None) => "a Go program".into(),
    }
}

/// Whether and how text is coloured.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    color: bool,
}

impl Paint {
    pub(crate) fn bold<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1", text)
    }

    pub(crate) fn dim<T: Display>(self, text: T) -> Painted<T> {
        self.paint("2", text)
    }

    pub(crate) fn state<T: Display>(self, text: T) -> Painted<T> {
        self.paint("36", text)
    }

    pub(crate) fn warning<T: Display>(self, text: T) -> Painted<T> {
        self.paint("33", text)
    }

    /// What came.
    pub(crate) fn more<T: Display>(self, text: T) -> Painted<T> {
        self.paint("32", text)
    }

    /// What went.
    pub(crate) fn less<T: Display>(self, text: T) -> Painted<T> {
        self.paint("31", text)
    }

    fn paint<T: Display>(self, sgr: &'static str, text: T) -> Painted<T> {
        Painted {
            sgr: self.color.then_some(sgr),
            text,
        }
    }
}

/// Text in a colour: the only escape sequences in the output.
pub(crate) struct Painted<T> {
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

/// What Go's traceback puts in brackets: the wait reason or the status, and whether the
/// garbage collector found that nothing can ever wake it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State<'a> {
    words: &'a str,
    leaked: bool,
}

impl<'a> State<'a> {
    pub(crate) fn of(g: &'a Goroutine) -> Self {
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

/// The frames that Go's traceback would show (all of them if it would show none), and those of C.
pub(crate) fn shown_frames<'f>(frames: &'f [Frame], dialect: &Dialect) -> Vec<&'f Frame> {
    let shown = shown_with_c(frames, dialect);
    shown.iter().filter_map(|&i| frames.get(i)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

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
