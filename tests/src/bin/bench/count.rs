//! The work above a frame, the same for all programs: one call that is not inlined, as in the other anchors.

use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{EtherType, NetworkDispatcher, RxPacket};

static FRAMES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The stack above fdlink.
pub(crate) struct Count;

impl NetworkDispatcher for Count {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        count(protocol, packet.payload());
    }
}

/// What a bare loop does with a frame.
#[inline]
pub(crate) fn count_frame(frame: &[u8]) {
    if let Some((&[.., high, low], payload)) = frame.split_first_chunk::<HEADER_LEN>() {
        count(EtherType(u16::from_be_bytes([high, low])), payload);
    }
}

/// The same for a packet without a link header.
#[inline]
pub(crate) fn count_packet(packet: &[u8]) {
    match packet.first().map(|first| first >> 4) {
        Some(4) => count(EtherType::IPV4, packet),
        Some(6) => count(EtherType::IPV6, packet),
        _ => {}
    }
}

#[inline(never)]
fn count(protocol: EtherType, payload: &[u8]) {
    FRAMES.store(FRAMES.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + payload.len() as u64, Relaxed);
    // What nobody reads, a compiler leaves out, and with it the only look that a bare loop takes at a frame.
    black_box(protocol);
}
