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
use core::time::Duration;

use fdlink_core::io::{PacketType, RxMeta, VlanTag};
use fdlink_core::wire::ethernet::VLAN_TAG_LEN;

use super::mapping::Mapping;
use crate::vlan::{LEAST_FRAME, insert, tag};

/// The part of a ring's memory that one frame may lie in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) start: usize,
    pub(super) len: usize,
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
pub(super) struct Found {
    pub(super) meta: RxMeta,
    pub(super) offset: usize,
    pub(super) len: usize,
    /// Bytes behind the headers and in front of the frame, which nobody reads.
    room: usize,
    /// To be put back into the frame, which has its room in front.
    tag: Option<VlanTag>,
}

impl Found {
    /// Cuts it to the longest frame, and moves its start where a tag is to be put back.
    #[inline]
    pub(super) fn as_lent(mut self, lending: Lending) -> Self {
        self.len = self.len.min(lending.frame_len);
        if lending.reinsert_tag && self.room >= VLAN_TAG_LEN && self.len >= LEAST_FRAME {
            self.tag = self.meta.vlan;
        }
        if self.tag.is_some() {
            self.offset -= VLAN_TAG_LEN;
            self.len += VLAN_TAG_LEN;
        }
        self
    }

    /// Puts the tag back, and says what is known of the frame then.
    #[inline]
    pub(super) fn finish(mut self, bytes: &mut [u8]) -> RxMeta {
        if let Some(tag) = self.tag {
            insert(&mut self.meta, bytes, tag);
        }
        self.meta
    }
}

/// A frame that the kernel described wrongly: it is lent empty, and dropped as a runt.
pub(super) const NOTHING: Found = Found { meta: RxMeta::new(0), offset: 0, len: 0, room: 0, tag: None };

pub(super) fn find_v1(memory: &Mapping, bounds: Bounds, vnet: usize) -> Found {
    let header: libc::tpacket_hdr = copy(memory, bounds.start);
    let mut found = place(bounds, header.tp_mac, header.tp_snaplen, header.tp_len, vnet);
    found.meta.timestamp =
        Some(Duration::from_secs(header.tp_sec.into()) + Duration::from_micros(header.tp_usec.into()));
    found.meta.packet_type = packet_type(memory, bounds.start + align(size_of::<libc::tpacket_hdr>()));
    found
}

#[inline]
pub(super) fn find_v2(memory: &Mapping, bounds: Bounds, vnet: usize) -> Found {
    let header: libc::tpacket2_hdr = copy(memory, bounds.start);
    let mut found = place(bounds, header.tp_mac, header.tp_snaplen, header.tp_len, vnet);
    found.meta.timestamp = Some(timestamp(header.tp_sec, header.tp_nsec));
    found.meta.vlan = tag(header.tp_status, header.tp_vlan_tci, header.tp_vlan_tpid);
    found.room = room(bounds, &found, size_of::<libc::tpacket2_hdr>());
    found.meta.packet_type = packet_type(memory, bounds.start + align(size_of::<libc::tpacket2_hdr>()));
    found
}

#[inline]
pub(super) fn find_v3(memory: &Mapping, bounds: Bounds, header: &libc::tpacket3_hdr, vnet: usize) -> Found {
    let mut found = place(bounds, header.tp_mac, header.tp_snaplen, header.tp_len, vnet);
    found.meta.timestamp = Some(timestamp(header.tp_sec, header.tp_nsec));
    found.meta.vlan = tag(header.tp_status, header.hv1.tp_vlan_tci as u16, header.hv1.tp_vlan_tpid);
    found.room = room(bounds, &found, size_of::<libc::tpacket3_hdr>());
    let address = align(size_of::<libc::tpacket3_hdr>());
    if bounds.len >= address + size_of::<libc::sockaddr_ll>() {
        found.meta.packet_type = packet_type(memory, bounds.start + address);
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
    Found { meta, offset: bounds.start + mac - vnet, len: snaplen + vnet, ..NOTHING }
}

/// What lies between the headers and the frame.
#[inline]
const fn room(bounds: Bounds, found: &Found, header_len: usize) -> usize {
    let headers = align(header_len) + size_of::<libc::sockaddr_ll>();
    found.offset.saturating_sub(bounds.start + headers)
}

#[inline]
fn timestamp(sec: u32, nsec: u32) -> Duration {
    Duration::new(sec.into(), nsec)
}

#[inline]
fn packet_type(memory: &Mapping, address: usize) -> Option<PacketType> {
    let kind: u8 = copy(memory, address + offset_of!(libc::sockaddr_ll, sll_pkttype));
    match kind {
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

/// A copy of what lies at `offset`. Zero beyond the end, which a checked geometry rules out.
#[inline]
pub(super) fn copy<T: Plain>(memory: &Mapping, offset: usize) -> T {
    if memory.len().checked_sub(size_of::<T>()).is_none_or(|last| offset > last) {
        // SAFETY: zero bytes are a value of a `Plain` type.
        return unsafe { core::mem::zeroed() };
    }
    let at = memory.start().as_ptr().wrapping_add(offset).cast::<T>();
    // SAFETY: `at` and the bytes behind it are inside the mapping, as was just checked. The slot or block is ours, so the kernel does not write to
    // it; if another process with the same descriptor does, it is volatile and any bytes are a value. No alignment is needed.
    unsafe { at.read_unaligned() }
}

/// The address of a frame; of the start of the ring for an empty one.
#[inline]
pub(super) fn part(memory: &Mapping, found: Found) -> *mut u8 {
    let inside = found.offset.checked_add(found.len).is_some_and(|end| end <= memory.len());
    memory.start().as_ptr().wrapping_add(if inside { found.offset } else { 0 })
}
