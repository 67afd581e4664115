//! Go's dump text, read back: what `SIGQUIT`, a crash, `runtime.Stack`, pprof's `debug=2` or
//! goinspect wrote.

use std::borrow::Cow;

use model::{Addr, LabelPlace};

use super::block::{Ancestor, Block, Call, CreatedBy, FrameWords, HeaderLabels, Line, MName};

/// A text with goroutines in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dump<'a> {
    /// The lines before the first goroutine: `panic: …`, or what goinspect says of the whole.
    pub preamble: Vec<&'a str>,
    /// The goroutines in the order of the text. In a crash text one may stand there twice: first
    /// without a stack because it runs on another thread, then as that thread prints it.
    pub blocks: Vec<Block<'a>>,
}

/// Reads a dump. What is no part of a goroutine (registers, log lines between the blocks) is passed over,
/// and so a text without goroutines gives no blocks; nothing is an error.
pub fn parse_dump(text: &str) -> Dump<'_> {
    let mut dump = Dump::default();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(mut block) = header(line) else {
            if dump.blocks.is_empty() {
                dump.preamble.push(line);
            }
            continue;
        };
        body(&mut block, &mut lines);
        dump.blocks.push(block);
    }
    while dump.preamble.last().is_some_and(|line| line.is_empty()) {
        dump.preamble.pop();
    }
    dump
}

/// Whether a text that begins so has goroutines in it; a crash text may have a lot before them.
pub fn looks_like_dump(head: &str) -> bool {
    head.lines().any(|line| header(line).is_some())
}

type Lines<'a> = std::iter::Peekable<std::str::Lines<'a>>;

/// `goroutine 18 gp=0xc000102a80 m=nil [chan receive, 5 minutes, locked to thread]:`
fn header(line: &str) -> Option<Block<'_>> {
    let rest = line.strip_prefix("goroutine ")?;
    let (names, rest) = rest.split_once(" [")?;
    let rest = rest.strip_suffix(':')?;
    let (inside, labels) = labels(rest)?;
    let mut names = names.split(' ');
    let mut block = Block {
        goid: names.next()?.parse().ok()?,
        g: None,
        m: MName::Untold,
        state: Cow::Borrowed(""),
        minutes: None,
        locked: false,
        bubble: None,
        labels,
        lines: Vec::new(),
        created_by: None,
        ancestors: Vec::new(),
    };
    while let Some(name) = names.next() {
        if let Some(g) = name.strip_prefix("gp=") {
            block.g = Some(address(g)?);
        } else if name == "m=nil" {
            block.m = MName::Nil;
        } else if let Some(id) = name.strip_prefix("m=") {
            block.m = MName::On {
                id: id.parse().ok()?,
                at: address(names.next()?.strip_prefix("mp=")?)?,
            };
        }
    }
    let mut parts = inside.split(", ");
    block.state = Cow::Borrowed(parts.next()?);
    for part in parts {
        let bubble = |word: &'static str| {
            let id = part.strip_prefix(word)?.strip_prefix(' ')?.parse().ok()?;
            Some((Cow::Borrowed(word), id))
        };
        if part == "locked to thread" {
            block.locked = true;
        } else if let Some(minutes) = part.strip_suffix(" minutes") {
            block.minutes = minutes.parse().ok();
        } else {
            block.bubble = bubble("synctest bubble").or_else(|| bubble("synctest group"));
        }
    }
    Some(block)
}

/// Splits `chan receive] {k: v}` into what stands in the brackets and the labels.
fn labels(rest: &str) -> Option<(&str, Option<HeaderLabels<'_>>)> {
    if let Some((inside, text)) = rest.split_once(" labels:{") {
        let (labels, behind) = read_labels(text, LabelPlace::InBrackets)?;
        return (behind == "]").then_some((inside, Some(labels)));
    }
    if let Some((inside, text)) = rest.split_once("] {") {
        let (labels, behind) = read_labels(text, LabelPlace::BehindBrackets)?;
        return behind.is_empty().then_some((inside, Some(labels)));
    }
    Some((rest.strip_suffix(']')?, None))
}

fn read_labels(text: &str, place: LabelPlace) -> Option<(HeaderLabels<'_>, &str)> {
    let (pairs, behind) = pairs(text)?;
    Some((HeaderLabels { place, pairs }, behind))
}

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// `k: v, "a b": "c"}` and what follows.
fn pairs(mut text: &str) -> Option<(Pairs<'_>, &str)> {
    let mut pairs = Vec::new();
    loop {
        let (key, rest) = word(text)?;
        let (value, rest) = word(rest.strip_prefix(": ")?)?;
        pairs.push((key, value));
        match rest.strip_prefix(", ") {
            Some(rest) => text = rest,
            None => return Some((pairs, rest.strip_prefix('}')?)),
        }
    }
}

