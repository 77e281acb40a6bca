//! Virtio-net header and link header off, address checked: what a received frame is, and whether it is for us.

use crate::counters::DropCause;
use crate::io::{RxFilter, RxFrame, VlanFilter, VlanTag};
use crate::offload::Offload;
use crate::wire::EtherType;
use crate::wire::ethernet::{HEADER_LEN, VLAN_TAG_LEN};
use crate::wire::vnet::{ByteOrder, VirtioNetHdr};

/// Which frames a queue accepts; fixed for one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) rx: RxFilter,
    /// Bytes of virtio-net header in front of the frames of the queue.
    pub(crate) vnet_header_len: usize,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// The network protocol.
    pub protocol: EtherType,
    /// Bytes in front of the network header.
    pub header_len: usize,
}

impl Filter {
    /// Decides about a received frame without virtio-net header.
    #[inline]
    pub(crate) fn accept(&self, frame: &RxFrame<'_>) -> Result<Parsed, DropCause> {
        if frame.is_truncated() { Err(DropCause::Truncated) } else { self.rx.parse(frame.bytes, frame.meta.vlan) }
    }

    /// Decides about a received frame, whether a virtio-net header stands in front of it or not, and says what is left to do to it.
    #[inline(always)]
    pub(crate) fn accept_whole(&self, frame: &RxFrame<'_>) -> Result<(Parsed, Offload), DropCause> {
        match self.vnet_header_len {
            0 => self.accept(frame).map(|parsed| (parsed, Offload::NONE)),
            _ => self.accept_behind_vnet_header(frame),
        }
    }

    #[inline(always)]
    fn accept_behind_vnet_header(&self, frame: &RxFrame<'_>) -> Result<(Parsed, Offload), DropCause> {
        if frame.is_truncated() {
            return Err(DropCause::Truncated);
        }
        let (header, bytes) = frame.bytes.split_at_checked(self.vnet_header_len).ok_or(DropCause::Runt)?;
        let parsed = self.rx.parse(bytes, frame.meta.vlan)?;
        let header = VirtioNetHdr::decode(header, ByteOrder::Native).ok_or(DropCause::Runt)?;
        let offload = header.offload(bytes, parsed.header_len).map_err(|_| DropCause::VnetHeader)?;
        Ok((parsed, offload))
    }

    /// The frame behind the virtio-net header.
    #[inline(always)]
    pub(crate) fn without_vnet_header<'b>(&self, frame: RxFrame<'b>) -> RxFrame<'b> {
        let RxFrame { mut meta, bytes } = frame;
        let bytes = bytes.split_at_mut(self.vnet_header_len.min(bytes.len())).1;
        meta.len = meta.len.saturating_sub(self.vnet_header_len);
        RxFrame { meta, bytes }
    }
}

impl RxFilter {
    /// Decides about the bytes of a whole frame, out of which the system took the tag `taken_out` (origin: `endpoint.ParseHeader`,
    /// `parseInboundHeader`).
    ///
    /// # Errors
    ///
    /// The cause for which an endpoint would drop the frame.
    #[inline]
    pub fn parse(&self, frame: &[u8], taken_out: Option<VlanTag>) -> Result<Parsed, DropCause> {
        if !self.ethernet_header {
            return self.parse_without_header(frame);
        }
        let header = frame.first_chunk().ok_or(DropCause::Runt)?;
        if !self.is_for_us(header) {
            return Err(DropCause::ForeignAddress);
        }
        let &[.., high, low] = header;
        let ether_type = EtherType(u16::from_be_bytes([high, low]));
        if self.is_selective() {
            self.select(frame, ether_type, taken_out)?;
        }
        Ok(Parsed { protocol: ether_type, header_len: HEADER_LEN })
    }

    /// The destination is compared as eight bytes, of which two are left out: six take three times the instructions.
    #[inline]
    fn is_for_us(&self, header: &[u8; HEADER_LEN]) -> bool {
        let (&[d0, d1, d2, d3, d4, d5, s0, s1, ..], [a, b, c, d, e, f]) = (header, self.address.0);
        let destination = u64::from_le_bytes([d0, d1, d2, d3, d4, d5, s0, s1]) << 16;
        let own = u64::from_le_bytes([0, 0, a, b, c, d, e, f]);
        destination == own || d0 & 1 != 0 || self.promiscuous
    }

