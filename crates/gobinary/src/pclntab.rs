//! pclntab: from an offset in the program's text to function, file, line, frame size and
//! inlined calls. It is in every Go executable, stripped ones included.
//!
//! Sources, Go 1.27: `runtime/symtab.go` (`pcHeader`, `functab`, `pcvalue`, `step`),
//! `runtime/runtime2.go` (`_func`), `runtime/symtabinl.go` (`inlinedCall`),
//! `internal/abi/symtab.go`. The format with magic 0xfffffff1 is that of Go 1.20 and later;
//! that of Go 1.18 and 1.19 differs in two records (Go 1.19: `runtime/symtab.go`, `inlinedCall`;
//! `runtime/runtime2.go`, `_func`).
//!
//! Text offsets are counted from `moduledata.text`. All of it may be damaged: every
//! look-up is checked, and nothing loops longer than the table is.

use crate::bytes::{c_str_at, u8_at, u32_at, u64_at};
use crate::error::BinaryError;

/// `abi.Go120PCLnTabMagic`.
const MAGIC_GO120: u32 = 0xffff_fff1;
/// `abi.Go118PCLnTabMagic`.
const MAGIC_GO118: u32 = 0xffff_fff0;

/// `abi.FuncFlagTopFrame`.
const FLAG_TOP_FRAME: u8 = 1;
/// `abi.FuncFlagSPWrite`.
const FLAG_SP_WRITE: u8 = 2;
/// `abi.PCDATA_StackMapIndex`.
const PCDATA_STACK_MAP_INDEX: u32 = 1;
/// `abi.PCDATA_InlTreeIndex`.
const PCDATA_INL_TREE_INDEX: u32 = 2;
/// `abi.PCDATA_ArgLiveIndex`.
const PCDATA_ARG_LIVE_INDEX: u32 = 3;
/// `abi.FUNCDATA_ArgsPointerMaps`.
const FUNCDATA_ARGS_POINTER_MAPS: u32 = 0;
/// `abi.FUNCDATA_LocalsPointerMaps`.
const FUNCDATA_LOCALS_POINTER_MAPS: u32 = 1;
/// `abi.FUNCDATA_StackObjects`.
const FUNCDATA_STACK_OBJECTS: u32 = 2;
/// `abi.FUNCDATA_InlTree`.
const FUNCDATA_INL_TREE: u32 = 3;
/// `abi.FUNCDATA_ArgInfo`.
const FUNCDATA_ARG_INFO: u32 = 5;
/// `abi.FUNCDATA_ArgLiveInfo`.
const FUNCDATA_ARG_LIVE_INFO: u32 = 6;
/// What differs between the formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Format {
    /// Size of `_func` before its pcdata and funcdata offsets.
    func_size: usize,
    /// Size of an `inlinedCall`.
    inlined_size: usize,
    /// Where it has the `funcID`, the name and the parent's PC.
    inlined: (usize, usize, usize),
}

const FORMAT_GO120: Format = Format {
    func_size: 44,
    inlined_size: 16,
    inlined: (0, 4, 8),
};
const FORMAT_GO118: Format = Format {
    func_size: 40,
    inlined_size: 20,
    inlined: (2, 12, 16),
};

/// The table and where its parts begin.
#[derive(Debug)]
pub struct Pclntab {
    data: Vec<u8>,
    format: Format,
    funcs: usize,
    /// Smallest instruction in bytes (`pcHeader.minLC`, `sys.PCQuantum`).
    quantum: u32,
    funcnametab: usize,
    cutab: usize,
    filetab: usize,
    pctab: usize,
    functab: usize,
}

/// A function of the table.
#[derive(Clone, Copy, Debug)]
pub struct Func<'t> {
    table: &'t Pclntab,
    /// Offset of its `_func` in the table.
    at: usize,
    /// Where it starts, as a text offset.
    pub entry: u32,
    /// `abi.FuncID`; its numbers differ between Go versions.
    pub func_id: u8,
    flag: u8,
}

