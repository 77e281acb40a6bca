use core::ops::Range;

use super::flow::Flow;
use crate::offload::ChecksumState;
use crate::packet::RxPacket;
use crate::wire::layers::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpVersion, TCP_HEADER_LEN, TransportProtocol, UDP_HEADER_LEN,
};
use crate::wire::{Checksum, Layers};

/// A TCP or UDP packet that can be merged, and what of its headers that depends on.
pub(super) struct Segment {
    pub(super) layers: Layers,
    /// First byte behind the IP packet; padding of the link follows.
    pub(super) end: usize,
    pub(super) flow: Flow,
    /// What is equal in all segments of a run: traffic class, hop limit, fragment bits, flow label.
    pub(super) network: u64,
    /// What is equal in all segments of a run: acknowledgement number, header length, flags, window.
    pub(super) transport: u64,
    pub(super) id: Option<Id>,
    pub(super) sequence: u32,
    /// TCP flags; 0 for UDP.
    pub(super) flags: u8,
    is_reserved: bool,
}

/// IPv4 identification.
#[derive(Clone, Copy)]
pub(super) struct Id {
    pub(super) value: u16,
    /// Never to be fragmented: the value has no meaning (RFC 6864, section 4).
    pub(super) is_atomic: bool,
}

struct Network {
    len: usize,
    addresses: u64,
    like: u64,
    id: Option<Id>,
    is_reserved: bool,
}

struct Transport {
    ports: u32,
    like: u64,
    sequence: u32,
    flags: u8,
}

impl Segment {
    /// `None` for what is not fit to be merged. The checksum of what is was verified, which is noted in `packet`.
    #[inline]
    pub(super) fn parse(packet: &mut RxPacket<'_>) -> Option<Self> {
        if packet.offload().gso.is_some() || !packet.tail().is_empty() {
            return None;
        }
        let link_len = packet.link_header().len();
        let segment = Self::of_frame(packet.frame(), link_len)?;
        segment.verify(packet, link_len).then_some(segment)
    }

    #[inline]
    fn of_frame(frame: &[u8], link_len: usize) -> Option<Self> {
        let layers = layers(frame, link_len)?;
        let network = network(frame, &layers)?;
        let end = layers.network + network.len;
        if end < layers.payload || end > frame.len() {
            return None;
        }
        let transport = transport(frame, &layers, end)?;
        let flow = Flow { addresses: network.addresses, ports: transport.ports };
        let Network { like, id, is_reserved, .. } = network;
        let Transport { sequence, flags, .. } = transport;
        Some(Self { layers, end, flow, network: like, transport: transport.like, id, sequence, flags, is_reserved })
    }

    pub(super) const fn payload(&self) -> Range<usize> {
        self.layers.payload..self.end
    }

    pub(super) const fn payload_len(&self) -> usize {
        self.end - self.layers.payload
    }

    /// The sequence number behind this segment; 0 for UDP.
    pub(super) const fn following(&self) -> u32 {
        if self.is_tcp() { self.sequence.wrapping_add(self.payload_len() as u32) } else { 0 }
    }

    const fn is_tcp(&self) -> bool {
        matches!(self.layers.protocol, TransportProtocol::Tcp)
    }

    /// Not to be held: nothing can follow it, or it has nothing to merge.
    pub(super) const fn is_alone(&self) -> bool {
        self.is_reserved || self.payload_len() == 0 || self.flags & (URG | PSH | RST | SYN | FIN) != 0
    }

    /// May be appended to a run that it fits.
    pub(super) const fn is_appendable(&self) -> bool {
        !self.is_reserved && self.payload_len() > 0 && self.flags & CWR == 0
    }

    /// Where the checksum field lies behind the start of the transport header.
    pub(super) const fn checksum_offset(&self) -> u16 {
        match self.layers.protocol {
            TransportProtocol::Tcp => 16,
            TransportProtocol::Udp => 6,
        }
    }

    /// IPv6 extension headers.
    pub(super) const fn extensions(&self) -> Range<usize> {
        let header_len = match self.layers.version {
            IpVersion::V4 => IPV4_HEADER_LEN,
            IpVersion::V6 => IPV6_HEADER_LEN,
        };
        self.layers.network + header_len..self.layers.transport
    }

    /// TCP options.
    pub(super) const fn options(&self) -> Range<usize> {
        let header_len = if self.is_tcp() { TCP_HEADER_LEN } else { UDP_HEADER_LEN };
        self.layers.transport + header_len..self.layers.payload
    }

