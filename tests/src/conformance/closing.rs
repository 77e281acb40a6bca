//! R7: the end comes last, and stays.

use std::thread;
use std::time::Duration;

use fdlink_core::io::{ErrorKind, IoError as _, RxBatch as _, RxQueue as _, Wake};

use super::rig::{DEPTH, LONG, Patience, Rig, take};
use super::{Bench, FarEnd as _, Rule, Traits};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    let seen = |t: &Traits| t.close_is_received;
    vec![
        Rule::new("r7_close_of_an_idle_channel_is_closed_for_ever", r7_idle).only(seen),
        Rule::new("r7_queued_frames_come_before_closed", r7_queued).only(seen),
        Rule::new("r7_untaken_frames_come_before_closed", r7_untaken).only(seen),
        Rule::new("r7_zero_bytes_between_frames_are_no_close", r7_zero).only(|t| t.close_is_received && t.zero_length),
        Rule::new("r7_zero_bytes_before_the_close_are_frames", r7_zero_last)
            .only(|t| t.close_is_received && t.zero_length && t.zero_length_before_close),
        Rule::new("r7_wait_after_the_close_does_not_wait", r7_wait).only(seen),
        Rule::new("r7_close_ends_a_pending_wait", r7_pending_wait).only(|t| t.close_is_received && t.blocks),
        Rule::new("r7_close_that_is_not_told_loses_nothing", r7_unseen).only(|t| !t.close_is_received),
    ]
}

fn r7_idle<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.assert_quiet();
    rig.far.close();
    assert_closed_for_ever::<B>(&mut rig.rx);
}

fn r7_queued<B: Bench>(bench: &B) {
    for budget in [1, 2, DEPTH] {
        let mut rig = Rig::open(bench);
        let sent = rig.some(5);
        rig.far_sends(&sent);
        rig.far.close();
        assert_eq!(take(&mut rig.rx, &rig.frames, 5, budget), sent);
        assert_closed_for_ever::<B>(&mut rig.rx);
    }
}

fn r7_untaken<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(5);
    rig.far_sends(&sent);
    assert_eq!(rig.take(1, 1), sent[..1]);
    drop(rig.rx.poll(3).expect("poll"));
    rig.far.close();
    drop(rig.rx.poll(3).expect("poll"));
    assert_eq!(take(&mut rig.rx, &rig.frames, 4, 3), sent[1..]);
    assert_closed_for_ever::<B>(&mut rig.rx);
}

/// What `read` answers for a frame of zero bytes is what it answers at the end.
fn r7_zero<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.make([40, 0, 0, 41]);
    rig.far_sends(&sent);
    rig.far.close();
    assert_eq!(take(&mut rig.rx, &rig.frames, 4, 1), sent);
    assert_closed_for_ever::<B>(&mut rig.rx);
}

fn r7_zero_last<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.make([40, 0, 0]);
    rig.far_sends(&sent);
    rig.far.close();
    assert_eq!(take(&mut rig.rx, &rig.frames, 3, DEPTH), sent);
    assert_closed_for_ever::<B>(&mut rig.rx);
}

fn r7_wait<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.far.close();
    for timeout in [Duration::ZERO, LONG] {
        assert!(ends_or_is_ready::<B>(&mut rig.rx, Some(timeout)));
    }
    assert!(ends_or_is_ready::<B>(&mut rig.rx, None));
    assert_closed_for_ever::<B>(&mut rig.rx);
}

fn r7_pending_wait<B: Bench>(bench: &B) {
    for _ in 0..20 {
        let Rig::<B> { mut rx, far, tx, stop, .. } = Rig::open(bench);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                assert!(ends_or_is_ready::<B>(&mut rx, None));
                assert_closed_for_ever::<B>(&mut rx);
            });
            far.close();
            waiting.join().expect("the wait ended well");
        });
        drop((tx, stop));
    }
}

fn r7_unseen<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(5);
    rig.far_sends(&sent);
    rig.far.close();
    assert_eq!(take(&mut rig.rx, &rig.frames, 5, 2), sent);
    for _ in 0..10 {
        let mut batch = rig.rx.poll(DEPTH).expect("the channel goes on");
        assert!(!batch.frames().any(|frame| rig.frames.are_mine(frame.bytes)), "a frame was made up");
    }
}

/// False where a wait went on although the far end is gone.
fn ends_or_is_ready<B: Bench>(rx: &mut super::rig::Rx<B>, timeout: Option<Duration>) -> bool {
    match rx.wait(timeout) {
        Ok(wake) => wake == Wake::Ready,
        Err(error) => error.kind() == ErrorKind::Closed,
    }
}

/// Nothing but the close is left.
pub(super) fn assert_closed_for_ever<B: Bench>(rx: &mut super::rig::Rx<B>) {
    let patience = Patience::new("the close");
    while let Ok(batch) = rx.poll(DEPTH) {
        assert!(batch.is_empty(), "a frame was made up");
        drop(batch);
        patience.check();
    }
    for budget in [1, 2, DEPTH] {
        let kind = rx.poll(budget).err().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::Closed));
    }
}
