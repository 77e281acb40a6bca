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

use core::mem::offset_of;
use core::slice;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use fdlink_core::io::RxMeta;

use super::mapping::Mapping;
use super::tpacket_frame::{Bounds, Found, Lending, NOTHING, copy, find_v1, find_v2, find_v3, part};

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

/// Which header a slot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotVersion {
    /// `tpacket_hdr`.
    V1,
    /// `tpacket2_hdr`.
    V2,
}

/// A ring of slots, one frame each: `TPACKET_V1` and `TPACKET_V2`.
///
/// ```text
///        first       first + taken    first + taken + lent
///          ▼             ▼                ▼
///  kernel │ taken       │ on loan        │ not looked at … kernel
/// ```
#[derive(Debug)]
pub(crate) struct SlotRing {
    memory: Mapping,
    geometry: Geometry,
    /// As in `geometry`, so that no frame costs a division.
    slots: usize,
    slots_per_block: usize,
    /// Slots lie in a row: none of a block is left over behind its last slot.
    is_gapless: bool,
    version: SlotVersion,
    lending: Lending,
    /// The oldest slot that is ours.
    first: usize,
    /// Slots from `first` on whose frames were taken; they go back with the next `release`.
    taken: usize,
}

impl SlotRing {
    /// The state machine over `memory`, which has at least `geometry.len()` bytes.
    pub(crate) const fn new(memory: Mapping, geometry: Geometry, version: SlotVersion, lending: Lending) -> Self {
        let (slots, slots_per_block) = (geometry.slots(), geometry.slots_per_block());
        let is_gapless = geometry.block_size == slots_per_block * geometry.frame_size;
        Self { memory, geometry, slots, slots_per_block, is_gapless, version, lending, first: 0, taken: 0 }
    }

    /// How many frames are there to take, `most` at most.
    #[inline]
    pub(crate) fn available(&self, most: usize) -> usize {
        let most = most.min(self.slots - self.taken).min(MOST_LENT);
        (0..most).take_while(|n| self.status(self.slot(self.taken + n)) & libc::TP_STATUS_USER != 0).count()
    }

    /// Takes up to `left` frames, of which `available` said that they are there.
    #[inline]
    pub(crate) fn frames<'b>(&'b mut self, left: &'b mut usize) -> impl Iterator<Item = (RxMeta, &'b mut [u8])> {
        core::iter::from_fn(move || {
            *left = left.checked_sub(1)?;
            let slot = self.slot(self.taken);
            self.taken += 1;
            let found = self.find(slot).as_lent(self.lending);
            // SAFETY: `part` gives an address inside the mapping, which `'b` keeps alive. The slot is ours until `release`, which needs `&mut self`
            // and so comes after `'b`; `taken` has moved past it, so that no other frame of `'b` lies in it.
            let bytes = unsafe { slice::from_raw_parts_mut(part(&self.memory, found), found.len) };
            Some((found.finish(bytes), bytes))
        })
    }

    /// Gives the slots of taken frames back to the kernel.
    #[inline]
    pub(crate) fn release(&mut self) {
        for n in 0..self.taken {
            self.set_kernel(self.slot(n));
        }
        self.first = self.index(self.taken);
        self.taken = 0;
    }

    /// The number of the slot `n` behind the first one.
    #[inline]
    fn index(&self, n: usize) -> usize {
        let index = self.first + n;
        if index < self.slots { index } else { index - self.slots }
    }

    /// Where the slot `n` behind the first one starts.
    #[inline]
    fn slot(&self, n: usize) -> usize {
        let (index, per_block) = (self.index(n), self.slots_per_block);
        if self.is_gapless {
            return index * self.geometry.frame_size;
        }
        index / per_block * self.geometry.block_size + index % per_block * self.geometry.frame_size
    }

    #[inline]
    fn find(&self, slot: usize) -> Found {
        let bounds = Bounds { start: slot, len: self.geometry.frame_size };
        match self.version {
            SlotVersion::V1 => find_v1(&self.memory, bounds, self.lending.vnet_header_len),
            SlotVersion::V2 => find_v2(&self.memory, bounds, self.lending.vnet_header_len),
        }
    }

    #[inline]
    fn status(&self, slot: usize) -> u32 {
        match self.version {
            // `unsigned long`: the flags are its low 32 bits.
            SlotVersion::V1 => word(&self.memory, slot).load(Ordering::Acquire) as u32,
            SlotVersion::V2 => half_word(&self.memory, slot).load(Ordering::Acquire),
        }
    }

    #[inline]
    fn set_kernel(&self, slot: usize) {
        match self.version {
            SlotVersion::V1 => word(&self.memory, slot).store(libc::TP_STATUS_KERNEL as usize, Ordering::Release),
            SlotVersion::V2 => half_word(&self.memory, slot).store(libc::TP_STATUS_KERNEL, Ordering::Release),
        }
    }
}

