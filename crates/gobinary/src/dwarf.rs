//! DWARF (versions 4 and 5) → [`TypeTable`], only the types that are asked for.
//!
//! Go's linker writes the types of the whole program into one more compilation unit called
//! `runtime` (`cmd/link/internal/ld/dwarf.go`, `dwarfGenerateDebugInfo`), so only
//! units of that name are looked into.

use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugInfoOffset, DwAt, EndianSlice, LittleEndian, UnitHeader,
    UnitOffset,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::types::{Field, Shape, Type, TypeId, TypeTable};

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Dwarf<'a> = gimli::Dwarf<Slice<'a>>;
type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

/// Typedefs of typedefs, structs in structs; the runtime's are far shallower.
const MAX_DEPTH: usize = 64;

/// Reads the layouts of `wanted` types. `section` gives a section's uncompressed bytes
/// by its name (`.debug_info`), empty where there is none.
pub(crate) fn read_types<'a>(
    section: impl Fn(&str) -> &'a [u8],
    wanted: &[&str],
) -> Result<TypeTable, gimli::Error> {
    let dwarf = Dwarf::load(|id| {
        Ok::<_, gimli::Error>(EndianSlice::new(section(id.name()), LittleEndian))
    })?;
    let wanted: FxHashSet<&[u8]> = wanted.iter().map(|name| name.as_bytes()).collect();
    let mut table = TypeTable::default();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        // Not `dwarf.unit`: that wants the line tables, which nobody else needs.
        let abbreviations = dwarf.abbreviations(&header)?;
        let unit = Unit {
            dwarf: &dwarf,
            header,
            abbreviations,
        };
        if unit.name()? != Some(b"runtime") {
            continue;
        }
        let mut reader = TypeReader {
            unit: &unit,
            table: &mut table,
            seen: FxHashMap::default(),
        };
        for (name, offset) in reader.find(&wanted)? {
            if let Some(id) = reader.read(offset, 0)? {
                reader.table.publish(&name, id);
            }
        }
    }
    Ok(table)
}

/// A compilation unit.
struct Unit<'d, 'a> {
    dwarf: &'d Dwarf<'a>,
    header: UnitHeader<Slice<'a>>,
    abbreviations: Arc<Abbreviations>,
}

impl<'a> Unit<'_, 'a> {
    fn name(&self) -> Result<Option<&'a [u8]>, gimli::Error> {
        let mut entries = self.header.entries(&self.abbreviations);
        Ok(entries.next_dfs()?.and_then(|root| self.entry_name(root)))
    }

    /// Go writes names into the entries themselves; tools that shrink DWARF move them out.
    fn entry_name(&self, entry: &Entry<'a>) -> Option<&'a [u8]> {
        match entry.attr_value(gimli::DW_AT_name)? {
            AttributeValue::String(name) => Some(name.slice()),
            AttributeValue::DebugStrRef(at) => {
                self.dwarf.debug_str.get_str(at).ok().map(|s| s.slice())
            }
            AttributeValue::DebugLineStrRef(at) => self
                .dwarf
                .debug_line_str
                .get_str(at)
                .ok()
                .map(|s| s.slice()),
            _ => None,
        }
    }

    fn entry(&self, at: UnitOffset) -> Result<Entry<'a>, gimli::Error> {
        self.header.entry(&self.abbreviations, at)
    }

    fn tree(&self, at: UnitOffset) -> Result<gimli::EntriesTree<'_, Slice<'a>>, gimli::Error> {
        self.header.entries_tree(&self.abbreviations, Some(at))
    }
}

struct TypeReader<'u, 'a> {
    unit: &'u Unit<'u, 'a>,
    table: &'u mut TypeTable,
    seen: FxHashMap<UnitOffset, TypeId>,
}

