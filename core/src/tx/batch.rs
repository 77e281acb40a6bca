use core::slice::Iter;

use heapless::Vec;

use crate::io::TxFrame;
use crate::packet::{Packet, TxStatus};

/// The pending packets of one queue, in order.
#[derive(Clone)]
pub(super) struct Due<'p, 'd> {
    packets: Iter<'p, Packet<'d>>,
    queue: u16,
}

impl<'p, 'd> Due<'p, 'd> {
    pub(super) fn new(packets: &'p [Packet<'d>], queue: u16) -> Self {
        Self { packets: packets.iter(), queue }
    }

    /// Fills `frames` with those of the first packets. They stay due: what becomes of them is not known yet.
    #[inline]
    pub(super) fn peek<const N: usize>(&self, frames: &mut Vec<TxFrame<'p>, N>) {
        frames.clear();
        for packet in self.clone() {
            let frame = TxFrame { header: packet.link_header(), parts: packet.parts() };
            if frames.push(frame).is_err() {
                break;
            }
        }
    }

    /// Writes into the first `count` packets what became of them, and passes over them; returns their bytes.
    #[inline]
    pub(super) fn mark(&mut self, count: usize, status: TxStatus) -> usize {
        self.by_ref().take(count).fold(0, |bytes, packet| {
            packet.set_status(status);
            bytes + packet.len as usize
        })
    }
}

impl<'p, 'd> Iterator for Due<'p, 'd> {
    type Item = &'p Packet<'d>;

    #[inline]
    fn next(&mut self) -> Option<&'p Packet<'d>> {
        let queue = self.queue;
        self.packets.find(|packet| packet.is_pending() && packet.queue == queue)
    }
}