impl Pclntab {
    /// Whether a table may begin here: its magic, two zeros, an instruction size, the size of a pointer.
    pub(crate) fn is_header(bytes: &[u8]) -> bool {
        let magic = u32_at(bytes, 0);
        (magic == Some(MAGIC_GO120) || magic == Some(MAGIC_GO118))
            && matches!(bytes.get(4..8), Some(&[0, 0, 1 | 4, 8]))
    }

    /// Reads the table's header.
    pub fn parse(data: Vec<u8>) -> Result<Pclntab, BinaryError> {
        let magic = u32_at(&data, 0).ok_or_else(|| BinaryError::damaged("pclntab is empty"))?;
        let format = match magic {
            MAGIC_GO120 => FORMAT_GO120,
            MAGIC_GO118 => FORMAT_GO118,
            other => {
                return Err(BinaryError::damaged(format!(
                    "pclntab has the unknown magic {other:#x}"
                )));
            }
        };
        let quantum = u8_at(&data, 6).unwrap_or(0);
        if !matches!(quantum, 1 | 4) || u8_at(&data, 7) != Some(8) {
            return Err(BinaryError::damaged(
                "pclntab is not that of a 64-bit program",
            ));
        }
        let word = |i: usize| {
            u64_at(&data, 8 + 8 * i)
                .and_then(|v| usize::try_from(v).ok())
                .filter(|&v| v <= data.len())
                .ok_or_else(|| BinaryError::damaged("pclntab's header leads out of it"))
        };
        // Word 2 was textStart until Go 1.26; moduledata.text says it better.
        let (funcs, funcnametab, cutab, filetab, pctab, functab) =
            (word(0)?, word(3)?, word(4)?, word(5)?, word(6)?, word(7)?);
        let quantum = u32::from(quantum);
        Ok(Pclntab {
            format,
            funcs,
            quantum,
            funcnametab,
            cutab,
            filetab,
            pctab,
            functab,
            data,
        })
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.funcs
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.funcs == 0
    }

    /// The function at `index` in the order of their addresses.
    pub fn func(&self, index: usize) -> Option<Func<'_>> {
        if index >= self.funcs {
            return None;
        }
        let slot = self.functab + 8 * index;
        let offset = u32_at(&self.data, slot + 4)? as usize;
        let at = self.functab.checked_add(offset)?;
        let entry = u32_at(&self.data, at)?;
        let id = at.checked_add(self.format.func_size - 4)?;
        let (func_id, flag) = (u8_at(&self.data, id)?, u8_at(&self.data, id + 1)?);
        Some(Func {
            table: self,
            at,
            entry,
            func_id,
            flag,
        })
    }

    /// Where the function at `index` ends, as a text offset; padding counts to it.
    pub fn func_end(&self, index: usize) -> Option<u32> {
        self.entry(index.checked_add(1)?)
    }

    fn entry(&self, index: usize) -> Option<u32> {
        u32_at(&self.data, self.functab + 8 * index)
    }

    /// The function that contains the text offset `at`.
    pub fn find(&self, at: u32) -> Option<Func<'_>> {
        self.func(self.index_of(at)?)
    }

    /// The index of the function that contains the text offset `at`.
    pub fn index_of(&self, at: u32) -> Option<usize> {
        // The slot behind the last function holds the end of the text.
        let (mut low, mut high) = (0, self.funcs);
        if self.entry(high)? <= at {
            return None;
        }
        // Invariant: entry(low) <= at (once checked) and at < entry(high).
        if self.entry(low)? > at {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.entry(middle)? <= at {
                low = middle
            } else {
                high = middle
            }
        }
        Some(low)
    }

    /// The name at an offset of `funcnametab` (`_func.nameOff`, `inlinedCall.nameOff`).
    pub fn name(&self, offset: u32) -> Option<&[u8]> {
        c_str_at(&self.data, self.funcnametab.checked_add(offset as usize)?)
    }

    /// Size of an entry of an inlining tree.
    pub(crate) fn inlined_size(&self) -> usize {
        self.format.inlined_size
    }

    /// Reads an entry of an inlining tree.
    pub(crate) fn inlined_call(&self, entry: &[u8]) -> Option<InlinedCall> {
        let (func_id, name, parent_pc) = self.format.inlined;
        Some(InlinedCall {
            func_id: u8_at(entry, func_id)?,
            name: u32_at(entry, name)?,
            parent_pc: u32_at(entry, parent_pc)?,
        })
    }

    /// `runtime/symtab.go`, `pcvalue`: the value of the table at `table` of `pctab` for the
    /// text offset `target` in the function that starts at `entry`. `None` is Go's -1.
    fn pcvalue(&self, table: u32, entry: u32, target: u32) -> Option<u32> {
        if table == 0 {
            return None;
        }
        let mut at = self.pctab.checked_add(table as usize)?;
        let mut pc = u64::from(entry);
        let mut value = -1i32;
        let mut first = true;
        loop {
            let (delta, next) = self.varint(at)?;
            if delta == 0 && !first {
                return None;
            }
            first = false;
            let (pc_delta, next) = self.varint(next)?;
            at = next;
            value = value.wrapping_add(((delta >> 1) as i32) ^ -((delta & 1) as i32));
            pc += u64::from(pc_delta) * u64::from(self.quantum);
            if u64::from(target) < pc {
                return u32::try_from(value).ok();
            }
        }
    }

    fn varint(&self, mut at: usize) -> Option<(u32, usize)> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = u8_at(&self.data, at)?;
            at += 1;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some((value, at));
            }
        }
        None
    }
}

