//! Where on a stack the pointers are that its functions still need: by the maps that the compiler makes for Go's garbage
//! collector. What else lies there is left over from calls that are over, and from variables that are no longer used.

use std::ops::Range;
use std::sync::Arc;

use model::{Addr, Arch, Goroutine};
use rustc_hash::FxHashMap;

use crate::module::Modules;
use crate::unwind::Visited;

const WORD: u64 = 8;
/// Where there are more values on a stack, all of the frame is looked through.
const MAX_OBJECTS: usize = 1 << 12;

/// Where a frame lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Laid {
    sp: Addr,
    fp: Option<Addr>,
    lookup: Addr,
    /// The maps hold for calls.
    is_call: bool,
}

impl Laid {
    pub(crate) fn new(visited: &Visited) -> Laid {
        Laid {
            sp: visited.sp,
            fp: visited.fp,
            lookup: visited.frame.lookup,
            is_call: visited.frame.lookup != visited.frame.pc,
        }
    }
}

/// Where the frames of goroutines lie. Goroutines with the same calls mostly share it.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    known: FxHashMap<Key, Arc<Shape>>,
    by_g: FxHashMap<Addr, Arc<Shape>>,
}

/// For each frame the distances of `sp` and `fp` from the upper end of the stack, and the code.
type Key = Vec<(u32, Option<u32>, Addr, bool)>;

/// A stack, by distances from its upper end: whoever is further in has the larger one.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The stack pointers of its frames, innermost first.
    sps: Vec<u32>,
    /// What is to be looked through: each from its larger distance to its smaller one.
    roots: Vec<Range<u32>>,
    /// Values that are looked through if a pointer leads to them.
    objects: Vec<Range<u32>>,
}

impl Spread {
    /// Notes where the frames of a goroutine lie, innermost first; `hi` is the upper end of its stack.
    pub(crate) fn note(&mut self, modules: &Modules, g: Addr, hi: Addr, frames: &[Laid]) {
        let distance = |at: Addr| u32::try_from(hi.0.checked_sub(at.0)?).ok();
        let key: Option<Key> = frames
            .iter()
            .map(|frame| {
                let fp = match frame.fp {
                    Some(fp) => Some(distance(fp)?),
                    None => None,
                };
                Some((distance(frame.sp)?, fp, frame.lookup, frame.is_call))
            })
            .collect();
        // A part of it is on another stack.
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return;
        };
        let shape = match self.known.get(&key) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::new(Shape::new(modules, &key));
                self.known.insert(key, Arc::clone(&new));
                new
            }
        };
        self.by_g.insert(g, shape);
    }

    pub(super) fn shape(&self, g: Addr) -> Option<&Shape> {
        self.by_g.get(&g).map(|shape| &**shape)
    }

    /// Which of a goroutine's frames, counted without inlined ones, has the word at `at`.
    pub(super) fn frame(&self, g: &Goroutine, hi: Addr, at: Addr) -> Option<usize> {
        let distance = hi.0.checked_sub(at.0)?;
        let sps = self.shape(g.g)?.sps.iter();
        sps.filter(|&&sp| u64::from(sp) >= distance)
            .count()
            .checked_sub(1)
    }
}

impl Shape {
    fn new(modules: &Modules, key: &Key) -> Shape {
        let mut shape = Shape {
            sps: key.iter().map(|(sp, ..)| *sp).collect(),
            ..Shape::default()
        };
        for (i, &(sp, fp, lookup, is_call)) in key.iter().enumerate() {
            let next = key.get(i + 1).map_or(0, |(sp, ..)| *sp);
            let known = fp.filter(|_| is_call).is_some_and(|fp| {
                let map = modules.find(lookup).and_then(|spot| spot.pointer_map());
                map.is_some_and(|map| shape.put(modules.binary().arch, sp, fp, &map))
            });
            if !known && next < sp {
                shape.roots.push(next..sp);
            }
        }
        // Beyond the last frame nothing is known.
        if let Some(&(_, Some(fp), ..)) = key.last() {
            shape.roots.push(0..fp);
        }
        shape
    }

    /// Adds what a map says of the frame from `sp` to `fp`; not what would be out of the stack.
    fn put(&mut self, arch: Arch, sp: u32, fp: u32, map: &gobinary::PointerMap) -> bool {
        // `runtime/traceback.go`, `(*unwinder).resolveInternal`: varp and argp.
        let (sp, fp) = (i64::from(sp), i64::from(fp));
        let (mut varp, argp) = match arch {
            Arch::Amd64 => (fp + 8, fp),
            Arch::Arm64 => (fp, fp - 8),
        };
        if varp < sp {
            varp += 8;
        }
        let range = |from: i64, size: u64| {
            let end = from.checked_sub(i64::try_from(size).ok()?)?;
            Some(u32::try_from(end).ok()?..u32::try_from(from).ok()?)
        };
        let locals = map.locals.iter().map(|offset| varp - offset);
        let args = map.args.iter().map(|offset| argp - offset);
        let roots: Option<Vec<Range<u32>>> =
            locals.chain(args).map(|from| range(from, WORD)).collect();
        let objects = map.objects.iter().map(|object| {
            let base = if object.offset < 0 { varp } else { argp };
            range(base - object.offset, object.size)
        });
        if self.objects.len() + map.objects.len() > MAX_OBJECTS {
            return false;
        }
        let (Some(roots), Some(objects)) = (roots, objects.collect::<Option<Vec<_>>>()) else {
            return false;
        };
        self.roots.extend(roots);
        self.objects.extend(objects);
        true
    }

    /// Calls `read` with what is to be looked through of a stack with the upper end `hi`; `read` returns the pointers
    /// into the stack that it met.
    pub(super) fn walk(&self, hi: Addr, mut read: impl FnMut(Range<Addr>) -> Vec<Addr>) {
        let place = |range: &Range<u32>| {
            let from = Addr(hi.0.saturating_sub(u64::from(range.end)));
            from..Addr(hi.0.saturating_sub(u64::from(range.start)))
        };
        let mut met = vec![false; self.objects.len()];
        let mut open: Vec<Range<Addr>> = self.roots.iter().map(place).collect();
        while let Some(range) = open.pop() {
            for at in read(range) {
                let objects = self.objects.iter().map(place).zip(&mut met);
                for (object, met) in objects {
                    if !*met && object.contains(&at) {
                        *met = true;
                        open.push(object);
                    }
                }
            }
        }
    }
}
