//! Notes: how ELF files carry records of any kind (`elf(5)`, `Elf64_Nhdr`).

use crate::bytes::u32_at;

/// `n_namesz`, `n_descsz`, `n_type`.
const HEADER: u64 = 12;
/// The longest name that anybody here asks for, and then some.
const NAME: usize = 8;

/// Where one note is; offsets count from the beginning of its segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    name: [u8; NAME],
    name_len: usize,
    /// `n_type`.
    pub(crate) kind: u32,
    /// Where its contents begin.
    pub(crate) at: u64,
    /// Their length in bytes.
    pub(crate) len: u64,
}

impl Note {
    /// Whether it is of that owner. Some writers count the terminating NUL, some do not;
    /// Go's linker counts the padding too (`Go\0\0`).
    pub(crate) fn is_by(&self, owner: &str) -> bool {
        let name = self.name.get(..self.name_len).unwrap_or_default();
        name.split(|&b| b == 0).next() == Some(owner.as_bytes())
    }
}

/// Why the notes of a segment were not all seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    /// The file ends, or the memory is not there.
    Unreadable,
    /// A note claims to be longer than what holds it.
    TooLong,
    /// There were more than allowed.
    TooMany,
}

/// Calls `visit` for each note of a segment of `len` bytes, at most `budget` times.
/// `read` fills a buffer from an offset on.
pub(crate) fn walk(
    len: u64,
    align: u64,
    budget: &mut usize,
    read: &dyn Fn(u64, &mut [u8]) -> Option<()>,
    visit: &mut dyn FnMut(Note),
) -> Result<(), Stopped> {
    // All notes of a core are aligned to 4 bytes, whatever its header says (0 and 1 are seen);
    // 8 is for some notes of executables.
    let align = if align == 8 { 8 } else { 4 };
    let len = len.min(i64::MAX as u64);
    let mut at = 0;
    while at + HEADER <= len {
        *budget = budget.checked_sub(1).ok_or(Stopped::TooMany)?;
        let mut header = [0; HEADER as usize];
        read(at, &mut header).ok_or(Stopped::Unreadable)?;
        let field = |i| u32_at(&header, i).map_or(0, u64::from);
        let (name_len, desc_len) = (field(0), field(4));
        // None of these sums overflows: the addends have 32 bits.
        let name_at = at + HEADER;
        let desc_at = (name_at + name_len).next_multiple_of(align);
        let end = desc_at + desc_len;
        if end > len {
            return Err(Stopped::TooLong);
        }
        let mut note = Note {
            name: [0; NAME],
            name_len: 0,
            kind: u32_at(&header, 8).unwrap_or_default(),
            at: desc_at,
            len: desc_len,
        };
        if let Some(name) = note.name.get_mut(..name_len as usize) {
            read(name_at, name).ok_or(Stopped::Unreadable)?;
            note.name_len = name_len as usize;
        }
        visit(note);
        at = end.next_multiple_of(align);
    }
    Ok(())
}
