use std::ops::RangeInclusive;

use fdlink_mock::rng::Rng;

/// Random numbers as tests want them.
#[derive(Debug, Clone)]
pub struct Dice(Rng);

impl Dice {
    /// The dice of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(Rng::new(seed))
    }

    /// Any 64 bits.
    pub const fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// A number of the range.
    pub const fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.within(*range.start(), *range.end())
    }

    /// True one time in two.
    pub const fn flip(&mut self) -> bool {
        self.0.number() & 1 != 0
    }

    /// True one time in `n`.
    pub const fn one_in(&mut self, n: usize) -> bool {
        self.0.one_in(n)
    }

    /// One of `items`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        self.0.pick(items).expect("something to pick from")
    }

    /// Noise.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill(&mut bytes);
        bytes
    }
}
