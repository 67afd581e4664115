//! From text to terms, with the place of what is wrong.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::{FilterError, Term, Test, Text};
use crate::{Addr, Goid, Status};

const FIELDS: &str = "goid status reason func top created label on age system";

/// Longest first: `ms` must be tried before `m` and `s`.
const UNITS: [(&str, u64); 5] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A character of a term, where it stands, and whether quotes make it literal.
#[derive(Clone, Copy)]
struct Char {
    c: char,
    at: usize,
    quoted: bool,
}

/// A part of a term, which may be empty: it still has a place.
#[derive(Clone, Copy)]
struct Part<'a> {
    chars: &'a [Char],
    /// Where it ends in the text, quotes included.
    end: usize,
}

impl<'a> Part<'a> {
    fn text(self) -> String {
        self.chars.iter().map(|c| c.c).collect()
    }

    fn range(self) -> Range<usize> {
        self.chars.first().map_or(self.end, |c| c.at)..self.end
    }

    fn error<T>(self, message: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError {
            at: self.range(),
            message: message.into(),
        })
    }

    /// What stands before and after the first `separator` that is not in quotes.
    fn split(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let at = self
            .chars
            .iter()
            .position(|c| c.c == separator && !c.quoted)?;
        let (before, rest) = self.chars.split_at(at);
        let (found, after) = rest.split_first()?;
        let before = Part {
            chars: before,
            end: found.at,
        };
        let after = Part {
            chars: after,
            end: self.end,
        };
        Some((before, after))
    }
}

/// The terms of a filter.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, FilterError> {
    let mut terms = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some(&(start, c)) = rest.peek() {
        if c.is_whitespace() {
            rest.next();
            continue;
        }
        let mut chars = Vec::new();
        let mut quote: Option<usize> = None;
        let mut end = text.len();
        while let Some((at, c)) = rest.next() {
            let quoted = quote.is_some();
            match c {
                '"' if quoted => quote = None,
                '"' => quote = Some(at),
                '\\' if quoted => match rest.next() {
                    Some((_, c)) => chars.push(Char { c, at, quoted }),
                    None => break,
                },
                c if c.is_whitespace() && !quoted => {
                    end = at;
                    break;
                }
                c => chars.push(Char { c, at, quoted }),
            }
        }
        if let Some(open) = quote {
            return Err(FilterError {
                at: open..text.len(),
                message: "the closing quote is missing".into(),
            });
        }
        terms.push(term(start, Part { chars: &chars, end })?);
    }
    Ok(terms)
}

fn term(start: usize, whole: Part<'_>) -> Result<Term, FilterError> {
    let (negated, positive) = match whole.chars.split_first() {
        Some((first, chars)) if first.c == '-' && !first.quoted => (true, Part { chars, ..whole }),
        _ => (false, whole),
    };
    if positive.chars.is_empty() {
        let message = if negated {
            "a term is missing after -"
        } else {
            "an empty word matches everything"
        };
        return Err(FilterError {
            at: start..whole.end,
            message: message.into(),
        });
    }
    let test = match positive.split(':') {
        Some((field, value)) => {
            field_test(field, value).map_err(|error| match error.at.is_empty() {
                // Nothing could be seen there, so the whole term is pointed at.
                true => FilterError {
                    at: start..whole.end,
                    ..error
                },
                false => error,
            })?
        }
        None => Test::Func(Text::new(positive.text())),
    };
    Ok(Term { negated, test })
}

fn field_test(field: Part<'_>, value: Part<'_>) -> Result<Test, FilterError> {
    let name = field.text();
    let test: fn(Part<'_>) -> Result<Test, FilterError> = match name.as_str() {
        "goid" => goid,
        "status" => status,
        "reason" => |value| Ok(Test::Reason(Text::new(value.text()))),
        "func" => |value| Ok(Test::Func(Text::new(value.text()))),
        "top" => |value| Ok(Test::Top(Text::new(value.text()))),
        "created" => |value| Ok(Test::Created(Text::new(value.text()))),
        "label" => label,
        "age" => age,
        "system" => system,
        "on" => on,
        _ => return field.error(format!("no such field; there are {FIELDS}")),
    };
    if value.chars.is_empty() {
        return Part {
            chars: &[],
            ..value
        }
        .error(format!("a value is missing after {name}:"));
    }
    test(value)
}

fn goid(value: Part<'_>) -> Result<Test, FilterError> {
    match value.text().parse() {
        Ok(number) => Ok(Test::Goid(Goid(number))),
        Err(_) => value.error("a goroutine's ID is a number"),
    }
}

fn status(value: Part<'_>) -> Result<Test, FilterError> {
    let name = value.text();
    match Status::ALL.into_iter().find(|s| s.as_str() == name) {
        Some(status) => Ok(Test::Status(status)),
        None => {
            let names: Vec<&str> = Status::ALL.iter().map(|s| s.as_str()).collect();
            value.error(format!("no such status; there are {}", names.join(" ")))
        }
    }
}

fn label(label: Part<'_>) -> Result<Test, FilterError> {
    let (key, value) = match label.split('=') {
        Some((key, value)) => (key, Some(value)),
        None => (label, None),
    };
    if key.chars.is_empty() {
        return label.error("a key is missing before =");
    }
    Ok(Test::Label {
        key: key.text(),
        value: value.map(Part::text),
    })
}

fn on(value: Part<'_>) -> Result<Test, FilterError> {
    let text = value.text();
    let Some(digits) = text.strip_prefix("0x") else {
        return Ok(Test::On(Text::new(text)));
    };
    match u64::from_str_radix(digits, 16) {
        Ok(addr) => Ok(Test::OnAddr(Addr(addr))),
        Err(_) => value.error("an address is 0x and up to 16 hexadecimal digits"),
    }
}

fn system(value: Part<'_>) -> Result<Test, FilterError> {
    match value.text().as_str() {
        "true" => Ok(Test::System(true)),
        "false" => Ok(Test::System(false)),
        _ => value.error("true or false"),
    }
}

fn age(value: Part<'_>) -> Result<Test, FilterError> {
    const FORM: &str = "an age is > or <, a number, and a unit: us ms s m h";
    let text = value.text();
    let (test, rest): (fn(Duration) -> Test, &str) =
        match (text.strip_prefix('>'), text.strip_prefix('<')) {
            (Some(rest), _) => (Test::Older, rest),
            (None, Some(rest)) => (Test::Younger, rest),
            (None, None) => return value.error(FORM),
        };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let Some((_, nanoseconds)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
        return value.error(FORM);
    };
    let nanoseconds = match number.parse::<u64>() {
        Ok(number) => number.checked_mul(nanoseconds),
        Err(_) if number.is_empty() => return value.error(FORM),
        Err(_) => None,
    };
    match nanoseconds {
        Some(limit) => Ok(test(Duration::from_nanos(limit))),
        None => value.error("too long an age"),
    }
}

/// An age in the largest unit that holds it without a rest.
pub(super) struct Age(pub Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.as_nanos();
        let whole = |(_, unit): &&(&str, u64)| nanoseconds.is_multiple_of(u128::from(*unit));
        let Some((name, unit)) = UNITS.iter().rev().find(whole) else {
            // Cannot come from `age`, whose finest unit is the microsecond.
            return write!(f, "{}us", nanoseconds / 1_000);
        };
        write!(f, "{}{name}", nanoseconds / u128::from(*unit))
    }
}
