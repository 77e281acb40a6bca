use core::fmt;

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
    /// Every cause, in the order of [`RxCounters::drops`](super::RxCounters::drops).
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
    /// Every cause, in the order of [`TxCounters::refusals`](super::TxCounters::refusals).
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
