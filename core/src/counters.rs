//! What passed and what did not, by cause.
//!
//! Each queue counts for itself, so that `received + split = delivered + merged + sum(drops)` can be checked for each
//! ([`RxCounters::is_balanced`]). Counters are as wide as a pointer and wrap; a [`Counters`] taken earlier can be subtracted.

use core::fmt;
use core::ops::{Add, Sub};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::io::ErrorKind;
use crate::packet::Refusal;

/// Why a received frame was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropCause {
    /// Shorter than its link header, or without a first byte where there is no link header.
    Runt,
    /// Addressed to another station.
    ForeignAddress,
    /// Of a protocol that is not among [`Options::ether_types`](crate::Options::ether_types).
    ForeignProtocol,
    /// Of a VLAN that [`Options::vlan`](crate::Options::vlan) does not name.
    ForeignVlan,
    /// No link header, and the version is neither 4 nor 6.
    UnknownVersion,
    /// Longer than the buffer it was received into.
    Truncated,
    /// Dropped by the system in front of the queue, for want of room. Counted as received too.
    Kernel,
    /// Its virtio-net header asks for what cannot be done to it ([`VnetError`](crate::wire::vnet::VnetError)). With
    /// [`Options::rx_split`](crate::Options::rx_split) also: it is a super-frame with more headers than
    /// [`MAX_HEADERS_LEN`](crate::wire::segment::MAX_HEADERS_LEN).
    VnetHeader,
    /// Its transport checksum is wrong, and [`Options::rx_checksum_offload`](crate::Options::rx_checksum_offload) is set or it was to be split.
    Checksum,
    /// Given up behind the queue, for want of room: [`Options::processor_backlog`](crate::Options::processor_backlog) packets waited for
    /// the processor of its flow, or the dispatcher said so at the [end of a batch](crate::NetworkDispatcher::end_of_batch).
    BacklogFull,
}

impl DropCause {
    /// Every cause, in the order of [`RxCounters::drops`].
    pub const ALL: [Self; 10] = [
        Self::Runt,
        Self::ForeignAddress,
        Self::ForeignProtocol,
        Self::ForeignVlan,
        Self::UnknownVersion,
        Self::Truncated,
        Self::Kernel,
        Self::VnetHeader,
        Self::Checksum,
        Self::BacklogFull,
    ];
}

impl fmt::Display for DropCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runt => "runt",
            Self::ForeignAddress => "foreign address",
            Self::ForeignProtocol => "foreign protocol",
            Self::ForeignVlan => "foreign VLAN",
            Self::UnknownVersion => "unknown version",
            Self::Truncated => "truncated",
            Self::Kernel => "kernel",
            Self::VnetHeader => "virtio-net header",
            Self::Checksum => "checksum",
            Self::BacklogFull => "backlog full",
        })
    }
}

/// Why a packet was not sent, without the details of [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCause {
    /// The packet was unfit: empty, a runt, longer than allowed, or not what its offload says.
    Unfit,
    /// The descriptor took nothing (`EAGAIN`), and the policy was to drop.
    WouldBlock,
    /// The system had no buffers (`ENOBUFS`), and the policy was to drop.
    NoBuffers,
    /// The link was down.
    LinkDown,
    /// The system refused the frame.
    Rejected,
    /// The channel was closed or had failed.
    Closed,
}

impl RefusalCause {
    /// Every cause, in the order of [`TxCounters::refusals`].
    pub const ALL: [Self; 6] =
        [Self::Unfit, Self::WouldBlock, Self::NoBuffers, Self::LinkDown, Self::Rejected, Self::Closed];
}

impl From<Refusal> for RefusalCause {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Empty
            | Refusal::ExceedsMtu
            | Refusal::Runt
            | Refusal::NoGso
            | Refusal::ExceedsGsoMaxSize
            | Refusal::Unsplittable(_)
            | Refusal::TooManyParts => Self::Unfit,
            Refusal::Io(ErrorKind::WouldBlock) => Self::WouldBlock,
            Refusal::Io(ErrorKind::NoBuffers) => Self::NoBuffers,
            Refusal::Io(ErrorKind::LinkDown) => Self::LinkDown,
            Refusal::Io(ErrorKind::OffloadRejected | ErrorKind::FrameTooLong | ErrorKind::FrameRejected) => {
                Self::Rejected
            }
            Refusal::Io(ErrorKind::Closed | ErrorKind::Fatal) => Self::Closed,
        }
    }
}

