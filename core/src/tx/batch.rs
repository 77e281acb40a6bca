use heapless::Vec;

use crate::io::TxFrame;
use crate::packet::{Packet, TxStatus};

/// Up to `N` frames of one queue, in order, and the packets that they came from.
pub(super) struct Batch<'p, 'd, const N: usize> {
    packets: &'p [Packet<'d>],
    frames: Vec<TxFrame<'p>, N>,
    /// The number of each frame's packet.
    origins: Vec<usize, N>,
}

impl<'p, 'd, const N: usize> Batch<'p, 'd, N> {
    /// Takes the pending packets of queue `index`, from packet number `start` on, until the batch is full.
    #[inline]
    pub(super) fn gather(packets: &'p [Packet<'d>], start: usize, index: usize) -> Self {
        let mut batch = Self { packets, frames: Vec::new(), origins: Vec::new() };
        for (at, packet) in packets.iter().enumerate().skip(start) {
            if !packet.is_pending() || usize::from(packet.queue) != index {
                continue;
            }
            // Both are equally long, so that both pushes succeed or fail.
            let frame = TxFrame { header: packet.link_header(), parts: packet.parts() };
            if batch.frames.push(frame).is_err() || batch.origins.push(at).is_err() {
                break;
            }
        }
        batch
    }

    /// The number of the packet behind the last one taken; `None` if none was.
    pub(super) fn next_start(&self) -> Option<usize> {
        self.origins.last().map(|origin| origin + 1)
    }

    /// The frames from number `start` on; `None` if there is none.
    pub(super) fn rest(&self, start: usize) -> Option<&[TxFrame<'p>]> {
        self.frames.get(start..).filter(|rest| !rest.is_empty())
    }

    /// Writes into the packets of `count` frames what became of them; returns their bytes.
    #[inline]
    pub(super) fn mark(&self, start: usize, count: usize, status: TxStatus) -> usize {
        let marked = self.origins.iter().skip(start).take(count).filter_map(|origin| self.packets.get(*origin));
        marked.fold(0, |bytes, packet| {
            packet.set_status(status);
            bytes + packet.len as usize
        })
    }
}
