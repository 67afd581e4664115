//! The filter language, the same for `--filter` and for the terminal UI's filter line.
//!
//! Terms are joined by spaces, and all must hold. A term is a bare word (any function name
//! on the stack contains it) or `field:value`; quotes (`"…"`) keep spaces and colons
//! together, and inside them a backslash makes the next character literal.
//!
//! * Text (`reason:`, `func:`, `top:`, `created:`, bare words) matches as a part of the whole. It
//!   ignores the case of ASCII letters unless the term has an upper-case letter (smart case), so
//!   `serve` finds `ListenAndServe` and `Serve` does not find `serve`.
//! * `on:0xc00009e060` is what a goroutine waits on by its address; `on:` with another text finds it by a part of its name or of
//!   what its file is (`on:main.queue`, `on:"10.0.0.7:5432"`), or by its kind (`on:mutex`).
//! * `label:key=value` compares key and value exactly: `tenant=acme` is not `tenant=acme2`.
//! * `-term` shows exactly what `term` hides. So a goroutine whose age is not known (the runtime
//!   notes it only now and then) is shown by `-age:>5m`: nobody knows it to be that old.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use crate::{Addr, Frame, Goid, Goroutine, Status, WaitState, WaitingOn};

mod parse;

/// A parsed filter. The empty one matches every goroutine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

/// What is wrong with a filter, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterError {
    /// The bytes of the filter's text that are wrong; never empty, unless the text ends too early.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub message: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Test {
    Goid(Goid),
    Status(Status),
    Reason(Text),
    /// `func:`, and a bare word: they mean the same.
    Func(Text),
    Top(Text),
    Created(Text),
    Label {
        key: String,
        value: Option<String>,
    },
    Older(Duration),
    Younger(Duration),
    System(bool),
    /// `on:` with an address.
    OnAddr(Addr),
    /// `on:` with anything else: a part of the name or of the file, or the kind.
    On(Text),
}

/// A part of a text to look for, by smart case.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Text {
    part: String,
    exact_case: bool,
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let terms = parse::terms(text)?;
        Ok(Filter { terms })
    }

    /// The filter that holds where both do.
    pub fn and(mut self, other: &Filter) -> Filter {
        self.terms.extend_from_slice(&other.terms);
        self
    }

    /// Whether it has no terms and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it has a `system:` term, of whichever sort.
    pub fn asks_for_system(&self) -> bool {
        self.terms
            .iter()
            .any(|term| matches!(term.test, Test::System(_)))
    }

    /// Whether it goes by the names of what is waited on, some of which are known of [`crate::Object`]s only.
    pub fn asks_for_names(&self) -> bool {
        let mut terms = self.terms.iter();
        terms.any(|term| matches!(term.test, Test::On(_)))
    }

    /// Whether a goroutine matches. `nanotime` is the clock of its snapshot
    /// ([`crate::CaptureInfo::nanotime`]), for `age:`.
    pub fn matches(&self, goroutine: &Goroutine, nanotime: Option<u64>) -> bool {
        self.terms
            .iter()
            .all(|term| term.test.holds(goroutine, nanotime) != term.negated)
    }

    /// The same for many goroutines of one snapshot, faster.
    pub fn matcher<'a>(&'a self, nanotime: Option<u64>) -> Matcher<'a> {
        Matcher {
            filter: self,
            nanotime,
            stacks: HashMap::new(),
            _stacks: PhantomData,
        }
    }
}

/// A filter at work on many goroutines. It searches every stack once: goroutines with the same
/// calls share them.
pub struct Matcher<'a> {
    filter: &'a Filter,
    nanotime: Option<u64>,
    /// What came of it, by term and stack. The borrow keeps an address from being used again.
    stacks: HashMap<(usize, *const Frame), bool>,
    _stacks: PhantomData<&'a [Frame]>,
}

impl<'a> Matcher<'a> {
    /// Whether a goroutine matches.
    pub fn matches(&mut self, goroutine: &'a Goroutine) -> bool {
        let holds = |(i, term): (usize, &Term)| {
            let test = || term.test.holds(goroutine, self.nanotime);
            let holds = match term.test {
                Test::Func(_) => {
                    let key = (i, goroutine.frames.as_ptr());
                    *self.stacks.entry(key).or_insert_with(test)
                }
                _ => test(),
            };
            holds != term.negated
        };
        self.filter.terms.iter().enumerate().all(holds)
    }
}

