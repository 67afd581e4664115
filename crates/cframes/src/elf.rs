//! The ELF header and the program headers of an object, as they lie in memory or in its file.
//!
//! Section headers are not loaded, so what is needed to unwind is found without them.

use model::{Arch, BuildIds};

use crate::bytes::{u16_at, u32_at, u64_at};

/// Bytes of an object's beginning in which its program headers should be: `ld` and all others
/// put them behind the ELF header.
pub(crate) const HEAD: usize = 4096;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

/// Bytes of a program header.
const HEADER: usize = 56;

/// More program headers than any object has.
const MAX_HEADERS: usize = 256;

/// A part of an object that is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    /// Link-time address.
    pub at: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes of it the file has.
    pub file_size: u64,
    /// How many bytes it has in memory.
    pub size: u64,
}

/// A place in an object by its link-time address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub at: u64,
    pub size: u64,
}

/// What the headers say.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    pub arch: Arch,
    pub segments: Vec<Segment>,
    /// `.eh_frame_hdr`.
    pub eh_frame_hdr: Option<Place>,
    pub dynamic: Option<Place>,
    pub notes: Vec<Place>,
}

impl Headers {
    /// Reads the headers out of an object's first bytes; `None` for what is no 64-bit
    /// little-endian ELF object of a processor that goinspect knows.
    pub(crate) fn parse(head: &[u8]) -> Option<Headers> {
        // 64-bit, little-endian.
        if !head.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let arch = match u16_at(head, 18)? {
            EM_X86_64 => Arch::Amd64,
            EM_AARCH64 => Arch::Arm64,
            _ => return None,
        };
        let table = usize::try_from(u64_at(head, 32)?).ok()?;
        if usize::from(u16_at(head, 54)?) != HEADER {
            return None;
        }
        let count = usize::from(u16_at(head, 56)?);
        let mut headers = Headers {
            arch,
            segments: Vec::new(),
            eh_frame_hdr: None,
            dynamic: None,
            notes: Vec::new(),
        };
        for i in 0..count.min(MAX_HEADERS) {
            let at = table.checked_add(i * HEADER)?;
            let header = head.get(at..at.checked_add(HEADER)?)?;
            let word = |at| u64_at(header, at);
            let segment = Segment {
                offset: word(8)?,
                at: word(16)?,
                file_size: word(32)?,
                size: word(40)?,
            };
            let place = Place {
                at: segment.at,
                size: segment.size,
            };
            match u32_at(header, 0)? {
                PT_LOAD => headers.segments.push(segment),
                PT_DYNAMIC => headers.dynamic = Some(place),
                PT_NOTE => headers.notes.push(place),
                PT_GNU_EH_FRAME => headers.eh_frame_hdr = Some(place),
                _ => {}
            }
        }
        Some(headers)
    }

    /// By how much run-time addresses are ahead of link-time ones, where the part of the file
    /// from `file_offset` on is mapped at `start`.
    pub(crate) fn bias(&self, start: u64, file_offset: u64) -> Option<u64> {
        let holds = |s: &&Segment| {
            let first = s.offset & !0xfff;
            first <= file_offset && file_offset < s.offset.saturating_add(s.file_size)
        };
        let segment = self.segments.iter().find(holds)?;
        let at = segment
            .at
            .wrapping_sub(segment.offset)
            .wrapping_add(file_offset);
        Some(start.wrapping_sub(at))
    }

    /// The segment that a link-time address lies in.
    pub(crate) fn segment(&self, at: u64) -> Option<&Segment> {
        let holds = |s: &&Segment| at >= s.at && at - s.at < s.size;
        self.segments.iter().find(holds)
    }
}

/// The build IDs in the contents of a note segment.
pub(crate) fn build_ids(notes: &[u8], ids: &mut BuildIds) {
    let mut rest = notes;
    while let Some((note, behind)) = next_note(rest) {
        let (owner, kind, contents) = note;
        ids.note(owner, kind, contents);
        rest = behind;
    }
}

