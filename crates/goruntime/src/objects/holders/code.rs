//! Which functions refer to the variable of an object: no pointer to it need lie on their stacks, for the
//! code makes its address when it needs it.

use std::sync::Arc;

use model::{Addr, Frame, Object};
use rustc_hash::FxHashMap;

use crate::locate::code::references;
use crate::module::Modules;

pub(super) struct References<'a> {
    modules: &'a Modules,
    /// By address, the objects that lie in that variable, or that it points to.
    variables: FxHashMap<Addr, Vec<usize>>,
    /// By the beginning of a function, what it refers to.
    functions: FxHashMap<Addr, Vec<usize>>,
    /// By the stack: the objects with the innermost frames that refer to them.
    stacks: FxHashMap<*const Frame, Vec<(usize, usize)>>,
}

impl<'a> References<'a> {
    pub(super) fn new(modules: &'a Modules, objects: &[Object]) -> References<'a> {
        let mut variables: FxHashMap<Addr, Vec<usize>> = FxHashMap::default();
        for (index, object) in objects.iter().enumerate() {
            let Some(at) = object.variable else {
                continue;
            };
            let start = modules.start_of_variable(at).unwrap_or(at);
            variables.entry(at).or_default().push(index);
            if start != at {
                variables.entry(start).or_default().push(index);
            }
        }
        References {
            modules,
            variables,
            functions: FxHashMap::default(),
            stacks: FxHashMap::default(),
        }
    }

    /// The objects that the calls of a stack refer to, each with the index of the innermost that does.
    pub(super) fn of(&mut self, frames: &Arc<[Frame]>) -> &[(usize, usize)] {
        if self.variables.is_empty() {
            return &[];
        }
        let stack = frames.as_ptr();
        if !self.stacks.contains_key(&stack) {
            let mut found: Vec<(usize, usize)> = Vec::new();
            for (i, frame) in frames.iter().enumerate() {
                // Inlined calls are part of the code of the function around them.
                if frame.inlined {
                    continue;
                }
                for &object in self.function(frame) {
                    if found.iter().all(|(known, _)| *known != object) {
                        found.push((object, i));
                    }
                }
            }
            self.stacks.insert(stack, found);
        }
        self.stacks.get(&stack).map_or(&[], Vec::as_slice)
    }

    fn function(&mut self, frame: &Frame) -> &[usize] {
        let (modules, variables) = (self.modules, &self.variables);
        let entry = frame.function.entry;
        self.functions.entry(entry).or_insert_with(|| {
            let name = &frame.function.name;
            // They go by pointers to what is others'.
            let is_own = ["runtime.", "sync.", "internal/"]
                .iter()
                .any(|p| name.starts_with(p));
            if frame.is_c() || is_own {
                return Vec::new();
            }
            let arch = modules.binary().arch;
            let code = modules.code_of(entry);
            let mut found: Vec<usize> = code
                .map_or_else(Vec::new, |(at, code)| references(arch, &code, at))
                .iter()
                .filter_map(|at| variables.get(at))
                .flatten()
                .copied()
                .collect();
            found.sort_unstable();
            found.dedup();
            found
        })
    }
}
