//! Text for the screen: made harmless, made to fit, numbers and times for people.

use std::borrow::Cow;
use std::time::Duration;

use model::Escaped;
use ratatui::text::Span;

/// A text from the target, made harmless for the terminal.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    Escaped(text).text()
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        Span::raw(text).width()
    }
}

/// The text, its end replaced by `…` where it is wider than `columns`.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut room = columns.saturating_sub(1);
    for c in text.chars() {
        let w = char_width(c);
        if w > room {
            break;
        }
        room -= w;
        kept.push(c);
    }
    Cow::Owned(if columns == 0 {
        String::new()
    } else {
        kept + "…"
    })
}

/// The text, its beginning replaced by `…` where it is wider than `columns`: of paths and
/// function names the end tells more. Cut behind a slash where that loses little.
pub(crate) fn fit_end(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut room = columns - 1;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        let w = char_width(c);
        if w > room {
            break;
        }
        room -= w;
        start = at;
    }
    let tail = text.get(start..).unwrap_or_default();
    let at_slash = tail.find('/').filter(|at| *at < columns / 3);
    let tail = at_slash.and_then(|at| tail.get(at..)).unwrap_or(tail);
    Cow::Owned(format!("…{tail}"))
}

fn char_width(c: char) -> usize {
    if c.is_ascii() {
        1
    } else {
        Span::raw(c.to_string()).width()
    }
}

/// The text cut into lines of at most `columns`, between words where there are any.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) <= columns {
            line.push(' ');
        } else if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if width(&line) + char_width(c) > columns && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

/// A function's name as Go's traceback has it: type arguments as `[...]`, for they can be
/// longer than a screen is wide.
pub(crate) fn short_function(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            let before = name.get(..open).unwrap_or_default();
            let after = name.get(close + 1..).unwrap_or_default();
            Cow::Owned(format!("{before}[...]{after}"))
        }
        _ => Cow::Borrowed(name),
    }
}

/// A sentence whose functions are told by their packages' last names: where they come from is told where there is room.
pub(crate) fn short_paths(sentence: &str) -> String {
    let short = |word: &str| match word.split_once('/') {
        // Of a module that is not of Go's own library.
        Some((host, rest)) if host.contains('.') && rest.contains('.') => {
            let (path, name) = rest.split_at(rest.find('(').unwrap_or(rest.len()));
            let last = path.rsplit('/').next().unwrap_or(path);
            format!("…/{last}{name}")
        }
        _ => word.to_owned(),
    };
    let words: Vec<String> = sentence.split(' ').map(short).collect();
    words.join(" ")
}

/// `1,204,000`
pub(crate) fn thousands(n: usize) -> String {
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

/// A time that goes on, in at most six columns for a century: `7s`, `4m12s`, `2h05m`, `3d04h`.
pub(crate) fn age(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        86_400..864_000 => format!("{}d{:02}h", s / 86_400, s / 3600 % 24),
        _ => format!("{}d", s / 86_400),
    }
}

/// A span that is over, to two or three digits: `850µs`, `3.2ms`, `1.5s`.
pub(crate) fn span(d: Duration) -> String {
    let us = d.as_micros();
    match us {
        0..1_000 => format!("{us}µs"),
        1_000..10_000 => format!("{}.{}ms", us / 1_000, us / 100 % 10),
        10_000..1_000_000 => format!("{}ms", us / 1_000),
        _ if us % 1_000_000 < 100_000 => format!("{}s", us / 1_000_000),
        _ => format!("{}.{}s", us / 1_000_000, us / 100_000 % 10),
    }
}

/// Bytes, to two or three digits: `812 B`, `3.4 MB`.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{} kB", n / 1_000),
        _ => format!("{}.{} MB", n / 1_000_000, n / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (given, shown) in [
            ("net/http.(*conn).serve", "net/http.(*conn).serve"),
            ("日本語", "日本語"),
            ("\x1b[2J", "\\x1b[2J"),
            ("a\nb\r\tc\0", "a\\nb\\r\\tc\\x00"),
            ("\u{9b}31m\u{202e}x", "\\x9b31m\\u{202e}x"),
        ] {
            assert_eq!(clean(given), shown);
        }
    }

    #[test]
    fn texts_fit() {
        assert_eq!(fit("chan receive", 20), "chan receive");
        assert_eq!(fit("chan receive", 6), "chan …");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("x", 0), "");
        assert_eq!(
            fit_end("github.com/acme/pool.(*Pool).Get", 24),
            "…/acme/pool.(*Pool).Get"
        );
        assert_eq!(
            fit_end("github.com/acme/pool.(*Pool).Get", 20),
            "…/pool.(*Pool).Get"
        );
        assert_eq!(fit_end("pool.(*Pool).Get", 8), "…ol).Get");
        assert_eq!(fit_end("x日", 0), "");
        assert_eq!(fit_end("x日本", 4), "…本");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn paths_in_sentences_are_short() {
        let long = "1 goroutine waits in go.etcd.io/etcd/wal.(*file[a/b.C]).run (file.go:98) to read/write net/http.Get of example.com/v2.1/x 1.2";
        let short = "1 goroutine waits in …/wal.(*file[a/b.C]).run (file.go:98) to read/write net/http.Get of …/x 1.2";
        assert_eq!(short_paths(long), short);
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(1_204_000), "1,204,000");
        assert_eq!(thousands(999), "999");
        let ages = [0, 59, 60, 7_500, 100_000, 864_000].map(|s| age(Duration::from_secs(s)));
        assert_eq!(ages, ["0s", "59s", "1m00s", "2h05m", "1d03h", "10d"]);
        let spans =
            [850, 3_290, 47_000, 1_000_000, 1_560_000].map(|us| span(Duration::from_micros(us)));
        assert_eq!(spans, ["850µs", "3.2ms", "47ms", "1s", "1.5s"]);
        assert_eq!(
            [bytes(812), bytes(34_999), bytes(3_450_000)],
            ["812 B", "34 kB", "3.4 MB"]
        );
    }

    #[test]
    fn type_arguments_are_shortened() {
        assert_eq!(
            short_function("main.Map[go.shape.int,[]string].func1"),
            "main.Map[...].func1"
        );
        assert_eq!(short_function("main.main"), "main.main");
    }
}