impl<'a> TypeReader<'_, 'a> {
    /// The unit's top-level structs and typedefs that bear a wanted name. A named struct
    /// type has a typedef of the same name beside it; either leads to the same layout.
    fn find(&self, wanted: &FxHashSet<&[u8]>) -> Result<Vec<(String, UnitOffset)>, gimli::Error> {
        let mut found = Vec::new();
        let mut tree = self
            .unit
            .header
            .entries_tree(&self.unit.abbreviations, None)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if !matches!(
                entry.tag(),
                gimli::DW_TAG_structure_type | gimli::DW_TAG_typedef
            ) {
                continue;
            }
            if let Some(name) = self
                .unit
                .entry_name(entry)
                .filter(|name| wanted.contains(name))
            {
                found.push((String::from_utf8_lossy(name).into_owned(), entry.offset()));
            }
        }
        Ok(found)
    }

    /// Reads one type and what it contains by value; `None` for what cannot be a field's type.
    fn read(&mut self, offset: UnitOffset, depth: usize) -> Result<Option<TypeId>, gimli::Error> {
        if let Some(&id) = self.seen.get(&offset) {
            return Ok(Some(id));
        }
        if depth > MAX_DEPTH {
            return Ok(None);
        }
        let entry = self.unit.entry(offset)?;
        let name = self
            .unit
            .entry_name(&entry)
            .map(String::from_utf8_lossy)
            .unwrap_or_default()
            .into_owned();
        let number = |at: DwAt| entry.attr_value(at).and_then(|v| v.udata_value());
        let size = number(gimli::DW_AT_byte_size);
        let target = entry
            .attr_value(gimli::DW_AT_type)
            .and_then(|v| self.unit_offset(v));
        let (size, shape) = match entry.tag() {
            gimli::DW_TAG_typedef => {
                // Go's typedef only gives a name to the type it leads to.
                return match target {
                    Some(target) => self.read(target, depth + 1),
                    None => Ok(None),
                };
            }
            gimli::DW_TAG_base_type => {
                let shape = match entry.attr_value(gimli::DW_AT_encoding) {
                    Some(AttributeValue::Encoding(gimli::DW_ATE_boolean)) => Shape::Bool,
                    Some(AttributeValue::Encoding(
                        gimli::DW_ATE_signed | gimli::DW_ATE_signed_char,
                    )) => Shape::Int { signed: true },
                    Some(AttributeValue::Encoding(
                        gimli::DW_ATE_unsigned | gimli::DW_ATE_unsigned_char,
                    )) => Shape::Int { signed: false },
                    _ => Shape::Other,
                };
                (size.unwrap_or(0), shape)
            }
            // A pointer's size goes without saying; what it points to is not followed.
            gimli::DW_TAG_pointer_type
            | gimli::DW_TAG_subroutine_type
            | gimli::DW_TAG_unspecified_type => (8, Shape::Pointer),
            gimli::DW_TAG_structure_type => (
                size.unwrap_or(0),
                Shape::Struct {
                    fields: self.fields(offset, depth)?,
                },
            ),
            gimli::DW_TAG_array_type => {
                let Some(element) = (match target {
                    Some(target) => self.read(target, depth + 1)?,
                    None => None,
                }) else {
                    return Ok(None);
                };
                let count = self.array_count(offset)?;
                let each = self.table.get(element).map_or(0, |t| t.size);
                (
                    size.unwrap_or(each.saturating_mul(count)),
                    Shape::Array { element, count },
                )
            }
            _ => (size.unwrap_or(0), Shape::Other),
        };
        let id = self.table.add(Type { name, size, shape });
        self.seen.insert(offset, id);
        Ok(Some(id))
    }

    fn fields(&mut self, offset: UnitOffset, depth: usize) -> Result<Vec<Field>, gimli::Error> {
        let mut members = Vec::new();
        let mut tree = self.unit.tree(offset)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_member {
                continue;
            }
            let Some(name) = self.unit.entry_name(entry) else {
                continue;
            };
            let name = String::from_utf8_lossy(name).into_owned();
            let at = match entry.attr_value(gimli::DW_AT_data_member_location) {
                Some(AttributeValue::Exprloc(expression)) => plus_uconst(expression),
                Some(value) => value.udata_value(),
                None => None,
            };
            let ty = entry
                .attr_value(gimli::DW_AT_type)
                .and_then(|v| self.unit_offset(v));
            if let (Some(at), Some(ty)) = (at, ty) {
                members.push((name, at, ty));
            }
        }
        let mut fields = Vec::with_capacity(members.len());
        for (name, offset, ty) in members {
            if let Some(ty) = self.read(ty, depth + 1)? {
                fields.push(Field { name, offset, ty });
            }
        }
        Ok(fields)
    }

    fn array_count(&self, offset: UnitOffset) -> Result<u64, gimli::Error> {
        let mut tree = self.unit.tree(offset)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag() == gimli::DW_TAG_subrange_type {
                let number = |at| entry.attr_value(at).and_then(|v| v.udata_value());
                let upper = || number(gimli::DW_AT_upper_bound).and_then(|n| n.checked_add(1));
                return Ok(number(gimli::DW_AT_count).or_else(upper).unwrap_or(0));
            }
        }
        Ok(0)
    }

    /// The place of a type in this unit; types of other units are not looked into.
    fn unit_offset(&self, value: AttributeValue<Slice<'a>>) -> Option<UnitOffset> {
        match value {
            AttributeValue::UnitRef(offset) => Some(offset),
            AttributeValue::DebugInfoRef(DebugInfoOffset(offset)) => {
                DebugInfoOffset(offset).to_unit_offset(&self.unit.header)
            }
            _ => None,
        }
    }
}

/// `DW_OP_plus_uconst N`: how DWARF 2 and 3 wrote a field's offset.
fn plus_uconst(expression: gimli::Expression<Slice<'_>>) -> Option<u64> {
    let (&op, rest) = expression.0.slice().split_first()?;
    if op != gimli::DW_OP_plus_uconst.0 {
        return None;
    }
    crate::bytes::uvarint_at(rest, 0).map(|(value, _)| value)
}