    #[inline]
    fn is_selective(&self) -> bool {
        !self.ether_types.is_all() || self.vlan != VlanFilter::Any
    }

    fn select(&self, frame: &[u8], ether_type: EtherType, taken_out: Option<VlanTag>) -> Result<(), DropCause> {
        let (id, ether_type) = match taken_out {
            Some(tag) => (tag.id(), ether_type),
            None if ether_type.is_vlan_tag() => behind_tag(frame).ok_or(DropCause::Runt)?,
            None => (0, ether_type),
        };
        if !self.vlan.takes(id) {
            return Err(DropCause::ForeignVlan);
        }
        self.check_type(ether_type)
    }

    fn check_type(&self, ether_type: EtherType) -> Result<(), DropCause> {
        if self.ether_types.takes(ether_type) {
            return Ok(());
        }
        Err(DropCause::ForeignProtocol)
    }

    fn parse_without_header(&self, packet: &[u8]) -> Result<Parsed, DropCause> {
        let first = *packet.first().ok_or(DropCause::Runt)?;
        let protocol = EtherType::from_ip_version(first).ok_or(DropCause::UnknownVersion)?;
        self.check_type(protocol)?;
        Ok(Parsed { protocol, header_len: 0 })
    }
}

/// The VLAN identifier in a frame, and the type behind the tag; `None` if the frame ends in the tag.
fn behind_tag(frame: &[u8]) -> Option<(u16, EtherType)> {
    let &[t0, t1, hi, lo] = frame.get(HEADER_LEN..)?.first_chunk::<VLAN_TAG_LEN>()?;
    let tag = VlanTag { tpid: 0, tci: u16::from_be_bytes([t0, t1]) };
    Some((tag.id(), EtherType(u16::from_be_bytes([hi, lo]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{EtherTypes, RxMeta};
    use crate::wire::LinkAddress;
    use crate::wire::ethernet::EthernetHeader;

    const OWN: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);

    const FILTER: RxFilter = RxFilter {
        ethernet_header: true,
        promiscuous: false,
        address: OWN,
        ether_types: EtherTypes::ALL,
        vlan: VlanFilter::Any,
    };

    fn frame_to(destination: LinkAddress) -> [u8; HEADER_LEN] {
        EthernetHeader { destination, source: OTHER, ether_type: EtherType(0x88b5) }.to_bytes()
    }

    #[test]
    fn own_and_group_addresses_are_accepted_whatever_the_protocol() {
        for address in [OWN, LinkAddress::BROADCAST, LinkAddress([1, 0, 0x5e, 0, 0, 1])] {
            let parsed = FILTER.parse(&frame_to(address), None);
            assert_eq!(parsed, Ok(Parsed { protocol: EtherType(0x88b5), header_len: 14 }));
        }
    }

    #[test]
    fn foreign_address_is_dropped_unless_promiscuous() {
        assert_eq!(FILTER.parse(&frame_to(OTHER), None), Err(DropCause::ForeignAddress));
        let promiscuous = RxFilter { promiscuous: true, ..FILTER };
        assert!(promiscuous.parse(&frame_to(OTHER), None).is_ok());
    }

    #[test]
    fn every_bit_of_the_destination_counts_and_none_of_the_source() {
        for bit in 0..96 {
            let mut frame = frame_to(OWN);
            frame[bit / 8] ^= 1 << (bit % 8);
            let is_to_group = bit == 0;
            assert_eq!(FILTER.parse(&frame, None).is_ok(), is_to_group || bit >= 48, "bit {bit}");
        }
    }

    #[test]
    fn every_length_below_the_header_is_a_runt() {
        let frame = frame_to(OWN);
        for len in 0..HEADER_LEN {
            assert_eq!(FILTER.parse(&frame[..len], None), Err(DropCause::Runt), "{len} bytes");
        }
    }

    #[test]
    fn version_nibble_names_the_protocol_without_header() {
        let filter = RxFilter { ethernet_header: false, ..FILTER };
        for first in 0..=u8::MAX {
            let expected = match first >> 4 {
                4 => Ok(EtherType::IPV4),
                6 => Ok(EtherType::IPV6),
                _ => Err(DropCause::UnknownVersion),
            };
            assert_eq!(filter.parse(&[first], None).map(|p| p.protocol), expected);
        }
        assert_eq!(filter.parse(&[], None), Err(DropCause::Runt));
    }

    #[test]
    fn truncated_frame_is_dropped_even_if_it_would_be_ours() {
        let mut bytes = frame_to(OWN);
        let frame = RxFrame { meta: RxMeta::new(bytes.len() + 1), bytes: &mut bytes };
        assert_eq!(Filter { rx: FILTER, vnet_header_len: 0 }.accept(&frame).err(), Some(DropCause::Truncated));
    }

    const TAG: VlanTag = VlanTag { tpid: 0x8100, tci: 0xe005 };

    fn tagged(tci: u16, ether_type: EtherType) -> std::vec::Vec<u8> {
        let header = EthernetHeader { destination: OWN, source: OTHER, ether_type: EtherType::VLAN }.to_bytes();
        [&header[..], &tci.to_be_bytes(), &ether_type.0.to_be_bytes()].concat()
    }

    #[test]
    fn only_the_protocols_asked_for_are_accepted_also_behind_a_tag() {
        let filter = RxFilter { ether_types: EtherTypes::only([EtherType::ARP, EtherType(0x88b5)]), ..FILTER };
        assert!(filter.parse(&frame_to(OWN), None).is_ok());
        assert!(filter.parse(&tagged(7, EtherType::ARP), None).is_ok());
        assert_eq!(filter.parse(&tagged(7, EtherType::IPV6), None), Err(DropCause::ForeignProtocol));
        let ip = RxFilter { ethernet_header: false, ether_types: EtherTypes::only([EtherType::IPV6]), ..FILTER };
        assert!(ip.parse(&[0x60], None).is_ok());
        assert_eq!(ip.parse(&[0x45], None), Err(DropCause::ForeignProtocol));
    }

    #[test]
    fn vlan_is_that_of_the_tag_wherever_it_is() {
        let (none, five) =
            (RxFilter { vlan: VlanFilter::Untagged, ..FILTER }, RxFilter { vlan: VlanFilter::Id(5), ..FILTER });
        let (plain, inside) = (frame_to(OWN), tagged(0x1005, EtherType::IPV4));
        assert_eq!(none.parse(&plain, Some(TAG)), Err(DropCause::ForeignVlan));
        assert_eq!(none.parse(&inside, None), Err(DropCause::ForeignVlan));
        assert_eq!(five.parse(&plain, None), Err(DropCause::ForeignVlan));
        assert_eq!(five.parse(&inside, Some(VlanTag { tci: 6, ..TAG })), Err(DropCause::ForeignVlan), "the outer one");
        assert!(none.parse(&plain, None).is_ok() && five.parse(&plain, Some(TAG)).is_ok());
        assert!(five.parse(&inside, None).is_ok());
    }

    #[test]
    fn tag_of_priority_only_is_no_vlan() {
        let none = RxFilter { vlan: VlanFilter::Untagged, ..FILTER };
        assert!(none.parse(&tagged(0xe000, EtherType::IPV4), None).is_ok());
        assert!(none.parse(&frame_to(OWN), Some(VlanTag { tci: 0xe000, ..TAG })).is_ok());
    }

    #[test]
    fn frame_that_ends_in_its_tag_is_a_runt_where_the_tag_matters() {
        let frame = tagged(5, EtherType::IPV4);
        for len in HEADER_LEN..frame.len() {
            let five = RxFilter { vlan: VlanFilter::Id(5), ..FILTER };
            assert_eq!(five.parse(&frame[..len], None), Err(DropCause::Runt));
            assert!(FILTER.parse(&frame[..len], None).is_ok());
        }
    }
}
