//! One goroutine of a dump, word for word; displaying it gives Go's own text.

use std::borrow::Cow;
use std::fmt::{self, Display};

use model::{Addr, LabelPlace};

/// A goroutine as Go prints it, from its header to who created it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// Its ID; 0 for the system stack of a thread.
    pub goid: u64,
    /// `gp=…`: the address of its `g`, at the level `system`.
    pub g: Option<Addr>,
    /// `m=…`, at the level `system`.
    pub m: MName,
    /// The first words in brackets, marks like ` (scan)` and ` (durable)` included.
    pub state: Cow<'a, str>,
    /// For how many minutes it has been waiting, where it is at least one.
    pub minutes: Option<u64>,
    /// Whether it is locked to a thread.
    pub locked: bool,
    /// `synctest bubble` (in Go 1.24 `synctest group`) and its number.
    pub bubble: Option<(Cow<'a, str>, u64)>,
    /// Its pprof labels, where they are printed.
    pub labels: Option<HeaderLabels<'a>>,
    /// Its stack, innermost first.
    pub lines: Vec<Line<'a>>,
    /// Who created it.
    pub created_by: Option<CreatedBy<'a>>,
    /// Those who created it, if the program kept them (`GODEBUG=tracebackancestors=N`).
    pub ancestors: Vec<Ancestor<'a>>,
}

/// What a header says of the M.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MName {
    /// Nothing: below the level `system`, or before Go 1.22.
    #[default]
    Untold,
    /// `m=nil`: it is on none.
    Nil,
    /// `m=3 mp=0xc000080008`.
    On {
        /// Its number.
        id: i64,
        /// Its address.
        at: Addr,
    },
}

/// pprof labels in a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderLabels<'a> {
    /// Where they stand.
    pub place: LabelPlace,
    /// Keys and values.
    pub pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// A line of a stack, or two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line<'a> {
    /// A call.
    Call(Call<'a>),
    /// `...17 frames elided...`
    Elided(u64),
    /// `goroutine running on other thread; stack unavailable`
    Unavailable,
    /// Something else, as it stands there: frames of C code, an error of Go's own unwinder.
    Other(Cow<'a, str>),
}

/// A call: its function, arguments and place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    /// The function's name as printed.
    pub name: Cow<'a, str>,
    /// What stands between its brackets: `0x1, {0xc000010000?, 0x5?}, ...`; `...` for an inlined call.
    pub args: Cow<'a, str>,
    /// The source file.
    pub file: Cow<'a, str>,
    /// The line in it.
    pub line: u32,
    /// `+0x1d`: bytes from the function's beginning. Inlined calls have none.
    pub offset: Option<u64>,
    /// `fp=… sp=… pc=…`, at the level `system`. Inlined calls have none.
    pub words: Option<FrameWords>,
}

/// Where a frame lies, as printed at the level `system`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameWords {
    /// Where the frame ends.
    pub fp: Addr,
    /// The stack pointer in it.
    pub sp: Addr,
    /// The program counter in it.
    pub pc: Addr,
}

/// Who created a goroutine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedBy<'a> {
    /// The function with the `go` statement.
    pub name: Cow<'a, str>,
    /// The goroutine that ran it, where that is told.
    pub goid: Option<u64>,
    /// The source file.
    pub file: Cow<'a, str>,
    /// The line in it.
    pub line: u32,
    /// Bytes from the function's beginning.
    pub offset: Option<u64>,
}

/// A goroutine that created this one, or one that did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ancestor<'a> {
    /// Its ID.
    pub goid: u64,
    /// Its stack when it executed the `go` statement.
    pub lines: Vec<Line<'a>>,
    /// Who created it.
    pub created_by: Option<CreatedBy<'a>>,
}

