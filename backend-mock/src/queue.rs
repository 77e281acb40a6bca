use core::time::Duration;

use fdlink_core::io::{ErrorKind, RxBatch, RxFrame, RxMeta, RxQueue, TxFrame, TxQueue, Wake};
use heapless::Vec;

use crate::link::{Frame, Side};
use crate::{Link, MockError};

/// Frames that one call receives at most, and that are kept if the caller's budget is smaller.
const SLOTS: usize = 8;

/// Receives at one end of a [`Link`].
#[derive(Debug)]
pub struct MockRx<'l, const N: usize, const L: usize> {
    link: &'l Link<N, L>,
    side: Side,
    slots: Vec<Frame<L>, SLOTS>,
    /// Slots that were lent and taken.
    taken: usize,
}

impl<'l, const N: usize, const L: usize> MockRx<'l, N, L> {
    pub(crate) const fn new(link: &'l Link<N, L>, side: Side) -> Self {
        Self { link, side, slots: Vec::new(), taken: 0 }
    }

    fn kept(&self) -> usize {
        self.slots.len() - self.taken
    }

    fn refill(&mut self) {
        self.slots.clear();
        self.taken = 0;
        while let Some(frame) = (!self.slots.is_full()).then(|| self.link.pop(self.side)).flatten() {
            // There is room: it was looked at before the frame was popped.
            let _ = self.slots.push(frame);
        }
    }
}

impl<'l, const N: usize, const L: usize> RxQueue for MockRx<'l, N, L> {
    type Error = MockError;
    type Batch<'q>
        = MockBatch<'q, L>
    where
        Self: 'q;

    fn poll(&mut self, budget: usize) -> Result<MockBatch<'_, L>, MockError> {
        let mut calls = 0;
        if self.kept() == 0 && budget > 0 {
            calls = 1;
            let peer_gone = self.link.peer_gone(self.side);
            self.refill();
            if self.slots.is_empty() && peer_gone {
                return Err(MockError::new(ErrorKind::Closed));
            }
        }
        let left = budget.min(self.kept());
        Ok(MockBatch {
            slots: &mut self.slots,
            taken: &mut self.taken,
            left,
            calls,
            receive_len: self.link.receive_len(),
        })
    }

    /// Cannot block: with nothing to do, the time given passes at once.
    fn wait(&mut self, _timeout: Option<Duration>) -> Result<Wake, MockError> {
        Ok(if self.link.is_stopped(self.side) {
            Wake::Stopped
        } else if self.kept() > 0 || !self.link.is_empty(self.side) || self.link.peer_gone(self.side) {
            Wake::Ready
        } else {
            Wake::TimedOut
        })
    }
}

impl<const N: usize, const L: usize> Drop for MockRx<'_, N, L> {
    fn drop(&mut self) {
        self.link.rx_gone(self.side);
    }
}

/// Frames on loan from a [`MockRx`].
#[derive(Debug)]
pub struct MockBatch<'q, const L: usize> {
    slots: &'q mut Vec<Frame<L>, SLOTS>,
    taken: &'q mut usize,
    left: usize,
    calls: usize,
    receive_len: usize,
}

impl<const L: usize> RxBatch for MockBatch<'_, L> {
    fn len(&self) -> usize {
        self.left
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { slots, taken, left, receive_len, .. } = self;
        slots.iter_mut().skip(**taken).take(*left).map(|frame| {
            **taken += 1;
            *left -= 1;
            let meta = RxMeta::new(frame.bytes.len());
            let len = meta.len.min(*receive_len);
            RxFrame { meta, bytes: frame.bytes.split_at_mut(len).0 }
        })
    }

    fn calls(&self) -> usize {
        self.calls
    }
}

/// Sends at one end of a [`Link`].
#[derive(Debug)]
pub struct MockTx<'l, const N: usize, const L: usize> {
    link: &'l Link<N, L>,
    side: Side,
}

impl<'l, const N: usize, const L: usize> MockTx<'l, N, L> {
    pub(crate) const fn new(link: &'l Link<N, L>, side: Side) -> Self {
        Self { link, side }
    }
}

impl<const N: usize, const L: usize> TxQueue for MockTx<'_, N, L> {
    type Error = MockError;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, MockError> {
        for (sent, frame) in frames.iter().enumerate() {
            match self.link.push(self.side, frame) {
                Ok(()) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
        }
        Ok(frames.len())
    }

    /// Cannot block: with nothing to do, the time given passes at once.
    fn wait(&self, _refused: ErrorKind, _timeout: Duration) -> Result<Wake, MockError> {
        Ok(if self.link.is_stopped(self.side) {
            Wake::Stopped
        } else if self.link.is_full(self.side) {
            Wake::TimedOut
        } else {
            Wake::Ready
        })
    }
}

impl<const N: usize, const L: usize> Drop for MockTx<'_, N, L> {
    fn drop(&mut self) {
        self.link.tx_gone(self.side);
    }
}
