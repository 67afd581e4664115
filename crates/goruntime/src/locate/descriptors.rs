//! Structs as the program describes them itself: the type descriptors that reflection and the
//! allocator use are in every Go program, stripped or not.
//!
//! Sources, Go 1.19 (`runtime/type.go`) to 1.27 (`internal/abi/type.go`): `Type`, `StructType`,
//! `StructField`, `ArrayType`, `Name`. What is relied on has not changed in between.

use std::ops::Range;

use gobinary::{Field, Shape, Type, TypeId, TypeTable};
use memchr::memmem;
use model::Addr;
use rustc_hash::{FxHashMap, FxHashSet};
use target::ReadMemory;

/// Size of `abi.Type`.
const TYPE_SIZE: u64 = 48;
/// Where `Str`, the offset of the name, is in it.
const STR: usize = 40;
/// `abi.TFlagExtraStar`: the name begins with a `*` too many.
const EXTRA_STAR: u8 = 2;
/// `abi.KindMask`; up to Go 1.23 the upper bits of the kind are flags.
const KIND_MASK: u8 = 31;
/// Size of `abi.StructField`.
const FIELD_SIZE: u64 = 24;

/// More than the descriptors of any program; the largest known ones have some 50 MB.
const MAX_BYTES: u64 = 512 << 20;
/// More fields than any struct of the runtime has.
const MAX_FIELDS: u64 = 1024;
/// Structs in structs: the runtime's nest a handful deep.
const MAX_DEPTH: usize = 16;

/// Reads those of the `wanted` structs (by full names, `runtime.g`) that have a descriptor in `area`.
pub(super) fn read(mem: &dyn ReadMemory, area: Range<Addr>, wanted: &[&str]) -> TypeTable {
    let mut table = TypeTable::default();
    let len = area.end.0.saturating_sub(area.start.0);
    if len > MAX_BYTES {
        return table;
    }
    let mut bytes = vec![0; len as usize];
    if mem.read(area.start, &mut bytes).is_err() {
        return table;
    }
    let mut reader = Reader {
        mem,
        start: area.start,
        bytes,
        table: TypeTable::default(),
        seen: FxHashMap::default(),
    };
    let mut found: FxHashMap<&str, Vec<TypeId>> = FxHashMap::default();
    for (at, name) in reader.candidates(wanted) {
        if let Some(id) = reader.strukt(at, name) {
            found.entry(name).or_default().push(id);
        }
    }
    table = reader.table;
    for (name, ids) in found {
        // Several descriptors of one type are copies; if they are not, neither is trusted.
        let mut ids = ids.into_iter();
        if let Some(first) = ids.next()
            && ids.all(|id| table.get(id) == table.get(first))
        {
            table.publish(name, first);
        }
    }
    table
}

struct Reader<'m> {
    mem: &'m dyn ReadMemory,
    start: Addr,
    bytes: Vec<u8>,
    table: TypeTable,
    seen: FxHashMap<Addr, TypeId>,
}

