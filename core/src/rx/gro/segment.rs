use core::ops::Range;

use super::finish;
use super::flow::Flow;
use super::frame::Frame;
use super::like;
use super::verify::is_verified;
use crate::io::Offloads;
use crate::offload::ChecksumState;
use crate::packet::RxPacket;
use crate::wire::checksum::sum_of;
use crate::wire::layers::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpVersion, TCP_HEADER_LEN, TransportProtocol, UDP_HEADER_LEN,
};
use crate::wire::{Checksum, Layers};

/// A TCP or UDP packet that can be merged, and what of its headers counts when others are to follow.
pub(crate) struct Segment {
    pub(crate) layers: Layers,
    /// First byte behind the IP packet; padding of the link follows.
    pub(crate) end: usize,
    pub(super) flow: Flow,
    /// `None` for a frame that is shorter.
    pub(super) ethernet: Option<[u64; 2]>,
    pub(super) network: Network,
    pub(super) tcp: like::Tcp,
    /// The sequence number; 0 for UDP.
    pub(super) sequence: u32,
    /// TCP flags; 0 for UDP.
    flags: u8,
}

pub(super) enum Network {
    V4 {
        like: like::Ipv4,
        id: u16,
        /// Never to be fragmented: the identification has no meaning (RFC 6864, section 4).
        is_atomic: bool,
        is_reserved: bool,
        /// See [`varying`].
        varying: u16,
    },
    V6(like::Ipv6),
}

struct Transport {
    ports: u32,
    like: like::Tcp,
    sequence: u32,
    flags: u8,
}

impl Segment {
    /// `None` for what is not fit to be merged. The checksum of what is was verified, which is noted in `packet`.
    #[inline]
    pub(super) fn parse(packet: &mut RxPacket<'_>) -> Option<Self> {
        if !is_single(packet) {
            return None;
        }
        let segment = Self::of(packet)?;
        let is_verified = is_verified(packet, &segment.layers, segment.end);
        if is_verified && packet.offload().checksum == ChecksumState::None {
            packet.set_checksum(ChecksumState::Unnecessary);
        }
        is_verified.then_some(segment)
    }

    /// `None` for what is not fit to be merged, whatever its checksum.
    #[inline]
    fn of(packet: &impl Frame) -> Option<Self> {
        let frame = packet.headers();
        let layers = layers(frame, packet.link_len())?;
        let (network, addresses, len) = network(frame, &layers)?;
        let end = layers.network + len;
        if end < layers.payload || end > packet.len() {
            return None;
        }
        let Transport { ports, like, sequence, flags } = transport(frame, &layers, end)?;
        let (flow, ethernet) = (Flow { addresses, ports }, frame.first_chunk().map(like::ethernet));
        Some(Self { layers, end, flow, ethernet, network, tcp: like, sequence, flags })
    }

    /// The segment in a frame to send, if others may follow it and a system that can do `granted` cuts what they become together.
    pub(crate) fn first(frame: &impl Frame, granted: Offloads) -> Option<Self> {
        let segment = Self::of(frame).filter(|segment| !segment.is_alone())?;
        let needs = finish::offload(&segment, frame.link_len()).needs(Some(segment.layers.version));
        (granted.contains(needs) && is_verified(frame, &segment.layers, segment.end)).then_some(segment)
    }

    /// IPv4 identification; 0 for IPv6.
    pub(super) const fn id(&self) -> u16 {
        match self.network {
            Network::V4 { id, .. } => id,
            Network::V6(_) => 0,
        }
    }

    /// Where the payload is in the frame.
    #[inline]
    pub(super) const fn payload(&self) -> Range<usize> {
        self.layers.payload..self.end
    }

    #[inline]
    pub(crate) const fn payload_len(&self) -> usize {
        self.end - self.layers.payload
    }

    /// Not to be held: nothing can follow it, or it has nothing to merge.
    pub(super) const fn is_alone(&self) -> bool {
        let is_reserved = matches!(self.network, Network::V4 { is_reserved: true, .. });
        is_reserved || self.payload_len() == 0 || self.flags & (URG | PSH | RST | SYN | FIN) != 0
    }
}

/// True for a packet in one piece, not to be cut.
#[inline]
pub(super) fn is_single(packet: &RxPacket<'_>) -> bool {
    packet.offload().gso.is_none() && packet.tail().is_empty()
}

