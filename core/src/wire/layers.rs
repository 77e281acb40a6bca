//! Where the headers of a TCP or UDP packet lie.

use core::ops::Range;

use super::EtherType;
use super::ethernet::{HEADER_LEN, VLAN_TAG_LEN};

/// Where the headers of a TCP or UDP packet lie in a frame, in bytes from its start.
///
/// ```text
/// 0                  network        transport        payload
/// ├─ Ethernet, VLAN ─┼─ IP, options ─┼─ TCP or UDP ───┼─ …
/// ```
///
/// All of them lie within the bytes that were parsed; lengths that the headers state are for the caller to compare with the frame's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Start of the IP header.
    pub network: usize,
    /// Start of the transport header.
    pub transport: usize,
    /// The first byte behind the transport header.
    pub payload: usize,
    /// Version of IP.
    pub version: IpVersion,
    /// What the transport header is.
    pub protocol: TransportProtocol,
}

/// Versions of the Internet Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

/// Transport protocols that are segmented and coalesced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

impl TransportProtocol {
    /// The number that an IP header has for it (IANA "Protocol Numbers").
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => IPPROTO_TCP,
            Self::Udp => IPPROTO_UDP,
        }
    }

    /// Where the checksum is, from the start of the transport header.
    #[must_use]
    pub const fn checksum_offset(self) -> u16 {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }
}

impl Layers {
    /// Reads the headers of a frame that starts with an Ethernet header; VLAN tags (802.1Q, 802.1ad) are stepped over.
    ///
    /// `None` for what is not TCP or UDP over IP, for a header that is cut or states an impossible length, and for an IPv6 fragment. An IPv4
    /// fragment is read as if it were whole: ask [`is_ipv4_fragment`](Layers::is_ipv4_fragment).
    #[must_use]
    #[inline]
    pub fn of_frame(frame: &[u8]) -> Option<Self> {
        let (network, version) = Self::network_of(frame)?;
        Self::of_ip(frame, network, version)
    }

    /// Where the IP header of a frame lies that starts with an Ethernet header; `None` if it carries something else.
    #[inline]
    pub(crate) fn network_of(frame: &[u8]) -> Option<(usize, IpVersion)> {
        let mut network = HEADER_LEN;
        let mut ether_type = be16(frame, network - 2)?;
        while is_vlan(ether_type) {
            network += VLAN_TAG_LEN;
            ether_type = be16(frame, network - 2)?;
        }
        match EtherType(ether_type) {
            EtherType::IPV4 => Some((network, IpVersion::V4)),
            EtherType::IPV6 => Some((network, IpVersion::V6)),
            _ => None,
        }
    }

    /// Reads the headers of a packet whose IP header starts at `network`; otherwise as [`of_frame`](Layers::of_frame).
    #[must_use]
    pub fn of_packet(bytes: &[u8], network: usize) -> Option<Self> {
        let version = match bytes.get(network)? >> 4 {
            4 => IpVersion::V4,
            6 => IpVersion::V6,
            _ => return None,
        };
        Self::of_ip(bytes, network, version)
    }

    /// Reads the headers of a frame with `network` bytes of link header: [`of_frame`](Layers::of_frame) if those are an Ethernet header,
    /// otherwise [`of_packet`](Layers::of_packet).
    #[must_use]
    #[inline]
    pub fn behind(frame: &[u8], network: usize) -> Option<Self> {
        Self::plain_tcp(frame, network).or_else(|| Self::step_by_step(frame, network))
    }

    /// TCP behind an IP header that has neither options nor extension headers, as nearly every super-frame; read in two looks.
    #[inline]
    fn plain_tcp(frame: &[u8], network: usize) -> Option<Self> {
        let (link, packet) = frame.split_at_checked(network)?;
        let headers = packet.first_chunk::<{ IPV6_HEADER_LEN + TCP_HEADER_LEN }>()?;
        let (version, ether_type, header_len) = match (headers[0], headers[9], headers[6]) {
            (0x45, IPPROTO_TCP, _) => (IpVersion::V4, EtherType::IPV4, IPV4_HEADER_LEN),
            (0x60..=0x6f, _, IPPROTO_TCP) => (IpVersion::V6, EtherType::IPV6, IPV6_HEADER_LEN),
            _ => return None,
        };
        let is_bare = network < HEADER_LEN;
        let is_told = network == HEADER_LEN && link.last_chunk() == Some(&ether_type.0.to_be_bytes());
        let transport = network + header_len;
        let payload = transport + usize::from(headers.get(header_len + 12)? >> 4) * 4;
        let is_sound = payload >= transport + TCP_HEADER_LEN && payload <= frame.len();
        let protocol = TransportProtocol::Tcp;
        ((is_bare || is_told) && is_sound).then_some(Self { network, transport, payload, version, protocol })
    }

