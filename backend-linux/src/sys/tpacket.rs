//! The receive rings of packet(7): frames in memory that is shared with the kernel.
//!
//! A slot or block belongs to the kernel while its status word is `TP_STATUS_KERNEL` (0) and to us while `TP_STATUS_USER` is set in it. The status
//! is read with acquire and written with release ordering, so that what lies behind it is seen whole by the new owner. It is masked, never
//! compared, since the kernel sets other bits beside it. Lengths and offsets in the ring are checked against its geometry and not
//! trusted.
//!
//! ```text
//!  slot (V1, V2)                                   block (V3)
//! ┌──────────┬─────────────┬──────────┬───────┐   ┌────────────┬──────────────────────┬──────────────────────┬───┐
//! │ header   │ sockaddr_ll │ gap      │ frame │   │ descriptor │ header, ll, frame    │ header, ll, frame    │ … │
//! └──────────┴─────────────┴──────────┴───────┘   └────────────┴──────────────────────┴──────────────────────┴───┘
//!  0                        tp_mac ───►            0            offset_to_first_pkt    + tp_next_offset
//! ```
//!
//! A virtio-net header, where the socket has one, is at the end of the gap.
#![expect(unsafe_code, reason = "memory that the kernel writes behind the compiler's back")]

use core::iter;
use core::marker::PhantomData;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};

use fdlink_core::io::{FrameSink, RxFrame};

use super::mapping::Mapping;
use super::prefetch::prefetch;
use super::tpacket_frame::{Bounds, Found, Lending, NOTHING, SlotHeader, V3_LEN, find_v3, half_word, lend, read};

/// How a ring is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of a block: contiguous memory, a multiple of the page size.
    pub(crate) block_size: usize,
    pub(crate) blocks: usize,
    /// Bytes of a slot; slots do not cross blocks.
    pub(crate) frame_size: usize,
}

impl Geometry {
    pub(crate) const fn slots_per_block(&self) -> usize {
        self.block_size / self.frame_size
    }

    pub(crate) const fn slots(&self) -> usize {
        self.slots_per_block() * self.blocks
    }

    pub(crate) const fn len(&self) -> usize {
        self.block_size * self.blocks
    }
}

/// A ring of slots, one frame each: `TPACKET_V1` and `TPACKET_V2`.
///
/// ```text
///        first       next
///          ▼           ▼
///  kernel │ taken     │ on loan     │ not looked at … kernel
/// ```
#[derive(Debug)]
pub(crate) struct SlotRing<H> {
    memory: Mapping,
    steps: Steps,
    slots: usize,
    lending: Lending,
    /// Where the oldest slot that is ours starts.
    first: usize,
    /// Where the first slot starts whose frame was not taken yet.
    next: usize,
    /// Slots from `first` to `next`; they go back with the next `release`.
    taken: usize,
    /// The last batch had as many frames as were asked for: more will be there.
    has_backlog: bool,
    version: PhantomData<H>,
}

/// From slot to slot. Copied to where frames are taken, so that it need not be read again for each.
#[derive(Debug, Clone, Copy)]
struct Steps {
    block_size: usize,
    frame_size: usize,
    /// Bytes of the ring: kept, so that no frame costs a multiplication.
    len: usize,
    /// Slots lie in a row: none of a block is left over behind its last slot.
    is_gapless: bool,
}

impl Steps {
    const fn of(geometry: &Geometry) -> Self {
        let Geometry { block_size, frame_size, .. } = *geometry;
        let is_gapless = block_size == geometry.slots_per_block() * frame_size;
        Self { block_size, frame_size, len: geometry.len(), is_gapless }
    }

    /// Where the slot behind the one at `slot` starts.
    #[inline]
    fn behind(self, slot: usize) -> usize {
        let next = slot + self.frame_size;
        let next = if self.is_gapless { next } else { self.behind_gap(next) };
        if next < self.len { next } else { 0 }
    }

    /// Slots do not cross blocks.
    fn behind_gap(self, next: usize) -> usize {
        let Self { block_size, frame_size, .. } = self;
        if next % block_size + frame_size > block_size { next.next_multiple_of(block_size) } else { next }
    }

    /// Where the slot `n` behind the one at `slot` starts, in a ring without gaps.
    #[inline]
    const fn ahead(self, slot: usize, n: usize) -> usize {
        let slot = slot + n * self.frame_size;
        if slot < self.len { slot } else { slot - self.len }
    }
}

