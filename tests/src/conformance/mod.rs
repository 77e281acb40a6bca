//! The contract of [`fdlink_core::io`] as a suite of rules that is generic over the kind of channel.
//!
//! A [`Bench`] makes channels of one kind, each with a [`FarEnd`] that a rule drives. [`rules`] lists the rules that say something about
//! this kind, by its [`Traits`]; each is one function that panics where the rule does not hold, named by the rule it checks.
//!
//! ```
//! use fdlink_tests::conformance::{MockBench, rules};
//!
//! for rule in rules(&MockBench) {
//!     (rule.check)(&MockBench);
//! }
//! ```
//!
//! A kernel puts frames of its own on a link (router solicitations, multicast reports). So a rule counts only frames that carry its
//! cookie, never what a queue returns. Nothing waits without a deadline, and nothing sleeps.

mod boundaries;
mod closing;
mod errors;
mod filling;
mod frames;
mod gathering;
mod interface;
mod lending;
mod limits;
mod linux;
mod mock;
mod rig;
mod sending;
mod signal;
mod sim;
mod stopping;
mod waiting;
mod wrapped;

use fdlink_core::io::RawIo;

pub use frames::{Frames, Shape};
pub use linux::{PacketBench, TunTapBench, UnixBench};
pub use mock::MockBench;
pub use sim::SimBench;
pub use wrapped::Wrapped;

/// Makes channels of one kind.
pub trait Bench: Send + Sync + 'static {
    /// The channel under test.
    type Io: RawIo<Rx: Send, Tx: Send + Sync, Stop: Send + Sync>;
    /// What it is connected to.
    type Far: FarEnd;

    /// A fresh channel that receives frames of up to `receive_len` bytes whole.
    ///
    /// # Panics
    ///
    /// If the system does not give one.
    fn open(&self, receive_len: usize) -> (Self::Io, Self::Far);

    /// What the kind can do.
    fn traits(&self) -> Traits;
}

/// The other end of a channel under test. At least 32 frames can be on their way in each direction.
pub trait FarEnd: Send {
    /// Puts a frame on its way to the channel.
    ///
    /// # Panics
    ///
    /// If the system does not take it.
    fn send(&mut self, frame: &[u8]);

    /// The next frame that came from the channel; `None` if there is none now.
    fn receive(&mut self) -> Option<Vec<u8>>;

    /// Goes away; what was sent before stays on its way.
    fn close(self)
    where
        Self: Sized,
    {
    }

    /// Takes the interface below the channel down or up, and waits until it is ([`Traits::interface`]).
    fn set_interface(&mut self, up: bool) {
        let _ = up;
        panic!("no interface: the traits of this kind must say so");
    }

    /// Deletes the interface below the channel ([`Traits::interface`]).
    fn delete_interface(&mut self) {
        panic!("no interface: the traits of this kind must say so");
    }
}

/// What a kind of channel can do, so that rules without a meaning for it are left out by data.
#[derive(Debug, Clone, Copy)]
pub struct Traits {
    /// What its frames look like.
    pub shape: Shape,
    /// The longest frame that the suite sends whole.
    pub longest: usize,
    /// A length that the channel refuses to send; none where the system takes more than anybody would give it.
    pub too_long: Option<usize>,
    /// Bytes that the channel refuses to send for what they are.
    pub rejected: Option<&'static [u8]>,
    /// Frames of zero bytes exist.
    pub zero_length: bool,
    /// Frames of zero bytes that were queued last can be told from a close that follows.
    pub zero_length_before_close: bool,
    /// The real length of a frame that was cut is told.
    pub tells_real_length: bool,
    /// Receiving sees that the far end is gone.
    pub close_is_received: bool,
    /// Sending sees that the far end is gone.
    pub close_refuses: bool,
    /// A far end that does not read makes `send` refuse with `WouldBlock`.
    pub fills: bool,
    /// One call receives many frames, and those above the budget are kept.
    pub keeps: bool,
    /// `wait` blocks where there is nothing to do.
    pub blocks: bool,
    /// There is a network interface below the channel.
    pub interface: bool,
}

/// One rule of the contract.
pub struct Rule<B> {
    /// The rule's number and what holds.
    pub name: &'static str,
    /// Panics where it does not hold.
    pub check: fn(&B),
    applies: fn(&Traits) -> bool,
}

impl<B: Bench> Rule<B> {
    const fn new(name: &'static str, check: fn(&B)) -> Self {
        Self { name, check, applies: |_| true }
    }

    /// The same, for kinds of which `applies` holds.
    const fn only(mut self, applies: fn(&Traits) -> bool) -> Self {
        self.applies = applies;
        self
    }
}

/// The rules that say something about this kind.
pub fn rules<B: Bench>(bench: &B) -> Vec<Rule<B>> {
    let traits = bench.traits();
    let mut rules = all_rules();
    rules.retain(|rule| (rule.applies)(&traits));
    rules
}

fn all_rules<B: Bench>() -> Vec<Rule<B>> {
    [
        boundaries::rules(),
        lending::rules(),
        closing::rules(),
        sending::rules(),
        gathering::rules(),
        filling::rules(),
        stopping::rules(),
        waiting::rules(),
        errors::rules(),
        interface::rules(),
        limits::rules(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_that_starts_with_its_number() {
        let mut names: Vec<_> = all_rules::<MockBench>().iter().map(|rule| rule.name).collect();
        for name in &names {
            let number = name.split('_').next().unwrap_or_default();
            assert!(NUMBERS.contains(&number), "{name}");
        }
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    const NUMBERS: [&str; 17] =
        ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "t1", "t2", "t3", "t4", "t5", "s1", "s2", "e1", "e2", "l1"];
}
