//! The C frames of a goroutine, put where they belong among those of Go.

use std::sync::Arc;

use model::{Addr, C_FRAMES_MISSING, Frame};
use target::Registers;

use super::{Decoder, Sample};
use crate::cgo::{Crossing, Part};
use crate::start::{MThread, RawG};
use crate::unwind::{Code, PhysicalFrame, Start};

impl<'a> Sample<'a> {
    /// The C code that the goroutine's thread is in, if it is; and where Go goes on, if that is not
    /// where the goroutine left word.
    pub(super) fn inside(
        &mut self,
        at: Addr,
        g: &RawG,
        m: Option<&MThread>,
        now: Option<&Result<Registers, String>>,
        notes: &mut Vec<String>,
    ) -> Option<(Part, Option<Start>)> {
        let crossing = self.crossing(at, g, m?);
        let inside = crossing.inside(&mut self.c, now?)?;
        notes.extend(inside.0.missing.as_deref().map(missing));
        Some(inside)
    }

    /// Puts the C frames between the Go frames of the last walk where C has called Go.
    pub(super) fn between(&mut self, at: Addr, g: &RawG, notes: &mut Vec<String>) {
        if self.callbacks.is_empty() {
            return;
        }
        // One that is parked is on no thread, but locked to the one whose C code has called it.
        let m = [g.m, g.lockedm].into_iter().find(|m| !m.is_null());
        let Some(m) = m.and_then(|m| self.machine.by_addr.get(&m)) else {
            notes.push(missing("no thread is known to be the one that C is on"));
            return;
        };
        let crossing = self.crossing(at, g, m);
        let (parts, why) = crossing.between(&mut self.c, &self.callbacks);
        notes.extend(why.as_deref().map(missing));
        for (index, part) in parts.iter().rev() {
            notes.extend(part.missing.as_deref().map(missing));
            self.put_c(*index, part);
        }
    }

    /// Puts C frames behind the first `index` frames.
    pub(super) fn put_c(&mut self, index: usize, part: &Part) {
        let code = Code::C(self.c.frames.generation());
        let frames = part.frames.iter().map(|frame| PhysicalFrame {
            pc: frame.pc,
            lookup: frame.lookup,
            trust: frame.trust,
            code,
        });
        let index = index.min(self.physical.len());
        self.physical.splice(index..index, frames);
    }

    /// The frames that those of the last walk stand for.
    pub(super) fn share(&mut self) -> Arc<[Frame]> {
        let Decoder {
            stacks, symbolizer, ..
        } = &mut *self.decoder;
        let modules = &self.runtime.modules;
        stacks.share(modules, symbolizer, &mut self.c, &self.physical)
    }

    fn crossing<'g>(&self, at: Addr, g: &'g RawG, m: &'g MThread) -> Crossing<'g>
    where
        'a: 'g,
    {
        Crossing {
            modules: &self.runtime.modules,
            mem: self.mem,
            g,
            at,
            m,
            max_frames: self.decoder.limits.c_frames,
        }
    }
}

fn missing(why: &str) -> String {
    format!("{C_FRAMES_MISSING}{why}")
}
