use super::frame::Frame;
use crate::offload::ChecksumState;
use crate::wire::{Checksum, Layers};

/// True if the checksum of a packet that ends at `end` is right or need not be. Behind extension headers nothing is believed, since a routing
/// header may name another destination than the one that the checksum of a merged packet is made from. Always inlined, so that the packet stays in
/// registers.
#[inline(always)]
pub(crate) fn is_verified(packet: &impl Frame, layers: &Layers, end: usize) -> bool {
    match packet.offload().checksum {
        ChecksumState::Unnecessary if layers.is_plain() => true,
        ChecksumState::Partial { start, offset } => {
            let is_own = usize::from(start) + packet.link_len() == layers.transport
                && offset == layers.protocol.checksum_offset();
            is_own && (layers.is_plain() || is_pseudo_header(packet.headers(), layers, end))
        }
        _ => is_complete(packet, layers, end),
    }
}

#[inline(always)]
fn is_complete(packet: &impl Frame, layers: &Layers, end: usize) -> bool {
    let mut sum = pseudo_header(packet.headers(), layers, end - layers.network);
    packet.add_to(&mut sum, layers.transport..end);
    sum.finish() == 0
}

#[cold]
fn is_pseudo_header(frame: &[u8], layers: &Layers, end: usize) -> bool {
    let at = layers.transport + usize::from(layers.protocol.checksum_offset());
    let sum = pseudo_header(frame, layers, end - layers.network).sum();
    frame.get(at..at + 2) == Some(&sum.to_be_bytes())
}

/// The sum of the pseudo-header of an IP packet of `len` bytes with these headers.
#[inline(never)]
pub(super) fn pseudo_header(frame: &[u8], layers: &Layers, len: usize) -> Checksum {
    let transport_len = len - (layers.transport - layers.network);
    let mut sum = Checksum::new();
    sum.add_pseudo_header(frame, layers, transport_len as u32);
    sum
}
