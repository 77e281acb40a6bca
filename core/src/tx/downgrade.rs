//! What a packet asks of the system, and what is done when the system refuses.

use crate::endpoint::GsoSupport;
use crate::io::{ErrorKind, Offloads};
use crate::offload::{ChecksumState, Gso, GsoType, Offload};
use crate::wire::Layers;
use crate::wire::layers::IpVersion;
use crate::wire::vnet::UDP_MAX_SEGMENTS;

/// The capabilities that a packet needs to leave as it is; empty where nothing is left to do to it.
pub(super) fn needs(offload: Offload, layers: Option<&Layers>) -> Offloads {
    let checksum = match offload.checksum {
        ChecksumState::Partial { .. } => Offloads::CSUM,
        _ => Offloads::empty(),
    };
    let version = layers.map(|layers| layers.version);
    checksum
        | match offload.gso.map(|gso| gso.gso_type) {
            None => Offloads::empty(),
            Some(GsoType::TcpV4) => Offloads::TSO4,
            Some(GsoType::TcpV6) => Offloads::TSO6,
            Some(GsoType::UdpL4) if version == Some(IpVersion::V6) => Offloads::USO6,
            Some(GsoType::UdpL4) => Offloads::USO4,
        }
}

/// Whether a packet is left to the system that can do `granted`. `payload_len` is that of the transport.
pub(super) fn is_for_host(
    offload: Offload,
    needs: Offloads,
    granted: Offloads,
    gso: GsoSupport,
    payload_len: usize,
) -> bool {
    granted.contains(needs)
        && offload.gso.is_none_or(|given| gso == GsoSupport::Host && !is_too_many(given, payload_len))
}

/// The kernel refuses it for its number of segments, which says nothing about what it can do.
fn is_too_many(gso: Gso, payload_len: usize) -> bool {
    gso.gso_type == GsoType::UdpL4 && payload_len > UDP_MAX_SEGMENTS * usize::from(gso.size)
}

/// What is lost when a frame that needed `needs` was refused and went without: the kind of segmentation, or everything where it was the
/// checksum alone, since a segment's checksum is computed when it is cut.
pub(super) fn lost(needs: Offloads) -> Offloads {
    match needs - Offloads::CSUM {
        segmentation if segmentation.is_empty() => Offloads::all(),
        segmentation => segmentation,
    }
}

/// True for refusals that may be owed to what the frame asked for (`EINVAL`, `EMSGSIZE`, and what the backend knows to be so).
pub(super) const fn may_be_owed_to_offload(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::OffloadRejected | ErrorKind::FrameRejected | ErrorKind::FrameTooLong)
}
