use core::time::Duration;

use fdlink_core::io::ErrorKind;

use crate::fault::{Fault, Op, VnetLie};
use crate::rng::Rng;

/// How often each fault comes, in a thousand times that it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Frames lost on the wire.
    pub drop: u16,
    /// Frames carried twice.
    pub duplicate: u16,
    /// Frames delayed, so that others overtake them.
    pub delay: u16,
    /// Frames with a changed byte.
    pub corrupt: u16,
    /// Frames cut.
    pub truncate: u16,
    /// Frames whose virtio-net header lies, where the receiver has one.
    pub lie: u16,
    /// The longest delay of a frame or of its copy.
    pub most_delay: Duration,
    /// Sends that refuse a frame or come back short, with an error that leaves the channel alive.
    pub refuse: u16,
    /// Sends during which the descriptor loses its offloads, where it has some.
    pub revoke: u16,
    /// Filters that are refused.
    pub filter: u16,
    /// Receives that fail and pass.
    pub fail: u16,
    /// Sends and receives that end the channel.
    pub fatal: u16,
    /// Receives that find less than there is.
    pub short: u16,
    /// Calls that are interrupted and repeated.
    pub interrupt: u16,
    /// Waits that end for nothing, or too late.
    pub wake: u16,
    /// Steps at which the link goes down or comes up.
    pub flap: u16,
    /// Steps at which the interface is deleted or the peer hangs up.
    pub hang_up: u16,
    /// Steps at which the descriptor is stopped.
    pub stop: u16,
}

impl Rates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        drop: 0,
        duplicate: 0,
        delay: 0,
        corrupt: 0,
        truncate: 0,
        lie: 0,
        most_delay: Duration::ZERO,
        refuse: 0,
        revoke: 0,
        filter: 0,
        fail: 0,
        fatal: 0,
        short: 0,
        interrupt: 0,
        wake: 0,
        flap: 0,
        hang_up: 0,
        stop: 0,
    };

    /// A bad network over descriptors that work.
    pub const BAD_WIRE: Self = Self {
        drop: 20,
        duplicate: 20,
        delay: 50,
        corrupt: 20,
        truncate: 5,
        lie: 5,
        most_delay: Duration::from_millis(20),
        ..Self::NONE
    };

    /// A bad network over descriptors that work badly, none of which dies.
    pub const BAD_DAY: Self =
        Self { refuse: 50, revoke: 5, fail: 20, short: 50, interrupt: 50, wake: 50, ..Self::BAD_WIRE };

    /// Everything, also what cannot be survived.
    pub const EVERYTHING: Self = Self { filter: 50, fatal: 2, flap: 10, hang_up: 2, stop: 5, ..Self::BAD_DAY };

    pub(crate) fn draw(&self, rng: &mut Rng, op: Op, size: usize) -> Option<Fault> {
        match op {
            Op::Carry => self.draw_carry(rng, size),
            Op::Poll => self.draw_poll(rng),
            Op::Send => self.draw_send(rng, size),
            Op::WaitRx | Op::WaitTx if rng.per_mille(self.wake) => rng.pick(&[Fault::SpuriousWake, Fault::MissedWake]),
            Op::WaitRx | Op::WaitTx => None,
            Op::Filter => rng.per_mille(self.filter).then_some(Fault::Fail(ErrorKind::Fatal)),
            Op::Step => self.draw_step(rng),
        }
    }

    fn draw_carry(&self, rng: &mut Rng, len: usize) -> Option<Fault> {
        Some(match choose(rng, [self.drop, self.duplicate, self.delay, self.corrupt, self.truncate, self.lie])? {
            0 => Fault::Drop,
            1 => Fault::Duplicate(rng.time(self.most_delay)),
            2 => Fault::Delay(rng.time(self.most_delay)),
            3 => Fault::Corrupt { at: place(rng, len), mask: rng.within(1, 255) as u8 },
            4 => Fault::Truncate(rng.below(len)),
            _ => Fault::Lie(draw_lie(rng)),
        })
    }

    fn draw_poll(&self, rng: &mut Rng) -> Option<Fault> {
        Some(match choose(rng, [self.fail, self.fatal, self.short, self.interrupt])? {
            0 => Fault::Fail(rng.pick(&[ErrorKind::NoBuffers, ErrorKind::LinkDown])?),
            1 => Fault::Fail(ErrorKind::Fatal),
            2 => Fault::Short(rng.within(1, 3)),
            _ => Fault::Interrupt(rng.within(1, 5)),
        })
    }

    fn draw_send(&self, rng: &mut Rng, frames: usize) -> Option<Fault> {
        let after = rng.below(frames);
        Some(match choose(rng, [self.refuse, self.fatal, self.interrupt, self.revoke])? {
            0 => Fault::Refuse { after, kind: rng.pick(&PASSING)? },
            1 => Fault::Refuse { after, kind: rng.pick(&[ErrorKind::Closed, ErrorKind::Fatal])? },
            2 => Fault::Interrupt(rng.within(1, 5)),
            _ => Fault::Revoke { after, kind: rng.pick(&REVOKED)? },
        })
    }

    fn draw_step(&self, rng: &mut Rng) -> Option<Fault> {
        match choose(rng, [self.flap, self.hang_up, self.stop])? {
            0 => rng.pick(&[Fault::LinkDown, Fault::LinkUp, Fault::LinkUp]),
            1 => Some(Fault::HangUp),
            _ => Some(Fault::Stop),
        }
    }
}

/// One of several rates hits, or none.
fn choose<const N: usize>(rng: &mut Rng, rates: [u16; N]) -> Option<usize> {
    let number = rng.below(1000);
    let mut end = 0;
    rates.into_iter().position(|rate| {
        end += usize::from(rate);
        number < end
    })
}

/// Link header, network header and payload are hit equally often, however long the payload.
fn place(rng: &mut Rng, len: usize) -> usize {
    match rng.below(3) {
        0 => rng.below(len.min(14)),
        1 => rng.below(len.min(54)),
        _ => rng.below(len),
    }
}

/// Values that are likely to matter come often: small ones, and bits that have a name.
fn draw_lie(rng: &mut Rng) -> VnetLie {
    let most = if rng.one_in(2) { 100 } else { u16::MAX.into() };
    let (field, number) = (rng.below(7), rng.within(0, most) as u16);
    match field {
        0 => VnetLie::Flags(number as u8),
        1 => VnetLie::GsoType(number as u8 & 0x87),
        2 => VnetLie::HdrLen(number),
        3 => VnetLie::GsoSize(number),
        4 => VnetLie::CsumStart(number),
        5 => VnetLie::CsumOffset(number),
        _ => VnetLie::Short(number as u8),
    }
}

/// What a frame may be told that asks for what is no longer done: `EINVAL` of several systems, `EMSGSIZE`, `EIO` of TUN and TAP.
const REVOKED: [ErrorKind; 4] =
    [ErrorKind::OffloadRejected, ErrorKind::FrameRejected, ErrorKind::FrameTooLong, ErrorKind::LinkDown];

/// Errors of a send after which the channel lives on.
const PASSING: [ErrorKind; 6] = [
    ErrorKind::WouldBlock,
    ErrorKind::NoBuffers,
    ErrorKind::LinkDown,
    ErrorKind::OffloadRejected,
    ErrorKind::FrameTooLong,
    ErrorKind::FrameRejected,
];