impl<H: SlotHeader> SlotRing<H> {
    /// The state machine over `memory`, which has at least `geometry.len()` bytes. A slot has room for the header and the address of its version.
    pub(crate) const fn new(memory: Mapping, geometry: Geometry, lending: Lending) -> Self {
        let (steps, slots, version) = (Steps::of(&geometry), geometry.slots(), PhantomData);
        Self { memory, steps, slots, lending, first: 0, next: 0, taken: 0, has_backlog: false, version }
    }

    /// How many frames are there to take, `budget` at most; fewer if the kernel has not finished one of them.
    #[inline]
    pub(crate) fn available(&mut self, budget: usize) -> usize {
        let most = budget.min(self.slots - self.taken).min(MOST_LENT);
        // The kernel fills slots in order: with the last one, those in front of it are there, but for ones that another processor is still filling. Not
        // looked at where few are expected: the sender is about to write there, and would have to get the memory back.
        let all = self.has_backlog
            && self.steps.is_gapless
            && most > 0
            && self.is_ours(self.steps.ahead(self.next, most - 1));
        let available = if all { most } else { self.count(most) };
        self.has_backlog = available == most;
        available
    }

    /// True if a frame is there to take.
    #[inline]
    pub(crate) fn has_frame(&self) -> bool {
        self.taken < self.slots && self.is_ours(self.next)
    }

    /// How many slots in a row are ours, `most` at most.
    fn count(&self, most: usize) -> usize {
        let slots = iter::successors(Some(self.next), |slot| Some(self.steps.behind(*slot)));
        slots.take(most).take_while(|slot| self.is_ours(*slot)).count()
    }

    /// Takes up to `left` frames, up to the first slot that is not ours. `left` came from `available`, and is 0 afterwards if there are no more.
    #[inline]
    pub(crate) const fn frames<'b>(&'b mut self, left: &'b mut usize) -> SlotFrames<'b, H> {
        SlotFrames { ring: self, left }
    }

    /// Hands up to `left` frames to `sink`, up to the first slot that is not ours, and gives each slot back behind its frame: nobody holds one for longer,
    /// and to give back all of them at the end would be a second look at each.
    #[inline(always)]
    pub(crate) fn drain<S: FrameSink>(&mut self, left: usize, sink: &mut S) {
        self.release();
        let (steps, prefetch_len, mut slot) = (self.steps, sink.prefetch_len(), self.next);
        for behind in (0..left).rev() {
            if !self.is_ours(slot) {
                break;
            }
            let next = steps.behind(slot);
            // Taken, also if the sink panics.
            (self.next, self.taken) = (next, 1);
            if self.has_backlog {
                self.prefetch_ahead(slot);
            }
            let most = if behind > 0 { prefetch_len } else { 0 };
            // SAFETY: the slot is ours until it is given back, which is when the sink is done with the frame: it cannot keep it.
            sink.frame(unsafe { self.lend(slot, next, most) });
            H::set_kernel(&self.memory, slot);
            (self.first, self.taken) = (next, 0);
            slot = next;
        }
    }

    /// Gives the slots of taken frames back to the kernel.
    #[inline]
    pub(crate) fn release(&mut self) {
        for _ in 0..self.taken {
            H::set_kernel(&self.memory, self.first);
            self.first = self.steps.behind(self.first);
        }
        self.taken = 0;
    }

    #[inline]
    fn is_ours(&self, slot: usize) -> bool {
        H::status(&self.memory, slot) & libc::TP_STATUS_USER != 0
    }

    /// Lends the frame in `slot`, and asks for `most` bytes of the one in `next`, the slot behind.
    ///
    /// # Safety
    ///
    /// The slot is ours for `'b`, and nobody else has its frame.
    #[inline(always)]
    unsafe fn lend<'b>(&self, slot: usize, next: usize, most: usize) -> RxFrame<'b> {
        let bounds = Bounds { start: slot, len: self.steps.frame_size };
        // SAFETY: slots lie inside the mapping, and the caller vouches that this one is ours.
        let found = unsafe { H::find(&self.memory, bounds, self.lending.vnet_header_len) };
        if most > 0 {
            self.prefetch_rest(next, found.offset.saturating_sub(slot), most);
        }
        // SAFETY: the caller vouches for the slot, and the mapping lives as long as the ring that it is ours by.
        unsafe { lend(&self.memory, bounds, H::LEN, found, self.lending) }
    }

    /// Asks for a slot ahead of `slot`: its header, and the start of its frame behind that. At the end of the ring for what lies behind it, which is cheaper
    /// than to find that out.
    #[inline(always)]
    fn prefetch_ahead(&self, slot: usize) {
        let ahead = slot.wrapping_add(self.steps.frame_size.wrapping_mul(SLOTS_AHEAD));
        prefetch(self.memory.start().as_ptr().wrapping_add(ahead), HEAD_LEN);
    }

