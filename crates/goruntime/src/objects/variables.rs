//! Which variables point to objects: a channel has its name from one.

use model::{Addr, Object, WaitKind};
use rustc_hash::FxHashMap;
use target::ReadMemory;

use crate::module::Modules;

/// Variables are looked through in pieces of so many bytes.
const CHUNK: u64 = 1 << 18;
/// Larger than the data of nearly any program.
const MAX_DATA: u64 = 256 << 20;

/// Notes of objects that lie in variables, and of those that variables point to, in which.
pub(super) fn note(mem: &dyn ReadMemory, modules: &Modules, objects: &mut [Object]) {
    let mut wanted: FxHashMap<u64, usize> = FxHashMap::default();
    for (index, object) in objects.iter_mut().enumerate() {
        if modules.start_of_variable(object.addr).is_some() {
            object.variable = Some(object.addr);
        } else if object.kind == WaitKind::Chan {
            wanted.insert(object.addr.0, index);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let mut buf = Vec::new();
    for data in modules.data() {
        let mut at = data.start.0;
        let end = data.end.0.min(at.saturating_add(MAX_DATA));
        while at < end {
            let len = (end - at).min(CHUNK);
            buf.resize(len as usize, 0);
            if mem.read(Addr(at), &mut buf).is_ok() {
                let (words, _) = buf.as_chunks::<8>();
                for (place, word) in (at..).step_by(8).zip(words) {
                    let index = wanted.get(&u64::from_le_bytes(*word));
                    let object = index.and_then(|&index| objects.get_mut(index));
                    let Some(object) = object.filter(|object| object.variable.is_none()) else {
                        continue;
                    };
                    let name = modules.variable_at(Addr(place));
                    // What the runtime keeps for itself is no way for others to come by it.
                    if name
                        .as_deref()
                        .is_some_and(|name| name.starts_with("runtime."))
                    {
                        continue;
                    }
                    object.variable = Some(Addr(place));
                    object.name = object.name.take().or_else(|| name.map(Into::into));
                }
            }
            at += len;
        }
    }
}
