//! The objects that are mapped into a program.

use std::sync::Arc;

use gimli::UnwindContext;
use model::{Addr, Arch};
use target::Mapping;

use crate::Call;
use crate::image::Program;
use crate::object::Object;
use crate::walk::Text;

/// The C part of one program's stacks, sample after sample.
#[derive(Debug)]
pub struct CFrames {
    pub(crate) arch: Arch,
    mappings: Vec<Mapping>,
    /// By their first addresses, ascending.
    objects: Vec<Object>,
    generation: u32,
    pub(crate) context: UnwindContext<usize>,
}

impl CFrames {
    /// For a program of which nothing is known yet.
    pub fn new(arch: Arch) -> CFrames {
        CFrames {
            arch,
            mappings: Vec::new(),
            objects: Vec::new(),
            generation: 0,
            context: UnwindContext::new(),
        }
    }

    /// Says what is mapped where now: the mappings of files, and the kernel's `[vdso]`. What is
    /// known of objects that lie where they lay is kept.
    pub fn set_mappings(&mut self, mut mappings: Vec<Mapping>) {
        mappings.retain(|m| m.start < m.end);
        mappings.sort_by_key(|m| m.start);
        if mappings == self.mappings {
            return;
        }
        let mut known = std::mem::take(&mut self.objects);
        for object in grouped(&mappings) {
            let same = known.iter().position(|old| old.is(&object));
            self.objects
                .push(same.map_or(object, |i| known.swap_remove(i)));
        }
        self.mappings = mappings;
        self.generation += 1;
    }

    /// Changes whenever [`CFrames::set_mappings`] brings something new: what was said of an address before
    /// need not hold any more.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The calls that a frame stands for, innermost first; at least one. `lookup` is the address that
    /// [`CFrame::lookup`](crate::CFrame) has.
    pub fn calls(&mut self, program: &dyn Program, text: &dyn Text, lookup: Addr) -> Vec<Call> {
        let arch = self.arch;
        match self.object(lookup) {
            Some(object) => object.calls(arch, program, text, lookup),
            None => vec![Call::unnamed(format!("{lookup}"), lookup)],
        }
    }

    /// The name of the object that an address lies in.
    pub fn object_name(&self, at: Addr) -> Option<Arc<str>> {
        let object = self.objects.get(self.index(at)?)?;
        Some(Arc::clone(&object.name))
    }

    pub(crate) fn object(&mut self, at: Addr) -> Option<&mut Object> {
        let index = self.index(at)?;
        self.objects.get_mut(index)
    }

    pub(crate) fn object_and_context(
        &mut self,
        at: Addr,
    ) -> Option<(&mut Object, &mut UnwindContext<usize>)> {
        let index = self.index(at)?;
        Some((self.objects.get_mut(index)?, &mut self.context))
    }

    fn index(&self, at: Addr) -> Option<usize> {
        let after = self.objects.partition_point(|o| o.mapping.start <= at);
        let index = after.checked_sub(1)?;
        self.objects
            .get(index)
            .is_some_and(|o| at < o.end)
            .then_some(index)
    }
}

/// Objects out of their parts, which follow one another. A file that is there twice begins anew.
fn grouped(mappings: &[Mapping]) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for mapping in mappings {
        let more_of = |last: &&mut Object| {
            let first = &last.mapping;
            first.path == mapping.path
                && first.file == mapping.file
                && mapping.file_offset > first.file_offset
        };
        match objects.last_mut().filter(more_of) {
            Some(last) => last.end = mapping.end.max(last.end),
            None => objects.push(Object::new(mapping.clone(), mapping.end)),
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64, file_offset: u64, path: &str) -> Mapping {
        Mapping {
            start: Addr(start),
            end: Addr(end),
            file_offset,
            file: (1, path.len() as u64),
            path: path.into(),
        }
    }

    #[test]
    fn objects_are_made_of_their_parts() {
        let mut c = CFrames::new(Arch::Amd64);
        let first = vec![
            mapping(0x5000, 0x6000, 0x1000, "/lib/liba.so"),
            mapping(0x4000, 0x5000, 0, "/lib/liba.so"),
            mapping(0x7000, 0x8000, 0, "/lib/b.so (deleted)"),
            mapping(0x8000, 0x9000, 0, "/lib/b.so (deleted)"),
            mapping(0xa000, 0xc000, 0, "[vdso]"),
        ];
        c.set_mappings(first.clone());
        let name = |c: &CFrames, at| c.object_name(Addr(at)).map(|name| name.to_string());
        assert_eq!(name(&c, 0x3fff), None);
        assert_eq!(name(&c, 0x5800).as_deref(), Some("liba.so"));
        assert_eq!(name(&c, 0x6000), None);
        assert_eq!(name(&c, 0x7000).as_deref(), Some("b.so"));
        assert_eq!(name(&c, 0xbfff).as_deref(), Some("[vdso]"));
        let places: Vec<u64> = c.objects.iter().map(|o| o.mapping.start.0).collect();
        assert_eq!(places, [0x4000, 0x7000, 0x8000, 0xa000]);

        let before = c.generation();
        c.set_mappings(first.into_iter().rev().collect());
        assert_eq!(c.generation(), before, "nothing changed");
        c.set_mappings(vec![mapping(0x7000, 0x8000, 0, "/lib/c.so")]);
        assert_ne!(c.generation(), before);
        assert_eq!(name(&c, 0x7000).as_deref(), Some("c.so"));
        assert_eq!(name(&c, 0x4000), None);
    }
}