impl fmt::Display for RefusalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfit => "unfit",
            Self::WouldBlock => "would block",
            Self::NoBuffers => "no buffers",
            Self::LinkDown => "link down",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
        })
    }
}

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
    pub(crate) fn count_received(&mut self, len: usize) {
        self.received += 1;
        self.received_bytes += len;
    }

    #[inline]
    pub(crate) fn count_delivered(&mut self, len: usize) {
        self.count_received(len);
        self.delivered += 1;
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

/// The living counters of one queue.
///
/// Receive counters have one writer, the receiver of the queue, so a plain load and store is enough; transmit counters have
/// several.
#[derive(Debug, Default)]
pub(crate) struct QueueCounters {
    received: AtomicUsize,
    received_bytes: AtomicUsize,
    delivered: AtomicUsize,
    merged: AtomicUsize,
    split: AtomicUsize,
    drops: [AtomicUsize; DropCause::ALL.len()],
    truncated_bytes: AtomicUsize,
    rx_calls: AtomicUsize,
    errors: AtomicUsize,
    sent: AtomicUsize,
    sent_bytes: AtomicUsize,
    tx_merged: AtomicUsize,
    refusals: [AtomicUsize; RefusalCause::ALL.len()],
    tx_calls: AtomicUsize,
    waits: AtomicUsize,
}

impl QueueCounters {
    pub(crate) fn add_rx(&self, rx: &RxCounters) {
        add_alone(&self.received, rx.received);
        add_alone(&self.received_bytes, rx.received_bytes);
        add_alone(&self.delivered, rx.delivered);
        add_alone(&self.rx_calls, rx.calls);
        add_alone(&self.errors, rx.errors);
        if rx.delivered != rx.received || rx.split > 0 {
            add_alone(&self.merged, rx.merged);
            add_alone(&self.split, rx.split);
            add_alone(&self.truncated_bytes, rx.truncated_bytes);
            for (counter, n) in self.drops.iter().zip(rx.drops) {
                add_alone(counter, n);
            }
        }
    }

    pub(crate) fn add_sent(&self, frames: usize, bytes: usize, merged: usize, calls: usize) {
        self.sent.fetch_add(frames, Relaxed);
        self.sent_bytes.fetch_add(bytes, Relaxed);
        self.tx_calls.fetch_add(calls, Relaxed);
        if merged > 0 {
            self.tx_merged.fetch_add(merged, Relaxed);
        }
    }

    pub(crate) fn add_refusal(&self, refusal: Refusal) {
        self.add_refusals(refusal, 1);
    }

    pub(crate) fn add_refusals(&self, refusal: Refusal, packets: usize) {
        if let Some(counter) = self.refusals.get(RefusalCause::from(refusal) as usize) {
            counter.fetch_add(packets, Relaxed);
        }
    }

    pub(crate) fn add_failed_send(&self) {
        self.tx_calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_wait(&self) {
        self.waits.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            rx: RxCounters {
                received: self.received.load(Relaxed),
                received_bytes: self.received_bytes.load(Relaxed),
                delivered: self.delivered.load(Relaxed),
                merged: self.merged.load(Relaxed),
                split: self.split.load(Relaxed),
                drops: self.drops.each_ref().map(|c| c.load(Relaxed)),
                truncated_bytes: self.truncated_bytes.load(Relaxed),
                calls: self.rx_calls.load(Relaxed),
                errors: self.errors.load(Relaxed),
            },
            tx: TxCounters {
                sent: self.sent.load(Relaxed),
                sent_bytes: self.sent_bytes.load(Relaxed),
                merged: self.tx_merged.load(Relaxed),
                refusals: self.refusals.each_ref().map(|c| c.load(Relaxed)),
                calls: self.tx_calls.load(Relaxed),
                waits: self.waits.load(Relaxed),
            },
        }
    }
}

fn add_alone(counter: &AtomicUsize, n: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}
