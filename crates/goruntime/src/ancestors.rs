//! Those who created a goroutine, as far as the program kept them
//! (`GODEBUG=tracebackancestors=N`; `runtime/proc.go`, `saveAncestors`).

use model::Addr;
use target::{ReadError, ReadMemory};

use crate::runtime::Runtime;
use crate::values::Header;

/// More than anybody asks for.
const MAX_ANCESTORS: u64 = 1024;
/// `runtime/traceback.go`, `tracebackInnerFrames`: no more program counters are kept.
pub(crate) const MAX_PCS: u64 = 50;

/// A `runtime.ancestorInfo`.
#[derive(Clone, Debug)]
pub(crate) struct RawAncestor {
    pub goid: u64,
    /// Where it stood when it executed the `go` statement, innermost first; return addresses.
    pub pcs: Vec<Addr>,
    pub gopc: Addr,
}

/// Reads what `g.ancestors` points to, the parent first. Empty where the layout is not known.
pub(crate) fn read(
    mem: &dyn ReadMemory,
    runtime: &Runtime,
    at: Addr,
) -> Result<Vec<RawAncestor>, ReadError> {
    let Some(layout) = &runtime.ancestor_info else {
        return Ok(Vec::new());
    };
    let list = Header::read(mem, at)?;
    let mut ancestors = Vec::new();
    for i in 0..list.len.min(MAX_ANCESTORS) {
        let entry = Addr(list.at.0.wrapping_add(i.wrapping_mul(layout.size as u64)));
        let mut bytes = vec![0; layout.extent()];
        mem.read(entry, &mut bytes)?;
        let word = |field: gobinary::Scalar| field.get(&bytes).unwrap_or(0);
        let count = word(layout.pcs_len).min(MAX_PCS);
        let mut pcs = vec![0; count as usize * 8];
        mem.read(Addr(word(layout.pcs)), &mut pcs)?;
        let (pcs, _) = pcs.as_chunks::<8>();
        ancestors.push(RawAncestor {
            goid: word(layout.goid),
            pcs: pcs.iter().map(|pc| Addr(u64::from_le_bytes(*pc))).collect(),
            gopc: Addr(word(layout.gopc)),
        });
    }
    Ok(ancestors)
}
