//! Bytes that are almost as they should be: the same ones in every run.

/// An endless series of mutations of seeds.
pub struct Mutations<'s> {
    seeds: &'s [Vec<u8>],
    state: u64,
}

/// Numbers that lengths and offsets go wrong at.
const ODD: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

impl<'s> Mutations<'s> {
    /// Mutations of these seeds, of which there must be one.
    pub fn new(seeds: &'s [Vec<u8>]) -> Mutations<'s> {
        Mutations { seeds, state: 1 }
    }

    /// splitmix64
    fn roll(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }

    fn seed(&mut self) -> &'s [u8] {
        let which = self.roll(self.seeds.len());
        self.seeds.get(which).map_or(&[], Vec::as_slice)
    }

    /// A place and up to `most` bytes behind it.
    fn range(&mut self, len: usize, most: usize) -> std::ops::Range<usize> {
        // Half of the time near the beginning, where headers are.
        let reach = if self.roll(2) == 0 { len.min(512) } else { len };
        let at = self.roll(reach);
        at..(at + 1 + self.roll(most)).min(len)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let range = self.range(bytes.len(), 8);
        match self.roll(8) {
            0 => bytes.truncate(range.start),
            1 => {
                let range = self.range(bytes.len(), 200);
                bytes.drain(range);
            }
            2 => {
                let piece = bytes.get(range.clone()).unwrap_or_default().to_vec();
                bytes.splice(range.start..range.start, piece);
            }
            3 => {
                let other = self.seed();
                let from = self.range(other.len(), 200);
                let piece = other.get(from).unwrap_or_default().to_vec();
                bytes.splice(range, piece);
            }
            4 | 5 => {
                let odd = ODD.get(self.roll(ODD.len())).copied().unwrap_or_default();
                let place = bytes.get_mut(range).unwrap_or_default();
                for (to, from) in place.iter_mut().zip(odd.to_le_bytes()) {
                    *to = from;
                }
            }
            _ => {
                let bit = self.roll(8);
                if let Some(byte) = bytes.get_mut(range.start) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.seed().to_vec();
        for _ in 0..=self.roll(6) {
            self.mutate(&mut bytes);
        }
        Some(bytes)
    }
}
