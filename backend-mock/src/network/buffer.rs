use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use super::Frame;
use crate::descriptor::{Kind, Ring};

/// Where frames wait in the system until they are received.
#[derive(Debug)]
pub(super) enum Buffer {
    Queue { frames: VecDeque<Frame>, room: usize },
    Ring(RingBuffer),
}

impl Buffer {
    pub(super) fn new(kind: Kind, room: usize) -> Self {
        match kind {
            Kind::PacketRing(ring) => Self::Ring(RingBuffer::new(ring)),
            // What a unix socket holds is limited at its sender.
            Kind::Seqpacket | Kind::Datagram => Self::Queue { frames: VecDeque::new(), room: usize::MAX },
            _ => Self::Queue { frames: VecDeque::new(), room },
        }
    }

    /// False if there is no room.
    pub(super) fn push(&mut self, frame: Frame, now: Duration) -> bool {
        match self {
            Self::Queue { frames, room } if frames.len() >= *room => false,
            Self::Queue { frames, .. } => {
                frames.push_back(frame);
                true
            }
            Self::Ring(ring) => ring.push(frame, now),
        }
    }

    /// The next frame that may be received now.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Frame> {
        match self {
            Self::Queue { frames, .. } => frames.pop_front(),
            Self::Ring(ring) => ring.pop(now),
        }
    }

    /// Frames that may be received now.
    pub(super) fn has_frame(&self, now: Duration) -> bool {
        match self {
            Self::Queue { frames, .. } => !frames.is_empty(),
            Self::Ring(ring) => ring.frames.front().is_some_and(|frame| ring.is_handed_over(frame.block, now)),
        }
    }

    /// True if not even held-back frames are there.
    pub(super) fn is_empty(&self) -> bool {
        self.frames().next().is_none()
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        match self {
            Self::Queue { frames, .. } => frames.iter(),
            Self::Ring(ring) => ring.frames.iter(),
        }
    }

    /// The last frame, if it has no bytes.
    pub(super) fn pop_empty_tail(&mut self) -> Option<Frame> {
        match self {
            Self::Queue { frames, .. } if frames.back().is_some_and(|frame| frame.bytes.is_empty()) => {
                frames.pop_back()
            }
            _ => None,
        }
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> VecDeque<Frame> {
        match self {
            Self::Queue { frames, .. } => core::mem::take(frames),
            Self::Ring(ring) => core::mem::take(&mut ring.frames),
        }
    }

    /// The memory of a received frame is free again.
    pub(super) fn release(&mut self, frame: &Frame) {
        if let Self::Ring(ring) = self {
            ring.release(frame.block);
        }
    }

    /// When the block that is being filled is handed over at the latest.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Queue { .. } => None,
            Self::Ring(ring) => ring.open.as_ref().map(|open| open.retires),
        }
    }
}

/// Blocks that are filled in turn. One belongs to the system until it is full or its time is over, then to the receiver until all of
/// its frames are given back.
#[derive(Debug)]
pub(super) struct RingBuffer {
    ring: Ring,
    frames: VecDeque<Frame>,
    open: Option<OpenBlock>,
    next_block: u64,
    /// Frames that are not given back, of each block.
    in_use: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct OpenBlock {
    block: u64,
    count: usize,
    retires: Duration,
}

impl RingBuffer {
    const fn new(ring: Ring) -> Self {
        Self { ring, frames: VecDeque::new(), open: None, next_block: 0, in_use: BTreeMap::new() }
    }

    fn push(&mut self, mut frame: Frame, now: Duration) -> bool {
        self.retire(now);
        let Some(open) = self.open.take().or_else(|| self.open_block(now)) else { return false };
        frame.block = open.block;
        *self.in_use.entry(open.block).or_default() += 1;
        self.frames.push_back(frame);
        let count = open.count + 1;
        self.open = (count < self.ring.frames_per_block).then_some(OpenBlock { count, ..open });
        true
    }

    fn open_block(&mut self, now: Duration) -> Option<OpenBlock> {
        if self.in_use.len() >= self.ring.blocks {
            return None;
        }
        let block = self.next_block;
        self.next_block += 1;
        Some(OpenBlock { block, count: 0, retires: now.saturating_add(self.ring.retire_after) })
    }

    fn retire(&mut self, now: Duration) {
        self.open.take_if(|open| open.retires <= now);
    }

    fn is_handed_over(&self, block: u64, now: Duration) -> bool {
        self.open.as_ref().is_none_or(|open| open.block != block || open.retires <= now)
    }

    fn pop(&mut self, now: Duration) -> Option<Frame> {
        self.retire(now);
        let block = self.frames.front()?.block;
        if self.is_handed_over(block, now) { self.frames.pop_front() } else { None }
    }

    fn release(&mut self, block: u64) {
        if let Some(left) = self.in_use.get_mut(&block) {
            *left -= 1;
            if *left == 0 {
                self.in_use.remove(&block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Duration = Duration::ZERO;
    const T1: Duration = Duration::from_millis(1);

    fn frame(number: u64) -> Frame {
        Frame { number, ..Frame::default() }
    }

    #[test]
    fn slots_are_handed_over_at_once_and_come_back_by_release() {
        let mut ring = Buffer::new(Kind::PacketRing(Ring::slots(2)), 0);
        assert!(ring.push(frame(1), T0) && ring.push(frame(2), T0) && !ring.push(frame(3), T0));
        let first = ring.pop(T0).unwrap();
        assert!(!ring.push(frame(3), T0), "received is not given back");
        ring.release(&first);
        assert!(ring.push(frame(4), T0));
        assert_eq!([ring.pop(T0), ring.pop(T0)].map(|frame| frame.unwrap().number), [2, 4]);
        assert!(ring.pop(T0).is_none());
    }

    #[test]
    fn a_block_is_handed_over_when_full_or_when_its_time_is_over() {
        let mut ring = Buffer::new(Kind::PacketRing(Ring::blocks(2, 2, T1)), 0);
        assert!(ring.push(frame(1), T0) && !ring.has_frame(T0) && ring.pop(T0).is_none());
        assert_eq!(ring.deadline(), Some(T1));
        assert!(ring.push(frame(2), T0) && ring.has_frame(T0));
        assert_eq!(ring.deadline(), None);
        assert!(ring.push(frame(3), T0) && ring.has_frame(T1));
        assert!(!ring.push(frame(4), T1), "the block of frame 3 is the receiver's, and so is the first");
        let frames = [(); 3].map(|()| ring.pop(T1).unwrap());
        assert_eq!(frames.each_ref().map(|frame| frame.number), [1, 2, 3]);
        ring.release(&frames[0]);
        assert!(!ring.push(frame(4), T1), "half a block");
        ring.release(&frames[1]);
        assert!(ring.push(frame(4), T1));
    }
}
