use core::fmt;
use core::time::Duration;
use std::os::fd::AsFd;

use fdlink_core::io::{RxBatch, RxFrame, RxMeta, RxQueue, Wake};

use crate::error::{FdError, SetupError};
use crate::mode::DispatchMode;
use crate::readv::ReadSlots;
use crate::source::Source;
use crate::sys::mmsg::MessageSlots;

/// Receives from a descriptor into slots of its own, in the mode chosen when the channel was opened, and keeps what the caller's
/// budget leaves.
///
/// ```text
///           taken      end          filled
///             ▼         ▼             ▼
/// slots  │ … │ on loan │ kept        │ empty … │
/// ```
pub struct FdRx<F: AsFd> {
    source: Source<F>,
    slots: Slots,
    /// Length of the message in each slot, as the kernel told it.
    lens: Box<[usize]>,
    filled: usize,
    taken: usize,
}

/// Receive memory, and how it is filled.
enum Slots {
    Read(ReadSlots),
    Message(MessageSlots),
}

impl<F: AsFd> FdRx<F> {
    pub(crate) fn new(
        source: Source<F>,
        mode: DispatchMode,
        batch: usize,
        frame_len: usize,
    ) -> Result<Self, SetupError> {
        let slots = match mode {
            DispatchMode::RecvMmsg => MessageSlots::new(batch, frame_len).map(Slots::Message),
            DispatchMode::Readv | DispatchMode::PacketMmap => ReadSlots::new(batch, frame_len).map(Slots::Read),
        };
        let slots = slots.map_err(SetupError::system("mmap"))?;
        Ok(Self { source, slots, lens: vec![0; batch].into(), filled: 0, taken: 0 })
    }

    pub(crate) const fn dispatch_mode(&self) -> DispatchMode {
        match self.slots {
            Slots::Read(_) => DispatchMode::Readv,
            Slots::Message(_) => DispatchMode::RecvMmsg,
        }
    }

    /// Receives what is there now; returns the number of calls.
    fn fill(&mut self, budget: usize) -> Result<usize, FdError> {
        self.source.check()?;
        (self.filled, self.taken) = (0, 0);
        let filled = match &mut self.slots {
            Slots::Read(slots) => slots.fill(&mut self.source, &mut self.lens, budget)?,
            Slots::Message(slots) => slots.fill(&mut self.source, &mut self.lens)?,
        };
        self.filled = filled.frames;
        if self.filled == 0 {
            self.source.check()?;
        }
        Ok(filled.calls)
    }
}

/// What filling the slots gave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filled {
    pub(crate) frames: usize,
    pub(crate) calls: usize,
}

impl<F: AsFd> RxQueue for FdRx<F> {
    type Error = FdError;
    type Batch<'q>
        = FdBatch<'q>
    where
        Self: 'q;

    #[inline]
    fn poll(&mut self, budget: usize) -> Result<FdBatch<'_>, FdError> {
        let calls = if self.taken == self.filled && budget > 0 { self.fill(budget)? } else { 0 };
        let end = self.filled.min(self.taken.saturating_add(budget));
        let (memory, stride, frame_len) = match &mut self.slots {
            Slots::Read(slots) => slots.memory(),
            Slots::Message(slots) => slots.memory(),
        };
        Ok(FdBatch { memory, stride, frame_len, lens: &self.lens, taken: &mut self.taken, end, calls })
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, FdError> {
        self.source.wait(self.taken < self.filled, timeout)
    }
}

impl<F: AsFd + fmt::Debug> fmt::Debug for FdRx<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdRx")
            .field("source", &self.source)
            .field("mode", &self.dispatch_mode())
            .finish_non_exhaustive()
    }
}

/// Frames on loan from an [`FdRx`].
#[derive(Debug)]
pub struct FdBatch<'q> {
    memory: &'q mut [u8],
    stride: usize,
    frame_len: usize,
    lens: &'q [usize],
    taken: &'q mut usize,
    end: usize,
    calls: usize,
}

impl RxBatch for FdBatch<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.end - *self.taken
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { memory, stride, frame_len, lens, taken, end, .. } = self;
        let lens = lens.get(**taken..*end).unwrap_or_default();
        let slots = memory.get_mut(**taken * *stride..).unwrap_or_default().chunks_exact_mut(*stride);
        lens.iter().zip(slots).map(move |(len, slot)| {
            **taken += 1;
            RxFrame { meta: RxMeta::new(*len), bytes: slot.split_at_mut((*len).min(*frame_len)).0 }
        })
    }

    fn calls(&self) -> usize {
        self.calls
    }
}
