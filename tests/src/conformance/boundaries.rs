//! R1, R2, R3, R6: what a frame is, and that it stays one.

use fdlink_core::io::{RxBatch as _, RxQueue as _};

use super::rig::{DEPTH, Patience, Rig};
use super::{Bench, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("r1_poll_of_an_idle_channel_is_an_empty_batch", r1_idle),
        Rule::new("r1_poll_after_the_last_frame_is_an_empty_batch", r1_drained),
        Rule::new("r2_frames_keep_their_boundaries_and_their_order", r2_order),
        Rule::new("r2_the_shortest_and_the_longest_frame_come_whole", r2_extremes),
        Rule::new("r2_frames_of_zero_bytes_are_frames", r2_zero).only(|t| t.zero_length),
        Rule::new("r3_frames_of_a_batch_do_not_overlap", r3_disjoint),
        Rule::new("r3_writing_into_a_frame_changes_no_other", r3_writable),
        Rule::new("r6_frame_at_the_limit_is_whole", r6_at_limit),
        Rule::new("r6_frame_above_the_limit_is_cut_and_says_so", r6_above_limit),
        Rule::new("r6_frames_around_a_cut_one_are_whole", r6_neighbours),
    ]
}

fn r1_idle<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.assert_quiet();
}

fn r1_drained<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(3);
    rig.far_sends(&sent);
    assert_eq!(rig.take(3, DEPTH), sent);
    rig.assert_quiet();
}

fn r2_order<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for round in 0..10 {
        let sent = rig.make((0..DEPTH).map(|number| 40 + (number * 37 + round) % 400));
        rig.far_sends(&sent);
        assert_eq!(rig.take(DEPTH, DEPTH), sent);
    }
    rig.assert_quiet();
}

fn r2_extremes<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let (shortest, longest) = (rig.traits.shape.shortest(), rig.traits.longest);
    let sent = rig.make([shortest, longest, shortest + 1, longest - 1, shortest]);
    rig.far_sends(&sent);
    assert_eq!(rig.take(5, DEPTH), sent);
}

fn r2_zero<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.make([0, 40, 0, 0, 41, 0]);
    rig.far_sends(&sent);
    assert_eq!(rig.take(6, 2), sent);
    rig.assert_quiet();
}

fn r3_disjoint<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.far_sends(&rig.some(8));
    rig.until_lent();
    let mut batch = rig.rx.poll(DEPTH).expect("poll");
    let mut ranges: Vec<_> = batch.frames().map(|frame| frame.bytes.as_ptr_range()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{ranges:?}");
}

/// All frames of a batch are held at once and overwritten from the last to the first.
fn r3_writable<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.far_sends(&rig.some(8));
    rig.until_lent();
    let mut batch = rig.rx.poll(DEPTH).expect("poll");
    let mut frames: Vec<_> = batch.frames().collect();
    for (mark, frame) in frames.iter_mut().enumerate().rev() {
        frame.bytes.fill(mark as u8);
    }
    for (mark, frame) in frames.iter().enumerate() {
        assert!(frame.bytes.iter().all(|byte| *byte == mark as u8), "frame {mark}: {:02x?}", frame.bytes);
    }
    drop(frames);
}

fn r6_at_limit<B: Bench>(bench: &B) {
    let mut rig = Rig::open_for(bench, LIMIT);
    let sent = rig.make([LIMIT, LIMIT - 1]);
    rig.far_sends(&sent);
    let taken = take_with_lengths(&mut rig, 2);
    assert_eq!(taken, sent.into_iter().map(|frame| (frame.len(), frame)).collect::<Vec<_>>());
}

fn r6_above_limit<B: Bench>(bench: &B) {
    let mut rig = Rig::open_for(bench, LIMIT);
    let sent = rig.make([LIMIT + 1, LIMIT + 300]);
    rig.far_sends(&sent);
    for ((told, bytes), sent) in take_with_lengths(&mut rig, 2).into_iter().zip(sent) {
        assert_eq!(bytes, sent[..LIMIT], "what is there");
        let expected = if rig.traits.tells_real_length { sent.len() } else { LIMIT + 1 };
        assert_eq!(told, expected, "the length told");
    }
}

fn r6_neighbours<B: Bench>(bench: &B) {
    let mut rig = Rig::open_for(bench, LIMIT);
    let sent = rig.make([60, LIMIT + 50, 61, LIMIT + 51, LIMIT + 52, 62]);
    rig.far_sends(&sent);
    let taken = take_with_lengths(&mut rig, sent.len());
    for ((told, bytes), sent) in taken.into_iter().zip(sent) {
        assert_eq!(bytes, sent[..sent.len().min(LIMIT)]);
        assert_eq!(told > bytes.len(), sent.len() > LIMIT, "{told} told, {} lent", bytes.len());
    }
}

/// The next `count` frames of ours, each with the length that its metadata tells.
fn take_with_lengths<B: Bench>(rig: &mut Rig<B>, count: usize) -> Vec<(usize, Vec<u8>)> {
    let patience = Patience::new("frames to come");
    let mut taken = Vec::new();
    while taken.len() < count {
        let mut batch = rig.rx.poll(DEPTH).expect("poll");
        let frames = batch.frames().filter(|frame| rig.frames.are_mine(frame.bytes));
        taken.extend(frames.map(|frame| (frame.meta.len, frame.bytes.to_vec())));
        drop(batch);
        patience.check();
    }
    taken
}

/// A receive limit well below what the far end may send.
const LIMIT: usize = 128;
