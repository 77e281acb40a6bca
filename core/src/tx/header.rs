use crate::packet::Packet;
use crate::wire::LinkAddress;
use crate::wire::ethernet::{EthernetHeader, HEADER_LEN};

/// Puts link headers in front of packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderMaker {
    pub(crate) ethernet: bool,
    pub(crate) address: LinkAddress,
}

impl HeaderMaker {
    /// Bytes of a link header.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        if self.ethernet { HEADER_LEN } else { 0 }
    }

    /// A bridged packet keeps its source address (origin: `AddHeader`).
    #[inline]
    pub(crate) fn add_to(&self, packet: &mut Packet<'_>) {
        if !self.ethernet {
            return;
        }
        let header = EthernetHeader {
            destination: packet.destination(),
            source: packet.source().unwrap_or(self.address),
            ether_type: packet.protocol(),
        };
        packet.set_header(&header);
    }
}
