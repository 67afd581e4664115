//! Where the bytes of an object come from: the program's memory, or the object's file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use model::{Addr, BuildIds};
use object::ObjectSection;
use target::{Mapping, ReadMemory};

use crate::elf::{self, HEAD, Headers, Place};

/// What the C part needs of the program that is looked at.
pub trait Program {
    /// Memory for what the program does not write: text and tables. It may be that of a program that
    /// runs again.
    fn image(&self) -> &dyn ReadMemory;

    /// The file that is mapped, or one that may be it; `None` where there is none to be had.
    fn open(&self, mapping: &Mapping) -> Option<ObjectFile>;

    /// Files that may have the debug information of an object that has none of its own; `ids` are its build
    /// IDs, and `link` is the name that it gives that file itself.
    fn open_debug(&self, mapping: &Mapping, ids: &BuildIds, link: Option<&[u8]>)
    -> Vec<ObjectFile>;
}

/// A program of whose objects only what is in memory can be had.
pub struct Loaded<'m>(pub &'m dyn ReadMemory);

impl Program for Loaded<'_> {
    fn image(&self) -> &dyn ReadMemory {
        self.0
    }

    fn open(&self, _: &Mapping) -> Option<ObjectFile> {
        None
    }

    fn open_debug(&self, _: &Mapping, _: &BuildIds, _: Option<&[u8]>) -> Vec<ObjectFile> {
        Vec::new()
    }
}

/// A file that is mapped.
#[derive(Debug)]
pub struct ObjectFile {
    /// The file.
    pub file: File,
    /// Whether it is known to be the one that is mapped. Otherwise it is only used if it has the same build ID.
    pub is_same: bool,
}

/// An object's bytes. What the program has in memory is what it runs; the file has what the
/// memory does not (what a core leaves out, and what is never loaded).
#[derive(Debug)]
pub(crate) struct Image {
    pub headers: Headers,
    /// By how much run-time addresses are ahead of link-time ones.
    pub bias: u64,
    pub file: Option<File>,
    /// Why there is none.
    pub refusal: &'static str,
    pub ids: BuildIds,
}

/// A section's bytes, unpacked; `None` if they are more than `most`, or cannot be read. A packed section may say that
/// it becomes anything.
pub(crate) fn unpacked<'data>(section: &impl ObjectSection<'data>, most: u64) -> Option<Vec<u8>> {
    let packed = section.compressed_data().ok()?;
    (packed.uncompressed_size <= most).then_some(())?;
    Some(packed.decompress().ok()?.into_owned())
}

/// Unwind tables of more bytes than this are not read.
pub(crate) const MAX_BYTES: u64 = 1 << 28;
/// Bytes that are read of memory at a time.
const PIECE: u64 = 1 << 20;

impl Image {
    /// Finds the object that `mapping` is the first part of.
    pub(crate) fn open(mapping: &Mapping, program: &dyn Program) -> Result<Image, String> {
        let memory = program.image();
        let in_memory = head_in_memory(mapping, memory);
        let file = program.open(mapping);
        let mut ids = match &in_memory {
            Some((headers, bias)) => ids_in_memory(headers, *bias, memory),
            None => BuildIds::default(),
        };
        let (file, refusal) = match file {
            None => (None, "its file is not to be had"),
            Some(ObjectFile {
                file,
                is_same: true,
            }) => (Some(file), ""),
            Some(ObjectFile { file, .. }) => match compare(&ids, &ids_in_file(&file)) {
                Ok(()) => (Some(file), ""),
                Err(why) => (None, why),
            },
        };
        let (headers, bias) = in_memory
            .or_else(|| {
                let headers = head_of_file(file.as_ref()?)?;
                let bias = headers.bias(mapping.start.0, mapping.file_offset)?;
                Some((headers, bias))
            })
            .ok_or_else(|| match refusal {
                "" => "it is no ELF object that goinspect knows".to_owned(),
                why => why.to_owned(),
            })?;
        if let Some(file) = file.as_ref().filter(|_| ids.is_empty()) {
            ids = ids_in_file(file);
        }
        Ok(Image {
            headers,
            bias,
            file,
            refusal,
            ids,
        })
    }

