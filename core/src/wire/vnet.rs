//! The virtio-net header: what is left to do to a frame, said in front of it.
//!
//! `struct virtio_net_hdr` of `linux/virtio_net.h`; VIRTIO 1.3, section 5.1.6. A descriptor that was opened for it (`IFF_VNET_HDR`,
//! `PACKET_VNET_HDR`) has one in front of every frame, both ways.
//!
//! ```text
//!  0         1         2         3
//! ┌─────────┬─────────┬───────────────────┐
//! │  flags  │gso_type │      hdr_len      │   flags     1 NEEDS_CSUM, 2 DATA_VALID, 4 RSC_INFO
//! ├─────────┴─────────┼───────────────────┤   gso_type  0 none, 1 TCPV4, 4 TCPV6, 5 UDP_L4; +0x80 ECN
//! │     gso_size      │    csum_start     │   csum_start and hdr_len count from the start of the frame,
//! ├───────────────────┼───────────────────┤   csum_offset counts from csum_start
//! │    csum_offset    │    num_buffers    │   num_buffers only where the header has 12 bytes or more
//! └───────────────────┴───────────────────┘
//! ```

use super::Layers;
use super::layers::IPV4_HEADER_LEN;
use crate::offload::{ChecksumState, Gso, GsoType, Offload};

/// A virtio-net header, its fields as they are named and numbered there.
///
/// What stands behind these ten bytes is written as zero and not read: `num_buffers` counts a driver's buffers, and a frame of a descriptor
/// always is in one; what longer headers add belongs to features that are not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VirtioNetHdr {
    /// [`NEEDS_CSUM`], [`DATA_VALID`]; other bits say nothing that is used.
    pub flags: u8,
    /// How the frame is to be cut, with [`GSO_ECN`] or without.
    pub gso_type: u8,
    /// Bytes of all headers of the frame. A hint: never relied on.
    pub hdr_len: u16,
    /// Bytes of transport payload in each segment.
    pub gso_size: u16,
    /// Where the sum begins, from the start of the frame.
    pub csum_start: u16,
    /// Where the checksum field is, from `csum_start`.
    pub csum_offset: u16,
}

/// The byte order of a virtio-net header's fields. On a little-endian machine both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ByteOrder {
    /// The machine's own ("legacy"): TUN, TAP and packet sockets unless told otherwise.
    #[default]
    Native,
    /// Little-endian (VIRTIO 1.0 and later): virtual machine monitors, and TUN or TAP after `TUNSETVNETLE`.
    Little,
}

impl VirtioNetHdr {
    /// The header for a packet with `offload` that has `network` bytes of link header in front of it, and `headers_len` bytes of headers
    /// in all: link, network, transport.
    ///
    /// The checksum's start counts from the frame's start, however many bytes there are in front of the network header.
    #[must_use]
    #[inline]
    pub fn from_offload(offload: Offload, network: usize, headers_len: usize) -> Self {
        let mut header = Self::default();
        match offload.checksum {
            ChecksumState::None => {}
            ChecksumState::Unnecessary => header.flags = DATA_VALID,
            ChecksumState::Partial { start, offset } => {
                header.flags = NEEDS_CSUM;
                header.csum_start = saturate(network.saturating_add(start.into()));
                header.csum_offset = offset;
            }
        }
        if let Some(gso) = offload.gso {
            header.gso_type = type_bits(gso);
            header.gso_size = gso.size;
            header.hdr_len = saturate(headers_len);
        }
        header
    }

    /// What is left to do to `frame`, received behind this header, whose link header has `network` bytes.
    ///
    /// Nothing is believed that the frame does not bear out. A frame that needs no cutting, since its payload fits one segment, becomes one
    /// that only lacks its checksum; [`hdr_len`](Self::hdr_len) is not looked at.
    ///
    /// # Errors
    ///
    /// What the header says cannot be done to this frame, see [`VnetError`].
    #[inline(always)]
    pub fn offload(&self, frame: &[u8], network: usize) -> Result<Offload, VnetError> {
        self.check_checksum(frame.len(), network)?;
        let checksum = self.checksum(network);
        let gso = if self.gso_type == GSO_NONE { None } else { self.segmentation(frame, network, checksum)? };
        Ok(Offload { checksum, gso })
    }

