use core::fmt;
use core::time::Duration;
use std::os::fd::AsFd;

use fdlink_core::io::{RxBatch, RxFrame, RxMeta, RxQueue, Wake};

use crate::error::{FdError, SetupError};
use crate::rx::Source;
use crate::sys::mmsg::MessageSlots;

/// Receives many frames a call, `recvmmsg(2)`, and keeps what the caller's budget leaves.
pub struct RecvMmsgRx<F: AsFd> {
    source: Source<F>,
    slots: MessageSlots,
    filled: usize,
    /// Slots that were lent and taken.
    taken: usize,
}

impl<F: AsFd> RecvMmsgRx<F> {
    pub(crate) fn new(source: Source<F>, slots: usize, frame_len: usize) -> Result<Self, SetupError> {
        let slots = MessageSlots::new(slots, frame_len).map_err(SetupError::system("mmap"))?;
        Ok(Self { source, slots, filled: 0, taken: 0 })
    }

    /// Fills the slots with what is there; returns the number of calls.
    fn fill(&mut self) -> Result<usize, FdError> {
        (self.filled, self.taken) = (0, 0);
        let mut calls = 0;
        loop {
            calls += 1;
            match self.slots.recvmmsg(self.source.fd()) {
                Ok(received) => {
                    self.filled = self.without_end_of_stream(received);
                    return Ok(calls);
                }
                Err(errno) if self.source.judge("recvmmsg", errno)? => {}
                Err(_) => return Ok(calls),
            }
        }
    }

    /// The end of a stream fills every slot behind the last frame with a message of length 0 (tested on Linux 6.18).
    fn without_end_of_stream(&mut self, received: usize) -> usize {
        let empty = (0..received).rev().take_while(|slot| self.slots.len(*slot) == 0).count();
        if empty > 0 && self.source.is_end_of_stream() { received - empty } else { received }
    }
}

impl<F: AsFd> RxQueue for RecvMmsgRx<F> {
    type Error = FdError;
    type Batch<'q>
        = RecvMmsgBatch<'q>
    where
        Self: 'q;

    #[inline]
    fn poll(&mut self, budget: usize) -> Result<RecvMmsgBatch<'_>, FdError> {
        let mut calls = 0;
        if self.taken == self.filled && budget > 0 {
            self.source.check()?;
            calls = self.fill()?;
            if self.filled == 0 {
                self.source.check()?;
            }
        }
        let left = budget.min(self.filled - self.taken);
        Ok(RecvMmsgBatch { slots: &mut self.slots, taken: &mut self.taken, left, calls })
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, FdError> {
        self.source.wait(self.taken < self.filled, timeout)
    }
}

impl<F: AsFd + fmt::Debug> fmt::Debug for RecvMmsgRx<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMmsgRx")
            .field("source", &self.source)
            .field("slots", &self.slots.slots())
            .finish_non_exhaustive()
    }
}

/// Frames on loan from a [`RecvMmsgRx`].
pub struct RecvMmsgBatch<'q> {
    slots: &'q mut MessageSlots,
    taken: &'q mut usize,
    left: usize,
    calls: usize,
}

impl RxBatch for RecvMmsgBatch<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.left
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { slots, taken, left, .. } = self;
        slots.messages(**taken).take(*left).map(|(len, bytes)| {
            **taken += 1;
            *left -= 1;
            RxFrame { meta: RxMeta::new(len), bytes }
        })
    }

    fn calls(&self) -> usize {
        self.calls
    }
}

impl fmt::Debug for RecvMmsgBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMmsgBatch").field("left", &self.left).finish_non_exhaustive()
    }
}
