//! What passed and what did not, by cause.
//!
//! Each queue counts for itself, so that `received + split = delivered + merged + sum(drops)` can be checked for each
//! ([`RxCounters::is_balanced`]). Counters are as wide as a pointer and wrap; a [`Counters`] taken earlier can be subtracted.

mod cause;
mod queue;

use core::fmt;
use core::ops::{Add, Sub};

pub use cause::{DropCause, RefusalCause};
pub(crate) use queue::QueueCounters;

/// Counters of a queue, or of all queues of an endpoint, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// What was received.
    pub rx: RxCounters,
    /// What was sent.
    pub tx: TxCounters,
}

/// Receive counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RxCounters {
    /// Frames taken from the queue, and those that the system dropped in front of it.
    pub received: usize,
    /// Their bytes, link header included, as far as they were received.
    pub received_bytes: usize,
    /// Packets handed to the dispatcher, or to a processor.
    pub delivered: usize,
    /// Frames that came to the dispatcher as part of another one's packet ([`Options::gro`](crate::Options::gro)).
    pub merged: usize,
    /// Packets that one frame became, beyond the first of each ([`Options::rx_split`](crate::Options::rx_split)).
    pub split: usize,
    /// Frames dropped, by cause in the order of [`DropCause::ALL`].
    pub drops: [usize; DropCause::ALL.len()],
    /// Bytes that truncated frames had on the wire, as far as the system told.
    pub truncated_bytes: usize,
    /// Calls to the system to receive.
    pub calls: usize,
    /// Errors that passed: link down, no buffers.
    pub errors: usize,
}

impl RxCounters {
    /// Frames dropped for `cause`.
    #[must_use]
    pub fn dropped(&self, cause: DropCause) -> usize {
        self.drops.get(cause as usize).copied().unwrap_or(0)
    }

    /// Frames dropped for any cause.
    #[must_use]
    pub fn dropped_total(&self) -> usize {
        sum(&self.drops)
    }

    /// The accounting identity: `received + split = delivered + merged + sum(drops)`.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let came = self.received.wrapping_add(self.split);
        came == self.delivered.wrapping_add(self.merged).wrapping_add(self.dropped_total())
    }
}

impl RxCounters {
    #[inline]
    pub(crate) const fn count_delivered(&mut self, frames: usize, bytes: usize) {
        self.received += frames;
        self.received_bytes += bytes;
        self.delivered += frames;
    }

    /// Takes back what the dispatcher gave up of the packets that were just counted as delivered.
    #[inline]
    pub(crate) fn count_given_up(&mut self, packets: usize) {
        let given_up = packets.min(self.delivered);
        self.delivered -= given_up;
        if let Some(drops) = self.drops.get_mut(DropCause::BacklogFull as usize) {
            *drops += given_up;
        }
    }
}

/// Transmit counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TxCounters {
    /// Frames that the system took.
    pub sent: usize,
    /// Their bytes, link header included.
    pub sent_bytes: usize,
    /// Packets that left in another one's frame ([`Options::tx_coalesce`](crate::Options::tx_coalesce)). Where nothing is cut into segments,
    /// `sent + merged` is the number of packets that were sent.
    pub merged: usize,
    /// Packets refused, by cause in the order of [`RefusalCause::ALL`].
    pub refusals: [usize; RefusalCause::ALL.len()],
    /// Calls to the system to send.
    pub calls: usize,
    /// Waits for a descriptor to take more.
    pub waits: usize,
}

impl TxCounters {
    /// Packets refused for `cause`.
    #[must_use]
    pub fn refused(&self, cause: RefusalCause) -> usize {
        self.refusals.get(cause as usize).copied().unwrap_or(0)
    }

    /// Packets refused for any cause.
    #[must_use]
    pub fn refused_total(&self) -> usize {
        sum(&self.refusals)
    }
}

fn sum(values: &[usize]) -> usize {
    values.iter().fold(0, |sum, v| sum.wrapping_add(*v))
}

impl Counters {
    fn zip(self, other: Self, f: impl Fn(usize, usize) -> usize) -> Self {
        let (a, b) = (self.rx, other.rx);
        let rx = RxCounters {
            received: f(a.received, b.received),
            received_bytes: f(a.received_bytes, b.received_bytes),
            delivered: f(a.delivered, b.delivered),
            merged: f(a.merged, b.merged),
            split: f(a.split, b.split),
            drops: zip(a.drops, b.drops, &f),
            truncated_bytes: f(a.truncated_bytes, b.truncated_bytes),
            calls: f(a.calls, b.calls),
            errors: f(a.errors, b.errors),
        };
        let (a, b) = (self.tx, other.tx);
        let tx = TxCounters {
            sent: f(a.sent, b.sent),
            sent_bytes: f(a.sent_bytes, b.sent_bytes),
            merged: f(a.merged, b.merged),
            refusals: zip(a.refusals, b.refusals, &f),
            calls: f(a.calls, b.calls),
            waits: f(a.waits, b.waits),
        };
        Self { rx, tx }
    }
}

fn zip<const N: usize>(mut a: [usize; N], b: [usize; N], f: impl Fn(usize, usize) -> usize) -> [usize; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = f(*a, b);
    }
    a
}

impl Sub for Counters {
    type Output = Self;

    /// What was counted since `earlier`.
    fn sub(self, earlier: Self) -> Self {
        self.zip(earlier, usize::wrapping_sub)
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, usize::wrapping_add)
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rx, tx } = self;
        write!(f, "received {} ({} bytes, {} calls)", rx.received, rx.received_bytes, rx.calls)?;
        write!(f, ", split {}, delivered {}, merged {}", rx.split, rx.delivered, rx.merged)?;
        write!(f, ", dropped {}", rx.dropped_total())?;
        write_causes(f, DropCause::ALL.iter().zip(rx.drops))?;
        write!(f, "; sent {} ({} bytes, {} calls)", tx.sent, tx.sent_bytes, tx.calls)?;
        write!(f, ", merged {}, refused {}", tx.merged, tx.refused_total())?;
        write_causes(f, RefusalCause::ALL.iter().zip(tx.refusals))
    }
}

fn write_causes<'c, C: fmt::Display + 'c>(
    f: &mut fmt::Formatter<'_>,
    causes: impl Iterator<Item = (&'c C, usize)>,
) -> fmt::Result {
    let mut separator = " (";
    for (cause, count) in causes.filter(|(_, count)| *count > 0) {
        write!(f, "{separator}{cause} {count}")?;
        separator = ", ";
    }
    if separator == ", " { f.write_str(")") } else { Ok(()) }
}