type Note<'a> = (&'a [u8], u32, &'a [u8]);

/// The first of a row of notes (aligned to 4, as those of build IDs are), and what comes behind it.
fn next_note(notes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let owner_size = u32_at(notes, 0)? as usize;
    let size = u32_at(notes, 4)? as usize;
    let owner = notes.get(12..12usize.checked_add(owner_size)?)?;
    let begin = 12usize.checked_add(owner_size.checked_next_multiple_of(4)?)?;
    let end = begin.checked_add(size)?;
    let contents = notes.get(begin..end)?;
    let behind = notes.get(end.checked_next_multiple_of(4)?..).unwrap_or(&[]);
    let owner = owner.split(|&b| b == 0).next().unwrap_or_default();
    Some(((owner, u32_at(notes, 8)?, contents), behind))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An object's first bytes, with program headers of (type, offset, address, size).
    pub(crate) fn head(machine: u16, headers: &[(u32, u64, u64, u64)]) -> Vec<u8> {
        let mut head = vec![0; 64];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[18..20].copy_from_slice(&machine.to_le_bytes());
        head[32..40].copy_from_slice(&64u64.to_le_bytes());
        head[54..56].copy_from_slice(&56u16.to_le_bytes());
        head[56..58].copy_from_slice(&(headers.len() as u16).to_le_bytes());
        for &(kind, offset, at, size) in headers {
            head.extend(kind.to_le_bytes());
            head.extend([0; 4]);
            for word in [offset, at, 0, size, size, 4096] {
                head.extend(word.to_le_bytes());
            }
        }
        head
    }

    #[test]
    fn headers_say_where_it_was_loaded() {
        let loads = [
            (PT_LOAD, 0, 0x40_0000, 0x800),
            (PT_LOAD, 0x1010, 0x40_2010, 0x500),
            (PT_GNU_EH_FRAME, 0x700, 0x40_0700, 0x20),
        ];
        let headers = Headers::parse(&head(EM_X86_64, &loads)).unwrap();
        assert_eq!(headers.arch, Arch::Amd64);
        assert_eq!(headers.eh_frame_hdr.unwrap().at, 0x40_0700);
        assert_eq!(headers.bias(0x7f00_0000, 0), Some(0x7f00_0000 - 0x40_0000));
        // The second part is mapped from the beginning of its page on.
        assert_eq!(
            headers.bias(0x7f00_2000, 0x1000),
            Some(0x7f00_0000 - 0x40_0000)
        );
        assert_eq!(headers.bias(0x7f00_2000, 0x9000), None);
        assert_eq!(headers.segment(0x40_2010).unwrap().offset, 0x1010);
        assert_eq!(headers.segment(0x40_200f), None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let good = head(EM_AARCH64, &[(PT_LOAD, 0, 0, 1)]);
        assert!(Headers::parse(&good).is_some());
        for len in 0..good.len() {
            assert!(Headers::parse(&good[..len]).is_none(), "{len}");
        }
        assert!(Headers::parse(&head(3, &[])).is_none());
    }

    #[test]
    fn build_ids_are_found_among_notes() {
        let mut notes = Vec::new();
        let mut note = |owner: &[u8], kind: u32, contents: &[u8]| {
            notes.extend((owner.len() as u32).to_le_bytes());
            notes.extend((contents.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            for bytes in [owner, contents] {
                notes.extend(bytes);
                notes.resize(notes.len().next_multiple_of(4), 0);
            }
        };
        note(b"Linux\0", 1, &[1, 2, 3]);
        note(b"GNU\0", 3, &[0xab; 20]);
        let mut ids = BuildIds::default();
        build_ids(&notes, &mut ids);
        assert_eq!(ids.gnu, Some(vec![0xab; 20]));
        for len in 0..notes.len() {
            build_ids(&notes[..len], &mut BuildIds::default());
        }
    }
}
