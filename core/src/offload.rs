//! What is left to do to a packet: complete its transport checksum, cut it into segments.
//!
//! Work that a kernel or a network card does better than a stack, or not at all, as between two machines on one host. A packet that
//! comes in says what was left undone; a packet that goes out says what may be. So what [`RxPacket::offload`](crate::RxPacket::offload)
//! tells can be handed to [`Packet::with_offload`](crate::Packet::with_offload) as it is: that is forwarding.

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
        self.gso.is_none() && !matches!(self.checksum, ChecksumState::Partial { .. })
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
        /// Where the sum begins: bytes from the start of the network header, usually those of the network header.
        start: u16,
        /// Where the field is: bytes from `start`; 16 for TCP, 6 for UDP.
        offset: u16,
    },
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
