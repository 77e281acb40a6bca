use crate::counters::DropCause;
use crate::offload::GsoType;
use crate::packet::RxPacket;
use crate::rx::{Cuts, Tally};

/// The datagrams of a received super-frame of UDP, which smoltcp would take for a single one.
///
/// smoltcp takes one packet at a time, and the queue has its memory back after each frame, so they are cut from a copy.
pub(super) struct Datagrams<const N: usize> {
    copy: [u8; N],
    len: usize,
    /// As long as any is left.
    cuts: Option<Cuts>,
}

impl<const N: usize> Datagrams<N> {
    pub(super) const fn new() -> Self {
        Self { copy: [0; N], len: 0, cuts: None }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.cuts.is_none()
    }

    pub(super) fn are_in(packet: &RxPacket<'_>) -> bool {
        packet.offload().gso.is_some_and(|gso| gso.gso_type == GsoType::UdpL4)
    }

    /// Keeps those of a packet that [has some](Self::are_in).
    pub(super) fn keep(&mut self, packet: &RxPacket<'_>) -> Result<(), DropCause> {
        let (frame, network) = (packet.frame(), packet.link_header().len());
        let mut cuts = Cuts::new(frame, network, packet.offload()).map_err(|_| DropCause::VnetHeader)?;
        // Nobody looks at checksums behind the device.
        cuts.leave_partial = true;
        self.copy.get_mut(..frame.len()).ok_or(DropCause::Truncated)?.copy_from_slice(frame);
        (self.len, self.cuts) = (frame.len(), Some(cuts));
        Ok(())
    }

    /// The next one, behind a link header; empty if none is left.
    pub(super) fn next(&mut self, tally: &mut Tally<'_>) -> &[u8] {
        let Some(mut cuts) = self.cuts.take() else { return &[] };
        let index = cuts.index;
        let Some(datagram) = self.copy.get_mut(..self.len).and_then(|frame| cuts.next_segment(frame)) else {
            return &[];
        };
        tally.delivered_segment(index);
        self.cuts = Some(cuts).filter(|cuts| cuts.index < cuts.segments());
        datagram
    }

    /// Gives up those that are left.
    pub(super) fn give_up(&mut self, tally: &mut Tally<'_>) {
        if let Some(cuts) = self.cuts.take() {
            (cuts.index..cuts.segments()).for_each(|index| tally.delivered_segment(index));
            tally.rx.count_given_up(cuts.segments() - cuts.index);
        }
    }
}
