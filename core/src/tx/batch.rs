use core::slice::Iter;

use heapless::Vec;

use crate::io::{ErrorKind, TxFrame};
use crate::packet::{Packet, Refusal, TxStatus};

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
    fn mark(&mut self, count: usize, status: TxStatus) -> usize {
        self.by_ref().take(count).fold(0, |bytes, packet| {
            packet.set_status(status);
            bytes + packet.len as usize
        })
    }
}

impl Account for Due<'_, '_> {
    #[inline]
    fn sent(&mut self, frames: usize) -> Sent {
        Sent { packets: frames, merged: 0, bytes: self.mark(frames, TxStatus::Sent) }
    }

    fn refused(&mut self, refusal: Refusal) -> GivenUp {
        self.mark(1, TxStatus::Refused(refusal));
        GivenUp { frames: 1, packets: 1 }
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

/// The packets behind the frames of a batch, which are told what became of them.
pub(super) trait Account {
    /// The first `frames` have left.
    fn sent(&mut self, frames: usize) -> Sent;

    /// What the first frame is of is given up.
    fn refused(&mut self, refusal: Refusal) -> GivenUp;

    /// True if what the first frame is of, which the system refused as `kind`, is to be sent in software: the frames are to be made anew.
    fn falls_back(&mut self, kind: ErrorKind) -> bool {
        let _ = kind;
        false
    }
}

/// What has left.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    /// Packets of which nothing is left.
    pub(super) packets: usize,
    /// Packets that left in another one's frame.
    pub(super) merged: usize,
    pub(super) bytes: usize,
}

/// What is given up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GivenUp {
    /// Frames of the batch: those of one packet, or one.
    pub(super) frames: usize,
    /// Packets: those of one frame, or one.
    pub(super) packets: usize,
}
