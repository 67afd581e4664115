//! `runtime.firstmoduledata`, by what it points to: no other variable begins with the address of
//! pclntab and goes on with the bounds of the program's parts.

use gobinary::GoBinary;
use model::Addr;
use target::ReadMemory;

use crate::contract::Moduledata;
use crate::error::LoadError;

/// How much memory is looked through at a time.
const CHUNK: u64 = 1 << 20;

/// Finds the module data of the executable, `bias` bytes above where it was linked.
pub(crate) fn find_first(
    binary: &GoBinary,
    mem: &dyn ReadMemory,
    bias: u64,
    layout: &Moduledata,
) -> Result<Addr, LoadError> {
    let pclntab = binary.pclntab_at.0.wrapping_add(bias);
    let mut found = Vec::new();
    for segment in binary.segments() {
        let start = segment.at.0.wrapping_add(bias);
        let end = start.saturating_add(segment.size);
        let mut at = start.saturating_add(7) & !7;
        while at < end {
            let mut bytes = vec![0; CHUNK.min(end - at) as usize];
            // What cannot be read (a page that a core leaves out) cannot hold it either.
            if mem.read(Addr(at), &mut bytes).is_ok() {
                let (words, _) = bytes.as_chunks::<8>();
                let hits = (0u64..)
                    .zip(words)
                    .filter(|(_, word)| u64::from_le_bytes(**word) == pclntab);
                let place =
                    |i: u64| Addr((at + 8 * i).wrapping_sub(layout.pc_header.offset as u64));
                found.extend(
                    hits.map(|(i, _)| place(i))
                        .filter(|&place| is_plausible(mem, place, layout)),
                );
            }
            at = at.saturating_add(CHUNK);
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(LoadError::not_located(
            "runtime.firstmoduledata",
            "nothing has its shape",
        )),
        _ => Err(LoadError::not_located(
            "runtime.firstmoduledata",
            format!("{} places have its shape", found.len()),
        )),
    }
}

/// Whether the bounds in it are in their order.
fn is_plausible(mem: &dyn ReadMemory, at: Addr, layout: &Moduledata) -> bool {
    let mut bytes = vec![0; layout.size];
    if mem.read(at, &mut bytes).is_err() {
        return false;
    }
    let word = |field: gobinary::Scalar| field.get(&bytes).unwrap_or(0);
    let ordered = |from, to| {
        let (from, to) = (word(from), word(to));
        from != 0 && from <= to
    };
    ordered(layout.text, layout.etext)
        && ordered(layout.noptrdata, layout.enoptrdata)
        && ordered(layout.data, layout.edata)
        && ordered(layout.bss, layout.ebss)
        && ordered(layout.noptrbss, layout.enoptrbss)
        && ordered(layout.types, layout.etypes)
}
