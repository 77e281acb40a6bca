//! Which flow a packet belongs to, and a hash of flows that nobody can aim.
//!
//! | packet | flow |
//! |---|---|
//! | TCP, UDP, SCTP over IPv4 or IPv6 | addresses and ports |
//! | a fragment, the first one included | addresses |
//! | every other protocol over IP (ICMP, ESP, GRE, …) | addresses |
//! | ports that are not all there, or a header length that cannot be | addresses |
//! | not IP, or too short for the addresses | none |
//!
//! So fragments of one datagram meet, and the echoes of one host stay in order whatever their type, code and checksum.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::EtherType;
use super::siphash::siphash_1_3;

/// The ends of a flow: addresses, and ports where the packets have them (origin: `getConnectionID`).
///
/// # Examples
///
/// ```
/// use fdlink_core::EtherType;
/// use fdlink_core::wire::flow::FlowKey;
///
/// let mut packet = [0; 28];
/// packet[0] = 0x45; // version 4, 20 bytes of header
/// packet[9] = 17; // UDP
/// packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
/// packet[20..24].copy_from_slice(&[0x30, 0x39, 0, 53]);
/// let flow = FlowKey::parse(EtherType::IPV4, &packet).expect("an IPv4 packet");
/// assert_eq!(flow.source, "10.0.0.1:12345".parse()?);
/// assert_eq!(flow.destination, "10.0.0.2:53".parse()?);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Where the packet comes from; port 0 where the packet has no ports of its own.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
}

/// Source and destination port.
type Ports = [u16; 2];

impl FlowKey {
    /// The flow of a packet of `protocol`, from its network header on; `None` where it is not IP or too short for the addresses.
    #[must_use]
    #[inline]
    pub fn parse(protocol: EtherType, packet: &[u8]) -> Option<Self> {
        match protocol {
            EtherType::IPV4 => Self::parse_ipv4(packet),
            EtherType::IPV6 => Self::parse_ipv6(packet),
            _ => None,
        }
    }

    /// RFC 791 section 3.1.
    fn parse_ipv4(packet: &[u8]) -> Option<Self> {
        let &[first, _, _, _, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            packet.first_chunk()?;
        let header_len = usize::from(first & 0x0f) * 4;
        let is_fragment = u16::from_be_bytes([f0, f1]) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0;
        let ports = match packet.get(header_len..) {
            Some(transport) if header_len >= 20 && !is_fragment => ports(protocol, transport),
            _ => NO_PORTS,
        };
        let addresses = [Ipv4Addr::new(s0, s1, s2, s3), Ipv4Addr::new(d0, d1, d2, d3)];
        (first >> 4 == 4).then(|| Self::new(addresses.map(IpAddr::V4), ports))
    }

    /// RFC 8200 section 3.
    fn parse_ipv6(packet: &[u8]) -> Option<Self> {
        let (header, rest) = packet.split_first_chunk::<40>()?;
        let (fixed, addresses) = header.split_first_chunk::<8>()?;
        let (source, destination) = addresses.split_first_chunk::<16>()?;
        let addresses = [Ipv6Addr::from(*source), Ipv6Addr::from(*destination.first_chunk()?)];
        let &[first, _, _, _, _, _, next_header, _] = fixed;
        (first >> 4 == 6).then(|| Self::new(addresses.map(IpAddr::V6), ports_behind_extensions(next_header, rest)))
    }

    fn new([source, destination]: [IpAddr; 2], [from, to]: Ports) -> Self {
        Self { source: SocketAddr::new(source, from), destination: SocketAddr::new(destination, to) }
    }

    /// The ends in an order that both directions share.
    fn undirected(&self) -> Self {
        let Self { source, destination } = *self;
        Self { source: source.min(destination), destination: source.max(destination) }
    }
}

/// Hashes flows with a secret seed, so that who chooses addresses and ports cannot choose where they meet: SipHash-1-3, a keyed hash.
///
/// The same hasher serves a stack for [`Packet::with_hash`](crate::Packet::with_hash).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowHasher {
    seed: [u64; 2],
    symmetric: bool,
}

impl FlowHasher {
    /// A hasher with a seed that should be random and stay secret.
    #[must_use]
    pub const fn new(seed: [u64; 2]) -> Self {
        Self { seed, symmetric: false }
    }

    /// Gives both directions of a flow the same hash, or not.
    #[must_use]
    pub const fn symmetric(mut self, symmetric: bool) -> Self {
        self.symmetric = symmetric;
        self
    }

    /// The hash of a flow.
    #[must_use]
    #[inline]
    pub fn hash(&self, flow: &FlowKey) -> u32 {
        let FlowKey { source, destination } = if self.symmetric { flow.undirected() } else { *flow };
        let ([p0, p1], [p2, p3]) = (source.port().to_be_bytes(), destination.port().to_be_bytes());
        match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.hash_bytes([source.octets(), destination.octets(), [p0, p1, p2, p3]].as_flattened())
            }
            (source, destination) => {
                let ([s0, s1], [d0, d1]) = (halves(source), halves(destination));
                self.hash_bytes([s0, s1, d0, d1, [p0, p1, p2, p3, 0, 0, 0, 0]].as_flattened())
            }
        }
    }

    /// The lower half is as good as the whole.
    #[inline]
    fn hash_bytes(&self, bytes: &[u8]) -> u32 {
        siphash_1_3(self.seed, bytes) as u32
    }
}

fn halves(address: IpAddr) -> [[u8; 8]; 2] {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    [((bits >> 64) as u64).to_be_bytes(), (bits as u64).to_be_bytes()]
}

/// Walks the extension headers of RFC 8200 section 4; those that carry their length in another unit (AH) or hide what follows (ESP) end
/// the walk as a protocol without ports does.
fn ports_behind_extensions(mut next_header: u8, mut rest: &[u8]) -> Ports {
    for _ in 0..MAX_EXTENSION_HEADERS {
        let Some(&[next, units, o0, o1, _, _, _, _]) = rest.first_chunk() else { break };
        let len = match next_header {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (usize::from(units) + 1) * 8,
            FRAGMENT if u16::from_be_bytes([o0, o1]) & (FRAGMENT_OFFSET_IPV6 | MORE_FRAGMENTS_IPV6) == 0 => 8,
            FRAGMENT => return NO_PORTS,
            _ => break,
        };
        (next_header, rest) = (next, rest.get(len..).unwrap_or_default());
    }
    ports(next_header, rest)
}

/// RFC 9293, RFC 768 and RFC 9260 all begin with the ports.
#[inline]
fn ports(protocol: u8, transport: &[u8]) -> Ports {
    match (protocol, transport.first_chunk()) {
        (TCP | UDP | SCTP, Some(&[s0, s1, d0, d1])) => [u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])],
        _ => NO_PORTS,
    }
}

const NO_PORTS: Ports = [0; 2];

/// RFC 791: the flag MF, and the offset in units of 8 bytes.
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// RFC 8200 section 4.5: the offset in bytes (its unit is 8), and the flag M.
const FRAGMENT_OFFSET_IPV6: u16 = 0xfff8;
const MORE_FRAGMENTS_IPV6: u16 = 0x0001;

/// More than any packet has; a longer chain counts as a protocol without ports.
const MAX_EXTENSION_HEADERS: usize = 8;

// IANA "Protocol Numbers".
const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
const SCTP: u8 = 132;
