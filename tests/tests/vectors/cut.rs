//! Segmentation and checksums, byte for byte, from borrowed parts and in place.

use fdlink_core::Offload;
use fdlink_core::rx::Split;
use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::{Unsplittable, VnetError};

use fdlink_tests::vectors::{Case, cases};

pub(crate) fn tcp_over_ipv4_is_cut_as_by_linux() {
    assert_as_by_linux("gso_tcp4", 121);
}

pub(crate) fn tcp_over_ipv6_is_cut_as_by_linux() {
    assert_as_by_linux("gso_tcp6", 112);
}

pub(crate) fn udp_is_cut_as_by_linux() {
    assert_as_by_linux("gso_udp", 93);
}

pub(crate) fn checksums_are_completed_as_by_linux() {
    assert_as_by_linux("csum", 153);
}

fn assert_as_by_linux(file: &str, count: usize) {
    let cases = cases(file);
    assert_eq!(cases.len(), count);
    for case in cases {
        let offload = offload(&case);
        assert_cut_as_expected(&case, offload.unwrap_or_else(|error| panic!("{}: {error}", case.name)));
    }
}

/// What is left to do to a case's frame by its virtio-net header.
pub(crate) fn offload(case: &Case) -> Result<Offload, VnetError> {
    let frame = case.frame();
    frame.vnet.unwrap().offload(&frame.bytes, case.link_len)
}

pub(crate) fn assert_cut_as_expected(case: &Case, offload: Offload) {
    let (frame, expected) = (&case.frame().bytes, case.expect.as_ref().unwrap());
    for cuts in [&[][..], &[1, 15, 33, 54, 55, 1000], &[case.link_len]] {
        let frames = from_parts(frame, cuts, case.link_len, offload);
        expected.assert_is(&frames.unwrap_or_else(|error| panic!("{}: {error}", case.name)), &case.name);
    }
    let frames = in_place(frame, case.link_len, offload);
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
