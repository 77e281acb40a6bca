use super::segment::layers;
use crate::packet::RxPacket;
use crate::wire::Layers;
use crate::wire::ethernet::HEADER_LEN;

/// What tells flows apart at a glance. Equal flows may differ in IPv6 addresses and in the link header, which are compared where this is equal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    /// IPv4: source and destination. IPv6: both folded.
    pub(super) addresses: u64,
    /// Source and destination.
    pub(super) ports: u32,
}

/// What a packet that is not merged may be related to.
#[derive(Clone, Copy)]
pub(super) struct Related {
    addresses: u64,
    /// `None` where the packet states none: a fragment.
    ports: Option<u32>,
}

impl Flow {
    #[inline]
    pub(super) fn fold_addresses(addresses: &[u8; 32]) -> u64 {
        let (words, _) = addresses.as_chunks();
        words.iter().fold(0, |folded, word| u64::rotate_left(folded, 7) ^ u64::from_ne_bytes(*word))
    }

    pub(super) fn is_related(self, related: Related) -> bool {
        self.addresses == related.addresses && related.ports.is_none_or(|ports| ports == self.ports)
    }
}

impl Related {
    /// `None` for what is of no TCP or UDP flow.
    #[cold]
    pub(super) fn of(packet: &RxPacket<'_>) -> Option<Self> {
        let (frame, link_len) = (packet.frame(), packet.link_header().len());
        if let Some(layers) = layers(frame, link_len) {
            let ports = frame.get(layers.transport..)?.first_chunk()?;
            return Some(Self {
                addresses: addresses(frame.get(layers.network..)?)?,
                ports: Some(u32::from_ne_bytes(*ports)),
            });
        }
        let network = if link_len < HEADER_LEN { link_len } else { Layers::network_of(frame)?.0 };
        let packet = frame.get(network..)?;
        is_fragment(packet).then_some(Self { addresses: addresses(packet)?, ports: None })
    }
}

fn addresses(packet: &[u8]) -> Option<u64> {
    match packet.first()? >> 4 {
        4 => packet.get(12..)?.first_chunk().map(|addresses| u64::from_ne_bytes(*addresses)),
        6 => packet.get(8..)?.first_chunk().map(Flow::fold_addresses),
        _ => None,
    }
}

/// True for a fragment, and for an IPv6 packet whose extension headers may hide one.
fn is_fragment(packet: &[u8]) -> bool {
    let Some(&[version, _, _, _, _, _, f0, f1]) = packet.first_chunk() else { return false };
    match version >> 4 {
        4 => u16::from_be_bytes([f0, f1]) & IPV4_FRAGMENT != 0,
        _ => matches!(f0, IPPROTO_HOPOPTS | IPPROTO_ROUTING | IPPROTO_FRAGMENT | IPPROTO_DSTOPTS),
    }
}

/// More fragments, and the fragment offset.
const IPV4_FRAGMENT: u16 = 0x3fff;

const IPPROTO_HOPOPTS: u8 = 0;
const IPPROTO_ROUTING: u8 = 43;
const IPPROTO_FRAGMENT: u8 = 44;
const IPPROTO_DSTOPTS: u8 = 60;
