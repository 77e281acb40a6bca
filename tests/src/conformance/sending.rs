//! T1, T2, T4, T5: what `send` says is what the far end gets.

use std::thread;

use fdlink_core::io::{ErrorKind, TxQueue as _};

use super::rig::{DEPTH, Patience, Rig, far_takes, try_send};
use super::{Bench, FarEnd as _, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("t1_no_frames_are_no_error", t1_none),
        Rule::new("t1_the_shortest_and_the_longest_frame_go_whole", t1_extremes),
        Rule::new("t1_a_hundred_frames_arrive_in_order", t1_hundred),
        Rule::new("t1_threads_send_at_once_and_no_frame_is_torn", t1_threads),
        Rule::new("t2_bytes_are_the_callers_again", t2_reuse),
        Rule::new("t4_too_long_frame_is_refused_and_the_next_goes", t4_too_long).only(|t| t.too_long.is_some()),
        Rule::new("t4_frames_before_a_too_long_one_have_left", t4_before).only(|t| t.too_long.is_some()),
        Rule::new("t4_rejected_bytes_leave_nothing_and_the_next_frame_goes", t4_rejected)
            .only(|t| t.rejected.is_some()),
    ]
}

fn t1_none<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    assert_eq!(rig.tx.send(&[]).expect("nothing to refuse"), 0);
    rig.assert_far_quiet();
}

fn t1_extremes<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let (shortest, longest) = (rig.traits.shape.shortest(), rig.traits.longest);
    let sent = rig.make([shortest, longest, shortest + 1, longest - 1]);
    rig.send(&sent);
    assert_eq!(rig.far_takes(4), sent);
    rig.assert_far_quiet();
}

/// The far end takes frames only where the queue has no room.
fn t1_hundred<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let frames = rig.make((0..100).map(|number| 30 + number * 11));
    let patience = Patience::new("the queue to take frames");
    let (mut sent, mut taken) = (0, Vec::new());
    while sent < frames.len() {
        match rig.try_send(&frames[sent..]) {
            Ok(n) => sent += n,
            Err(kind) => {
                assert!(kind.is_transient(), "{kind}");
                patience.check();
                taken.extend(rig.far.receive().filter(|frame| rig.frames.are_mine(frame)));
            }
        }
    }
    taken.extend(rig.far_takes(100 - taken.len()));
    assert_eq!(taken, frames);
    rig.assert_far_quiet();
}

fn t1_threads<B: Bench>(bench: &B) {
    let Rig::<B> { tx, mut far, frames, rx, stop, .. } = Rig::open(bench);
    let each = DEPTH / 2;
    let sets = [0, 1].map(|set| (0..each).map(|n| frames.make(set * each + n, 200 + n)).collect::<Vec<_>>());
    thread::scope(|scope| {
        for set in &sets {
            let tx = &tx;
            scope.spawn(move || set.chunks(3).for_each(|chunk| send_all(tx, chunk)));
        }
    });
    let taken = far_takes(&mut far, &frames, 2 * each);
    for set in sets {
        let of_this: Vec<_> = taken.iter().filter(|frame| set.contains(frame)).cloned().collect();
        assert_eq!(of_this, set);
    }
    drop((rx, stop));
}

fn send_all(tx: &impl fdlink_core::io::TxQueue, frames: &[Vec<u8>]) {
    let mut sent = 0;
    while sent < frames.len() {
        sent += try_send(tx, &frames[sent..]).expect("there is room");
    }
}

fn t2_reuse<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(8);
    let mut frames = sent.clone();
    rig.send(&frames);
    frames.iter_mut().for_each(|frame| frame.fill(0xee));
    assert_eq!(rig.far_takes(8), sent);
}

fn t4_too_long<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let too_long = rig.make(rig.traits.too_long);
    let kind = rig.try_send(&too_long).expect_err("too long to be sent");
    assert!(matches!(kind, ErrorKind::FrameTooLong | ErrorKind::FrameRejected), "{kind}");
    assert!(kind.is_frame_local() && !kind.is_transient());
    let sent = rig.some(1);
    rig.send(&sent);
    assert_eq!(rig.far_takes(1), sent);
    rig.assert_far_quiet();
}

fn t4_before<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let too_long = rig.traits.too_long.expect("asked for by the rule");
    let frames = rig.make([60, 61, too_long, 62]);
    let mut sent = 0;
    while sent < 2 {
        sent += rig.try_send(&frames[sent..]).expect("frames in front of the long one");
    }
    assert_eq!(sent, 2, "the long one was not sent");
    assert!(rig.try_send(&frames[2..]).expect_err("the long one is refused").is_frame_local());
    assert_eq!(rig.try_send(&frames[3..]), Ok(1), "the one behind it");
    let expected = [&frames[..2], &frames[3..]].concat();
    assert_eq!(rig.far_takes(3), expected);
    rig.assert_far_quiet();
}

fn t4_rejected<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let rejected = rig.traits.rejected.expect("asked for by the rule");
    let kind = rig.try_send(&[rejected.to_vec()]).expect_err("bytes that are no frame");
    assert!(matches!(kind, ErrorKind::FrameRejected | ErrorKind::FrameTooLong), "{kind}");
    let sent = rig.some(1);
    rig.send(&sent);
    assert_eq!(rig.far_takes(1), sent);
}
