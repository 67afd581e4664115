//! Small changes of something large and real: what a fuzzer can reach in a program's memory or executable.

use crate::input::Input;

/// Numbers that lengths and offsets go wrong at.
const ODD: [u64; 16] = [
    0,
    1,
    7,
    0xff,
    0xffff,
    1 << 20,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1 << 40,
    1 << 47,
    1 << 48,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 7,
    u64::MAX,
];
/// More than a few do not find more.
const MAX_PATCHES: usize = 64;

/// The words that can be changed: those that matter are not zero ([`shrink`]).
pub(crate) struct Places(Vec<u64>);

impl Places {
    /// Of pieces that lie at addresses: the words of each that are not zero, and those behind them.
    pub fn of<'a>(pieces: impl Iterator<Item = (u64, &'a [u8])>) -> Places {
        let mut places = Vec::new();
        for (at, bytes) in pieces {
            let mut before = false;
            for (i, word) in bytes.chunks_exact(8).enumerate() {
                let live = word.iter().any(|byte| *byte != 0);
                if live || before {
                    places.push(at + 8 * i as u64);
                }
                before = live;
            }
        }
        Places(places)
    }

    fn place(&self, index: u32) -> u64 {
        let index = index as usize % self.0.len().max(1);
        self.0.get(index).copied().unwrap_or_default()
    }

    /// The changes that the input asks for: where, and the word that is there then.
    pub fn read(&self, input: &mut Input<'_>, word: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
        let mut patches: Vec<(u64, u64)> = Vec::new();
        while !input.is_empty() && patches.len() < MAX_PATCHES {
            let kind = input.u8();
            let at = self.place(input.u24());
            let earlier = patches.iter().rfind(|(place, _)| *place == at);
            let old = earlier.map_or_else(|| word(at), |(_, new)| *new);
            let new = match kind % 10 {
                0 => input.u64(),
                1 => ODD[usize::from(input.u8()) % ODD.len()],
                2 => old & !0xffff_ffff | u64::from(input.u24()),
                3 => old & 0xffff_ffff | u64::from(input.u24()) << 32,
                4 => old.wrapping_add_signed(i64::from(input.u16().cast_signed())),
                // To itself, to somewhere else, into the middle of something, what is somewhere else.
                5 => at,
                6 => self.place(input.u24()),
                7 => self.place(input.u24()).wrapping_add(u64::from(input.u8())),
                8 => word(self.place(input.u24())),
                _ => {
                    let by = u64::from(input.u16());
                    old ^ ((by & 0xff) << ((by >> 8 & 7) * 8))
                }
            };
            patches.push((at, new));
        }
        patches
    }
}

/// Makes zeros of whatever is not needed for `same` to hold, so that what is left packs well. Blocks of
/// up to `smallest` bytes are not tried in parts.
pub fn shrink(bytes: &mut [u8], smallest: usize, same: &mut dyn FnMut(&[u8]) -> bool) {
    // Where a large block cannot go, its parts are tried.
    let mut open: Vec<(usize, usize)> = vec![(0, bytes.len())];
    while let Some((at, len)) = open.pop() {
        let Some(block) = bytes.get_mut(at..at + len) else {
            continue;
        };
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        let old = block.to_vec();
        block.fill(0);
        if same(bytes) {
            continue;
        }
        if let Some(block) = bytes.get_mut(at..at + len) {
            block.copy_from_slice(&old);
        }
        if len > smallest {
            let half = (len / 2).next_multiple_of(64);
            open.extend([(at, half), (at + half, len - half)]);
        }
    }
}
