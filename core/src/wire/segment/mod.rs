//! The headers of the segments that a super-frame is cut into, as Linux makes them (`tcp_gso_segment`, `__udp_gso_segment`).
//!
//! | field | in each segment |
//! |---|---|
//! | link header, VLAN tags, IP options, extension headers | copied |
//! | IPv4 identification | counts up from that of the super-frame, whether DF is set or not |
//! | IPv4 total length and checksum, IPv6 payload length, UDP length | its own; those of the super-frame are not looked at |
//! | TCP sequence number | that of its first byte |
//! | FIN, PSH | only in the last |
//! | CWR | only in the first |
//! | other TCP flags, acknowledgement, window, urgent pointer, options | copied |
//! | checksum | its own; 0 stays 0 for TCP and becomes 0xffff for UDP |

mod header_buf;
mod own;
mod template;

use crate::offload::ChecksumState;

pub use header_buf::HeaderBuf;
pub(crate) use template::Template;

/// Why a packet cannot be cut, or its checksum not be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsplittable {
    /// The headers are not those that the kind of segmentation is for, are cut, or have more than [`MAX_HEADERS_LEN`] bytes.
    Headers,
    /// The checksum is not that of the transport header, not within the packet, or for UDP not partial.
    Checksum,
    /// The size of the segments is 0, or makes IP packets of more than 65,535 bytes.
    Size,
}

impl core::fmt::Display for Unsplittable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Headers => "the headers are not those that the kind of segmentation is for, or too long",
            Self::Checksum => "the checksum to complete is not that of the transport header, or outside of the packet",
            Self::Size => "the segment size is 0 or makes packets that are too long for IP",
        })
    }
}

impl core::error::Error for Unsplittable {}

/// The first byte behind the field of a partial checksum, from the start of a frame with `network` bytes of link header.
pub(crate) fn field_end(network: usize, checksum: ChecksumState) -> Option<usize> {
    match checksum {
        ChecksumState::Partial { start, offset } => {
            Some(network.saturating_add(usize::from(start) + usize::from(offset) + 2))
        }
        _ => None,
    }
}

/// Longest headers of a packet that is cut: Ethernet, two VLAN tags, and 170 bytes of IP and TCP with options or extension headers.
pub const MAX_HEADERS_LEN: usize = 192;
