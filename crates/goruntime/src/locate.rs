//! Finding the runtime's types and variables in a program that was stripped of both.
//!
//! Types come from the program's own type descriptors, and where it has none from the committed
//! tables ([`gobinary::layouts_for`]). Variables are found by what the code of certain functions
//! refers to, and by the shape of what is there. A variable for which two candidates are left, or none, is an error.

pub(crate) mod code;
mod descriptors;
mod modules;
mod variables;

use gobinary::{GoBinary, TypeTable};
use model::{Addr, LayoutSource};
use target::ReadMemory;

use crate::contract::{CLAUSES, Moduledata, STRUCTS};
use crate::error::LoadError;

pub(crate) use modules::find_first as find_first_module;
pub(crate) use variables::Variables;

/// Layouts without debug information.
pub(crate) struct Layouts {
    pub types: TypeTable,
    pub source: LayoutSource,
    pub diagnostics: Vec<String>,
}

impl Layouts {
    /// Those that debug information has.
    pub(crate) fn given(types: &TypeTable, source: LayoutSource) -> Layouts {
        Layouts {
            types: types.clone(),
            source,
            diagnostics: Vec::new(),
        }
    }

    /// Those of the table for the program's Go version, or for the nearest.
    pub(crate) fn of_version(binary: &GoBinary) -> Result<Layouts, LoadError> {
        let (version, types) = gobinary::layouts_for(binary.version, binary.arch)
            .ok_or_else(|| LoadError::Contract(gobinary::PathError::NoType("runtime.g".into())))?;
        let mut diagnostics = Vec::new();
        let source = if version == binary.version {
            LayoutSource::Table
        } else {
            diagnostics.push(format!(
                "the layouts of {} are not known to goinspect: those of {version} were assumed where the program \
                 does not describe its own",
                binary.version
            ));
            LayoutSource::Assumed
        };
        Ok(Layouts {
            types,
            source,
            diagnostics,
        })
    }

    /// Takes over what the program's own type descriptors say. A table that they contradict is
    /// that of another runtime, whatever the version says.
    pub(crate) fn correct(&mut self, mem: &dyn ReadMemory, types: std::ops::Range<Addr>) {
        let own = descriptors::read(mem, types, STRUCTS);
        let mut contradicted = Vec::new();
        for name in STRUCTS {
            if own.lookup(name).is_none() {
                continue;
            }
            let fields = || CLAUSES.iter().filter(|clause| clause.strukt == *name);
            let differs = fields().any(|clause| {
                let of = |types: &TypeTable| types.scalar(name, clause.path).ok();
                let (table, own) = (of(&self.types), of(&own));
                // Descriptors tell a field's width and place, and pointers from numbers.
                table.map(|f| (f.offset, f.width)) != own.map(|f| (f.offset, f.width))
            });
            if differs {
                contradicted.push(*name);
            }
            self.types.adopt(name, &own);
        }
        if self.source == LayoutSource::Table && !contradicted.is_empty() {
            self.source = LayoutSource::Assumed;
            self.diagnostics.push(format!(
                "{} {} not as in the releases of this Go version that goinspect knows: another release or a changed runtime; \
                 the program's own type descriptors were followed",
                contradicted.join(", "),
                if contradicted.len() == 1 { "is" } else { "are" }
            ));
        }
    }

    /// How `runtime.moduledata` is laid out, as far as is known by now.
    pub(crate) fn moduledata(&self) -> Result<Moduledata, LoadError> {
        Ok(Moduledata::resolve(&self.types)?)
    }
}
