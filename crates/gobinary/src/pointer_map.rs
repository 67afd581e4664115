//! Which words of a function's frame hold pointers that are still needed, as the compiler describes them to
//! Go's garbage collector.
//!
//! Source: `runtime/stkframe.go`, `getStackMap`, `runtime/symtab.go`, `stackmap`, and `runtime/stack.go`,
//! `stackObjectRecord`, of Go 1.27; the same since Go 1.19.

use model::LinkAddr;

use crate::binary::GoBinary;
use crate::pclntab::Func;

/// Larger maps are not believed: a frame of 8 MB.
const MAX_WORDS: u32 = 1 << 20;
/// More values in one frame are not believed.
const MAX_OBJECTS: u64 = 1 << 16;
const WORD: i64 = 8;

/// The pointers of a frame at a call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PointerMap {
    /// Words of its variables, in bytes from the end of its variables (`varp`); negative.
    pub locals: Vec<i64>,
    /// Words of its arguments, in bytes from the first.
    pub args: Vec<i64>,
    /// Values whose address was taken, which are needed if a pointer leads to them.
    pub objects: Vec<StackObject>,
}

/// A value in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackObject {
    /// In bytes, if negative from the end of the variables, otherwise from the first argument.
    pub offset: i64,
    /// In bytes.
    pub size: u64,
}

impl GoBinary {
    /// The pointers of `func` during the call at the text offset `at`; `gofunc` is `moduledata.gofunc`. `None`
    /// where the compiler has described none: in assembly.
    pub fn pointer_map(&self, func: &Func<'_>, at: u32, gofunc: LinkAddr) -> Option<PointerMap> {
        let place = |offset: u32| Some(LinkAddr(gofunc.0.checked_add(u64::from(offset))?));
        // Go itself takes the first where there is none.
        let index = func.stack_map_index(at).unwrap_or(0);
        let (words, locals) = self.bits(place(func.locals_pointer_maps()?)?, index)?;
        let end = i64::from(words) * WORD;
        let args = func.args_pointer_maps().and_then(place);
        let args = args.and_then(|args| self.bits(args, index));
        let objects = func.stack_objects().and_then(place);
        Some(PointerMap {
            locals: locals.iter().map(|bit| bit * WORD - end).collect(),
            args: args
                .map_or_else(Vec::new, |(_, bits)| bits)
                .iter()
                .map(|bit| bit * WORD)
                .collect(),
            objects: match objects {
                Some(at) => self.objects(at)?,
                None => Vec::new(),
            },
        })
    }

    /// How many bits a bitmap of a `stackmap` has, and which of them are set.
    fn bits(&self, at: LinkAddr, index: u32) -> Option<(u32, Vec<i64>)> {
        let mut head = [0; 8];
        self.read(at, &mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let count = u32::try_from(i32::from_le_bytes([a, b, c, d])).ok()?;
        let words = u32::try_from(i32::from_le_bytes([e, f, g, h])).ok()?;
        if words == 0 {
            return Some((0, Vec::new()));
        }
        if index >= count || words > MAX_WORDS {
            return None;
        }
        let size = words.div_ceil(8);
        let skip = 8 + u64::from(index).checked_mul(u64::from(size))?;
        let mut map = vec![0; size as usize];
        self.read(LinkAddr(at.0.checked_add(skip)?), &mut map)?;
        let is_set = |bit: &u32| {
            let byte = map.get((bit / 8) as usize).copied().unwrap_or_default();
            byte >> (bit % 8) & 1 != 0
        };
        Some((words, (0..words).filter(is_set).map(i64::from).collect()))
    }

    fn objects(&self, at: LinkAddr) -> Option<Vec<StackObject>> {
        let mut count = [0; 8];
        self.read(at, &mut count)?;
        let count = Some(u64::from_le_bytes(count)).filter(|&count| count <= MAX_OBJECTS)?;
        let mut records = vec![0; count as usize * 16];
        self.read(LinkAddr(at.0.checked_add(8)?), &mut records)?;
        let (records, _) = records.as_chunks::<16>();
        let object = |record: &[u8; 16]| {
            let [a, b, c, d, e, f, g, h, ..] = *record;
            Some(StackObject {
                offset: i64::from(i32::from_le_bytes([a, b, c, d])),
                size: u64::try_from(i32::from_le_bytes([e, f, g, h])).ok()?,
            })
        };
        records.iter().map(object).collect()
    }
}
