//! What a packet asks of the system, and what is done when the system refuses.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::endpoint::GsoSupport;
use crate::io::{ErrorKind, Offloads};
use crate::offload::{Gso, GsoType, Offload};
use crate::wire::Layers;
use crate::wire::vnet::{GSO_BY_FRAGS, UDP_MAX_SEGMENTS};

/// A packet by what is left to do to it.
pub(super) struct Request {
    pub(super) offload: Offload,
    pub(super) layers: Option<Layers>,
    /// Bytes of link header in front of the packet.
    pub(super) network: usize,
    /// Bytes of transport payload.
    pub(super) payload_len: usize,
}

impl Request {
    pub(super) fn needs(&self) -> Offloads {
        self.offload.needs(self.layers.map(|layers| layers.version))
    }

    /// Whether the packet is left to the system that can do `granted`.
    pub(super) fn is_for_host(&self, granted: Offloads, gso: GsoSupport) -> bool {
        granted.contains(self.needs())
            && self.offload.gso.is_none_or(|given| gso == GsoSupport::Host && self.can_be_cut_by_host(given))
    }

    /// What the system may lose without a word, or refuse for what it is, says nothing about what the system can do. Segmentation goes
    /// with a partial checksum (VIRTIO 1.3, section 5.1.6.2.1): a receiver that takes super-frames whole would verify any other.
    fn can_be_cut_by_host(&self, gso: Gso) -> bool {
        let is_too_many = gso.gso_type == GsoType::UdpL4 && self.payload_len > UDP_MAX_SEGMENTS * usize::from(gso.size);
        let fits = self.layers.is_some_and(|layers| {
            let transport = layers.transport.saturating_sub(self.network);
            gso.gso_type.fits(&layers) && gso.gso_type.agrees(self.offload.checksum, transport)
        });
        self.offload.checksum.is_partial() && fits && !is_too_many && !matches!(gso.size, 0 | GSO_BY_FRAGS)
    }
}

/// What is lost when a frame that needed `needs` was refused and went without: the kind of segmentation, or everything where it was the
/// checksum alone, since a segment's checksum is computed when it is cut.
pub(super) fn lost(needs: Offloads) -> Offloads {
    match needs - Offloads::CSUM {
        segmentation if segmentation.is_empty() => Offloads::all(),
        segmentation => segmentation,
    }
}

/// Refusals that do not tell whether the system cannot do it, or lacks the memory to do it now (`ENOMEM` of a packet socket).
///
/// A frame that is refused so goes in software like any other; the capability is lost only with the third such frame in a row, so that
/// a shortage that passes costs some frames a call, and not the offload for good.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// What they asked for.
    needs: AtomicU32,
    in_a_row: AtomicU32,
}

impl Doubts {
    /// True if that is proof enough.
    #[cold]
    pub(super) fn add(&self, needs: Offloads) -> bool {
        let before = self.needs.swap(needs.bits(), Ordering::Relaxed);
        if before != needs.bits() {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
        self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= PROOF
    }

    /// The system did what a frame asked for.
    #[inline]
    pub(super) fn clear(&self, needs: Offloads) {
        if self.in_a_row.load(Ordering::Relaxed) > 0 && self.needs.load(Ordering::Relaxed) == needs.bits() {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }
}

/// True for refusals that may be owed to what the frame asked for (`EINVAL`, `EMSGSIZE`, and what the backend knows to be so).
pub(super) const fn may_be_owed_to_offload(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::OffloadRejected | ErrorKind::FrameRejected | ErrorKind::FrameTooLong)
}

/// Frames in a row.
const PROOF: u32 = 3;