    /// Reads a header from the first [`LEN`] of `bytes`; `None` if there are fewer.
    #[must_use]
    #[inline]
    pub fn decode(bytes: &[u8], order: ByteOrder) -> Option<Self> {
        let &[flags, gso_type, h0, h1, g0, g1, s0, s1, o0, o1] = bytes.first_chunk()?;
        let u16_from = |bytes| match order {
            ByteOrder::Native => u16::from_ne_bytes(bytes),
            ByteOrder::Little => u16::from_le_bytes(bytes),
        };
        Some(Self {
            flags,
            gso_type,
            hdr_len: u16_from([h0, h1]),
            gso_size: u16_from([g0, g1]),
            csum_start: u16_from([s0, s1]),
            csum_offset: u16_from([o0, o1]),
        })
    }

    /// The header as it stands in front of a frame, `N` bytes long: 10, 12 or more, zero from the eleventh on. Fewer than 10 cut it.
    #[must_use]
    #[inline]
    pub fn encode<const N: usize>(&self, order: ByteOrder) -> [u8; N] {
        let to_bytes = |field: u16| match order {
            ByteOrder::Native => field.to_ne_bytes(),
            ByteOrder::Little => field.to_le_bytes(),
        };
        let [h0, h1] = to_bytes(self.hdr_len);
        let [g0, g1] = to_bytes(self.gso_size);
        let [s0, s1] = to_bytes(self.csum_start);
        let [o0, o1] = to_bytes(self.csum_offset);
        let fields = [self.flags, self.gso_type, h0, h1, g0, g1, s0, s1, o0, o1];
        let mut bytes = [0; N];
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        bytes
    }

    // Apart from what it is checked for: a result that is either a value or an error is put together in memory and taken apart again, for which a
    // processor has to wait.
    #[inline]
    fn check_checksum(&self, frame_len: usize, network: usize) -> Result<(), VnetError> {
        let (start, offset) = (usize::from(self.csum_start), usize::from(self.csum_offset));
        match self.flags & NEEDS_CSUM != 0 {
            true if start < network.saturating_add(IPV4_HEADER_LEN) => Err(VnetError::ChecksumStart),
            true if start + offset + 2 > frame_len => Err(VnetError::ChecksumField),
            _ => Ok(()),
        }
    }

    #[inline]
    fn checksum(&self, network: usize) -> ChecksumState {
        if self.flags & NEEDS_CSUM != 0 {
            let start = usize::from(self.csum_start).saturating_sub(network);
            return ChecksumState::Partial { start: saturate(start), offset: self.csum_offset };
        }
        if self.flags & DATA_VALID != 0 { ChecksumState::Unnecessary } else { ChecksumState::None }
    }

    /// `None` where the payload fits one segment.
    #[inline]
    fn segmentation(&self, frame: &[u8], network: usize, checksum: ChecksumState) -> Result<Option<Gso>, VnetError> {
        let gso_type = self.check_gso()?;
        let layers = Layers::behind(frame, network).filter(|layers| gso_type.fits(layers));
        let layers = layers.ok_or(VnetError::Headers)?;
        if !gso_type.agrees(checksum, layers.transport - network) {
            return Err(VnetError::ChecksumStart);
        }
        let payload_len = frame.len() - layers.payload;
        if gso_type == GsoType::UdpL4 && payload_len.div_ceil(self.gso_size.into()) > UDP_MAX_SEGMENTS {
            return Err(VnetError::TooManySegments);
        }
        let gso = Gso { gso_type, size: self.gso_size, ecn: self.gso_type & GSO_ECN != 0 };
        Ok(Some(gso).filter(|gso| gso.cuts(payload_len)))
    }

    fn check_gso(&self) -> Result<GsoType, VnetError> {
        if matches!(self.gso_size, 0 | GSO_BY_FRAGS) {
            return Err(VnetError::GsoSize);
        }
        match self.gso_type {
            GSO_TCPV4 | GSO_TCPV4_ECN => Ok(GsoType::TcpV4),
            GSO_TCPV6 | GSO_TCPV6_ECN => Ok(GsoType::TcpV6),
            GSO_UDP_L4 => Ok(GsoType::UdpL4),
            _ => Err(VnetError::GsoType),
        }
    }
}