/// A word, quoted or not, and what follows.
fn word(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([':', ',', '}'])?;
        let (word, rest) = text.split_at_checked(end)?;
        return Some((Cow::Borrowed(word), rest));
    };
    let mut out = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((Cow::Owned(out), chars.as_str())),
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'x' => out.push(code(&mut chars, 2)?),
                'u' => out.push(code(&mut chars, 4)?),
                'U' => out.push(code(&mut chars, 8)?),
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
}

/// `\x80` stands for a byte that was no UTF-8.
fn code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let (hex, rest) = chars.as_str().split_at_checked(digits)?;
    *chars = rest.chars();
    let code = u32::from_str_radix(hex, 16).ok()?;
    if digits == 2 && code >= 0x80 {
        return Some(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(code)
}

/// Everything up to the end of the block.
fn body<'a>(block: &mut Block<'a>, lines: &mut Lines<'a>) {
    let mut ancestor: Option<Ancestor<'a>> = None;
    while let Some(&line) = lines.peek() {
        if line.is_empty() || is_register(line) || header(line).is_some() {
            break;
        }
        lines.next();
        if let Some(goid) = originator(line) {
            block.ancestors.extend(ancestor.replace(Ancestor {
                goid,
                lines: Vec::new(),
                created_by: None,
            }));
            continue;
        }
        let (into, created_by) = match &mut ancestor {
            Some(ancestor) => (&mut ancestor.lines, &mut ancestor.created_by),
            None => (&mut block.lines, &mut block.created_by),
        };
        if let Some(found) = creator(line, lines) {
            *created_by = Some(found);
        } else if let Some(call) = call(line, lines) {
            into.push(Line::Call(call));
        } else {
            into.push(other(line));
        }
    }
    block.ancestors.extend(ancestor);
}

/// `rax    0x0`: what a crash prints behind a thread's stack.
fn is_register(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let mut name = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let is_name = words.next().is_some_and(&mut name);
    let is_value = words.next().and_then(address).is_some();
    is_name && is_value && !line.starts_with('\t')
}

fn originator(line: &str) -> Option<u64> {
    let goid = line.strip_prefix("[originating from goroutine ")?;
    goid.strip_suffix("]:")?.parse().ok()
}

fn other(line: &str) -> Line<'_> {
    if line == "\tgoroutine running on other thread; stack unavailable" {
        return Line::Unavailable;
    }
    let elided = line
        .strip_prefix("...")
        .and_then(|rest| rest.strip_suffix(" frames elided..."))
        .and_then(|count| count.parse().ok());
    match elided {
        Some(count) => Line::Elided(count),
        None => Line::Other(Cow::Borrowed(line)),
    }
}

/// A call and, if it is one, the line with its place, which is then taken from `lines`.
fn call<'a>(line: &'a str, lines: &mut Lines<'a>) -> Option<Call<'a>> {
    let (name, args) = line.strip_suffix(')')?.rsplit_once('(')?;
    if line.starts_with('\t') {
        return None;
    }
    let place = place(lines.peek()?)?;
    lines.next();
    Some(Call {
        name: Cow::Borrowed(name),
        args: Cow::Borrowed(args),
        file: Cow::Borrowed(place.file),
        line: place.line,
        offset: place.offset,
        words: place.words,
    })
}

/// `created by main.main in goroutine 1` and its place.
fn creator<'a>(line: &'a str, lines: &mut Lines<'a>) -> Option<CreatedBy<'a>> {
    let rest = line.strip_prefix("created by ")?;
    let place = place(lines.peek()?)?;
    lines.next();
    let named = rest
        .rsplit_once(" in goroutine ")
        .and_then(|(name, goid)| Some((name, goid.parse().ok()?)));
    let (name, goid) = named.map_or((rest, None), |(name, goid)| (name, Some(goid)));
    Some(CreatedBy {
        name: Cow::Borrowed(name),
        goid,
        file: Cow::Borrowed(place.file),
        line: place.line,
        offset: place.offset,
    })
}

struct Place<'a> {
    file: &'a str,
    line: u32,
    offset: Option<u64>,
    words: Option<FrameWords>,
}

/// `\t/src/main.go:31 +0x1d fp=0xc000060748 sp=0xc000060700 pc=0x43e1ce`
fn place(line: &str) -> Option<Place<'_>> {
    let mut rest = line.strip_prefix('\t')?;
    let mut last = |mark: &str| {
        let (before, value) = rest.rsplit_once(mark)?;
        let value = address(value)?;
        rest = before;
        Some(value)
    };
    let pc = last(" pc=");
    let words = pc.and_then(|pc| {
        let sp = last(" sp=")?;
        let fp = last(" fp=")?;
        Some(FrameWords { fp, sp, pc })
    });
    let offset = last(" +").map(|offset| offset.0);
    let (file, line) = rest.rsplit_once(':')?;
    Some(Place {
        file,
        line: line.parse().ok()?,
        offset,
        words,
    })
}

fn address(text: &str) -> Option<Addr> {
    let digits = text.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok().map(Addr)
}