    fn step_by_step(frame: &[u8], network: usize) -> Option<Self> {
        if network < HEADER_LEN { Self::of_packet(frame, network) } else { Self::of_frame(frame) }
    }

    /// True if the IPv4 header says that the packet is a fragment.
    #[must_use]
    pub fn is_ipv4_fragment(&self, bytes: &[u8]) -> bool {
        let flags = be16(bytes, self.network + 6).unwrap_or(0);
        self.version == IpVersion::V4 && flags & IPV4_FRAGMENT != 0
    }

    /// True if an IPv6 routing header stands in front of the transport header. The checksum is then made with the address of the last
    /// destination, which need not be that of the IP header (RFC 8200, section 8.1).
    #[must_use]
    pub fn has_routing_header(&self, bytes: &[u8]) -> bool {
        let mut next = bytes.get(self.network + 6).copied();
        let mut at = self.network + IPV6_HEADER_LEN;
        while self.version == IpVersion::V6 && at < self.transport && next != Some(IPPROTO_ROUTING) {
            next = bytes.get(at).copied();
            at += (usize::from(bytes.get(at + 1).copied().unwrap_or(0)) + 1) * 8;
        }
        self.version == IpVersion::V6 && at < self.transport
    }

    /// True if there are neither IPv4 options nor IPv6 extension headers.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        let extensions = self.extensions();
        extensions.start >= extensions.end
    }

    /// The addresses in the IP header.
    #[inline]
    pub(crate) const fn addresses(&self) -> Range<usize> {
        match self.version {
            IpVersion::V4 => self.network + 12..self.network + IPV4_HEADER_LEN,
            IpVersion::V6 => self.network + 8..self.network + IPV6_HEADER_LEN,
        }
    }

    /// IPv4 options, IPv6 extension headers.
    #[inline]
    pub(crate) const fn extensions(&self) -> Range<usize> {
        let header_len = match self.version {
            IpVersion::V4 => IPV4_HEADER_LEN,
            IpVersion::V6 => IPV6_HEADER_LEN,
        };
        self.network + header_len..self.transport
    }

    /// TCP options.
    #[inline]
    pub(crate) const fn options(&self) -> Range<usize> {
        let header_len = match self.protocol {
            TransportProtocol::Tcp => TCP_HEADER_LEN,
            TransportProtocol::Udp => UDP_HEADER_LEN,
        };
        self.transport + header_len..self.payload
    }

    fn of_ip(bytes: &[u8], network: usize, version: IpVersion) -> Option<Self> {
        let (protocol, transport) = match version {
            IpVersion::V4 => ipv4(bytes, network)?,
            IpVersion::V6 => ipv6(bytes, network)?,
        };
        let (protocol, header_len) = match protocol {
            IPPROTO_TCP => (TransportProtocol::Tcp, usize::from(bytes.get(transport + 12)? >> 4) * 4),
            IPPROTO_UDP => (TransportProtocol::Udp, UDP_HEADER_LEN),
            _ => return None,
        };
        let payload = transport + header_len;
        let sound = payload <= bytes.len() && (protocol == TransportProtocol::Udp || header_len >= TCP_HEADER_LEN);
        sound.then_some(Self { network, transport, payload, version, protocol })
    }
}

/// The protocol behind an IPv4 header, and where it starts.
fn ipv4(bytes: &[u8], network: usize) -> Option<(u8, usize)> {
    let first = *bytes.get(network)?;
    let header_len = usize::from(first & 0xf) * 4;
    let protocol = *bytes.get(network + 9)?;
    (first >> 4 == 4 && header_len >= IPV4_HEADER_LEN).then_some((protocol, network + header_len))
}

/// The protocol behind an IPv6 header and its extension headers, and where it starts.
fn ipv6(bytes: &[u8], network: usize) -> Option<(u8, usize)> {
    let mut next = *bytes.get(network + 6)?;
    let mut at = network + IPV6_HEADER_LEN;
    if bytes.get(network)? >> 4 != 6 {
        return None;
    }
    while matches!(next, IPPROTO_HOPOPTS | IPPROTO_ROUTING | IPPROTO_DSTOPTS) {
        let header = bytes.get(at..)?.first_chunk::<2>()?;
        next = header[0];
        at += (usize::from(header[1]) + 1) * 8;
    }
    Some((next, at))
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

const fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8)
}