    /// True if the checksum is right or need not be. Behind extension headers nothing is believed, since a routing header may name another
    /// destination than the one that the checksum of a merged packet is made from.
    #[inline]
    fn verify(&self, packet: &mut RxPacket<'_>, link_len: usize) -> bool {
        let is_plain = self.extensions().is_empty();
        match packet.offload().checksum {
            ChecksumState::Partial { start, offset } => {
                let is_own = usize::from(start) == self.layers.transport - link_len && offset == self.checksum_offset();
                is_own && (is_plain || self.is_pseudo_header(packet.frame()))
            }
            ChecksumState::Unnecessary if is_plain => true,
            _ if self.is_complete(packet.frame()) => {
                packet.set_checksum(ChecksumState::Unnecessary);
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn is_complete(&self, frame: &[u8]) -> bool {
        let mut sum = self.pseudo_header(frame, self.end - self.layers.network);
        sum.add_bytes(frame.get(self.layers.transport..self.end).unwrap_or_default());
        sum.finish() == 0
    }

    #[cold]
    fn is_pseudo_header(&self, frame: &[u8]) -> bool {
        let at = self.layers.transport + usize::from(self.checksum_offset());
        let sum = self.pseudo_header(frame, self.end - self.layers.network).sum();
        frame.get(at..at + 2) == Some(&sum.to_be_bytes())
    }

    /// The sum of the pseudo-header of an IP packet of `len` bytes with this one's headers.
    #[inline]
    pub(super) fn pseudo_header(&self, frame: &[u8], len: usize) -> Checksum {
        let transport_len = len - (self.layers.transport - self.layers.network);
        let mut sum = Checksum::new();
        sum.add_pseudo_header(frame, &self.layers, transport_len as u32);
        sum
    }
}

/// The headers of a frame, none of a fragment.
#[inline]
pub(super) fn layers(frame: &[u8], link_len: usize) -> Option<Layers> {
    Layers::behind(frame, link_len).filter(|layers| !layers.is_ipv4_fragment(frame))
}

#[inline]
fn network(frame: &[u8], layers: &Layers) -> Option<Network> {
    let bytes = frame.get(layers.network..)?;
    match layers.version {
        IpVersion::V4 => ipv4(bytes.first_chunk()?),
        IpVersion::V6 => Some(ipv6(bytes.first_chunk()?)),
    }
}

/// `None` for a header with options or with a wrong checksum.
#[inline]
fn ipv4(header: &[u8; IPV4_HEADER_LEN]) -> Option<Network> {
    let &[ihl, class, l0, l1, i0, i1, f0, f1, hops, _, _, _, ref addresses @ ..] = header;
    let mut sum = Checksum::new();
    sum.add_bytes(header);
    if ihl != 0x45 || sum.finish() != 0 {
        return None;
    }
    Some(Network {
        len: u16::from_be_bytes([l0, l1]).into(),
        addresses: u64::from_ne_bytes(*addresses),
        like: u32::from_ne_bytes([class, hops, f0, f1]).into(),
        id: Some(Id { value: u16::from_be_bytes([i0, i1]), is_atomic: f0 & IPV4_DF != 0 }),
        is_reserved: f0 & IPV4_RESERVED != 0,
    })
}

#[inline]
fn ipv6(header: &[u8; IPV6_HEADER_LEN]) -> Network {
    let &[c0, c1, c2, c3, l0, l1, next, hops, ref addresses @ ..] = header;
    Network {
        len: IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1])),
        addresses: Flow::fold_addresses(addresses),
        like: u64::from_ne_bytes([c0, c1, c2, c3, next, hops, 0, 0]),
        id: None,
        is_reserved: false,
    }
}

#[inline]
fn transport(frame: &[u8], layers: &Layers, end: usize) -> Option<Transport> {
    let bytes = frame.get(layers.transport..)?;
    match layers.protocol {
        TransportProtocol::Tcp => Some(tcp(bytes.first_chunk()?)),
        TransportProtocol::Udp => udp(bytes.first_chunk()?, end - layers.transport),
    }
}

#[inline]
fn tcp(header: &[u8; TCP_HEADER_LEN]) -> Transport {
    let &[p0, p1, p2, p3, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, _, _] = header;
    Transport {
        ports: u32::from_ne_bytes([p0, p1, p2, p3]),
        like: u64::from_ne_bytes([a0, a1, a2, a3, offset, flags & !(FIN | PSH), w0, w1]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        flags,
    }
}

/// `None` for a datagram without checksum, without payload, or of another length than its IP packet.
#[inline]
fn udp(header: &[u8; UDP_HEADER_LEN], len: usize) -> Option<Transport> {
    let &[p0, p1, p2, p3, l0, l1, c0, c1] = header;
    let is_whole = usize::from(u16::from_be_bytes([l0, l1])) == len && len > UDP_HEADER_LEN;
    let ports = u32::from_ne_bytes([p0, p1, p2, p3]);
    (is_whole && [c0, c1] != [0, 0]).then_some(Transport { ports, like: 0, sequence: 0, flags: 0 })
}

/// More is not to come.
pub(super) const FIN: u8 = 0x01;
/// What was sent is to be handed to the receiver.
pub(super) const PSH: u8 = 0x08;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const URG: u8 = 0x20;
const CWR: u8 = 0x80;

const IPV4_RESERVED: u8 = 0x80;
const IPV4_DF: u8 = 0x40;
