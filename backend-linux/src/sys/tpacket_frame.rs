//! Where a frame lies in a receive ring, and what its header says. Offsets and lengths are the kernel's and are checked.
//!
//! ```text
//!  slot, or what is left of a block
//! ┌──────────┬─────────────┬──────┬───────┐
//! │ header   │ sockaddr_ll │ room │ frame │    a tag that is put back takes 4 bytes of the room
//! └──────────┴─────────────┴──────┴───────┘
//!  0                               tp_mac
//! ```
#![expect(unsafe_code, reason = "memory that the kernel writes behind the compiler's back")]

use core::mem::offset_of;
use core::slice;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;

use fdlink_core::io::{PacketType, RxFrame, RxMeta};
use fdlink_core::wire::ethernet::VLAN_TAG_LEN;

use super::mapping::Mapping;
use crate::vlan::{LEAST_FRAME, insert, tag};

/// The part of a ring's memory that one frame and what stands in front of it may lie in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// How frames are lent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lending {
    /// A slot may have room for more, but a longer frame is cut as in every other mode.
    pub(crate) frame_len: usize,
    /// Bytes of virtio-net header in front of each frame.
    pub(crate) vnet_header_len: usize,
    /// The tag that the kernel took out is put back.
    pub(crate) reinsert_tag: bool,
}

/// Where a frame lies, and what the kernel says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) meta: RxMeta,
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// A frame that the kernel described wrongly: it is lent empty, and dropped as a runt.
pub(super) const NOTHING: Found = Found { meta: RxMeta::new(0), offset: 0, len: 0 };

/// What a slot starts with: the ring's version.
pub(crate) trait SlotHeader {
    /// Bytes of it.
    const LEN: usize;

    /// Takes the status word of the slot that starts there, with acquire ordering.
    fn status(memory: &Mapping, slot: usize) -> u32;

    /// Gives the slot to the kernel, with release ordering.
    fn set_kernel(memory: &Mapping, slot: usize);

    /// The frame in a slot.
    ///
    /// # Safety
    ///
    /// The slot lies inside the memory, and is ours.
    unsafe fn find(memory: &Mapping, slot: Bounds, vnet: usize) -> Found;

    /// Bytes of the frame in the slot that starts there; of another one or none, if the slot is not ours.
    fn snaplen(memory: &Mapping, slot: usize) -> usize;
}

/// `tpacket_hdr`, whose status is an `unsigned long`: the flags are its low 32 bits.
#[derive(Debug)]
pub(crate) enum V1 {}

impl SlotHeader for V1 {
    const LEN: usize = size_of::<libc::tpacket_hdr>();

    #[inline]
    fn status(memory: &Mapping, slot: usize) -> u32 {
        word(memory, slot).load(Ordering::Acquire) as u32
    }

    #[inline]
    fn set_kernel(memory: &Mapping, slot: usize) {
        word(memory, slot).store(libc::TP_STATUS_KERNEL as usize, Ordering::Release);
    }

    #[inline]
    unsafe fn find(memory: &Mapping, slot: Bounds, vnet: usize) -> Found {
        // SAFETY: the caller vouches for the slot, and no slot is too small for what stands in front of a frame.
        let header: libc::tpacket_hdr = unsafe { read(memory, slot.start) };
        let mut found = place(slot, header.tp_mac, header.tp_snaplen, header.tp_len, vnet);
        found.meta.timestamp =
            Some(Duration::from_secs(header.tp_sec.into()) + Duration::from_micros(header.tp_usec.into()));
        // SAFETY: as above.
        found.meta.packet_type = unsafe { packet_type(memory, slot.start, Self::LEN) };
        found
    }

    #[inline]
    fn snaplen(memory: &Mapping, slot: usize) -> usize {
        half_word(memory, slot + offset_of!(libc::tpacket_hdr, tp_snaplen)).load(Ordering::Relaxed) as usize
    }
}

/// `tpacket2_hdr`.
#[derive(Debug)]
pub(crate) enum V2 {}