/// Why a received virtio-net header was not accepted: it asks for what cannot be done to its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VnetError {
    /// The sum begins where no transport header can be, or not where that of the packet is.
    ChecksumStart,
    /// The checksum field does not lie within the frame.
    ChecksumField,
    /// The kind of segmentation is not known, or cannot have the ECN bit.
    GsoType,
    /// The size of the segments is 0, or the one that stands for something else (`GSO_BY_FRAGS`).
    GsoSize,
    /// The kind of segmentation is not for a packet with these headers.
    Headers,
    /// More datagrams than the kernel makes of one ([`UDP_MAX_SEGMENTS`]).
    TooManySegments,
}

impl core::fmt::Display for VnetError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ChecksumStart => "csum_start is not where a transport header starts",
            Self::ChecksumField => "the checksum field lies outside of the frame",
            Self::GsoType => "the gso type is unknown, or cannot have the ECN bit",
            Self::GsoSize => "the gso size is 0 or 0xffff",
            Self::Headers => "the gso type is not for a packet with these headers",
            Self::TooManySegments => "more segments than a UDP super-frame may have",
        })
    }
}

impl core::error::Error for VnetError {}

const fn type_bits(gso: Gso) -> u8 {
    match (gso.gso_type, gso.ecn) {
        (GsoType::TcpV4, false) => GSO_TCPV4,
        (GsoType::TcpV4, true) => GSO_TCPV4_ECN,
        (GsoType::TcpV6, false) => GSO_TCPV6,
        (GsoType::TcpV6, true) => GSO_TCPV6_ECN,
        (GsoType::UdpL4, _) => GSO_UDP_L4,
    }
}

