use core::time::Duration;
use std::os::fd::AsFd;

use fdlink_core::io::{RxBatch, RxFrame, RxMeta, RxQueue, Wake};
use rustix::io::read;

use crate::error::FdError;
use crate::rx::Source;

/// Receives one frame a call, `read(2)` into one contiguous buffer: each further I/O vector would cost more than the call saves.
///
/// Each slot has one byte more than the longest frame, which is how a cut frame shows: `read` does not tell.
#[derive(Debug)]
pub struct ReadvRx<F: AsFd> {
    source: Source<F>,
    memory: Box<[u8]>,
    lens: Box<[usize]>,
    slot_len: usize,
    filled: usize,
    /// Slots that were lent and taken.
    taken: usize,
}

impl<F: AsFd> ReadvRx<F> {
    pub(crate) fn new(source: Source<F>, slots: usize, frame_len: usize) -> Self {
        let slot_len = frame_len + 1;
        let memory = vec![0; slots * slot_len].into_boxed_slice();
        Self { source, memory, lens: vec![0; slots].into_boxed_slice(), slot_len, filled: 0, taken: 0 }
    }

    /// Reads until `budget` slots are filled or nothing is there; returns the number of calls.
    fn fill(&mut self, budget: usize) -> Result<usize, FdError> {
        (self.filled, self.taken) = (0, 0);
        let mut calls = 0;
        let slots = self.memory.chunks_exact_mut(self.slot_len).zip(&mut self.lens).take(budget);
        for (slot, len) in slots {
            let received = loop {
                calls += 1;
                match read(self.source.fd(), &mut *slot) {
                    Ok(0) if self.source.is_end_of_stream() => break None,
                    Ok(n) => break Some(n),
                    Err(errno) => match self.source.judge("read", errno) {
                        Ok(true) => {}
                        Ok(false) => break None,
                        Err(error) if self.filled == 0 => return Err(error),
                        Err(error) => {
                            self.source.defer(error);
                            break None;
                        }
                    },
                }
            };
            let Some(received) = received else { break };
            *len = received;
            self.filled += 1;
        }
        Ok(calls)
    }
}

impl<F: AsFd> RxQueue for ReadvRx<F> {
    type Error = FdError;
    type Batch<'q>
        = ReadvBatch<'q>
    where
        Self: 'q;

    #[inline]
    fn poll(&mut self, budget: usize) -> Result<ReadvBatch<'_>, FdError> {
        let mut calls = 0;
        if self.taken == self.filled && budget > 0 {
            self.source.check()?;
            calls = self.fill(budget)?;
            if self.filled == 0 {
                self.source.check()?;
            }
        }
        let left = budget.min(self.filled - self.taken);
        Ok(ReadvBatch {
            memory: &mut self.memory,
            lens: &self.lens,
            slot_len: self.slot_len,
            taken: &mut self.taken,
            left,
            calls,
        })
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, FdError> {
        self.source.wait(self.taken < self.filled, timeout)
    }
}

/// Frames on loan from a [`ReadvRx`].
#[derive(Debug)]
pub struct ReadvBatch<'q> {
    memory: &'q mut [u8],
    lens: &'q [usize],
    slot_len: usize,
    taken: &'q mut usize,
    left: usize,
    calls: usize,
}

impl RxBatch for ReadvBatch<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.left
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { memory, lens, slot_len, taken, left, .. } = self;
        let frame_len = *slot_len - 1;
        let slots = memory.chunks_exact_mut(*slot_len).zip(*lens).skip(**taken).take(*left);
        slots.map(move |(slot, len)| {
            **taken += 1;
            *left -= 1;
            RxFrame { meta: RxMeta::new(*len), bytes: slot.split_at_mut((*len).min(frame_len)).0 }
        })
    }

    fn calls(&self) -> usize {
        self.calls
    }
}