/// Most slots lent at a time. Their headers are looked at three times: whether a frame is there, where it is, to give it back. They lie a power of
/// two apart and share few sets of a cache, which more of them would drive out of it.
const MOST_LENT: usize = 32;

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

    /// How many frames are there to take, `most` at most: those of one block.
    pub(crate) fn available(&mut self, most: usize) -> usize {
        self.release();
        // As many blocks as there are, so that empty ones cannot keep this going.
        for _ in 0..self.geometry.blocks {
            if self.is_open || !self.open() || self.left > 0 {
                break;
            }
            self.release();
        }
        most.min(self.left)
    }

    /// Takes up to `left` frames, of which `available` said that they are there.
    #[inline]
    pub(crate) fn frames<'b>(&'b mut self, left: &'b mut usize) -> impl Iterator<Item = (RxMeta, &'b mut [u8])> {
        core::iter::from_fn(move || {
            *left = left.checked_sub(1)?;
            let found = self.take().as_lent(self.lending);
            *left = (*left).min(self.left);
            // SAFETY: `part` gives an address inside the mapping, which `'b` keeps alive. The block is ours until `release`, which needs `&mut self`
            // and so comes after `'b`. `take` keeps a frame in front of `next`, and `next` only grows, so that no two frames of a block overlap.
            let bytes = unsafe { slice::from_raw_parts_mut(part(&self.memory, found), found.len) };
            Some((found.finish(bytes), bytes))
        })
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
            let header: libc::tpacket_hdr_v1 = copy(&self.memory, self.start() + BLOCK_HEADER);
            self.next = header.offset_to_first_pkt as usize;
            // No more frames than headers fit, whatever the kernel says.
            self.left = (header.num_pkts as usize).min(self.geometry.block_size / size_of::<libc::tpacket3_hdr>());
        }
        self.is_open
    }

    #[inline]
    fn take(&mut self) -> Found {
        let at = self.next;
        let room = self.geometry.block_size.saturating_sub(at);
        self.left = self.left.saturating_sub(1);
        if room < size_of::<libc::tpacket3_hdr>() {
            self.left = 0;
            return NOTHING;
        }
        let bounds = Bounds { start: self.start() + at, len: room };
        let header: libc::tpacket3_hdr = copy(&self.memory, bounds.start);
        // Forward only, so that no frame is lent twice.
        match header.tp_next_offset as usize {
            0 => self.left = 0,
            step => self.next = at.saturating_add(step.max(size_of::<libc::tpacket3_hdr>())),
        }
        let limit = if self.left > 0 { (self.next - at).min(room) } else { room };
        find_v3(&self.memory, Bounds { len: limit, ..bounds }, &header, self.lending.vnet_header_len)
    }

    fn start(&self) -> usize {
        self.block * self.geometry.block_size
    }

    fn status(&self) -> &AtomicU32 {
        half_word(&self.memory, self.start() + BLOCK_HEADER + offset_of!(libc::tpacket_hdr_v1, block_status))
    }
}

/// Where the block header lies in a block descriptor.
const BLOCK_HEADER: usize = offset_of!(libc::tpacket_block_desc, hdr);

/// The status word of a slot with `tpacket_hdr`.
#[inline]
fn word(memory: &Mapping, offset: usize) -> &AtomicUsize {
    let at = memory.start().as_ptr().wrapping_add(offset).cast::<usize>();
    // SAFETY: slots start inside the mapping and are aligned to 16 bytes (`Geometry` is checked, and the mapping is page-aligned). The word is accessed
    // by atomics only, here and in the kernel, as long as the mapping lives.
    unsafe { AtomicUsize::from_ptr(at) }
}

/// The status word of any other slot or block.
#[inline]
fn half_word(memory: &Mapping, offset: usize) -> &AtomicU32 {
    let at = memory.start().as_ptr().wrapping_add(offset).cast::<u32>();
    // SAFETY: as for `word`; block headers lie 8 bytes behind the start of a page.
    unsafe { AtomicU32::from_ptr(at) }
}

#[cfg(test)]
#[path = "tpacket_tests.rs"]
mod tests;
