use fdlink_core::io::{RxFrame, RxMeta, VlanTag};
use rustix::io::Errno;
use std::os::fd::AsFd;

use crate::error::FdError;
use crate::readv::ReadSlots;
use crate::source::Source;
use crate::sys::mmsg::{MessageSlots, SlotLayout};
use crate::vlan::{LEAST_FRAME, insert};

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
    /// The VLAN tag that was taken out of each frame; empty where that is not told.
    tags: Box<[Option<VlanTag>]>,
    /// Tags are put back into the frames, for which there is room in front of them.
    headroom: usize,
    filled: usize,
    taken: usize,
    /// All slots stay in a core's cache together.
    is_small: bool,
    /// How many slots are filled at a time.
    at_a_time: usize,
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
    /// `slots` slots for one call each.
    pub(crate) fn readv(slots: usize, frame_len: usize) -> Result<Self, Errno> {
        let memory = ReadSlots::new(slots, frame_len)?;
        Ok(Self::new(Slots::Read(memory), slots, 0, 0))
    }

    /// `slots` slots for `recvmmsg(2)`.
    pub(crate) fn recvmmsg(slots: usize, layout: SlotLayout) -> Result<Self, Errno> {
        let memory = MessageSlots::new(slots, layout)?;
        let tags = if layout.control { slots } else { 0 };
        Ok(Self::new(Slots::Message(memory), slots, tags, layout.headroom))
    }

    fn new(mut memory: Slots, slots: usize, tags: usize, headroom: usize) -> Self {
        let is_small = memory.bytes_mut().len() <= CACHED_BYTES;
        let (lens, tags) = (vec![0; slots].into(), vec![None; tags].into());
        Self { slots: memory, lens, tags, headroom, filled: 0, taken: 0, is_small, at_a_time: slots }
    }

    /// True if the VLAN tags of frames are told.
    pub(crate) const fn tells_tags(&self) -> bool {
        !self.tags.is_empty()
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
        let shape = Shape { stride, headroom: self.headroom, frame_len };
        Ok(SlotBatch { memory, shape, lens: &self.lens, tags: &self.tags, taken: &mut self.taken, end, calls })
    }

    /// Receives what is there now; returns the number of calls.
    fn fill<F: AsFd>(&mut self, source: &mut Source<F>, budget: usize) -> Result<usize, FdError> {
        source.check_end()?;
        (self.filled, self.taken) = (0, 0);
        let lens = self.lens.get_mut(..self.at_a_time).unwrap_or_default();
        let filled = match &mut self.slots {
            Slots::Read(slots) => slots.fill(source, lens, budget)?,
            Slots::Message(slots) => slots.fill(source, lens, &mut self.tags)?,
        };
        self.filled = filled.frames;
        self.at_a_time = self.worth_filling();
        match self.filled {
            0 => source.check_dry()?,
            _ => source.gave(),
        }
        Ok(filled.calls)
    }

    /// As many slots as have room for [`CACHED_BYTES`] of frames like the last ones. So a frame is still in the cache when it is lent, and its
    /// slot when it is filled again.
    fn worth_filling(&self) -> usize {
        let last = self.lens.get(..self.filled).unwrap_or_default();
        if self.is_small || last.is_empty() {
            return self.at_a_time;
        }
        let bytes: usize = last.iter().sum();
        (CACHED_BYTES * last.len() / bytes.max(1)).clamp(1, self.lens.len())
    }
}

impl Slots {
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Read(slots) => slots.memory().0,
            Self::Message(slots) => slots.memory().0,
        }
    }
}

/// Frames on loan from a [`SlotStore`].
#[derive(Debug)]
pub(crate) struct SlotBatch<'q> {
    memory: &'q mut [u8],
    shape: Shape,
    lens: &'q [usize],
    tags: &'q [Option<VlanTag>],
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
        let Self { memory, shape, lens, tags, taken, end, .. } = self;
        let lens = lens.get(**taken..*end).unwrap_or_default();
        let slots = memory.get_mut(**taken * shape.stride..).unwrap_or_default().chunks_exact_mut(shape.stride);
        lens.iter().zip(slots).map(move |(len, slot)| {
            let tag = tags.get(**taken).copied().flatten();
            **taken += 1;
            shape.lend(slot, *len, tag)
        })
    }
}

/// What slots look like.
///
/// ```text
/// ┌──────────┬─────────────────────┬─────────
/// │ headroom │ frame, cut if longer│ nothing
/// └──────────┴─────────────────────┴─────────
///             ◄───── frame_len ────►
///  ◄──────────────── stride ────────────────►
/// ```
#[derive(Debug, Clone, Copy)]
struct Shape {
    stride: usize,
    headroom: usize,
    frame_len: usize,
}

impl Shape {
    /// The frame of `len` bytes in `slot`.
    #[inline]
    fn lend(self, slot: &mut [u8], len: usize, tag: Option<VlanTag>) -> RxFrame<'_> {
        let mut meta = RxMeta::new(len);
        meta.vlan = tag;
        let kept = len.min(self.frame_len);
        let with_room = slot.split_at_mut(self.headroom + kept).0;
        match tag {
            Some(tag) if self.headroom > 0 && kept >= LEAST_FRAME => {
                insert(&mut meta, with_room, tag);
                RxFrame { meta, bytes: with_room }
            }
            _ => RxFrame { meta, bytes: with_room.split_at_mut(self.headroom).1 },
        }
    }
}

/// Two super-frames, and less than the second-level cache of most cores has. With 8 super-frames of 64 KiB read ahead, each took some 5 % longer (AMD EPYC,
/// 512 KiB of cache); one instead of two made no difference.
const CACHED_BYTES: usize = 160 << 10;

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use std::iter::from_fn;
    use std::os::fd::OwnedFd;

    use fdlink_core::io::{RawIo as _, RxBatch as _, RxQueue as _};
    use rustix::net::sockopt::set_socket_send_buffer_size;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

    use crate::{DispatchMode, FdIo, FdOptions};

    #[test]
    fn long_frames_are_received_few_at_a_time() {
        for mode in [DispatchMode::Readv, DispatchMode::RecvMmsg] {
            let (near, far) = seqpacket();
            let options = FdOptions {
                dispatch_mode: Some(mode),
                batch: Some(8),
                max_frame_len: Some(65_000),
                ..FdOptions::default()
            };
            let mut rx = FdIo::new(near, &options).expect("a channel").split().rx;
            let mut polls_of = |len: usize| -> Vec<usize> {
                (0..8).for_each(|_| assert_eq!(send(&far, &vec![0; len], SendFlags::DONTWAIT), Ok(len)));
                let mut poll = || {
                    let mut batch = rx.poll(64).expect("no error");
                    batch.frames().count()
                };
                from_fn(|| Some(poll()).filter(|frames| *frames > 0)).collect()
            };
            assert_eq!(polls_of(40_000), [8], "{mode}: nothing is known of them");
            assert_eq!(polls_of(40_000), [4, 4], "{mode}: 160 KiB");
            assert_eq!(polls_of(100), [4, 4], "{mode}: they may be long");
            assert_eq!(polls_of(100), [8], "{mode}");
        }
    }

    fn seqpacket() -> (OwnedFd, OwnedFd) {
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .expect("descriptors are free");
        set_socket_send_buffer_size(&far, 4 << 20).expect("any size");
        (near, far)
    }
}
