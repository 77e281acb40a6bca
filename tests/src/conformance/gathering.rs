//! T3: the header and the parts, in order, are exactly one frame.

use super::rig::Rig;
use super::{Bench, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("t3_header_without_parts_is_a_frame", t3_header_alone),
        Rule::new("t3_part_without_header_is_a_frame", t3_part_alone),
        Rule::new("t3_header_and_three_parts_are_one_frame", t3_three_parts),
        Rule::new("t3_empty_parts_are_legal_anywhere", t3_empty_parts),
        Rule::new("t3_parts_up_to_and_above_the_systems_limit_are_one_frame", t3_around_the_limit),
        Rule::new("t3_fifteen_hundred_parts_are_one_frame", t3_many_parts),
        Rule::new("t3_frame_without_a_byte_goes", t3_nothing).only(|t| t.zero_length),
    ]
}

fn t3_header_alone<B: Bench>(bench: &B) {
    sends_as_one(bench, 100, |frame| (frame, Vec::new()));
}

fn t3_part_alone<B: Bench>(bench: &B) {
    sends_as_one(bench, 100, |frame| (&[], vec![frame]));
}

fn t3_three_parts<B: Bench>(bench: &B) {
    sends_as_one(bench, 700, |frame| (&frame[..14], vec![&frame[14..15], &frame[15..600], &frame[600..]]));
}

fn t3_empty_parts<B: Bench>(bench: &B) {
    sends_as_one(bench, 100, |frame| (&[], vec![&[], &frame[..1], &[], &[], &frame[1..], &[]]));
    sends_as_one(bench, 100, |frame| (&frame[..20], vec![&[], &[], &frame[20..]]));
}

/// `IOV_MAX` is 1,024 on Linux, the header included.
fn t3_around_the_limit<B: Bench>(bench: &B) {
    for parts in 1021..=1027 {
        sends_as_one(bench, 14 + parts, |frame| (&frame[..14], bytes_of(&frame[14..])));
        sends_as_one(bench, parts, |frame| (&[], bytes_of(frame)));
    }
}

/// 1,400 of one byte, and an empty one behind every fourteenth.
fn t3_many_parts<B: Bench>(bench: &B) {
    sends_as_one(bench, 1440, |frame| {
        let mut parts = bytes_of(&frame[40..]);
        (1..=100).rev().for_each(|n| parts.insert(n * 14, &[]));
        assert_eq!(parts.len(), 1500);
        (&frame[..40], parts)
    });
}

fn t3_nothing<B: Bench>(bench: &B) {
    sends_as_one(bench, 0, |_| (&[], Vec::new()));
    sends_as_one(bench, 0, |_| (&[], vec![&[], &[]]));
}

fn bytes_of(frame: &[u8]) -> Vec<&[u8]> {
    frame.chunks(1).collect()
}

/// Sends a frame of `len` bytes as `split` cuts it, between two others; the far end gets it as one.
fn sends_as_one<B: Bench>(bench: &B, len: usize, split: impl FnOnce(&[u8]) -> (&[u8], Vec<&[u8]>)) {
    let mut rig = Rig::open(bench);
    let frames = rig.make([60, len, 61]);
    let (header, parts) = split(&frames[1]);
    rig.send(&frames[..1]);
    rig.send_parts(header, &parts);
    rig.send(&frames[2..]);
    assert_eq!(rig.far_takes(3), frames);
    rig.assert_far_quiet();
}
