//! What goes wrong, where and when: drawn from a seed, or by a script.
//!
//! A [`FaultPlan`] is asked at every [`Site`]: before a frame goes on the wire, before a call to a descriptor, at every step of the
//! simulation. What it answers it writes down, so that a drawn plan becomes a script ([`FaultPlan::fired`]) that makes the same faults
//! again, and from which single ones can be taken out to see which of them matter ([`shrink`]).
//!
//! ```
//! use fdlink_mock::fault::{Fault, FaultPlan, Op, Site};
//!
//! let site = Site { port: 0, op: Op::Carry, nth: 1 };
//! let mut plan = FaultPlan::scripted([(site, Fault::Drop)]);
//! assert_eq!(plan.ask(0, Op::Carry, 60), None); // the first frame
//! assert_eq!(plan.ask(0, Op::Carry, 60), Some(Fault::Drop)); // the second
//! ```

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use fdlink_core::io::ErrorKind;

pub use crate::lie::VnetLie;
pub use crate::rates::Rates;
use crate::rng::Rng;
pub use crate::shrink::shrink;

/// Where something can go wrong: at the `nth` time that `port` does `op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// Which descriptor, in the order in which they were opened.
    pub port: usize,
    /// What it is about to do.
    pub op: Op,
    /// How often it did that before.
    pub nth: u64,
}

/// What a descriptor is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// To put one frame on the wire.
    Carry,
    /// To receive: a call that finds frames or nothing.
    Poll,
    /// To send: a call with one frame or many.
    Send,
    /// To wait for frames.
    WaitRx,
    /// To wait for room.
    WaitTx,
    /// To put a filter in front of the receiver.
    Filter,
    /// To live on: asked by [`Network::step`](crate::network::Network::step).
    Step,
}

/// One thing that goes wrong. Which ones make sense depends on the [`Op`]; the others do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The wire loses the frame.
    Drop,
    /// The wire carries the frame twice, the copy this much later.
    Duplicate(Duration),
    /// The frame takes this much longer, so that others overtake it.
    Delay(Duration),
    /// The byte at this place is changed by exclusive or: in a header, a length or the payload, as the place has it.
    Corrupt {
        /// Counted from the start of the frame; beyond its end nothing happens.
        at: usize,
        /// Which bits.
        mask: u8,
    },
    /// Only so many bytes arrive.
    Truncate(usize),
    /// A send stops behind so many frames; the error is told by the same call if they are none, else by the next one (sendmmsg(2)).
    Refuse {
        /// Frames that leave before.
        after: usize,
        /// What is told then.
        kind: ErrorKind,
    },
    /// The descriptor loses its offloads behind so many frames of a send: those that ask for one are refused with this from then on.
    Revoke {
        /// Frames that leave before.
        after: usize,
        /// What is told then.
        kind: ErrorKind,
    },
    /// The virtio-net header in front of a received frame lies.
    Lie(VnetLie),
    /// A receive fails. `Fatal` stays, the others pass.
    Fail(ErrorKind),
    /// A receive finds at most so many frames.
    Short(usize),
    /// The call is interrupted so many times and repeated (rule E1), which shows in the number of calls alone.
    Interrupt(usize),
    /// A wait ends although there is nothing to do.
    SpuriousWake,
    /// A wait ends by its timeout although there is something to do.
    MissedWake,
    /// The link goes down.
    LinkDown,
    /// The link comes back.
    LinkUp,
    /// The interface is deleted; the peer of a unix socket hangs up, with what it has sent still queued.
    HangUp,
    /// Somebody stops the descriptor's waits.
    Stop,
}

impl Fault {
    /// The name of the fault without its details, for statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Duplicate(_) => "duplicate",
            Self::Delay(_) => "delay",
            Self::Corrupt { .. } => "corrupt",
            Self::Truncate(_) => "truncate",
            Self::Refuse { after: 0, kind } => refusal_name(kind),
            Self::Refuse { .. } => "short send",
            Self::Revoke { .. } => "offloads revoked",
            Self::Lie(lie) => lie.name(),
            Self::Fail(kind) => failure_name(kind),
            Self::Short(_) => "short receive",
            Self::Interrupt(_) => "interrupt",
            Self::SpuriousWake => "spurious wake",
            Self::MissedWake => "missed wake",
            Self::LinkDown => "link down",
            Self::LinkUp => "link up",
            Self::HangUp => "hang up",
            Self::Stop => "stop",
        }
    }
}