impl Display for Block<'_> {
    /// With a newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {}", self.goid)?;
        if let Some(g) = self.g {
            write!(f, " gp={g}")?;
        }
        match self.m {
            MName::Untold => {}
            MName::Nil => f.write_str(" m=nil")?,
            MName::On { id, at } => write!(f, " m={id} mp={at}")?,
        }
        write!(f, " [{}", self.state)?;
        if let Some(minutes) = self.minutes {
            write!(f, ", {minutes} minutes")?;
        }
        if self.locked {
            f.write_str(", locked to thread")?;
        }
        if let Some((word, id)) = &self.bubble {
            write!(f, ", {word} {id}")?;
        }
        let labels_at = |place| self.labels.as_ref().filter(|l| l.place == place);
        if let Some(labels) = labels_at(LabelPlace::InBrackets) {
            write!(f, " labels:{labels}")?;
        }
        f.write_str("]")?;
        if let Some(labels) = labels_at(LabelPlace::BehindBrackets) {
            write!(f, " {labels}")?;
        }
        f.write_str(":\n")?;
        for line in &self.lines {
            write!(f, "{line}")?;
        }
        if let Some(created_by) = &self.created_by {
            write!(f, "{created_by}")?;
        }
        for ancestor in &self.ancestors {
            write!(f, "{ancestor}")?;
        }
        Ok(())
    }
}

impl Display for HeaderLabels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `tracebackStringNeedsQuoting`, Go 1.27; Go 1.26 quotes all of them.
        let plain = |s: &str| {
            self.place == LabelPlace::BehindBrackets
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'_'))
        };
        let write = |f: &mut fmt::Formatter<'_>, s: &str| {
            if plain(s) {
                f.write_str(s)
            } else {
                quote(f, s)
            }
        };
        f.write_str("{")?;
        for (i, (key, value)) in self.pairs.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write(f, key)?;
            f.write_str(": ")?;
            write(f, value)?;
        }
        f.write_str("}")
    }
}

/// `runtime/print.go`, `printquoted`.
fn quote(f: &mut fmt::Formatter<'_>, s: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in s.chars() {
        match (c, u32::from(c)) {
            ('\n', _) => f.write_str("\\n")?,
            ('\r', _) => f.write_str("\\r")?,
            ('\t', _) => f.write_str("\\t")?,
            ('\\' | '"', _) => write!(f, "\\{c}")?,
            (' '..='~', _) => write!(f, "{c}")?,
            (_, code @ ..0x7f) => write!(f, "\\x{code:02x}")?,
            (_, code @ ..0x1_0000) => write!(f, "\\u{code:04x}")?,
            (_, code) => write!(f, "\\U{code:08x}")?,
        }
    }
    f.write_str("\"")
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Call(call) => write!(f, "{call}"),
            Line::Elided(count) => writeln!(f, "...{count} frames elided..."),
            Line::Unavailable => {
                f.write_str("\tgoroutine running on other thread; stack unavailable\n")
            }
            Line::Other(text) => writeln!(f, "{text}"),
        }
    }
}

impl Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}({})\n\t{}:{}",
            self.name, self.args, self.file, self.line
        )?;
        if let Some(offset) = self.offset {
            write!(f, " +{offset:#x}")?;
        }
        if let Some(FrameWords { fp, sp, pc }) = self.words {
            write!(f, " fp={fp} sp={sp} pc={pc}")?;
        }
        f.write_str("\n")
    }
}

impl Display for CreatedBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "created by {}", self.name)?;
        if let Some(goid) = self.goid {
            write!(f, " in goroutine {goid}")?;
        }
        write!(f, "\n\t{}:{}", self.file, self.line)?;
        if let Some(offset) = self.offset {
            write!(f, " +{offset:#x}")?;
        }
        f.write_str("\n")
    }
}

impl Display for Ancestor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[originating from goroutine {}]:", self.goid)?;
        for line in &self.lines {
            write!(f, "{line}")?;
        }
        match &self.created_by {
            Some(created_by) => write!(f, "{created_by}"),
            None => Ok(()),
        }
    }
}
