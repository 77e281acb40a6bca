//! The loops that a C program would write over a receive ring, for benchmarks only: what `PACKET_RX_RING` costs without a library. They
//! trust the kernel and check nothing that it says.
#![expect(unsafe_code, reason = "what is compared with has no checks")]
#![expect(missing_debug_implementations, reason = "for benchmarks")]

use core::mem::offset_of;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::{AsFd, BorrowedFd};

use super::mapping::Mapping;
use crate::SetupError;
use crate::ring_options::RingOptions;
use crate::rx_ring::request;

/// A ring of slots, `TPACKET_V2`, whatever version the options name.
pub struct SlotLoop<F> {
    memory: Mapping,
    fd: F,
    frame_size: usize,
    slots: usize,
    at: usize,
}

impl<F: AsFd> SlotLoop<F> {
    /// A ring of the same geometry as the library's on a packet socket that has none.
    ///
    /// # Errors
    ///
    /// As for [`endpoint`](crate::endpoint).
    pub fn new(fd: F, frame_len: usize) -> Result<Self, SetupError> {
        let options = RingOptions::V2;
        let memory = ring(fd.as_fd(), &options, frame_len)?;
        let geometry = options.geometry(frame_len)?;
        // Slots in a row, without a gap at the end of a block: the usual geometry has none.
        Ok(Self { memory, fd, frame_size: geometry.frame_size, slots: geometry.slots(), at: 0 })
    }

    /// Hands over all frames that are there, and returns their number.
    #[inline(always)]
    pub fn drain(&mut self, mut each: impl FnMut(&[u8])) -> usize {
        let mut frames = 0;
        loop {
            let slot = self.memory.start().as_ptr().wrapping_add(self.at * self.frame_size);
            // SAFETY: a slot starts inside the mapping, aligned to 16 bytes, with a status word that is accessed by atomics only.
            let status = unsafe { AtomicU32::from_ptr(slot.cast()) };
            if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return frames;
            }
            // SAFETY: the slot is ours until the status is written, and starts with this header (packet_mmap.rst).
            let header = unsafe { &*slot.cast::<libc::tpacket2_hdr>() };
            let start = slot.wrapping_add(header.tp_mac.into());
            // SAFETY: the kernel keeps the frame inside the slot, which is ours until the status is written.
            each(unsafe { slice::from_raw_parts(start, header.tp_snaplen as usize) });
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
            frames += 1;
            self.at = if self.at + 1 == self.slots { 0 } else { self.at + 1 };
        }
    }
}

/// A ring of blocks, `TPACKET_V3`, with a timer of 1 ms.
pub struct BlockLoop<F> {
    memory: Mapping,
    fd: F,
    block_size: usize,
    blocks: usize,
    at: usize,
}

impl<F: AsFd> BlockLoop<F> {
    /// As [`SlotLoop::new`].
    ///
    /// # Errors
    ///
    /// As for [`endpoint`](crate::endpoint).
    pub fn new(fd: F, frame_len: usize) -> Result<Self, SetupError> {
        let options = RingOptions::V3;
        let memory = ring(fd.as_fd(), &options, frame_len)?;
        let geometry = options.geometry(frame_len)?;
        Ok(Self { memory, fd, block_size: geometry.block_size, blocks: geometry.blocks, at: 0 })
    }

    /// Hands over all frames of the blocks that are there, and returns their number.
    #[inline(always)]
    pub fn drain(&mut self, mut each: impl FnMut(&[u8])) -> usize {
        let mut frames = 0;
        loop {
            let block = self.memory.start().as_ptr().wrapping_add(self.at * self.block_size);
            let header = block.wrapping_add(offset_of!(libc::tpacket_block_desc, hdr)).cast::<libc::tpacket_hdr_v1>();
            let status = header.wrapping_byte_add(offset_of!(libc::tpacket_hdr_v1, block_status));
            // SAFETY: a block starts inside the mapping, on a page, with this header, whose status is accessed by atomics only.
            let status = unsafe { AtomicU32::from_ptr(status.cast()) };
            if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                return frames;
            }
            // SAFETY: the block is ours until the status is written.
            let header = unsafe { &*header };
            let packets = header.num_pkts;
            let mut at = block.wrapping_add(header.offset_to_first_pkt as usize);
            for _ in 0..packets {
                // SAFETY: `offset_to_first_pkt` and `tp_next_offset` lead to one header after another in the block, as many as it has packets.
                let packet = unsafe { &*at.cast::<libc::tpacket3_hdr>() };
                let start = at.wrapping_add(packet.tp_mac.into());
                // SAFETY: the kernel keeps the frame inside the block, which is ours until the status is written.
                each(unsafe { slice::from_raw_parts(start, packet.tp_snaplen as usize) });
                at = at.wrapping_add(packet.tp_next_offset as usize);
            }
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
            frames += packets as usize;
            self.at = if self.at + 1 == self.blocks { 0 } else { self.at + 1 };
        }
    }
}

impl<F: AsFd> AsFd for SlotLoop<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<F: AsFd> AsFd for BlockLoop<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn ring(fd: BorrowedFd<'_>, options: &RingOptions, frame_len: usize) -> Result<Mapping, SetupError> {
    let geometry = options.geometry(frame_len)?;
    request(fd, geometry, options)?;
    Mapping::shared(fd, geometry.len()).map_err(SetupError::system("mmap PACKET_RX_RING"))
}