fn saturate(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// Bytes of a virtio-net header without `num_buffers`.
pub const LEN: usize = 10;
/// Bytes of a virtio-net header with `num_buffers`, as virtual machines since VIRTIO 1.0 have it (`struct virtio_net_hdr_mrg_rxbuf`).
pub const MRG_LEN: usize = 12;
/// Bytes of the longest header that can stand in front of a frame: with a hash (`struct virtio_net_hdr_v1_hash`) 20, with the fields of UDP tunnels 24.
pub const MAX_LEN: usize = 24;

/// The checksum is still to be computed (`VIRTIO_NET_HDR_F_NEEDS_CSUM`).
pub const NEEDS_CSUM: u8 = 1;
/// The checksum was found right (`VIRTIO_NET_HDR_F_DATA_VALID`).
pub const DATA_VALID: u8 = 2;

/// Not to be cut (`VIRTIO_NET_HDR_GSO_NONE`).
pub const GSO_NONE: u8 = 0;
/// TCP over IPv4 (`VIRTIO_NET_HDR_GSO_TCPV4`).
pub const GSO_TCPV4: u8 = 1;
/// TCP over IPv6 (`VIRTIO_NET_HDR_GSO_TCPV6`).
pub const GSO_TCPV6: u8 = 4;
/// UDP, each segment a datagram (`VIRTIO_NET_HDR_GSO_UDP_L4`).
pub const GSO_UDP_L4: u8 = 5;
/// CWR is set in the TCP header (`VIRTIO_NET_HDR_GSO_ECN`).
pub const GSO_ECN: u8 = 0x80;
const GSO_TCPV4_ECN: u8 = GSO_TCPV4 | GSO_ECN;
const GSO_TCPV6_ECN: u8 = GSO_TCPV6 | GSO_ECN;

/// Most datagrams that the kernel makes of a super-frame (`UDP_MAX_SEGMENTS` of `linux/udp.h`).
pub const UDP_MAX_SEGMENTS: usize = 128;

/// Not a size (`linux/skbuff.h`).
pub(crate) const GSO_BY_FRAGS: u16 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const TCP: ChecksumState = ChecksumState::Partial { start: 20, offset: 16 };

    fn tcp4(size: u16) -> Option<Gso> {
        Some(Gso { gso_type: GsoType::TcpV4, size, ecn: false })
    }

    /// TCP over IPv4 without options behind `link`, with `payload_len` bytes of payload.
    fn tcp_frame(link: &[u8], payload_len: usize) -> Vec<u8> {
        let mut packet = std::vec![0; 40 + payload_len];
        (packet[0], packet[9], packet[32]) = (0x45, 6, 0x50);
        [link, &packet].concat()
    }

    fn links() -> [Vec<u8>; 3] {
        let ethernet = [&[0; 12][..], &[8, 0]].concat();
        let vlan = [&[0; 12][..], &[0x81, 0, 0, 1, 8, 0]].concat();
        [Vec::new(), ethernet, vlan]
    }

    #[test]
    fn fields_lie_where_the_kernel_has_them() {
        let header =
            VirtioNetHdr { flags: 1, gso_type: 4, hdr_len: 0x0203, gso_size: 0x0405, csum_start: 6, csum_offset: 16 };
        let bytes = header.encode::<MRG_LEN>(ByteOrder::Little);
        assert_eq!(bytes, [1, 4, 3, 2, 5, 4, 6, 0, 16, 0, 0, 0]);
        assert_eq!(VirtioNetHdr::decode(&bytes, ByteOrder::Little), Some(header));
    }

    #[test]
    fn nine_bytes_are_no_header() {
        assert_eq!(VirtioNetHdr::decode(&[0; LEN - 1], ByteOrder::Native), None);
    }

    #[test]
    fn checksum_start_counts_the_link_header_that_is_there() {
        for link in links() {
            let offload = Offload { checksum: TCP, gso: tcp4(100) };
            let header = VirtioNetHdr::from_offload(offload, link.len(), link.len() + 40);
            assert_eq!((header.csum_start, header.hdr_len), (link.len() as u16 + 20, link.len() as u16 + 40));
            assert_eq!(header.offload(&tcp_frame(&link, 201), link.len()), Ok(offload));
        }
    }

    #[test]
    fn payload_of_one_segment_only_lacks_its_checksum() {
        let header = VirtioNetHdr::from_offload(Offload { checksum: TCP, gso: tcp4(100) }, 0, 40);
        assert_eq!(header.offload(&tcp_frame(&[], 100), 0), Ok(Offload { checksum: TCP, gso: None }));
    }

    #[test]
    fn hdr_len_is_not_believed() {
        let offload = Offload { checksum: TCP, gso: tcp4(100) };
        for hdr_len in [0, 1, 39, 41, 240, u16::MAX] {
            let header = VirtioNetHdr { hdr_len, ..VirtioNetHdr::from_offload(offload, 0, 40) };
            assert_eq!(header.offload(&tcp_frame(&[], 200), 0), Ok(offload));
        }
    }

    proptest! {
        #[test]
        fn header_survives_encoding(bytes: [u8; LEN], little: bool) {
            let order = if little { ByteOrder::Little } else { ByteOrder::Native };
            let header = VirtioNetHdr::decode(&bytes, order).expect("ten bytes");
            prop_assert_eq!(header.encode(order), bytes);
        }

        #[test]
        fn accepted_offload_makes_a_header_that_says_the_same(bytes: [u8; LEN], link in 0..3usize, len in 0..300usize) {
            let (link, header) = (&links()[link], VirtioNetHdr::decode(&bytes, ByteOrder::Little).expect("ten bytes"));
            let header = VirtioNetHdr { flags: header.flags & 3, gso_type: header.gso_type & 0x85, ..header };
            let header = VirtioNetHdr { csum_start: header.csum_start % 400, csum_offset: header.csum_offset % 300, ..header };
            let frame = tcp_frame(link, len);
            if let Ok(offload) = header.offload(&frame, link.len()) {
                let again = VirtioNetHdr::from_offload(offload, link.len(), link.len() + 40);
                prop_assert_eq!(again.offload(&frame, link.len()), Ok(offload));
                if let ChecksumState::Partial { start, offset } = offload.checksum {
                    prop_assert!(link.len() + usize::from(start) + usize::from(offset) + 2 <= frame.len());
                }
            }
        }
    }
}