const fn refusal_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::WouldBlock => "send: would block",
        ErrorKind::NoBuffers => "send: no buffers",
        ErrorKind::LinkDown => "send: link down",
        ErrorKind::OffloadRejected => "send: offload rejected",
        ErrorKind::FrameTooLong => "send: frame too long",
        ErrorKind::FrameRejected => "send: frame rejected",
        ErrorKind::Closed => "send: closed",
        _ => "send: fatal",
    }
}

const fn failure_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NoBuffers => "receive: no buffers",
        ErrorKind::WouldBlock => "receive: would block",
        ErrorKind::LinkDown => "receive: link down",
        _ => "receive: fatal",
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} {:?} #{}", self.port, self.op, self.nth)
    }
}

/// What goes wrong in one run.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    source: Source,
    asked: BTreeMap<(usize, Op), u64>,
    fired: Vec<(Site, Fault)>,
}

#[derive(Debug, Clone)]
enum Source {
    Script(BTreeMap<Site, Fault>),
    Drawn { rng: Rng, rates: Rates, of_port: BTreeMap<usize, Rates> },
}

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::scripted([])
    }

    /// Exactly these faults.
    #[must_use]
    pub fn scripted(faults: impl IntoIterator<Item = (Site, Fault)>) -> Self {
        Self::new(Source::Script(faults.into_iter().collect()))
    }

    /// Faults as often as `rates` has them.
    #[must_use]
    pub fn drawn(seed: u64, rates: Rates) -> Self {
        Self::new(Source::Drawn { rng: Rng::new(seed), rates, of_port: BTreeMap::new() })
    }

    /// Other rates for one port, so that the directions of a link differ. Changes nothing in a script.
    pub fn set_rates(&mut self, port: usize, rates: Rates) {
        if let Source::Drawn { of_port, .. } = &mut self.source {
            of_port.insert(port, rates);
        }
    }

    fn new(source: Source) -> Self {
        Self { source, asked: BTreeMap::new(), fired: Vec::new() }
    }

    /// What goes wrong with what `port` is about to do; `size` is the length of the frame, or the number of frames of a send.
    pub fn ask(&mut self, port: usize, op: Op, size: usize) -> Option<Fault> {
        let asked = self.asked.entry((port, op)).or_default();
        let site = Site { port, op, nth: *asked };
        *asked += 1;
        let fault = match &mut self.source {
            Source::Script(faults) => faults.get(&site).copied(),
            Source::Drawn { rng, rates, of_port } => of_port.get(&port).unwrap_or(rates).draw(rng, op, size),
        }?;
        self.fired.push((site, fault));
        Some(fault)
    }

    /// What went wrong so far, in order: a script that does it again.
    #[must_use]
    pub fn fired(&self) -> &[(Site, Fault)] {
        &self.fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drawn_plan_did_is_a_script_that_does_it_again() {
        let ask_all = |plan: &mut FaultPlan| {
            let ops = [Op::Carry, Op::Poll, Op::Send, Op::WaitRx, Op::WaitTx, Op::Step];
            let asked = (0..3000).map(|n| plan.ask(n % 2, ops[n % 6], n % 100)).collect::<Vec<_>>();
            (asked, plan.fired().to_vec())
        };
        let drawn = ask_all(&mut FaultPlan::drawn(3, Rates::EVERYTHING));
        assert!(drawn.1.len() > 100, "{}", drawn.1.len());
        assert_eq!(ask_all(&mut FaultPlan::scripted(drawn.1.clone())), drawn);
        assert_eq!(ask_all(&mut FaultPlan::drawn(3, Rates::EVERYTHING)), drawn);
        assert_ne!(ask_all(&mut FaultPlan::drawn(4, Rates::EVERYTHING)), drawn);
    }

    #[test]
    fn rates_of_a_port_are_its_own() {
        let mut plan = FaultPlan::drawn(1, Rates::NONE);
        plan.set_rates(1, Rates { drop: 1000, ..Rates::NONE });
        assert_eq!(plan.ask(0, Op::Carry, 60), None);
        assert_eq!(plan.ask(1, Op::Carry, 60), Some(Fault::Drop));
    }
}