impl SlotHeader for V2 {
    const LEN: usize = size_of::<libc::tpacket2_hdr>();

    #[inline]
    fn status(memory: &Mapping, slot: usize) -> u32 {
        half_word(memory, slot).load(Ordering::Acquire)
    }

    #[inline]
    fn set_kernel(memory: &Mapping, slot: usize) {
        half_word(memory, slot).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    #[inline]
    unsafe fn find(memory: &Mapping, slot: Bounds, vnet: usize) -> Found {
        // SAFETY: as for `V1`.
        let header: libc::tpacket2_hdr = unsafe { read(memory, slot.start) };
        let mut found = place(slot, header.tp_mac, header.tp_snaplen, header.tp_len, vnet);
        found.meta.timestamp = Some(timestamp(header.tp_sec, header.tp_nsec));
        found.meta.vlan = tag(header.tp_status, header.tp_vlan_tci, header.tp_vlan_tpid);
        // SAFETY: as for `V1`.
        found.meta.packet_type = unsafe { packet_type(memory, slot.start, Self::LEN) };
        found
    }

    #[inline]
    fn snaplen(memory: &Mapping, slot: usize) -> usize {
        half_word(memory, slot + offset_of!(libc::tpacket2_hdr, tp_snaplen)).load(Ordering::Relaxed) as usize
    }
}

/// Bytes of the header in front of each frame of a block.
pub(super) const V3_LEN: usize = size_of::<libc::tpacket3_hdr>();

/// The frame behind a header of a block.
///
/// # Safety
///
/// The bounds lie inside the memory and are ours.
#[inline]
pub(super) unsafe fn find_v3(memory: &Mapping, bounds: Bounds, header: &libc::tpacket3_hdr, vnet: usize) -> Found {
    let mut found = place(bounds, header.tp_mac, header.tp_snaplen, header.tp_len, vnet);
    found.meta.timestamp = Some(timestamp(header.tp_sec, header.tp_nsec));
    found.meta.vlan = tag(header.tp_status, header.hv1.tp_vlan_tci as u16, header.hv1.tp_vlan_tpid);
    if bounds.len >= align(V3_LEN) + size_of::<libc::sockaddr_ll>() {
        // SAFETY: the address lies within the bounds, for which the caller vouches.
        found.meta.packet_type = unsafe { packet_type(memory, bounds.start, V3_LEN) };
    }
    found.meta.rx_hash = (header.hv1.tp_rxhash != 0).then_some(header.hv1.tp_rxhash);
    found
}

/// Checks that a frame lies within its bounds, along with the `vnet` bytes of virtio-net header that stand in front of it and do not count in its
/// length.
#[inline]
fn place(bounds: Bounds, mac: u16, snaplen: u32, len: u32, vnet: usize) -> Found {
    let (mac, snaplen) = (usize::from(mac), snaplen as usize);
    if mac < vnet || mac.checked_add(snaplen).is_none_or(|end| end > bounds.len) {
        return NOTHING;
    }
    let meta = RxMeta::new((len as usize).max(snaplen) + vnet);
    Found { meta, offset: bounds.start + mac - vnet, len: snaplen + vnet }
}

/// Lends a frame that was found within `bounds` behind a header of `header_len` bytes: cut to the longest, and with its tag put back where that is
/// asked for.
///
/// # Safety
///
/// The bounds lie inside the memory. For `'b` it stays mapped, and nobody else accesses what they hold behind the header: neither the kernel nor another
/// frame.
#[inline]
pub(super) unsafe fn lend<'b>(
    memory: &Mapping,
    bounds: Bounds,
    header_len: usize,
    mut found: Found,
    lending: Lending,
) -> RxFrame<'b> {
    found.len = found.len.min(lending.frame_len);
    let tag = found.meta.vlan.filter(|_| lending.reinsert_tag && has_room(bounds, header_len, &found));
    if tag.is_some() {
        found.offset -= VLAN_TAG_LEN;
        found.len += VLAN_TAG_LEN;
    }
    let start = memory.start().as_ptr().wrapping_add(found.offset);
    // SAFETY: `place` has kept the frame within its bounds, or made it an empty one at the start of the memory; the room for a tag lies within them
    // too. The caller vouches for the bounds.
    let bytes = unsafe { slice::from_raw_parts_mut(start, found.len) };
    if let Some(tag) = tag {
        insert(&mut found.meta, bytes, tag);
    }
    RxFrame { meta: found.meta, bytes }
}