impl Goroutine {
    /// How long it has been waiting *at least*, by the runtime's own note
    /// ([`Goroutine::waitsince`]); `None` where the runtime has not noted it, or the clock is unknown.
    pub fn waited(&self, nanotime: Option<u64>) -> Option<Duration> {
        // A clock that was read a moment before the note counts as the same moment.
        let waited = nanotime?.saturating_sub(self.waitsince?);
        Some(Duration::from_nanos(waited))
    }
}

impl Test {
    fn holds(&self, g: &Goroutine, nanotime: Option<u64>) -> bool {
        match self {
            Test::Goid(goid) => g.goid == *goid,
            Test::Status(status) => g.status == *status,
            Test::Reason(text) => g.waitreason.as_deref().is_some_and(|r| text.is_in(r)),
            Test::Func(text) => g.frames.iter().any(|f| text.is_in(&f.function.name)),
            Test::Top(text) => g
                .top_user_frame()
                .is_some_and(|f| text.is_in(&f.function.name)),
            Test::Created(text) => g
                .gopc
                .as_ref()
                .and_then(|site| site.function.as_ref())
                .is_some_and(|function| text.is_in(&function.name)),
            Test::Label { key, value } => {
                g.labels.iter().flatten().any(|(k, v)| {
                    **k == **key && value.as_deref().is_none_or(|value| **v == *value)
                })
            }
            Test::Older(limit) => g.waited(nanotime).is_some_and(|age| age > *limit),
            Test::Younger(limit) => g.waited(nanotime).is_some_and(|age| age < *limit),
            Test::System(system) => g.system == *system,
            Test::OnAddr(addr) => waiting_on(g).any(|on| on.addr == Some(*addr)),
            Test::On(text) => waiting_on(g).any(|on| {
                let file = match &on.state {
                    WaitState::File { file, .. } => file.as_deref(),
                    _ => None,
                };
                text.part == on.kind.as_str()
                    || [on.name.as_deref(), file]
                        .into_iter()
                        .flatten()
                        .any(|whole| text.is_in(whole))
            }),
        }
    }
}

fn waiting_on(g: &Goroutine) -> impl Iterator<Item = &WaitingOn> {
    g.waiting_on.iter().flat_map(|list| list.iter())
}

impl Text {
    fn new(part: String) -> Text {
        let exact_case = part.chars().any(char::is_uppercase);
        Text { part, exact_case }
    }

    fn is_in(&self, whole: &str) -> bool {
        if self.exact_case {
            return whole.contains(&self.part);
        }
        let part = self.part.as_bytes();
        part.is_empty()
            || whole
                .as_bytes()
                .windows(part.len())
                .any(|window| window.eq_ignore_ascii_case(part))
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FilterError {}

/// Prints the filter so that it parses back to the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            let minus = if term.negated { "-" } else { "" };
            write!(f, "{gap}{minus}{}", term.test)?;
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Goid(goid) => write!(f, "goid:{goid}"),
            Test::Status(status) => write!(f, "status:{}", status.as_str()),
            Test::Reason(text) => write!(f, "reason:{}", Quoted(&text.part)),
            Test::Func(text) => write!(f, "func:{}", Quoted(&text.part)),
            Test::Top(text) => write!(f, "top:{}", Quoted(&text.part)),
            Test::Created(text) => write!(f, "created:{}", Quoted(&text.part)),
            Test::Label { key, value: None } => write!(f, "label:{}", Quoted(key)),
            Test::Label {
                key,
                value: Some(value),
            } => write!(f, "label:{}={}", Quoted(key), Quoted(value)),
            Test::Older(limit) => write!(f, "age:>{}", parse::Age(*limit)),
            Test::Younger(limit) => write!(f, "age:<{}", parse::Age(*limit)),
            Test::System(system) => write!(f, "system:{system}"),
            Test::OnAddr(addr) => write!(f, "on:{:#x}", addr.0),
            Test::On(text) => write!(f, "on:{}", Quoted(&text.part)),
        }
    }
}

/// A value, in quotes where it would not parse back without them.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            return f.write_str(self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests;
