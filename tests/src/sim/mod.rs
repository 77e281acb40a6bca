//! Deterministic simulation: whole endpoints over a simulated network, with everything that can go wrong, each run made of one number.
//!
//! A [`Scenario`] is a function of a seed: it builds a [`Network`] out of it, lets traffic flow, and panics where something does not hold. What goes
//! wrong is drawn from the same seed, or comes from a script: that of a failed run, of which [`minimal`] takes out what does not matter.
//!
//! ```
//! use fdlink_tests::sim::{Run, Scenario};
//!
//! let outcome = Run::new(Scenario::Transmit, 7).go();
//! assert_eq!(outcome.failure, None);
//! ```

mod accounting;
mod books;
mod heard;
mod host;
mod lifecycle;
mod muxed;
mod nic;
mod outcome;
mod peers;
mod restore;
mod spread;
mod tcp;
mod transmit;
mod verdict;
mod world;

use std::panic::{self, AssertUnwindSafe};

use fdlink_mock::fault::{Fault, FaultPlan, Rates, Site, shrink};
use fdlink_mock::network::Network;
use fdlink_mock::rng::Rng;

pub use outcome::{Outcome, Seen, quiet_panics};
use world::World;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Two smoltcp hosts exchange a little data each way, on each of up to four queues.
    Tcp,
    /// The same with 1 MiB each way.
    Bulk,
    /// Every frame is delivered or counted under its cause, and the counts agree with those of the network.
    Accounting,
    /// An endpoint is attached, detached, closed, renamed, cut off, while traffic flows.
    Lifecycle,
    /// What is sent arrives once and in order, or its packet says why not.
    Transmit,
    /// The same for endpoints behind a muxed one.
    Muxed,
    /// An endpoint is saved, dropped, restored on other descriptors, and goes on.
    Restore,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 7] =
        [Self::Tcp, Self::Bulk, Self::Accounting, Self::Lifecycle, Self::Transmit, Self::Muxed, Self::Restore];

    /// Those that the mixed scenario runs with each seed.
    pub const MIXED: [Self; 6] =
        [Self::Tcp, Self::Accounting, Self::Lifecycle, Self::Transmit, Self::Muxed, Self::Restore];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.parts().name
    }

    /// All there is to say of a scenario; a new one is a file, a variant and a line here.
    const fn parts(self) -> Parts {
        match self {
            Self::Tcp => Parts { name: "tcp", rates: tcp::rates, play: |world| tcp::play(world, tcp::LITTLE) },
            Self::Bulk => Parts { name: "bulk", rates: tcp::survivable, play: |world| tcp::play(world, tcp::MEBIBYTE) },
            Self::Accounting => Parts { name: "accounting", rates: accounting::rates, play: accounting::play },
            Self::Lifecycle => Parts { name: "lifecycle", rates: lifecycle::rates, play: lifecycle::play },
            Self::Transmit => Parts { name: "transmit", rates: transmit::rates, play: transmit::play },
            Self::Muxed => Parts { name: "muxed", rates: muxed::rates, play: muxed::play },
            Self::Restore => Parts { name: "restore", rates: restore::rates, play: restore::play },
        }
    }
}

/// What a scenario is made of.
struct Parts {
    name: &'static str,
    /// How often things go wrong in this run.
    rates: fn(&mut Rng) -> Rates,
    play: fn(&mut World),
}

/// One run of a scenario.
#[derive(Debug, Clone)]
pub struct Run {
    /// What is simulated.
    pub scenario: Scenario,
    /// What everything is drawn from.
    pub seed: u64,
    /// What goes wrong, instead of what the seed says.
    pub script: Option<Vec<(Site, Fault)>>,
    /// Keep a transcript and a capture.
    pub record: bool,
}

impl Run {
    /// A run with the faults of its seed, without a record.
    #[must_use]
    pub const fn new(scenario: Scenario, seed: u64) -> Self {
        Self { scenario, seed, script: None, record: false }
    }

    /// Plays the scenario to its end, or until something does not hold.
    #[must_use]
    pub fn go(&self) -> Outcome {
        let mut rng = Rng::new(self.seed);
        let plan_seed = rng.number();
        let Parts { rates, play, .. } = self.scenario.parts();
        let rates = rates(&mut rng.fork());
        let plan = match &self.script {
            Some(script) => FaultPlan::scripted(script.iter().copied()),
            None => FaultPlan::drawn(plan_seed, rates),
        };
        let network = Network::new(plan);
        let network = if self.record { network.recorded() } else { network };
        let mut world = World::new(network.clone(), rng);
        let played = panic::catch_unwind(AssertUnwindSafe(|| play(&mut world)));
        let failure = played.err().map(|panic| outcome::message(&*panic));
        Outcome {
            failure,
            fired: network.fired(),
            seen: world.seen,
            record: network.record(),
            time: network.clock().now(),
        }
    }

    /// The same run with a record.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.record = true;
        self
    }
}

/// The faults without which a failed run would not fail; `tries` runs at most.
#[must_use]
pub fn minimal(run: &Run, fired: &[(Site, Fault)], tries: usize) -> Vec<(Site, Fault)> {
    let fails = |script: &[(Site, Fault)]| {
        let run = Run { script: Some(script.to_vec()), record: false, ..run.clone() };
        run.go().failure.is_some()
    };
    shrink(fired, tries, fails)
}