/// True if a tag has its place between the headers and the frame, and in the frame.
fn has_room(bounds: Bounds, header_len: usize, found: &Found) -> bool {
    let headers = bounds.start + align(header_len) + size_of::<libc::sockaddr_ll>();
    found.offset >= headers + VLAN_TAG_LEN && found.len >= LEAST_FRAME
}

#[inline]
fn timestamp(sec: u32, nsec: u32) -> Duration {
    Duration::new(sec.into(), nsec)
}

/// What the address behind a header tells.
///
/// # Safety
///
/// The address lies inside the memory.
#[inline]
unsafe fn packet_type(memory: &Mapping, header: usize, header_len: usize) -> Option<PacketType> {
    let address = header + align(header_len);
    // SAFETY: the caller vouches for the address.
    match unsafe { read::<u8>(memory, address + offset_of!(libc::sockaddr_ll, sll_pkttype)) } {
        libc::PACKET_HOST => Some(PacketType::Host),
        libc::PACKET_BROADCAST => Some(PacketType::Broadcast),
        libc::PACKET_MULTICAST => Some(PacketType::Multicast),
        libc::PACKET_OTHERHOST => Some(PacketType::OtherHost),
        libc::PACKET_OUTGOING => Some(PacketType::Outgoing),
        _ => None,
    }
}

/// `TPACKET_ALIGN`.
const fn align(len: usize) -> usize {
    len.next_multiple_of(libc::TPACKET_ALIGNMENT)
}

/// What may be read from a ring as it stands.
///
/// # Safety
///
/// Every pattern of bytes is a value of the type.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: integers only.
unsafe impl Plain for libc::tpacket_hdr {}
// SAFETY: integers only.
unsafe impl Plain for libc::tpacket2_hdr {}
// SAFETY: integers only.
unsafe impl Plain for libc::tpacket3_hdr {}
// SAFETY: integers only.
unsafe impl Plain for libc::tpacket_hdr_v1 {}
// SAFETY: an integer.
unsafe impl Plain for u8 {}

/// A copy of what lies at `offset`.
///
/// # Safety
///
/// It lies inside the memory.
#[inline]
pub(super) unsafe fn read<T: Plain>(memory: &Mapping, offset: usize) -> T {
    let at = memory.start().as_ptr().wrapping_add(offset).cast::<T>();
    // SAFETY: the caller vouches for the place. The slot or block is ours, so the kernel does not write to it; if another process with the same
    // descriptor does, any bytes are a value. No alignment is needed.
    unsafe { at.read_unaligned() }
}

/// The status word of a slot with `tpacket_hdr`.
#[inline]
fn word(memory: &Mapping, offset: usize) -> &AtomicUsize {
    let at = memory.start().as_ptr().wrapping_add(offset).cast::<usize>();
    // SAFETY: slots start inside the mapping and are aligned to 16 bytes (`Geometry` is checked, and the mapping is page-aligned). The word is accessed
    // by atomics only, here and in the kernel, as long as the mapping lives.
    unsafe { AtomicUsize::from_ptr(at) }
}

/// The status word of any other slot or block, or another 32 bits of a slot's header.
#[inline]
pub(super) fn half_word(memory: &Mapping, offset: usize) -> &AtomicU32 {
    let at = memory.start().as_ptr().wrapping_add(offset).cast::<u32>();
    // SAFETY: as for `word`; block headers lie 8 bytes behind the start of a page, and what has 32 bits lies at a multiple of them in a header. What is no
    // status is written by the kernel alone.
    unsafe { AtomicU32::from_ptr(at) }
}
