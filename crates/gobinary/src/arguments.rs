//! Where a function's arguments lie, as the compiler describes them to Go's traceback.
//!
//! Source: `runtime/traceback.go`, `printArgs`, and `internal/abi/symtab.go`, `TraceArgs…`, of
//! Go 1.27; the encoding is the same since Go 1.18.

use model::LinkAddr;

use crate::binary::GoBinary;
use crate::pclntab::Func;

/// `abi.TraceArgsMaxLen`.
const MAX_LEN: u64 = 171;

/// A piece of the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgPiece {
    /// A number.
    Value {
        /// Its place in bytes from the first argument's.
        offset: u8,
        /// Its size in bytes.
        size: u8,
        /// Whether the argument lies there still at the program counter in question.
        live: bool,
    },
    /// A number whose place is too far for the description.
    TooFar,
    /// More than the compiler describes.
    More,
    /// A composite value begins.
    Open,
    /// It ends.
    Close,
}

impl GoBinary {
    /// The arguments of `func` while it executes the instruction at the text offset `at`;
    /// `gofunc` is `moduledata.gofunc`. Empty where there are none or they are not described.
    pub fn arguments(&self, func: &Func<'_>, at: u32, gofunc: LinkAddr) -> Vec<ArgPiece> {
        self.try_arguments(func, at, gofunc).unwrap_or_default()
    }

    fn try_arguments(&self, func: &Func<'_>, at: u32, gofunc: LinkAddr) -> Option<Vec<ArgPiece>> {
        let place = |offset: u32| gofunc.0.checked_add(u64::from(offset));
        let byte = |base: u64, at: u64| -> Option<u8> {
            let mut byte = [0];
            self.read(LinkAddr(base.checked_add(at)?), &mut byte)?;
            let [byte] = byte;
            Some(byte)
        };
        let info = place(func.arg_info()?)?;
        let live_info = func.arg_live_info().and_then(place);
        // Places before this one are never reused, and have no bit.
        let first_slot = live_info.and_then(|base| byte(base, 0)).unwrap_or(u8::MAX);
        let bitmap = live_info
            .zip(func.arg_live_index(at).filter(|&index| index > 0))
            .and_then(|(base, index)| base.checked_add(u64::from(index)));
        let mut slot = 0u8;
        let mut pieces = Vec::new();
        let mut next = 0;
        while next < MAX_LEN {
            let piece = match byte(info, next)? {
                0xff => break,
                0xfe => ArgPiece::Open,
                0xfd => ArgPiece::Close,
                0xfc => ArgPiece::More,
                0xfb => ArgPiece::TooFar,
                offset => {
                    next += 1;
                    let size = byte(info, next)?;
                    let live = match bitmap.filter(|_| offset >= first_slot) {
                        Some(base) => byte(base, u64::from(slot / 8))? & (1 << (slot % 8)) != 0,
                        None => true,
                    };
                    if offset >= first_slot {
                        slot = slot.wrapping_add(1);
                    }
                    ArgPiece::Value { offset, size, live }
                }
            };
            pieces.push(piece);
            next += 1;
        }
        Some(pieces)
    }
}
