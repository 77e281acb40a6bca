//! Virtio-net header and link header off, address checked: what a received frame is, and whether it is for us.

use crate::counters::DropCause;
use crate::io::{RxFrame, RxMeta};
use crate::offload::Offload;
use crate::packet::RxPacket;
use crate::wire::ethernet::{EthernetHeader, HEADER_LEN};
use crate::wire::vnet::{ByteOrder, VirtioNetHdr};
use crate::wire::{EtherType, LinkAddress};

/// Which frames an endpoint accepts; fixed for one batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) ethernet: bool,
    pub(crate) promiscuous: bool,
    pub(crate) address: LinkAddress,
    /// Bytes of virtio-net header in front of the frames of a queue.
    pub(crate) vnet_header_len: usize,
}

/// A frame that is for us, from its link header on.
#[derive(Debug)]
pub(crate) struct Accepted<'b> {
    pub(crate) parsed: Parsed,
    pub(crate) bytes: &'b mut [u8],
    pub(crate) offload: Offload,
    pub(crate) meta: RxMeta,
}

impl<'b> Accepted<'b> {
    #[inline]
    pub(crate) fn packet(self) -> RxPacket<'b> {
        RxPacket::new(self.bytes, self.parsed.header_len, self.meta).with_offload(self.offload)
    }
}

/// A frame that is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) cause: DropCause,
    /// Bytes received.
    pub(crate) len: usize,
    /// Bytes that it had on the wire.
    pub(crate) real_len: usize,
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
    /// Decides about a received frame.
    #[inline]
    pub(crate) fn accept<'b>(&self, frame: RxFrame<'b>) -> Result<Accepted<'b>, Dropped> {
        let (len, real_len) = (frame.bytes.len(), frame.meta.len);
        let result = if frame.is_truncated() { Err(DropCause::Truncated) } else { self.accept_whole(frame) };
        result.map_err(|cause| Dropped { cause, len, real_len })
    }

    #[inline]
    fn accept_whole<'b>(&self, frame: RxFrame<'b>) -> Result<Accepted<'b>, DropCause> {
        let RxFrame { mut meta, bytes } = frame;
        if self.vnet_header_len == 0 {
            let parsed = self.parse(bytes)?;
            return Ok(Accepted { parsed, bytes, offload: Offload::NONE, meta });
        }
        let (header, bytes) = bytes.split_at_mut_checked(self.vnet_header_len).ok_or(DropCause::Runt)?;
        meta.len = bytes.len();
        let parsed = self.parse(bytes)?;
        let header = VirtioNetHdr::decode(header, ByteOrder::Native).ok_or(DropCause::Runt)?;
        let offload = header.offload(bytes, parsed.header_len).map_err(|_| DropCause::VnetHeader)?;
        Ok(Accepted { parsed, bytes, offload, meta })
    }

    /// Decides about the bytes of a whole frame (origin: `endpoint.ParseHeader`, `parseInboundHeader`).
    #[inline]
    pub(crate) fn parse(&self, frame: &[u8]) -> Result<Parsed, DropCause> {
        if !self.ethernet {
            return parse_without_header(frame);
        }
        let header = EthernetHeader::parse(frame).ok_or(DropCause::Runt)?;
        if !self.is_for_us(header.destination) {
            return Err(DropCause::ForeignAddress);
        }
        Ok(Parsed { protocol: header.ether_type, header_len: HEADER_LEN })
    }

    #[inline]
    fn is_for_us(&self, destination: LinkAddress) -> bool {
        destination == self.address || destination.is_group() || self.promiscuous
    }
}

fn parse_without_header(packet: &[u8]) -> Result<Parsed, DropCause> {
    let first = *packet.first().ok_or(DropCause::Runt)?;
    let protocol = EtherType::from_ip_version(first).ok_or(DropCause::UnknownVersion)?;
    Ok(Parsed { protocol, header_len: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::RxMeta;

    const OWN: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);

    const FILTER: Filter = Filter { ethernet: true, promiscuous: false, address: OWN, vnet_header_len: 0 };

    fn frame_to(destination: LinkAddress) -> [u8; HEADER_LEN] {
        EthernetHeader { destination, source: OTHER, ether_type: EtherType(0x88b5) }.to_bytes()
    }

    #[test]
    fn own_and_group_addresses_are_accepted_whatever_the_protocol() {
        for address in [OWN, LinkAddress::BROADCAST, LinkAddress([1, 0, 0x5e, 0, 0, 1])] {
            let parsed = FILTER.parse(&frame_to(address));
            assert_eq!(parsed, Ok(Parsed { protocol: EtherType(0x88b5), header_len: 14 }));
        }
    }

    #[test]
    fn foreign_address_is_dropped_unless_promiscuous() {
        assert_eq!(FILTER.parse(&frame_to(OTHER)), Err(DropCause::ForeignAddress));
        let promiscuous = Filter { promiscuous: true, ..FILTER };
        assert!(promiscuous.parse(&frame_to(OTHER)).is_ok());
    }

    #[test]
    fn every_length_below_the_header_is_a_runt() {
        let frame = frame_to(OWN);
        for len in 0..HEADER_LEN {
            assert_eq!(FILTER.parse(&frame[..len]), Err(DropCause::Runt), "{len} bytes");
        }
    }

    #[test]
    fn version_nibble_names_the_protocol_without_header() {
        let filter = Filter { ethernet: false, ..FILTER };
        for first in 0..=u8::MAX {
            let expected = match first >> 4 {
                4 => Ok(EtherType::IPV4),
                6 => Ok(EtherType::IPV6),
                _ => Err(DropCause::UnknownVersion),
            };
            assert_eq!(filter.parse(&[first]).map(|p| p.protocol), expected);
        }
        assert_eq!(filter.parse(&[]), Err(DropCause::Runt));
    }

    #[test]
    fn truncated_frame_is_dropped_even_if_it_would_be_ours() {
        let mut bytes = frame_to(OWN);
        let frame = RxFrame { meta: RxMeta::new(bytes.len() + 1), bytes: &mut bytes };
        assert_eq!(FILTER.accept(frame).map_err(|dropped| dropped.cause).err(), Some(DropCause::Truncated));
    }
}
