//! Numbers from a seed: the same everywhere.

use core::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): any seed is a good one.
///
/// Every draw takes exactly one number, so that what is drawn later does not depend on what was drawn for.
///
/// ```
/// use fdlink_mock::rng::Rng;
///
/// let (mut a, mut b) = (Rng::new(7), Rng::new(7));
/// assert_eq!(a.number(), b.number());
/// assert!(a.below(6) < 6);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The generator of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A generator of its own, so that one part of a simulation may draw more or less without disturbing another.
    #[must_use]
    pub const fn fork(&mut self) -> Self {
        Self(self.number())
    }

    /// A number below `end`; 0 where `end` is 0.
    pub const fn below(&mut self, end: usize) -> usize {
        let number = self.number();
        if end == 0 { 0 } else { (number % end as u64) as usize }
    }

    /// A number from `least` to `most`, both included.
    pub const fn within(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True `n` times in a thousand.
    pub const fn per_mille(&mut self, n: u16) -> bool {
        self.below(1000) < n as usize
    }

    /// True one time in `n`.
    pub const fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `items`; nothing if there is none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let at = self.below(items.len());
        items.get(at).copied()
    }

    /// A time below `end`, to the microsecond.
    pub const fn time(&mut self, end: Duration) -> Duration {
        let number = self.number();
        match end.as_micros() as u64 {
            0 => Duration::ZERO,
            end => Duration::from_micros(number % end),
        }
    }

    /// Overwrites `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.number().to_le_bytes();
            chunk.iter_mut().zip(word).for_each(|(byte, new)| *byte = new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the generator's reference program (Vigna, splitmix64.c) prints for this seed.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let mut rng = Rng::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!([(); 5].map(|()| rng.number()), expected);
    }

    #[test]
    fn bounds_are_kept_and_met() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 4];
        for _ in 0..1000 {
            seen[rng.within(2, 5) - 2] = true;
            assert!(rng.time(Duration::from_micros(3)) < Duration::from_micros(3));
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!((rng.below(0), rng.pick::<u8>(&[])), (0, None));
        assert!(!rng.per_mille(0) && rng.per_mille(1000) && rng.one_in(1));
    }

    #[test]
    fn a_fork_leaves_its_origin_alone() {
        let mut rng = Rng::new(9);
        let mut fork = rng.fork();
        let mut twin = rng.clone();
        fork.fill(&mut [0; 100]);
        assert_eq!(rng.number(), twin.number());
    }
}