impl<'t> Func<'t> {
    fn word(&self, at: usize) -> Option<u32> {
        u32_at(&self.table.data, self.at + at)
    }

    /// Its name in full, as the linker wrote it.
    pub fn name_bytes(&self) -> Option<&'t [u8]> {
        self.table.name(self.word(4)?)
    }

    /// Its name in full; `?` where it has none.
    pub fn name(&self) -> String {
        self.name_bytes().map_or_else(
            || "?".to_owned(),
            |name| String::from_utf8_lossy(name).into_owned(),
        )
    }

    /// Whether a stack ends here in good order (`abi.FuncFlagTopFrame`).
    pub fn is_top_frame(&self) -> bool {
        self.flag & FLAG_TOP_FRAME != 0
    }

    /// Whether it sets the stack pointer in a way that the tables do not tell (`abi.FuncFlagSPWrite`).
    pub fn writes_sp(&self) -> bool {
        self.flag & FLAG_SP_WRITE != 0
    }

    /// Whether there are frame sizes; an assembly function without them cannot be unwound.
    pub fn has_frame_info(&self) -> bool {
        self.word(16).is_some_and(|pcsp| pcsp != 0)
    }

    /// Bytes between the stack pointer at the text offset `at` and the function's own
    /// frame end (`funcspdelta`); the return address that a call pushes on amd64 is not counted.
    pub fn sp_delta(&self, at: u32) -> Option<u32> {
        self.table.pcvalue(self.word(16)?, self.entry, at)
    }

    /// Source file and line at the text offset `at` (`funcline1`).
    pub fn file_line(&self, at: u32) -> Option<(String, u32)> {
        let line = self.table.pcvalue(self.word(24)?, self.entry, at)?;
        let file = self.table.pcvalue(self.word(20)?, self.entry, at)?;
        let unit = self.word(32)?;
        let slot = self
            .table
            .cutab
            .checked_add(4 * (unit.checked_add(file)? as usize))?;
        let offset = u32_at(&self.table.data, slot).filter(|&o| o != u32::MAX)?;
        let name = c_str_at(
            &self.table.data,
            self.table.filetab.checked_add(offset as usize)?,
        )?;
        Some((String::from_utf8_lossy(name).into_owned(), line))
    }

    /// The index in its inlining tree of the innermost inlined call at the text
    /// offset `at`; `None` where nothing is inlined there.
    pub fn inline_index(&self, at: u32) -> Option<u32> {
        self.pcdata(PCDATA_INL_TREE_INDEX, at)
    }

    /// Offset of its inlining tree from `moduledata.gofunc`.
    pub fn inline_tree(&self) -> Option<u32> {
        self.funcdata(FUNCDATA_INL_TREE)
    }

    /// Offset of the description of its arguments from `moduledata.gofunc`.
    pub(crate) fn arg_info(&self) -> Option<u32> {
        self.funcdata(FUNCDATA_ARG_INFO)
    }

    /// Offset of the bitmaps that say which arguments are live from `moduledata.gofunc`.
    pub(crate) fn arg_live_info(&self) -> Option<u32> {
        self.funcdata(FUNCDATA_ARG_LIVE_INFO)
    }

    /// Offset of the bitmap for the text offset `at` among those.
    pub(crate) fn arg_live_index(&self, at: u32) -> Option<u32> {
        self.pcdata(PCDATA_ARG_LIVE_INDEX, at)
    }

    /// Offset of the bitmaps of its arguments from `moduledata.gofunc`.
    pub(crate) fn args_pointer_maps(&self) -> Option<u32> {
        self.funcdata(FUNCDATA_ARGS_POINTER_MAPS)
    }

    /// Offset of the bitmaps of its variables from `moduledata.gofunc`.
    pub(crate) fn locals_pointer_maps(&self) -> Option<u32> {
        self.funcdata(FUNCDATA_LOCALS_POINTER_MAPS)
    }

    /// Offset of the list of values in its frame from `moduledata.gofunc`.
    pub(crate) fn stack_objects(&self) -> Option<u32> {
        self.funcdata(FUNCDATA_STACK_OBJECTS)
    }

    /// Which of its bitmaps holds at the text offset `at`.
    pub(crate) fn stack_map_index(&self, at: u32) -> Option<u32> {
        self.pcdata(PCDATA_STACK_MAP_INDEX, at)
    }

    /// `runtime/symtab.go`, `pcdatavalue`; `None` is Go's -1.
    fn pcdata(&self, table: u32, at: u32) -> Option<u32> {
        if table >= self.word(28)? {
            return None;
        }
        let table = self.word(self.table.format.func_size + 4 * table as usize)?;
        self.table.pcvalue(table, self.entry, at)
    }

    /// `runtime/symtab.go`, `funcdata`: an offset from `moduledata.gofunc`.
    fn funcdata(&self, index: u32) -> Option<u32> {
        let size = self.table.format.func_size;
        let count = u8_at(&self.table.data, self.at + size - 1)?;
        if index >= u32::from(count) {
            return None;
        }
        let slot = self.word(28)?.checked_add(index)?;
        let offset = self.word(size.checked_add((slot as usize).checked_mul(4)?)?)?;
        (offset != u32::MAX).then_some(offset)
    }
}