/// The headers of a frame, none of a fragment.
#[inline]
pub(super) fn layers(frame: &[u8], link_len: usize) -> Option<Layers> {
    Layers::behind(frame, link_len).filter(|layers| !layers.is_ipv4_fragment(frame))
}

/// The header, its addresses as a flow has them, and the length that it states.
fn network(frame: &[u8], layers: &Layers) -> Option<(Network, u64, usize)> {
    let bytes = frame.get(layers.network..)?;
    match layers.version {
        IpVersion::V4 => ipv4(bytes.first_chunk()?),
        IpVersion::V6 => Some(ipv6(bytes.first_chunk()?)),
    }
}

/// `None` for a header with options or with a wrong checksum.
fn ipv4(header: &[u8; IPV4_HEADER_LEN]) -> Option<(Network, u64, usize)> {
    let &[ihl, _, l0, l1, i0, i1, f0, _, _, _, _, _, ref addresses @ ..] = header;
    let mut sum = Checksum::new();
    sum.add_bytes(header);
    if ihl != 0x45 || sum.finish() != 0 {
        return None;
    }
    let (is_atomic, is_reserved) = (f0 & IPV4_DF != 0, f0 & IPV4_RESERVED != 0);
    let (like, id) = (like::Ipv4::of(header), u16::from_be_bytes([i0, i1]));
    let network = Network::V4 { like, id, is_atomic, is_reserved, varying: varying(header) };
    Some((network, u64::from_ne_bytes(*addresses), u16::from_be_bytes([l0, l1]).into()))
}

/// The sum of the fields that differ between the IPv4 headers of a run: length, identification, checksum. Where all others are equal, one
/// header's checksum is right if the other's is and these sums are equal.
#[inline]
pub(super) const fn varying(header: &[u8; IPV4_HEADER_LEN]) -> u16 {
    let &[_, _, l0, l1, i0, i1, _, _, _, _, c0, c1, ..] = header;
    sum_of([u16::from_ne_bytes([l0, l1]), u16::from_ne_bytes([i0, i1]), u16::from_ne_bytes([c0, c1])])
}

fn ipv6(header: &[u8; IPV6_HEADER_LEN]) -> (Network, u64, usize) {
    let &[_, _, _, _, l0, l1, _, _, ref addresses @ ..] = header;
    let len = IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
    (Network::V6(like::Ipv6::of(header)), Flow::fold_addresses(addresses), len)
}

fn transport(frame: &[u8], layers: &Layers, end: usize) -> Option<Transport> {
    let bytes = frame.get(layers.transport..)?;
    match layers.protocol {
        TransportProtocol::Tcp => Some(tcp(bytes.first_chunk()?)),
        TransportProtocol::Udp => udp(bytes.first_chunk()?, end - layers.transport),
    }
}

fn tcp(header: &[u8; TCP_HEADER_LEN]) -> Transport {
    let &[p0, p1, p2, p3, s0, s1, s2, s3, _, _, _, _, _, flags, ..] = header;
    let ports = u32::from_ne_bytes([p0, p1, p2, p3]);
    Transport { ports, like: like::Tcp::of(header), sequence: u32::from_be_bytes([s0, s1, s2, s3]), flags }
}

fn udp(header: &[u8; UDP_HEADER_LEN], len: usize) -> Option<Transport> {
    let &[p0, p1, p2, p3, ..] = header;
    let ports = u32::from_ne_bytes([p0, p1, p2, p3]);
    is_whole_udp(header, len).then_some(Transport { ports, like: like::Tcp::default(), sequence: 0, flags: 0 })
}

/// False for a datagram without checksum, without payload, or of another length than its IP packet leaves it.
#[inline]
pub(super) const fn is_whole_udp(header: &[u8; UDP_HEADER_LEN], len: usize) -> bool {
    let &[_, _, _, _, l0, l1, c0, c1] = header;
    u16::from_be_bytes([l0, l1]) as usize == len && len > UDP_HEADER_LEN && c0 | c1 != 0
}

/// More is not to come.
pub(super) const FIN: u8 = 0x01;
/// What was sent is to be handed to the receiver.
pub(super) const PSH: u8 = 0x08;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const URG: u8 = 0x20;
/// The sender has slowed down: told once.
pub(super) const CWR: u8 = 0x80;

const IPV4_RESERVED: u8 = 0x80;
const IPV4_DF: u8 = 0x40;