    /// The bytes at a link-time address: all of them, or `None`.
    pub(crate) fn read(&self, memory: &dyn ReadMemory, place: Place) -> Option<Vec<u8>> {
        if place.size > MAX_BYTES {
            return None;
        }
        self.read_memory(memory, place)
            .or_else(|| self.read_file(place))
    }

    /// Piece by piece: a size that makes no sense ends soon where nothing is mapped.
    fn read_memory(&self, memory: &dyn ReadMemory, place: Place) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = Addr(place.at.wrapping_add(self.bias));
        let mut left = place.size;
        while left > 0 {
            let len = left.min(PIECE);
            let begin = bytes.len();
            bytes.resize(begin + len as usize, 0);
            memory.read(at, bytes.get_mut(begin..)?).ok()?;
            at = at.checked_add(len)?;
            left -= len;
        }
        Some(bytes)
    }

    fn read_file(&self, place: Place) -> Option<Vec<u8>> {
        let file = self.file.as_ref()?;
        let segment = self.headers.segment(place.at)?;
        let skip = place.at - segment.at;
        let offset = segment.offset.checked_add(skip)?;
        let is_there = skip.checked_add(place.size)? <= segment.file_size
            && offset.checked_add(place.size)? <= file.metadata().ok()?.len();
        is_there.then_some(())?;
        let mut bytes = vec![0; place.size as usize];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// From a link-time address to the end of what the file has for its segment.
    pub(crate) fn rest_of_segment(&self, at: u64) -> Option<Place> {
        let segment = self.headers.segment(at)?;
        let size = segment.file_size.checked_sub(at - segment.at)?;
        Some(Place { at, size })
    }
}

fn head_in_memory(mapping: &Mapping, memory: &dyn ReadMemory) -> Option<(Headers, u64)> {
    if mapping.file_offset != 0 {
        return None;
    }
    let size = (mapping.end.0 - mapping.start.0).min(HEAD as u64);
    let mut head = vec![0; size as usize];
    memory.read(mapping.start, &mut head).ok()?;
    let headers = Headers::parse(&head)?;
    let bias = headers.bias(mapping.start.0, 0)?;
    Some((headers, bias))
}

fn head_of_file(file: &File) -> Option<Headers> {
    let mut head = vec![0; HEAD];
    let len = file.read_at(&mut head, 0).ok()?;
    Headers::parse(head.get(..len)?)
}

/// More bytes of notes than any object has.
const MAX_NOTES: u64 = 1 << 16;

fn ids_in_memory(headers: &Headers, bias: u64, memory: &dyn ReadMemory) -> BuildIds {
    let mut ids = BuildIds::default();
    for place in &headers.notes {
        let mut notes = vec![0; place.size.min(MAX_NOTES) as usize];
        if memory
            .read(Addr(place.at.wrapping_add(bias)), &mut notes)
            .is_ok()
        {
            elf::build_ids(&notes, &mut ids);
        }
    }
    ids
}

fn ids_in_file(file: &File) -> BuildIds {
    let mut ids = BuildIds::default();
    let Some(headers) = head_of_file(file) else {
        return ids;
    };
    for place in &headers.notes {
        let mut notes = vec![0; place.size.min(MAX_NOTES) as usize];
        let offset = headers
            .segment(place.at)
            .map(|s| s.offset.wrapping_add(place.at - s.at));
        if offset.is_some_and(|offset| file.read_exact_at(&mut notes, offset).is_ok()) {
            elf::build_ids(&notes, &mut ids);
        }
    }
    ids
}

/// Whether two objects are one; the GNU build ID is what C's linkers give each its own of.
fn compare(mapped: &BuildIds, found: &BuildIds) -> Result<(), &'static str> {
    match (&mapped.gnu, &found.gnu) {
        (Some(mapped), Some(found)) if mapped == found => Ok(()),
        (Some(_), Some(_)) => Err("the file of its name is of another build"),
        _ => Err("nothing tells whether the file of its name is the one that was mapped"),
    }
}