impl Reader<'_> {
    /// Where a descriptor bears a wanted name. Names are shared between types, and the same
    /// bytes may stand elsewhere by chance, so this is not yet the type.
    fn candidates<'n>(&self, wanted: &[&'n str]) -> Vec<(Addr, &'n str)> {
        let mut by_offset: FxHashMap<u32, Vec<&'n str>> = FxHashMap::default();
        for &name in wanted {
            let text = format!("*{}", base(name));
            let Ok(len) = u8::try_from(text.len()) else {
                continue;
            };
            let pattern = [&[len], text.as_bytes()].concat();
            for at in memmem::find_iter(&self.bytes, &pattern) {
                // Before the length stands a byte of flags; the name begins there.
                if let Some(offset) = at.checked_sub(1).and_then(|at| u32::try_from(at).ok()) {
                    by_offset.entry(offset).or_default().push(name);
                }
            }
        }
        let offsets: FxHashSet<u32> = by_offset.keys().copied().collect();
        let mut found = Vec::new();
        let aligned = self.start.0.wrapping_neg() as usize & 7;
        let mut at = aligned;
        while let Some(&name) = self
            .bytes
            .get(at + STR..)
            .and_then(|rest| rest.first_chunk::<4>())
        {
            let offset = u32::from_le_bytes(name);
            if offsets.contains(&offset) {
                let names = by_offset.get(&offset).into_iter().flatten();
                found.extend(names.map(|&name| (Addr(self.start.0 + at as u64), name)));
            }
            at += 8;
        }
        found
    }

    /// The struct whose descriptor is at `at`, if that is what its name says.
    fn strukt(&mut self, at: Addr, name: &str) -> Option<TypeId> {
        let header = self.get(at, TYPE_SIZE + 8)?;
        let [tflag, kind] = [*header.get(20)?, *header.get(23)? & KIND_MASK];
        if kind != 25 || tflag & EXTRA_STAR == 0 {
            return None;
        }
        // Other packages are called `runtime`, too (k8s.io/apimachinery/pkg/runtime).
        let package = self.name(Addr(word(&header, TYPE_SIZE as usize)?))?;
        let (path, _) = name.rsplit_once('.')?;
        if package != path {
            return None;
        }
        self.describe(at, name.to_owned(), 0)
    }

    fn describe(&mut self, at: Addr, name: String, depth: usize) -> Option<TypeId> {
        if let Some(&id) = self.seen.get(&at) {
            return Some(id);
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let header = self.get(at, TYPE_SIZE)?;
        let size = word(&header, 0)?;
        let shape = match *header.get(23)? & KIND_MASK {
            1 => Shape::Bool,
            2..=6 => Shape::Int { signed: true },
            7..=12 => Shape::Int { signed: false },
            17 => {
                let rest = self.get(at.checked_add(TYPE_SIZE)?, 24)?;
                Shape::Array {
                    element: self.describe(Addr(word(&rest, 0)?), String::new(), depth + 1)?,
                    count: word(&rest, 16)?,
                }
            }
            18 | 19 | 21 | 22 | 26 => Shape::Pointer,
            23 => self.header(&["array", "len", "cap"]),
            24 => self.header(&["str", "len"]),
            25 => Shape::Struct {
                fields: self.fields(at, depth)?,
            },
            _ => Shape::Other,
        };
        let id = self.table.add(Type { name, size, shape });
        self.seen.insert(at, id);
        Some(id)
    }

    /// A slice or a string, in the words of DWARF.
    fn header(&mut self, names: &[&str]) -> Shape {
        let word = |shape| Type {
            name: String::new(),
            size: 8,
            shape,
        };
        let fields = names.iter().enumerate().map(|(i, name)| {
            let shape = match i {
                0 => Shape::Pointer,
                _ => Shape::Int { signed: true },
            };
            Field {
                name: (*name).to_owned(),
                offset: 8 * i as u64,
                ty: self.table.add(word(shape)),
            }
        });
        Shape::Struct {
            fields: fields.collect(),
        }
    }

    fn fields(&mut self, at: Addr, depth: usize) -> Option<Vec<Field>> {
        let slice = self.get(at.checked_add(TYPE_SIZE + 8)?, 16)?;
        let (list, len) = (Addr(word(&slice, 0)?), word(&slice, 8)?);
        if len > MAX_FIELDS {
            return None;
        }
        let entries = self.get(list, len * FIELD_SIZE)?;
        let (entries, _) = entries.as_chunks::<{ FIELD_SIZE as usize }>();
        let mut fields = Vec::with_capacity(entries.len());
        for entry in entries {
            let (name, ty) = (Addr(word(entry, 0)?), Addr(word(entry, 8)?));
            fields.push(Field {
                name: self.name(name)?,
                offset: word(entry, 16)?,
                ty: self.describe(ty, String::new(), depth + 1)?,
            });
        }
        Some(fields)
    }

    /// `abi.Name.Name`.
    fn name(&self, at: Addr) -> Option<String> {
        let head = self.get(at, 3)?;
        // A varint; no name of the runtime's has more than 127 bytes.
        let len = *head.get(1)?;
        if len == 0 || len & 0x80 != 0 {
            return None;
        }
        let text = self.get(at.checked_add(2)?, u64::from(len))?;
        String::from_utf8(text).ok()
    }

    fn get(&self, at: Addr, len: u64) -> Option<Vec<u8>> {
        let len = usize::try_from(len).ok()?;
        let inside = at.0.checked_sub(self.start.0).and_then(|offset| {
            let offset = usize::try_from(offset).ok()?;
            self.bytes.get(offset..offset.checked_add(len)?)
        });
        if let Some(bytes) = inside {
            return Some(bytes.to_vec());
        }
        let mut bytes = vec![0; len];
        self.mem.read(at, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// The name as a descriptor has it, with the last part of the package's path only: `sync.Mutex` for
/// `internal/sync.Mutex`.
fn base(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, base)| base)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}