/// Bytes of an IPv4 header without options.
pub const IPV4_HEADER_LEN: usize = 20;
/// Bytes of an IPv6 header without extension headers.
pub const IPV6_HEADER_LEN: usize = 40;
/// Bytes of a TCP header without options.
pub const TCP_HEADER_LEN: usize = 20;
/// Bytes of a UDP header.
pub const UDP_HEADER_LEN: usize = 8;

/// More fragments, and the fragment offset.
const IPV4_FRAGMENT: u16 = 0x3fff;

const IPPROTO_HOPOPTS: u8 = 0;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_ROUTING: u8 = 43;
const IPPROTO_DSTOPTS: u8 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// IPv6, hop-by-hop options of 8 bytes, UDP.
    fn ipv6_udp() -> Vec<u8> {
        let mut packet = std::vec![0; IPV6_HEADER_LEN + 8 + UDP_HEADER_LEN];
        packet[0] = 0x60;
        packet[6] = IPPROTO_HOPOPTS;
        packet[IPV6_HEADER_LEN] = IPPROTO_UDP;
        packet
    }

    #[test]
    fn extension_headers_are_stepped_over() {
        let layers = Layers::of_packet(&ipv6_udp(), 0).expect("IPv6 and UDP");
        assert_eq!((layers.transport, layers.payload, layers.protocol), (48, 56, TransportProtocol::Udp));
    }

    #[test]
    fn routing_header_is_told_wherever_it_stands() {
        let has_routing = |headers: &[u8]| {
            let mut packet = std::vec![0; IPV6_HEADER_LEN + 8 * headers.len() + UDP_HEADER_LEN];
            packet[0] = 0x60;
            let fields = [6].into_iter().chain((0..headers.len()).map(|index| IPV6_HEADER_LEN + 8 * index));
            fields.zip(headers.iter().chain(&[IPPROTO_UDP])).for_each(|(at, next)| packet[at] = *next);
            Layers::of_packet(&packet, 0).expect("IPv6 and UDP").has_routing_header(&packet)
        };
        assert!(has_routing(&[IPPROTO_ROUTING]) && has_routing(&[IPPROTO_HOPOPTS, IPPROTO_ROUTING]));
        assert!(has_routing(&[IPPROTO_ROUTING, IPPROTO_DSTOPTS]));
        assert!(!has_routing(&[]) && !has_routing(&[IPPROTO_HOPOPTS, IPPROTO_DSTOPTS]));
    }

    #[test]
    fn vlan_tags_are_stepped_over() {
        let mut frame = std::vec![0; 12];
        frame.extend([0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x86, 0xdd]);
        frame.extend(ipv6_udp());
        assert_eq!(Layers::of_frame(&frame).map(|layers| layers.network), Some(22));
    }

    #[test]
    fn a_packet_cut_anywhere_in_its_headers_has_no_layers() {
        let packet = ipv6_udp();
        for len in 0..packet.len() {
            assert_eq!(Layers::of_packet(&packet[..len], 0), None, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn layers_lie_in_order_within_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), network in 0..80usize) {
            for layers in [Layers::of_frame(&bytes), Layers::of_packet(&bytes, network)].into_iter().flatten() {
                prop_assert!(layers.network < layers.transport);
                prop_assert!(layers.transport < layers.payload);
                prop_assert!(layers.payload <= bytes.len());
            }
        }

        /// Whatever is read at once is what is read step by step.
        #[test]
        fn plain_headers_are_read_as_any_others(
            link in 0..3usize, ether_type in 0..3usize, first in 0..4usize, protocol in 0..2usize, data_offset: u8, len in 30..100usize, lie in 0..60usize,
        ) {
            let ether_type: u16 = [0x0800, 0x86dd, 0x8847][ether_type];
            let link = [&[][..], &[0; HEADER_LEN - 2], &[0; HEADER_LEN + 2]][link];
            let mut frame = if link.is_empty() { Vec::new() } else { [link, &ether_type.to_be_bytes()].concat() };
            if frame.len() > HEADER_LEN {
                frame[12..14].copy_from_slice(&[0x81, 0]);
            }
            let network = frame.len().min(HEADER_LEN);
            let (protocol, mut packet) = ([IPPROTO_TCP, IPPROTO_UDP][protocol], std::vec![0; 100]);
            packet[0] = [0x45, 0x46, 0x60, 0x6f][first];
            (packet[6], packet[9]) = if first < 2 { (0, protocol) } else { (protocol, 0) };
            (packet[32], packet[52]) = (data_offset, data_offset);
            frame.extend(&packet[..len]);
            if let Some(byte) = frame.get_mut(lie) {
                *byte = byte.wrapping_add(1);
            }
            prop_assert_eq!(Layers::behind(&frame, network), Layers::step_by_step(&frame, network));
        }
    }
}
