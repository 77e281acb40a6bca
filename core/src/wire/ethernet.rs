//! Ethernet II (IEEE 802.3 clause 3, `linux/if_ether.h`).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! ┌───────────────────────────────────────────────────────────────┐
//! │                     destination address                       │
//! │                               ┌───────────────────────────────┤
//! │                               │                               │
//! ├───────────────────────────────┘                               │
//! │                       source address                          │
//! ├───────────────────────────────┬───────────────────────────────┘
//! │           EtherType           │
//! └───────────────────────────────┘
//! ```

use core::fmt;

/// Bytes of an Ethernet II header (`ETH_HLEN`).
pub const HEADER_LEN: usize = 14;

/// Bytes that an IEEE 802.1Q tag adds to a frame.
pub const VLAN_TAG_LEN: usize = 4;

/// A link address (MAC address, EUI-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LinkAddress(pub [u8; 6]);

impl LinkAddress {
    /// No address.
    pub const ZERO: Self = Self([0; 6]);
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// True for multicast and broadcast: the group bit (I/G, the lowest bit of the first byte) is set.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl From<[u8; 6]> for LinkAddress {
    fn from(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The network protocol of a packet, by its EtherType (IANA "IEEE 802 Numbers"). Any value is legal; an unknown one is
/// delivered as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EtherType(pub u16);

impl EtherType {
    /// Internet Protocol version 4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// Address Resolution Protocol (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// Customer VLAN tag (IEEE 802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// Internet Protocol version 6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// Service VLAN tag (IEEE 802.1ad).
    pub const SERVICE_VLAN: Self = Self(0x88a8);

    /// True for the types of VLAN tags: the type of the packet stands behind the tag.
    #[must_use]
    pub const fn is_vlan_tag(self) -> bool {
        matches!(self, Self::VLAN | Self::SERVICE_VLAN)
    }

    /// The protocol of a packet without link header, by the version nibble of its first byte; `None` if that is neither 4 nor 6.
    #[must_use]
    pub const fn from_ip_version(first_byte: u8) -> Option<Self> {
        match first_byte >> 4 {
            4 => Some(Self::IPV4),
            6 => Some(Self::IPV6),
            _ => None,
        }
    }
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EtherType({:#06x})", self.0)
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4 => f.write_str("IPv4"),
            Self::ARP => f.write_str("ARP"),
            Self::VLAN => f.write_str("VLAN"),
            Self::IPV6 => f.write_str("IPv6"),
            Self(other) => write!(f, "{other:#06x}"),
        }
    }
}

/// The fields of an Ethernet II header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Whom the frame is for.
    pub destination: LinkAddress,
    /// Who sent it.
    pub source: LinkAddress,
    /// What it carries.
    pub ether_type: EtherType,
}

impl EthernetHeader {
    /// Reads the header at the start of `frame`; `None` if the frame is shorter than [`HEADER_LEN`].
    #[must_use]
    #[inline]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, hi, lo] = frame.first_chunk()?;
        Some(Self {
            destination: LinkAddress([d0, d1, d2, d3, d4, d5]),
            source: LinkAddress([s0, s1, s2, s3, s4, s5]),
            ether_type: EtherType(u16::from_be_bytes([hi, lo])),
        })
    }

    /// The header as it stands on the wire.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        self.emit(&mut bytes);
        bytes
    }

    /// Writes the header as it stands on the wire, an address at a time: a byte at a time takes twice the instructions.
    #[inline]
    pub(crate) fn emit(&self, bytes: &mut [u8; HEADER_LEN]) {
        let (destination, rest) = bytes.split_at_mut(ADDRESS_LEN);
        let (source, ether_type) = rest.split_at_mut(ADDRESS_LEN);
        destination.copy_from_slice(&self.destination.0);
        source.copy_from_slice(&self.source.0);
        ether_type.copy_from_slice(&self.ether_type.0.to_be_bytes());
    }
}

const ADDRESS_LEN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_survives_emit_and_parse() {
        let header = EthernetHeader {
            destination: LinkAddress([2, 0, 0, 0, 0, 1]),
            source: LinkAddress([2, 0, 0, 0, 0, 2]),
            ether_type: EtherType::IPV6,
        };
        assert_eq!(EthernetHeader::parse(&header.to_bytes()), Some(header));
    }

    #[test]
    fn thirteen_bytes_are_no_header() {
        assert_eq!(EthernetHeader::parse(&[0; HEADER_LEN - 1]), None);
    }

    #[test]
    fn group_bit_is_the_lowest_of_the_first_byte() {
        assert!(LinkAddress::BROADCAST.is_group());
        assert!(LinkAddress([0x33, 0x33, 0, 0, 0, 1]).is_group());
        assert!(!LinkAddress([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]).is_group());
    }
}
