//! Functions by their symbols, for code without debug information.

use std::fs::File;

use object::read::elf::{ElfFile64, GnuHashTable, HashTable};
use object::{LittleEndian, Object as _, ReadCache, elf};
use target::ReadMemory;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::elf::Place;
use crate::image::{Image, unpacked};

/// The symbols of an object, by their link-time addresses.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// Ascending.
    symbols: Vec<Symbol>,
    /// The longest function: how far before an address one may begin that it lies in.
    longest: u64,
    /// The names, each ended by a zero: of `.symtab` and of `.dynsym`.
    names: [Vec<u8>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Symbol {
    at: u64,
    size: u64,
    is_local: bool,
    /// Which names, and where in them.
    table: u8,
    name: u32,
}

/// Bytes of a symbol.
const SIZE: usize = 24;

/// Symbols that begin behind the function that an address lies in, and before that address.
const MAX_NESTED: usize = 1024;

/// More bytes of symbols or names than this are not read.
const MAX_BYTES: u64 = 1 << 30;
/// The same of what is read from memory, where a size may be anything.
const MAX_LOADED: u64 = 1 << 26;

impl Symbols {
    /// Reads what `files` (the object's own, and its debug file) have, or else what is loaded of it (`.dynsym`).
    pub(crate) fn read(files: &[&File], image: &Image, memory: &dyn ReadMemory) -> Symbols {
        let mut symbols = Symbols::default();
        for file in files {
            symbols.of_file(file);
        }
        if symbols.symbols.is_empty() {
            symbols.loaded(image, memory);
        }
        symbols.symbols.sort_unstable();
        symbols.symbols.dedup();
        let sizes = symbols.symbols.iter().map(|s| s.size);
        symbols.longest = sizes.max().unwrap_or(0);
        symbols
    }

    /// Takes in those of a file.
    fn of_file(&mut self, file: &File) -> Option<()> {
        let cache = ReadCache::new(file.try_clone().ok()?);
        let elf = ElfFile64::<LittleEndian, _>::parse(&cache).ok()?;
        let section = |name: &str| {
            let section = elf.section_by_name(name)?;
            unpacked(&section, MAX_BYTES)
        };
        for (table, [symbols, names]) in [[".symtab", ".strtab"], [".dynsym", ".dynstr"]]
            .into_iter()
            .enumerate()
        {
            if let (Some(symbols), Some(names)) = (section(symbols), section(names)) {
                self.add(table, &symbols, names);
            }
        }
        Some(())
    }

    /// Takes in those that the dynamic linker uses, out of memory.
    fn loaded(&mut self, image: &Image, memory: &dyn ReadMemory) -> Option<()> {
        let read = |at, size| image.read(memory, Place { at, size });
        let place = image.headers.dynamic?;
        let dynamic = read(place.at, place.size.min(MAX_LOADED))?;
        let entry = |wanted: elf::DynamicTag| {
            let entries = dynamic.chunks_exact(16).map_while(|entry| {
                let tag = u64_at(entry, 0)?;
                Some((tag, u64_at(entry, 8)?))
            });
            let mut entries = entries.take_while(|&(tag, _)| tag != 0);
            let (_, value) = entries.find(|&(tag, _)| tag == wanted.0 as u64)?;
            Some(value)
        };
        // ld.so makes run-time addresses of them, but not of those of the vDSO.
        let link = |at: u64| match image.headers.segment(at) {
            Some(_) => at,
            None => at.wrapping_sub(image.bias),
        };
        let rest = |at| image.rest_of_segment(at).map(|place| place.size);
        let hash = |tag| {
            let at = link(entry(tag)?);
            read(at, rest(at)?.min(MAX_LOADED))
        };
        let count = hash(elf::DT_GNU_HASH)
            .and_then(|bytes| {
                let table =
                    GnuHashTable::<elf::FileHeader64<LittleEndian>>::parse(LittleEndian, &bytes);
                table.ok()?.symbol_table_length(LittleEndian)
            })
            .or_else(|| {
                let bytes = hash(elf::DT_HASH)?;
                let table =
                    HashTable::<elf::FileHeader64<LittleEndian>>::parse(LittleEndian, &bytes);
                Some(table.ok()?.symbol_table_length())
            })?;
        let at = link(entry(elf::DT_SYMTAB)?);
        let size = u64::from(count).checked_mul(SIZE as u64)?;
        let symbols = read(at, size.min(MAX_LOADED))?;
        let at = link(entry(elf::DT_STRTAB)?);
        let names = read(at, entry(elf::DT_STRSZ)?.min(MAX_LOADED))?;
        self.add(1, &symbols, names);
        Some(())
    }

    /// The first of several tables of a sort counts: a debug file may have what a stripped object has not.
    fn add(&mut self, table: usize, symbols: &[u8], names: Vec<u8>) {
        match self.names.get_mut(table) {
            Some(kept) if kept.is_empty() => *kept = names,
            _ => return,
        }
        let functions = symbols.chunks_exact(SIZE).filter_map(|symbol| {
            let info = *symbol.get(4)?;
            let kind = elf::SymbolType(info & 0xf);
            let (at, size) = (u64_at(symbol, 8)?, u64_at(symbol, 16)?);
            // What has no size may end anywhere. Section 0: it is defined elsewhere.
            let is_code = matches!(kind, elf::STT_FUNC | elf::STT_GNU_IFUNC | elf::STT_NOTYPE);
            (is_code && size > 0 && u16_at(symbol, 6)? != 0).then_some(Symbol {
                at,
                size,
                is_local: info >> 4 == elf::STB_LOCAL.0,
                table: table as u8,
                name: u32_at(symbol, 0)?,
            })
        });
        self.symbols.extend(functions);
    }

    /// The function that a link-time address lies in: where it begins, and its name. Of several
    /// names the plainest: `poll`, not `__poll`.
    pub(crate) fn find(&self, at: u64) -> Option<(u64, &[u8])> {
        let end = self.symbols.partition_point(|s| s.at <= at);
        let before = self.symbols.get(..end)?.iter().rev();
        let near = before
            .take(MAX_NESTED)
            .take_while(|s| at - s.at < self.longest);
        let found = near.filter(|s| at - s.at < s.size);
        let named = found.filter_map(|s| Some((s, self.name(s)?)));
        let plainness = |(symbol, name): &(&Symbol, &[u8])| {
            let underscores = name.iter().take_while(|&&b| b == b'_').count();
            (symbol.is_local, symbol.size, underscores, name.to_vec())
        };
        let (symbol, name) = named.min_by_key(plainness)?;
        Some((symbol.at, name))
    }

    fn name(&self, symbol: &Symbol) -> Option<&[u8]> {
        let names = self.names.get(usize::from(symbol.table))?;
        let name = names.get(symbol.name as usize..)?;
        let name = name.split(|&b| b == 0).next()?;
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: u32, info: u8, at: u64, size: u64) -> Vec<u8> {
        let mut bytes = name.to_le_bytes().to_vec();
        bytes.extend([info, 0, 1, 0]);
        bytes.extend(at.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes
    }

    #[test]
    fn an_address_belongs_to_what_covers_it() {
        let names = b"\0__poll\0poll\0outer\0inner\0label\0data\0".to_vec();
        let at = |name: &str| {
            let whole = std::str::from_utf8(&names).unwrap();
            (whole.find(&format!("\0{name}\0")).unwrap() + 1) as u32
        };
        let (global, local) = (0x10, 0x00);
        let table = [
            symbol(at("__poll"), global | 2, 0x100, 0x20),
            symbol(at("poll"), 0x20 | 2, 0x100, 0x20),
            symbol(at("outer"), global | 2, 0x200, 0x1000),
            symbol(at("inner"), global | 2, 0x300, 0x10),
            symbol(at("label"), local, 0x120, 0),
            symbol(at("data"), global | 1, 0x140, 0x40),
        ]
        .concat();
        let mut symbols = Symbols::default();
        symbols.add(0, &table, names);
        symbols.symbols.sort_unstable();
        symbols.longest = 0x1000;
        let find = |at| {
            let (start, name) = symbols.find(at)?;
            Some((start, std::str::from_utf8(name).unwrap()))
        };
        assert_eq!(find(0xff), None);
        assert_eq!(find(0x100), Some((0x100, "poll")));
        assert_eq!(find(0x11f), Some((0x100, "poll")));
        assert_eq!(find(0x120), None, "a label has no size");
        assert_eq!(find(0x150), None, "data");
        assert_eq!(find(0x2ff), Some((0x200, "outer")));
        assert_eq!(find(0x305), Some((0x300, "inner")));
        assert_eq!(find(0x310), Some((0x200, "outer")));
        assert_eq!(find(0x1200), None);
    }
}
