//! Strings from a target, made harmless for a terminal.

use std::borrow::Cow;
use std::fmt;

/// Shows a string from the target with everything escaped that a terminal would obey
/// instead of print: control characters (`\x1b`), and what reorders or breaks a line
/// (`\u{202e}`). All other Unicode is shown as it is.
///
/// Backslashes are left alone: this is for reading, not for parsing back.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl<'a> Escaped<'a> {
    /// The same as a string; borrowed where there is nothing to escape.
    pub fn text(self) -> Cow<'a, str> {
        if self.0.chars().any(must_escape) {
            Cow::Owned(self.to_string())
        } else {
            Cow::Borrowed(self.0)
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| must_escape(c)) {
            // `at` and the end of `c` are character boundaries, so `get` never fails.
            f.write_str(rest.get(..at).unwrap_or_default())?;
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if u32::from(c) < 0x100 => write!(f, "\\x{:02x}", u32::from(c))?,
                c => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            }
            rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
        }
        f.write_str(rest)
    }
}

/// Whether a terminal would obey a character instead of printing it: control characters
/// (C0, DEL, C1), the line and paragraph separators, and the
/// marks that change the direction of what follows. All are below U+10000.
pub fn must_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeyed_characters_are_escaped_and_others_kept() {
        for (given, shown) in [
            ("net/http.(*conn).serve", "net/http.(*conn).serve"),
            ("日本語 · naïve 👩‍🚀", "日本語 · naïve 👩‍🚀"),
            ("\x1b[2J", "\\x1b[2J"),
            ("a\nb\r\tc\0", "a\\nb\\r\\tc\\x00"),
            ("\u{7f}\u{9b}31m", "\\x7f\\x9b31m"),
            ("\u{202e}txt.exe\u{2028}", "\\u{202e}txt.exe\\u{2028}"),
            ("", ""),
        ] {
            assert_eq!(Escaped(given).to_string(), shown);
        }
    }
}
