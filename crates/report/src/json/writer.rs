//! Writing JSON that a terminal may be shown.

use std::io::{self, Write};

use model::must_escape;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use serde_json::value::RawValue;

use super::Style;

/// Writes an object in a style, and a newline.
pub(crate) fn write_object(
    object: &impl Serialize,
    style: Style,
    out: impl Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    match style {
        Style::Line => serialize(object, &mut out, CompactFormatter)?,
        Style::Pretty => serialize(object, &mut out, PrettyFormatter::new())?,
    }
    out.write_all(b"\n")?;
    out.flush()
}

fn serialize(
    object: &impl Serialize,
    out: impl Write,
    formatter: impl Formatter,
) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, TerminalSafe(formatter));
    Ok(object.serialize(&mut serializer)?)
}

/// An object as text, in [`Style::Line`].
pub(super) fn as_text(object: &impl Serialize) -> serde_json::Result<Box<RawValue>> {
    let mut text = Vec::new();
    serialize(object, &mut text, CompactFormatter).map_err(serde_json::Error::io)?;
    serde_json::from_slice(&text)
}

/// JSON must escape control characters below U+0020 only. This escapes whatever else a
/// terminal would obey (U+009B is as good as `ESC [`); readers see the same strings.
struct TerminalSafe<F>(F);

impl<F: Formatter> Formatter for TerminalSafe<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly every string is ASCII; control characters below U+0020 never come here.
        if fragment.bytes().all(|b| b < 0x7f) {
            return self.0.write_string_fragment(out, fragment);
        }
        for part in fragment.split_inclusive(must_escape) {
            let plain = part.trim_end_matches(must_escape);
            self.0.write_string_fragment(out, plain)?;
            if let Some(c) = part.chars().next_back().filter(|&c| must_escape(c)) {
                // All of them are below U+10000, where four digits suffice.
                write!(out, "\\u{:04x}", u32::from(c))?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
