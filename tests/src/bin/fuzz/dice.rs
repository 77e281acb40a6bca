use std::ops::RangeInclusive;

/// SplitMix64 (Steele, Lea and Flood 2014): good numbers from any seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) const fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        let (start, end) = (*range.start(), *range.end());
        start + (self.number() % (end - start + 1) as u64) as usize
    }

    pub(crate) const fn flip(&mut self) -> bool {
        self.number() & 1 != 0
    }

    /// True one time in `n`.
    pub(crate) const fn one_in(&mut self, n: u64) -> bool {
        self.number().is_multiple_of(n)
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.within(0..=items.len() - 1)]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.number().to_le_bytes());
        words.take(len.div_ceil(8)).flatten().take(len).collect()
    }
}
