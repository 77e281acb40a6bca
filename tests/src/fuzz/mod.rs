//! Random frames, packets and lives of an endpoint over an in-memory link, against a model.
//!
//! A case is made of one number, its seed, and is the same each time; where something does not hold, it panics. What was seen of it says what
//! [kind](Outcome::kind) of case it was, and the smallest of each kind makes up a [`Corpus`]: a few hundred seeds that go everywhere, for
//! tests that have no time for chance.

mod coalesce;
mod corpus;
mod offloaded;
mod receive;
mod segments;
mod transmit;
mod wire;

use crate::random::Dice;

pub use corpus::Corpus;

/// What cases are about.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// For the command line, and for the file of its corpus.
    pub name: &'static str,
    case: fn(&mut Dice) -> Outcome,
}

impl Target {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self { name: "receive", case: receive::case },
        Self { name: "offloaded", case: offloaded::case },
        Self { name: "transmit", case: transmit::case },
        Self { name: "segments", case: segments::case },
        Self { name: "coalesce", case: coalesce::case },
    ];

    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name == name)
    }

    /// The case of a seed.
    ///
    /// # Panics
    ///
    /// If something does not hold.
    #[must_use]
    pub fn run(self, seed: u64) -> Outcome {
        (self.case)(&mut Dice::new(seed))
    }
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In words: what went in, and what became of it. Cases of one kind went much the same way.
    pub kind: String,
    /// Bytes that went in.
    pub size: usize,
}

/// A number as it is told in a kind: how many digits it has in binary.
const fn scale(number: usize) -> u32 {
    usize::BITS - number.leading_zeros()
}
