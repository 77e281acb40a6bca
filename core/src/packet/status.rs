use core::fmt;

use crate::io::ErrorKind;
#[cfg(feature = "smoltcp")]
use crate::io::Offloads;
use crate::wire::Unsplittable;

/// What became of a packet that was handed to [`write_packets`](crate::LinkEndpoint::write_packets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxStatus {
    /// Not tried, or tried and to be tried again: nothing of it has left. Of a packet that is cut in software the first segments may have; the next
    /// try goes on behind them.
    Pending,
    /// The system took the whole frame.
    Sent,
    /// It was given up; nothing of it has left, unless it was cut into segments in software, of which earlier ones may have.
    Refused(Refusal),
}

/// Why a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The packet has no byte.
    Empty,
    /// The packet is longer than the MTU.
    ExceedsMtu,
    /// A framed packet is shorter than the link header.
    Runt,
    /// The packet asks for segmentation, and [`Options::gso`](crate::Options::gso) is none.
    NoGso,
    /// The packet asks for segmentation and is longer than [`Options::gso_max_size`](crate::Options::gso_max_size).
    ExceedsGsoMaxSize,
    /// The packet is not one that what it asks for can be done to.
    Unsplittable(Unsplittable),
    /// A segment of the packet lies in more than 187 parts.
    TooManyParts,
    /// The system refused the frame.
    Io(ErrorKind),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the packet is empty: give it at least one byte"),
            Self::ExceedsMtu => f.write_str("the packet is longer than the MTU: fragment it, or raise the MTU"),
            Self::Runt => f.write_str("the frame is shorter than its link header"),
            Self::NoGso => f.write_str("the packet asks for segmentation: set Options::gso"),
            Self::ExceedsGsoMaxSize => f.write_str("the packet is longer than gso_max_size"),
            Self::Unsplittable(why) => write!(f, "the packet cannot be sent as it asks: {why}"),
            Self::TooManyParts => f.write_str("a segment lies in too many parts: hand in fewer, longer ones"),
            Self::Io(kind) => write!(f, "the system refused the frame: {kind}"),
        }
    }
}

/// How far a pending packet has come.
#[cfg(feature = "smoltcp")]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TxProgress {
    pub(super) segments_sent: u32,
    pub(super) in_software: bool,
    pub(super) without: Offloads,
}
