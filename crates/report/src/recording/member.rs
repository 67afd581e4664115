//! A gzip member (RFC 1952) that says in an extra field what it holds and how long it is.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};

use super::{MAX_UNPACKED, most_unpacked};

/// What a member holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A snapshot.
    Whole,
    /// What has changed since the sample before.
    Delta,
    /// That a sample could not be taken, and why.
    Missed,
    /// Why the recording ended.
    End,
}

impl Kind {
    const ALL: [(Kind, u8); 4] = [
        (Kind::Whole, b'W'),
        (Kind::Delta, b'D'),
        (Kind::Missed, b'M'),
        (Kind::End, b'E'),
    ];
}

/// How a member begins: gzip's ten bytes (with an extra field, no time, made on Unix or wherever: neither
/// says anything), the length of the extra field, our subfield `GI`, its length; then come the kind and the member's length.
const MAGIC: [u8; 4] = [0x1f, 0x8b, 8, 4];
const EXTRA: [u8; 6] = [13, 0, b'G', b'I', 9, 0];
const EXTRA_AT: usize = 10;
const LENGTH_AT: usize = EXTRA_AT + EXTRA.len() + 1;
/// Bytes before the packed data.
pub(super) const HEAD: usize = LENGTH_AT + 8;
/// Checksum and length.
const TAIL: u64 = 8;

/// A member with what `write` writes.
pub(super) fn pack(
    kind: Kind,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let letter = Kind::ALL.iter().find(|(k, _)| *k == kind);
    let mut extra = EXTRA.get(2..).unwrap_or_default().to_vec();
    extra.extend(letter.map(|(_, letter)| *letter));
    extra.extend([0; 8]);
    let packer = GzBuilder::new().extra(extra);
    let mut packer = Limited {
        out: packer.write(Vec::new(), Compression::default()),
        left: MAX_UNPACKED,
    };
    write(&mut packer)?;
    let unpacked = MAX_UNPACKED - packer.left;
    let mut member = packer.out.finish()?;
    let length = member.len() as u64;
    if unpacked > most_unpacked(length) {
        return Err(too_large());
    }
    let length = length.to_le_bytes();
    if let Some(place) = member.get_mut(LENGTH_AT..HEAD) {
        place.copy_from_slice(&length);
    }
    Ok(member)
}

/// What a member holds, and its length in bytes; `None` for what does not begin like one.
pub(super) fn parse(head: &[u8; HEAD]) -> Option<(Kind, u64)> {
    let extra = head.get(EXTRA_AT..)?.strip_prefix(&EXTRA[..])?;
    let (&letter, length) = extra.split_first()?;
    let (kind, _) = *Kind::ALL.iter().find(|(_, l)| *l == letter)?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    (head.starts_with(&MAGIC) && length > HEAD as u64 + TAIL).then_some((kind, length))
}

fn too_large() -> io::Error {
    io::Error::other("the sample is too large to be recorded")
}

/// Refuses to write more than readers read.
struct Limited<W> {
    out: W,
    left: u64,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buf)?;
        let left = self.left.checked_sub(written as u64);
        self.left = left.ok_or_else(too_large)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
