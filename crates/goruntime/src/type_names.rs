//! The names of types, from their descriptors (`internal/abi/type.go`, `Type`, `Name`; before
//! Go 1.21 `runtime/type.go`).

use model::Addr;
use target::ReadMemory;

use crate::module::Modules;

/// Where `Type.Str` and `Type.TFlag` are.
const STR: u64 = 40;
const TFLAG: u64 = 20;
/// `abi.TFlagExtraStar`.
const EXTRA_STAR: u8 = 2;
/// Longer than any name that one would want to read.
const MAX_NAME: usize = 4096;

/// The name of the type whose descriptor is at `at`, as `reflect` prints it; `None` where it cannot be
/// read, or `reflect` made the type while the program ran.
pub(crate) fn read(mem: &dyn ReadMemory, modules: &Modules, at: Addr) -> Option<String> {
    let base = modules.types_at(at)?;
    let mut offset = [0; 4];
    mem.read(at.checked_add(STR)?, &mut offset).ok()?;
    let mut tflag = [0];
    mem.read(at.checked_add(TFLAG)?, &mut tflag).ok()?;
    let offset = u32::from_le_bytes(offset);
    let name = read_name(mem, base.checked_add(u64::from(offset))?)?;
    let [tflag] = tflag;
    Some(match name.strip_prefix('*') {
        Some(name) if tflag & EXTRA_STAR != 0 => name.to_owned(),
        _ => name,
    })
}

/// A byte of flags, the length as a varint, the text.
fn read_name(mem: &dyn ReadMemory, at: Addr) -> Option<String> {
    let mut head = [0; 4];
    mem.read(at, &mut head).ok()?;
    let [_, low, high, _] = head;
    let (len, start) = match low & 0x80 {
        0 => (usize::from(low), 2),
        _ => (usize::from(low & 0x7f) | usize::from(high) << 7, 3),
    };
    if len == 0 || len > MAX_NAME || start == 3 && high & 0x80 != 0 {
        return None;
    }
    let mut text = vec![0; len];
    mem.read(at.checked_add(start)?, &mut text).ok()?;
    String::from_utf8(text).ok()
}