    /// Asks for a slot behind its head: `most` bytes of its frame, which lies at `offset` in it.
    #[inline(always)]
    fn prefetch_rest(&self, slot: usize, offset: usize, most: usize) {
        prefetch_behind_head(&self.memory, slot, offset, H::snaplen(&self.memory, slot).min(most));
    }
}

/// Frames on loan from a [`SlotRing`].
#[derive(Debug)]
pub(crate) struct SlotFrames<'b, H> {
    ring: &'b mut SlotRing<H>,
    left: &'b mut usize,
}

impl<'b, H: SlotHeader> Iterator for SlotFrames<'b, H> {
    type Item = RxFrame<'b>;

    #[inline]
    fn next(&mut self) -> Option<RxFrame<'b>> {
        let Self { ring, left } = self;
        let (slot, behind) = (ring.next, left.checked_sub(1)?);
        if !ring.is_ours(slot) {
            **left = 0;
            return None;
        }
        **left = behind;
        ring.next = ring.steps.behind(slot);
        ring.taken += 1;
        // SAFETY: `'b` borrows the ring, and so ends before the mapping does and before the next `release`, until which the slot is ours. `next` has moved
        // past it, so that no other frame of `'b` lies in it.
        Some(unsafe { ring.lend(slot, ring.next, 0) })
    }
}

/// Most slots lent at a time. Unless they are drained, their headers are looked at twice, to take the frame and to give the slot back, and are to stay in the
/// nearest cache meanwhile.
const MOST_LENT: usize = 64;
/// How many slots ahead memory is asked for. A sender on another core leaves them in its cache: with 8, a backlog of 2,048 frames took 0.9 to 1.15 times
/// the processor time of a bare loop, and without 1.2 to 1.4 times (AMD Zen 5); 4 did as well as 8 (AMD Zen 3).
const SLOTS_AHEAD: usize = 8;
/// Bytes of a slot that are asked for in any case: headers of ring and frame.
const HEAD_LEN: usize = 128;
/// Bytes of a slot that are asked for at most, so that a super-frame is not a thousand requests; behind so many the processor follows by itself.
const MOST_PREFETCHED: usize = 2048;

/// Asks for `len` bytes of the frame at `offset` in a slot, as far as they lie behind its head. The kernel's word is taken for both: nothing is accessed.
#[inline(always)]
fn prefetch_behind_head(memory: &Mapping, slot: usize, offset: usize, len: usize) {
    let start = memory.start().as_ptr().wrapping_add(slot + HEAD_LEN);
    prefetch(start, offset.saturating_add(len).min(MOST_PREFETCHED).saturating_sub(HEAD_LEN));
}

/// A ring of blocks, many frames each: `TPACKET_V3`. The kernel hands a block over when it is full or its time is up.
#[derive(Debug)]
pub(crate) struct BlockRing {
    memory: Mapping,
    geometry: Geometry,
    lending: Lending,
    /// The block that is lent, or will be lent next.
    block: usize,
    /// Frames of that block that were not taken yet, and where the first of them lies in it.
    left: usize,
    next: usize,
    /// That block is ours.
    is_open: bool,
}

impl BlockRing {
    /// The state machine over `memory`, which has at least `geometry.len()` bytes.
    pub(crate) const fn new(memory: Mapping, geometry: Geometry, lending: Lending) -> Self {
        Self { memory, geometry, lending, block: 0, left: 0, next: 0, is_open: false }
    }

    /// How many frames are there to take, `budget` at most: those of one block.
    pub(crate) fn available(&mut self, budget: usize) -> usize {
        self.release();
        // As many blocks as there are, so that empty ones cannot keep this going.
        for _ in 0..self.geometry.blocks {
            if self.is_open || !self.open() || self.left > 0 {
                break;
            }
            self.release();
        }
        budget.min(self.left)
    }

    /// True if a frame is there to take.
    pub(crate) fn has_frame(&mut self) -> bool {
        self.available(1) > 0
    }

    /// Takes up to `left` frames. `left` came from `available`, and is 0 afterwards if there are no more.
    #[inline]
    pub(crate) const fn frames<'b>(&'b mut self, left: &'b mut usize) -> BlockFrames<'b> {
        BlockFrames { ring: self, left, prefetch_len: 0 }
    }

    /// Hands up to `left` frames to `sink`. A block goes back as a whole, with the next `release`.
    #[inline(always)]
    pub(crate) fn drain<S: FrameSink>(&mut self, mut left: usize, sink: &mut S) {
        let prefetch_len = sink.prefetch_len();
        BlockFrames { ring: self, left: &mut left, prefetch_len }.for_each(|frame| sink.frame(frame));
    }

