//! What is left to do to a packet: complete its transport checksum, cut it into segments.
//!
//! Work that a kernel or a network card does better than a stack, or not at all, as between two machines on one host. A packet that
//! comes in says what was left undone; a packet that goes out says what may be. So what [`RxPacket::offload`](crate::RxPacket::offload)
//! tells can be handed to [`Packet::with_offload`](crate::Packet::with_offload) as it is: that is forwarding.

use crate::io::Offloads;
use crate::wire::Layers;
use crate::wire::layers::{IpVersion, TransportProtocol};

/// What is left to do to a packet. The default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Offload {
    /// The transport checksum.
    pub checksum: ChecksumState,
    /// Segmentation: the packet is a super-frame, longer than the MTU.
    pub gso: Option<Gso>,
}

impl Offload {
    /// Nothing is left to do.
    pub const NONE: Self = Self { checksum: ChecksumState::None, gso: None };

    /// True if the packet is fit for a wire as it stands.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.gso.is_none() && !self.checksum.is_partial()
    }

    /// The capabilities that a packet of this IP version needs to leave as it is; empty where nothing is left to do to it.
    pub(crate) fn needs(self, version: Option<IpVersion>) -> Offloads {
        let checksum = if self.checksum.is_partial() { Offloads::CSUM } else { Offloads::empty() };
        checksum
            | match self.gso.map(|gso| gso.gso_type) {
                None => Offloads::empty(),
                Some(GsoType::TcpV4) => Offloads::TSO4,
                Some(GsoType::TcpV6) => Offloads::TSO6,
                Some(GsoType::UdpL4) if version == Some(IpVersion::V6) => Offloads::USO6,
                Some(GsoType::UdpL4) => Offloads::USO4,
            }
    }

    /// The same for a packet with `payload_len` bytes of transport payload: one that fits a single segment is not cut.
    ///
    /// Linux loses a frame with TCP options that asks to be cut without need: the write succeeds, and nothing comes of it.
    #[must_use]
    pub const fn for_payload(mut self, payload_len: usize) -> Self {
        if let Some(gso) = self.gso
            && !gso.cuts(payload_len)
        {
            self.gso = None;
        }
        self
    }
}

/// What is known of a transport checksum (`CHECKSUM_*` of `linux/skbuff.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChecksumState {
    /// It stands in the packet. Nobody has verified it (`CHECKSUM_NONE`).
    #[default]
    None,
    /// It need not be verified: somebody below has done so (`CHECKSUM_UNNECESSARY`, `VIRTIO_NET_HDR_F_DATA_VALID`).
    Unnecessary,
    /// It is still to be computed, over everything from `start` to the end of the packet; its field holds the sum of the
    /// pseudo-header (`CHECKSUM_PARTIAL`, `VIRTIO_NET_HDR_F_NEEDS_CSUM`). The packet never crossed a wire, so there is nothing to verify.
    Partial {
        /// Where the sum begins: bytes from the end of the link header, usually those of the network header. VLAN tags in a frame do not belong
        /// to the Ethernet header, so that they count.
        start: u16,
        /// Where the field is: bytes from `start`; 16 for TCP, 6 for UDP.
        offset: u16,
    },
}

impl ChecksumState {
    /// True if the checksum is still to be computed.
    pub(crate) const fn is_partial(self) -> bool {
        matches!(self, Self::Partial { .. })
    }
}

/// How a super-frame is to be cut (generic segmentation offload).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gso {
    /// What is cut.
    pub gso_type: GsoType,
    /// Bytes of transport payload in each segment but the last, which may have fewer: the maximum segment size (`gso_size`).
    pub size: u16,
    /// The TCP header has CWR set, which only the first segment is to keep (`VIRTIO_NET_HDR_GSO_ECN`).
    pub ecn: bool,
}

impl Gso {
    /// True if a packet with `payload_len` bytes of transport payload becomes more than one segment.
    #[inline]
    pub(crate) const fn cuts(self, payload_len: usize) -> bool {
        payload_len > self.size as usize
    }
}

/// The kinds of segmentation (`VIRTIO_NET_HDR_GSO_*` of `linux/virtio_net.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GsoType {
    /// TCP over IPv4 (TSO).
    TcpV4,
    /// TCP over IPv6 (TSO).
    TcpV6,
    /// UDP over IPv4 or IPv6, each segment a datagram of its own (USO).
    UdpL4,
}

impl GsoType {
    /// True if a packet with these headers can be cut this way.
    #[must_use]
    pub const fn fits(self, layers: &Layers) -> bool {
        matches!(
            (self, layers.version, layers.protocol),
            (Self::TcpV4, IpVersion::V4, TransportProtocol::Tcp)
                | (Self::TcpV6, IpVersion::V6, TransportProtocol::Tcp)
                | (Self::UdpL4, _, TransportProtocol::Udp)
        )
    }

    /// True if a super-frame may have this checksum, its transport header being `transport` bytes behind the start of the network header:
    /// a partial one at that header, or for TCP none at all.
    pub(crate) const fn agrees(self, checksum: ChecksumState, transport: usize) -> bool {
        let protocol = match self {
            Self::TcpV4 | Self::TcpV6 => TransportProtocol::Tcp,
            Self::UdpL4 => TransportProtocol::Udp,
        };
        match checksum {
            ChecksumState::Partial { start, offset } => {
                start as usize == transport && offset == protocol.checksum_offset()
            }
            _ => matches!(protocol, TransportProtocol::Tcp),
        }
    }
}
