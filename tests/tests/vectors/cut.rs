//! Segmentation and checksums, byte for byte, from borrowed parts and in place.

use fdlink_core::Offload;
use fdlink_core::rx::Split;
use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::Unsplittable;

use super::case::{Case, cases};

pub(crate) fn tcp_over_ipv4_is_cut_as_by_linux() {
    assert_as_by_linux(include_bytes!("../../vectors/gso_tcp4.json.gz"), 121);
}

pub(crate) fn tcp_over_ipv6_is_cut_as_by_linux() {
    assert_as_by_linux(include_bytes!("../../vectors/gso_tcp6.json.gz"), 112);
}

pub(crate) fn udp_is_cut_as_by_linux() {
    assert_as_by_linux(include_bytes!("../../vectors/gso_udp.json.gz"), 93);
}

pub(crate) fn checksums_are_completed_as_by_linux() {
    assert_as_by_linux(include_bytes!("../../vectors/csum.json.gz"), 153);
}

fn assert_as_by_linux(packed: &[u8], count: usize) {
    let cases = cases(packed);
    assert_eq!(cases.len(), count);
    for case in cases {
        let offload = case.vnet.unwrap().offload(&case.frame, case.network);
        assert_cut_as_expected(&case, offload.unwrap_or_else(|error| panic!("{}: {error}", case.name)));
    }
}

pub(crate) fn assert_cut_as_expected(case: &Case, offload: Offload) {
    let expected = case.expected.as_ref().unwrap();
    for cuts in [&[][..], &[1, 15, 33, 54, 55, 1000], &[case.network]] {
        let frames = from_parts(&case.frame, cuts, case.network, offload);
        expected.assert_is(&frames.unwrap_or_else(|error| panic!("{}: {error}", case.name)), &case.name);
    }
    let frames = in_place(&case.frame, case.network, offload);
    expected.assert_is(&frames.unwrap_or_else(|error| panic!("{}: {error}", case.name)), &case.name);
}

/// What a [`Splitter`] makes of a frame whose link header stands apart, and whose other bytes are cut there.
pub(crate) fn from_parts(
    frame: &[u8],
    cuts: &[usize],
    network: usize,
    offload: Offload,
) -> Result<Vec<Vec<u8>>, Unsplittable> {
    let (link, packet) = frame.split_at(network.min(frame.len()));
    let ends = cuts.iter().map(|cut| *cut.min(&packet.len())).chain([packet.len()]);
    let starts = [0].into_iter().chain(cuts.iter().map(|cut| *cut.min(&packet.len())));
    let parts: Vec<_> = starts.zip(ends).map(|(start, end)| &packet[start..end]).collect();
    let splitter = Splitter::new(link, &parts, network, offload)?;
    let segments = (0..splitter.segments()).map(|index| splitter.segment(index).unwrap());
    Ok(segments
        .map(|segment| {
            let payload: Vec<_> = payload_slices(&parts, segment.payload.clone()).collect();
            [&segment.headers, payload.concat().as_slice()].concat()
        })
        .collect())
}

/// What a [`Split`] makes of a frame.
pub(crate) fn in_place(frame: &[u8], network: usize, offload: Offload) -> Result<Vec<Vec<u8>>, Unsplittable> {
    let mut memory = frame.to_vec();
    let mut split = Split::new(&mut memory, network, offload)?;
    let mut frames = Vec::new();
    while let Some(segment) = split.next_segment() {
        frames.push(segment.to_vec());
    }
    Ok(frames)
}
