//! Where frames lie and what their functions were called with: what a traceback tells
//! beyond functions and lines.

use std::sync::Arc;

use gobinary::ArgPiece;
use model::{Addr, Arch, Arg, FramePlace};
use rustc_hash::FxHashMap;
use target::ReadMemory;

use crate::module::Modules;
use crate::unwind::Visited;

/// The descriptions of arguments seen so far, by the program counter they hold for.
#[derive(Debug, Default)]
pub(crate) struct Places {
    described: FxHashMap<Addr, Arc<[ArgPiece]>>,
}

impl Places {
    /// The place of one frame of the walk.
    pub(crate) fn place(
        &mut self,
        modules: &Modules,
        mem: &dyn ReadMemory,
        visited: &Visited,
    ) -> FramePlace {
        let args = match visited.fp {
            Some(fp) => self.arguments(modules, mem, visited.frame.lookup, fp),
            None => Box::default(),
        };
        FramePlace {
            fp: visited.fp,
            sp: visited.sp,
            args,
        }
    }

    fn arguments(
        &mut self,
        modules: &Modules,
        mem: &dyn ReadMemory,
        lookup: Addr,
        fp: Addr,
    ) -> Box<[Arg]> {
        let pieces = self
            .described
            .entry(lookup)
            .or_insert_with(|| describe(modules, lookup).into());
        // sys.MinFrameSize: where there is a link register, its place lies below the arguments.
        let first = match modules.binary().arch {
            Arch::Amd64 => fp,
            Arch::Arm64 => Addr(fp.0.wrapping_add(8)),
        };
        let number = |offset: u8, size: u8| {
            let mut bytes = [0; 8];
            let buf = bytes.get_mut(..usize::from(size))?;
            let at = first.checked_add(u64::from(offset))?;
            mem.read(at, buf).ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let arg = |piece: &ArgPiece| match *piece {
            ArgPiece::Value { offset, size, live } => match number(offset, size) {
                Some(bits) => Arg::Value { bits, live },
                None => Arg::Unknown,
            },
            ArgPiece::TooFar => Arg::Unknown,
            ArgPiece::More => Arg::More,
            ArgPiece::Open => Arg::Open,
            ArgPiece::Close => Arg::Close,
        };
        pieces.iter().map(arg).collect()
    }
}

fn describe(modules: &Modules, lookup: Addr) -> Vec<ArgPiece> {
    let Some(spot) = modules.find(lookup) else {
        return Vec::new();
    };
    if modules.binary().version.liveness_is_the_callers() {
        return spot.outermost().arguments();
    }
    spot.arguments()
}
