//! Checksums left partial, and checksums verified, against the kernel's.

use fdlink_core::rx::Split;
use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::checksum::is_transport_valid;
use fdlink_core::wire::layers::TransportProtocol;
use fdlink_core::wire::vnet::{DATA_VALID, GSO_NONE, NEEDS_CSUM};
use fdlink_core::wire::{Checksum, HeaderBuf, Layers};
use fdlink_core::{ChecksumState, Offload};
use fdlink_tests::vectors::{Case, Expected, cases};

use super::cut::offload;

/// Both ways to cut leave the same, and summing it up gives what the kernel gives.
pub(crate) fn partial_segments_are_complete_ones_without_their_sum() {
    let mut compared = 0;
    for case in ["gso_tcp4", "gso_tcp6", "gso_udp"].into_iter().flat_map(cases) {
        let offload = offload(&case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let ChecksumState::Partial { start, offset } = offload.checksum else { continue };
        let (start, end) = (case.link_len + usize::from(start), case.link_len + usize::from(start + offset));
        let mut segments = from_parts(&case, offload);
        assert!(segments == in_place(&case, offload), "{}", case.name);
        if segments.len() > 1 {
            segments.iter_mut().for_each(|segment| sum_up(segment, start, end));
            case.expect.as_ref().unwrap().assert_is(&segments, &case.name);
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared} cases");
}

/// As segmentation does it: 0 stays 0 for TCP.
fn sum_up(segment: &mut [u8], start: usize, field: usize) {
    let mut sum = Checksum::new();
    sum.add_bytes(&segment[start..]);
    let is_reserved = sum.finish() == 0 && field == start + usize::from(TransportProtocol::Udp.checksum_offset());
    let checksum = if is_reserved { 0xffff } else { sum.finish() };
    segment[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn from_parts(case: &Case, offload: Offload) -> Vec<Vec<u8>> {
    let (link, packet) = case.frame().bytes.split_at(case.link_len);
    let parts = [packet];
    let splitter = Splitter::new(link, &parts, case.link_len, offload).unwrap();
    let segment = |index| {
        let mut headers = HeaderBuf::new();
        let payload = splitter.write_partial_segment(index, &mut headers).unwrap();
        [&headers, payload_slices(&parts, payload).collect::<Vec<_>>().concat().as_slice()].concat()
    };
    (0..splitter.segments()).map(segment).collect()
}

fn in_place(case: &Case, offload: Offload) -> Vec<Vec<u8>> {
    let mut memory = case.frame().bytes.clone();
    let mut split = Split::new(&mut memory, case.link_len, offload).unwrap().leave_partial();
    let mut segments = Vec::new();
    while let Some(segment) = split.next_segment() {
        segments.push(segment.to_vec());
    }
    segments
}

/// What the kernel has verified is valid; where it said nothing of a checksum that it looks at, that is wrong.
pub(crate) fn checksums_are_valid_where_the_kernel_found_them_so() {
    let (mut valid, mut wrong) = (0, 0);
    for case in ["gro_tcp", "gro_udp", "gro_vnet"].into_iter().flat_map(cases) {
        for frame in case.expect.as_ref().map(Expected::frames).unwrap_or_default() {
            let vnet = frame.vnet.unwrap();
            if is_judged_later(&case.name) {
                continue;
            }
            let Some(layers) = Layers::behind(&frame.bytes, case.link_len) else { continue };
            let is_valid = is_transport_valid(&frame.bytes, &layers);
            if vnet.gso_type == GSO_NONE && vnet.flags & DATA_VALID != 0 {
                assert!(is_valid, "{}", case.name);
                valid += 1;
            } else if vnet.flags & NEEDS_CSUM == 0 && case.name.contains("bad") && case.name.contains("checksum") {
                wrong += usize::from(!is_valid);
            }
        }
    }
    assert!(valid > 100 && wrong > 5, "{valid} valid, {wrong} wrong");
}

/// Before it merges, the kernel sums the whole IP payload, and takes no checksum for one that is right. Its UDP covers as much as the UDP header says
/// (RFC 768), and drops what has none over IPv6 (RFC 8200, section 8.1).
fn is_judged_later(case: &str) -> bool {
    case.contains("UDP length") || (case.starts_with("udp6") && case.contains("checksum 0"))
}
