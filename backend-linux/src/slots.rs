use fdlink_core::io::{RxFrame, RxMeta};
use rustix::io::Errno;
use std::os::fd::AsFd;

use crate::error::FdError;
use crate::readv::ReadSlots;
use crate::source::Source;
use crate::sys::mmsg::MessageSlots;

/// Frames received into slots of our own, and kept as far as the caller's budget leaves them.
///
/// ```text
///           taken      end          filled
///             ▼         ▼             ▼
/// slots  │ … │ on loan │ kept        │ empty … │
/// ```
pub(crate) struct SlotStore {
    slots: Slots,
    /// Length of the message in each slot, as the kernel told it.
    lens: Box<[usize]>,
    filled: usize,
    taken: usize,
}

/// Receive memory, and how it is filled.
pub(crate) enum Slots {
    Read(ReadSlots),
    Message(MessageSlots),
}

/// What filling the slots gave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filled {
    pub(crate) frames: usize,
    pub(crate) calls: usize,
}

impl SlotStore {
    /// `slots` slots for `read(2)`.
    pub(crate) fn readv(slots: usize, frame_len: usize) -> Result<Self, Errno> {
        ReadSlots::new(slots, frame_len).map(|memory| Self::new(Slots::Read(memory), slots))
    }

    /// `slots` slots for `recvmmsg(2)`.
    pub(crate) fn recvmmsg(slots: usize, frame_len: usize) -> Result<Self, Errno> {
        MessageSlots::new(slots, frame_len).map(|memory| Self::new(Slots::Message(memory), slots))
    }

    fn new(memory: Slots, slots: usize) -> Self {
        Self { slots: memory, lens: vec![0; slots].into(), filled: 0, taken: 0 }
    }

    pub(crate) const fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(crate) const fn has_frame(&self) -> bool {
        self.taken < self.filled
    }

    #[inline]
    pub(crate) fn poll<F: AsFd>(&mut self, source: &mut Source<F>, budget: usize) -> Result<SlotBatch<'_>, FdError> {
        let calls = if self.has_frame() || budget == 0 { 0 } else { self.fill(source, budget)? };
        let end = self.filled.min(self.taken.saturating_add(budget));
        let (memory, stride, frame_len) = match &mut self.slots {
            Slots::Read(slots) => slots.memory(),
            Slots::Message(slots) => slots.memory(),
        };
        Ok(SlotBatch { memory, stride, frame_len, lens: &self.lens, taken: &mut self.taken, end, calls })
    }

    /// Receives what is there now; returns the number of calls.
    fn fill<F: AsFd>(&mut self, source: &mut Source<F>, budget: usize) -> Result<usize, FdError> {
        source.check_end()?;
        (self.filled, self.taken) = (0, 0);
        let filled = match &mut self.slots {
            Slots::Read(slots) => slots.fill(source, &mut self.lens, budget)?,
            Slots::Message(slots) => slots.fill(source, &mut self.lens)?,
        };
        self.filled = filled.frames;
        match self.filled {
            0 => source.check_dry()?,
            _ => source.gave(),
        }
        Ok(filled.calls)
    }
}

/// Frames on loan from a [`SlotStore`].
#[derive(Debug)]
pub(crate) struct SlotBatch<'q> {
    memory: &'q mut [u8],
    stride: usize,
    frame_len: usize,
    lens: &'q [usize],
    taken: &'q mut usize,
    end: usize,
    pub(crate) calls: usize,
}

impl SlotBatch<'_> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - *self.taken
    }

    #[inline]
    pub(crate) fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { memory, stride, frame_len, lens, taken, end, .. } = self;
        let lens = lens.get(**taken..*end).unwrap_or_default();
        let slots = memory.get_mut(**taken * *stride..).unwrap_or_default().chunks_exact_mut(*stride);
        lens.iter().zip(slots).map(move |(len, slot)| {
            **taken += 1;
            RxFrame { meta: RxMeta::new(*len), bytes: slot.split_at_mut((*len).min(*frame_len)).0 }
        })
    }
}