    /// Gives the block back to the kernel, if all its frames were taken.
    pub(crate) fn release(&mut self) {
        if self.is_open && self.left == 0 {
            self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.is_open = false;
            self.block = if self.block + 1 < self.geometry.blocks { self.block + 1 } else { 0 };
        }
    }

    fn open(&mut self) -> bool {
        self.is_open = self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        if self.is_open {
            // SAFETY: a block starts inside the mapping, on a page of its own.
            let header: libc::tpacket_hdr_v1 = unsafe { read(&self.memory, self.start() + BLOCK_HEADER) };
            self.next = header.offset_to_first_pkt as usize;
            // No more frames than headers fit, whatever the kernel says.
            self.left = (header.num_pkts as usize).min(self.geometry.block_size / size_of::<libc::tpacket3_hdr>());
        }
        self.is_open
    }

    /// Where the next frame lies, and what it is.
    #[inline]
    fn take(&mut self) -> (Bounds, Found) {
        let at = self.next;
        let room = self.geometry.block_size.saturating_sub(at);
        let bounds = Bounds { start: self.start() + at, len: room };
        self.left = self.left.saturating_sub(1);
        if room < V3_LEN {
            self.left = 0;
            return (bounds, NOTHING);
        }
        // SAFETY: the header lies inside the block, as was just checked, and blocks lie inside the mapping.
        let header: libc::tpacket3_hdr = unsafe { read(&self.memory, bounds.start) };
        // Forward only, so that no frame is lent twice.
        match header.tp_next_offset as usize {
            0 => self.left = 0,
            step => {
                self.next = at.saturating_add(step.max(V3_LEN));
                // Where the frame after the next one is if frames are of one length.
                let ahead = bounds.start.wrapping_add(step.wrapping_mul(2));
                prefetch(self.memory.start().as_ptr().wrapping_add(ahead), HEAD_LEN);
            }
        }
        let bounds = Bounds { len: if self.left > 0 { (self.next - at).min(room) } else { room }, ..bounds };
        // SAFETY: the bounds lie inside the block.
        (bounds, unsafe { find_v3(&self.memory, bounds, &header, self.lending.vnet_header_len) })
    }

    /// Asks for the next frame of this block behind its head, as [`SlotRing::prefetch_rest`] does.
    #[inline(always)]
    fn prefetch_rest(&self, offset: usize, most: usize) {
        if self.next.saturating_add(V3_LEN) <= self.geometry.block_size {
            // SAFETY: the header lies inside the block, as was just checked, and the block inside the mapping.
            let header: libc::tpacket3_hdr = unsafe { read(&self.memory, self.start() + self.next) };
            let len = (header.tp_snaplen as usize).min(most);
            prefetch_behind_head(&self.memory, self.start() + self.next, offset, len);
        }
    }

    #[inline]
    fn start(&self) -> usize {
        self.block * self.geometry.block_size
    }

    fn status(&self) -> &AtomicU32 {
        half_word(&self.memory, self.start() + BLOCK_HEADER + offset_of!(libc::tpacket_hdr_v1, block_status))
    }
}

/// Frames on loan from a [`BlockRing`].
#[derive(Debug)]
pub(crate) struct BlockFrames<'b> {
    ring: &'b mut BlockRing,
    left: &'b mut usize,
    prefetch_len: usize,
}

impl<'b> Iterator for BlockFrames<'b> {
    type Item = RxFrame<'b>;

    // As for `SlotFrames`.
    #[inline(always)]
    fn next(&mut self) -> Option<RxFrame<'b>> {
        *self.left = self.left.checked_sub(1)?;
        let Self { ring, left, prefetch_len } = self;
        let (bounds, found) = ring.take();
        **left = (**left).min(ring.left);
        if *prefetch_len > 0 && **left > 0 {
            ring.prefetch_rest(found.offset.saturating_sub(bounds.start), *prefetch_len);
        }
        // SAFETY: blocks lie inside the mapping. `'b` borrows the ring, and so ends before the mapping does and before the next `release`, until which the
        // block is ours. The bounds end in front of `next`, which only grows, so that no two frames of a block overlap.
        Some(unsafe { lend(&ring.memory, bounds, V3_LEN, found, ring.lending) })
    }
}

/// Where the block header lies in a block descriptor.
const BLOCK_HEADER: usize = offset_of!(libc::tpacket_block_desc, hdr);

#[cfg(test)]
#[path = "tpacket_tests.rs"]
mod tests;
