use crate::counters::DropCause;
use crate::dispatcher::NetworkDispatcher;
use crate::endpoint::Options;
use crate::io::RxMeta;
use crate::offload::{ChecksumState, Offload};
use crate::packet::RxPacket;
use crate::rx::{Split, Tally, complete_checksum};
use crate::wire::checksum::{is_left_out, is_transport_valid};
use crate::wire::{EtherType, Layers};

/// What an endpoint does of what is left to do to a packet before it delivers it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish {
    /// Cuts super-frames.
    pub(crate) split: bool,
    /// Completes partial checksums.
    pub(crate) complete: bool,
    /// Verifies checksums that nobody has.
    pub(crate) verify: bool,
}

impl Finish {
    pub(crate) const fn new(options: &Options) -> Self {
        Self { split: options.rx_split, complete: options.complete_checksums, verify: options.rx_checksum_offload }
    }

    /// Completes or verifies the transport checksum of a packet; it is to be dropped if that shows a fault.
    #[inline]
    pub(crate) fn checksum(self, packet: &mut RxPacket<'_>) -> Result<(), DropCause> {
        let Offload { checksum, gso } = packet.offload();
        match checksum {
            ChecksumState::Partial { .. } if self.complete && gso.is_none() => complete(packet),
            ChecksumState::None if self.verify => verify(packet),
            _ => Ok(()),
        }
    }
}

/// A dispatcher in front of another: finishes packets, counts them and hands them on.
///
/// The bytes of their frames were counted before; frames are counted with their packet, so that those held when a dispatcher panics are not.
pub(crate) struct Finisher<'t, 'c, 'd, D: ?Sized> {
    pub(crate) finish: Finish,
    pub(crate) tally: &'t mut Tally<'c>,
    pub(crate) dispatcher: &'d mut D,
}

impl<D: NetworkDispatcher + ?Sized> NetworkDispatcher for Finisher<'_, '_, '_, D> {
    #[inline(always)]
    fn deliver(&mut self, protocol: EtherType, mut packet: RxPacket<'_>) {
        if self.finish.split && packet.offload().gso.is_some() {
            return self.split(protocol, packet).unwrap_or_else(|cause| self.tally.discarded(cause));
        }
        match self.finish.checksum(&mut packet) {
            Ok(()) => {
                self.tally.delivered_from(1 + packet.tail().len());
                self.dispatcher.deliver(protocol, packet);
            }
            Err(cause) => self.tally.discarded(cause),
        }
    }

    fn prefetch_len(&mut self) -> usize {
        if self.finish.verify || self.finish.complete { usize::MAX } else { self.dispatcher.prefetch_len() }
    }
}

impl<D: NetworkDispatcher + ?Sized> Finisher<'_, '_, '_, D> {
    /// Segments get checksums of their own, which would be right over damaged bytes too: what nobody has verified is verified first.
    fn split(&mut self, protocol: EtherType, packet: RxPacket<'_>) -> Result<(), DropCause> {
        let (network, meta, offload) = (packet.link_header().len(), *packet.meta(), packet.offload());
        if offload.checksum == ChecksumState::None && is_valid(packet.frame(), network) != Some(true) {
            return Err(DropCause::Checksum);
        }
        let mut split = Split::new(packet.into_frame(), network, offload).map_err(|_| DropCause::VnetHeader)?;
        for index in 0..split.segments() {
            let segment = split.next_segment().ok_or(DropCause::VnetHeader)?;
            self.tally.delivered_segment(index);
            let meta = RxMeta { len: segment.len(), ..meta };
            self.dispatcher.deliver(protocol, RxPacket::new(segment, network, meta).with_offload(VERIFIED));
        }
        Ok(())
    }
}

fn complete(packet: &mut RxPacket<'_>) -> Result<(), DropCause> {
    let (network, offload) = (packet.link_header().len(), packet.offload());
    complete_checksum(packet.frame_mut(), network, offload).map_err(|_| DropCause::VnetHeader)?;
    packet.set_checksum(ChecksumState::Unnecessary);
    Ok(())
}

fn verify(packet: &mut RxPacket<'_>) -> Result<(), DropCause> {
    match is_valid(packet.frame(), packet.link_header().len()) {
        Some(true) => packet.set_checksum(ChecksumState::Unnecessary),
        Some(false) => return Err(DropCause::Checksum),
        None => {}
    }
    Ok(())
}

/// Whether the transport checksum of a packet is right; `None` where it has none, or none that can be told from this packet alone.
fn is_valid(frame: &[u8], network: usize) -> Option<bool> {
    let layers = Layers::behind(frame, network)?;
    let is_elsewhere = layers.is_ipv4_fragment(frame) || layers.has_routing_header(frame);
    (!is_elsewhere && !is_left_out(frame, &layers)).then(|| is_transport_valid(frame, &layers))
}

const VERIFIED: Offload = Offload { checksum: ChecksumState::Unnecessary, gso: None };
