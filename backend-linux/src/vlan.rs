//! VLAN tags, which the kernel takes out of the frames that an `AF_PACKET` socket receives and tells beside them (packet(7)).
//!
//! ```text
//!       ┌──────────────────────┬──────┬────────           ┌──────────────────────┬──────┬──────┬────────
//!  room │ addresses (12 bytes) │ type │ packet …     ─►   │ addresses (12 bytes) │ tag  │ type │ packet …
//!       └──────────────────────┴──────┴────────           └──────────────────────┴──────┴──────┴────────
//!  4 bytes
//! ```

use core::mem::offset_of;

use fdlink_core::io::{RxMeta, VlanTag};
use fdlink_core::wire::ethernet::{HEADER_LEN, VLAN_TAG_LEN};

/// A frame with less has no place for a tag.
pub(crate) const LEAST_FRAME: usize = HEADER_LEN;

/// Puts a tag back into a frame of at least [`LEAST_FRAME`] bytes that starts [`VLAN_TAG_LEN`] bytes behind the start of `bytes`.
#[inline]
pub(crate) fn insert(meta: &mut RxMeta, bytes: &mut [u8], tag: VlanTag) {
    bytes.copy_within(VLAN_TAG_LEN..VLAN_TAG_LEN + ADDRESSES, 0);
    if let Some(place) = bytes.get_mut(ADDRESSES..).and_then(<[u8]>::first_chunk_mut) {
        let ([p0, p1], [c0, c1]) = (tag.tpid.to_be_bytes(), tag.tci.to_be_bytes());
        *place = [p0, p1, c0, c1];
    }
    meta.len += VLAN_TAG_LEN;
    meta.vlan = None;
}

/// Bytes of the two addresses.
const ADDRESSES: usize = 12;

/// The tag that a status word says is there.
#[inline]
pub(crate) fn tag(status: u32, tci: u16, tpid: u16) -> Option<VlanTag> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 { None } else { valid_tag(status, tci, tpid) }
}

/// Before Linux 3.14 without its protocol. Cold, so that frames without a tag jump over it: in one piece, a tag is made of each and then left.
#[cold]
fn valid_tag(status: u32, tci: u16, tpid: u16) -> Option<VlanTag> {
    let tpid = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 { libc::ETH_P_8021Q as u16 } else { tpid };
    Some(VlanTag { tpid, tci })
}

/// The tag that control messages tell (`PACKET_AUXDATA`, `struct tpacket_auxdata`), which others may stand in front of.
///
/// ```text
/// ┌─────────────────┬─────────────┬────────────┬──────┬─────────┬──
/// │ length (usize)  │ level (int) │ type (int) │ data │ padding │ …
/// └─────────────────┴─────────────┴────────────┴──────┴─────────┴──
/// ```
#[inline]
pub(crate) fn tag_in_control(mut control: &[u8]) -> Option<VlanTag> {
    loop {
        let len = usize::from_ne_bytes(*control.first_chunk()?);
        let [level, kind] = [WORD, WORD + 4].map(|at| u32_at(control, at));
        let data = control.get(WORD + 8..len)?;
        if (level?, kind?) == (libc::SOL_PACKET.cast_unsigned(), libc::PACKET_AUXDATA.cast_unsigned()) {
            return tag_in_auxdata(data);
        }
        control = control.get(len.next_multiple_of(WORD)..)?;
    }
}

fn tag_in_auxdata(data: &[u8]) -> Option<VlanTag> {
    let status = u32_at(data, offset_of!(libc::tpacket_auxdata, tp_status))?;
    let tci = u16_at(data, offset_of!(libc::tpacket_auxdata, tp_vlan_tci))?;
    let tpid = u16_at(data, offset_of!(libc::tpacket_auxdata, tp_vlan_tpid))?;
    tag(status, tci, tpid)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

const WORD: usize = size_of::<usize>();

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tag_needs_its_flag_and_defaults_to_802_1q() {
        assert_eq!(tag(libc::TP_STATUS_USER, 5, 0x88a8), None);
        assert_eq!(tag(libc::TP_STATUS_VLAN_VALID, 5, 0), Some(VlanTag { tpid: 0x8100, tci: 5 }));
        let both = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;
        assert_eq!(tag(both, 5, 0x88a8), Some(VlanTag { tpid: 0x88a8, tci: 5 }));
    }

    #[test]
    fn tag_stands_between_the_addresses_and_the_type() {
        let frame: Vec<u8> = (0..20).collect();
        let mut bytes = [&[0xee; 4][..], &frame].concat();
        let mut meta = RxMeta::new(frame.len());
        insert(&mut meta, &mut bytes, VlanTag { tpid: 0x88a8, tci: 0x1234 });
        assert_eq!(bytes, [&frame[..12], &[0x88, 0xa8, 0x12, 0x34], &frame[12..]].concat());
        assert_eq!((meta.len, meta.vlan), (24, None));
    }

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut message = (WORD + 8 + data.len()).to_ne_bytes().to_vec();
        message.extend([level.to_ne_bytes(), kind.to_ne_bytes()].concat());
        message.extend(data);
        message.resize(message.len().next_multiple_of(WORD), 0);
        message
    }

    fn auxdata(status: u32, tci: u16) -> Vec<u8> {
        let mut data = vec![0; size_of::<libc::tpacket_auxdata>()];
        data[..4].copy_from_slice(&status.to_ne_bytes());
        let at = offset_of!(libc::tpacket_auxdata, tp_vlan_tci);
        data[at..at + 2].copy_from_slice(&tci.to_ne_bytes());
        message(libc::SOL_PACKET, libc::PACKET_AUXDATA, &data)
    }

    #[test]
    fn tag_is_found_behind_other_control_messages() {
        let timestamp = message(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &[7; 13]);
        let tagged = auxdata(libc::TP_STATUS_VLAN_VALID, 9);
        let expected = Some(VlanTag { tpid: 0x8100, tci: 9 });
        assert_eq!(tag_in_control(&tagged), expected);
        assert_eq!(tag_in_control(&[timestamp.clone(), tagged].concat()), expected);
        assert_eq!(tag_in_control(&auxdata(libc::TP_STATUS_USER, 9)), None);
        assert_eq!(tag_in_control(&timestamp), None);
        assert_eq!(tag_in_control(&[]), None);
    }

    proptest! {
        #[test]
        fn control_messages_full_of_garbage_end(garbage in proptest::collection::vec(any::<u8>(), 0..256), len in 0..300usize) {
            let mut garbage = garbage;
            if let Some(first) = garbage.first_chunk_mut() {
                *first = len.to_ne_bytes();
            }
            let _ = tag_in_control(&garbage);
        }
    }
}