/// An entry of an inlining tree (`runtime/symtabinl.go`, `inlinedCall`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InlinedCall {
    /// `abi.FuncID` of the function that was inlined.
    pub func_id: u8,
    /// Its name, for [`Pclntab::name`].
    pub name: u32,
    /// Where it was called: offset in bytes from the start of the physical function.
    pub parent_pc: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any bytes behind a header that leads anywhere in them: no panic, and no endless loop.
        #[test]
        fn any_table_can_be_asked_anything(
            words in prop::collection::vec(0u64..600, 8),
            body in prop::collection::vec(any::<u8>(), 0..600),
            at in any::<u32>(),
            small in 0u32..4096,
        ) {
            let magic = if small % 2 == 0 { MAGIC_GO120 } else { MAGIC_GO118 };
            let mut data = magic.to_le_bytes().to_vec();
            data.extend([0, 0, 1, 8]);
            data.extend(words.iter().flat_map(|w| w.to_le_bytes()));
            data.extend(body);
            let Ok(table) = Pclntab::parse(data) else { return Ok(()) };
            let found = [at, small].into_iter().filter_map(|at| table.find(at));
            for func in found.chain((0..table.len().min(40)).filter_map(|i| table.func(i))) {
                let _ = (func.name(), func.is_top_frame(), func.has_frame_info(), func.inline_tree());
                for at in [at, small, func.entry, func.entry.wrapping_add(small)] {
                    let _ = (func.sp_delta(at), func.file_line(at), func.inline_index(at));
                }
            }
        }
    }
}
