//! T1, E2: a queue that takes no more says so, and takes more once there is room.

use std::thread;
use std::time::Duration;

use fdlink_core::io::{ErrorKind, TxQueue as _, Wake};

use super::rig::{LONG, Patience, Rig, far_takes};
use super::{Bench, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("t1_frames_that_left_before_the_queue_was_full_all_arrive", t1_full).only(|t| t.fills),
        Rule::new("e2_full_queue_would_block_and_goes_on_when_drained", e2_drained).only(|t| t.fills),
        Rule::new("e2_wait_for_room_is_ready_when_there_is_room", e2_room),
        Rule::new("e2_wait_for_room_times_out", e2_times_out).only(|t| t.fills),
        Rule::new("e2_draining_ends_a_pending_wait_for_room", e2_pending).only(|t| t.fills && t.blocks),
        Rule::new("e2_wait_for_buffers_ends", e2_no_buffers),
    ]
}

fn t1_full<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let left = rig.fill();
    assert_eq!(rig.far_takes(left.len()), left);
    rig.assert_far_quiet();
}

fn e2_drained<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for _ in 0..3 {
        let left = rig.fill();
        assert_eq!(rig.far_takes(left.len()), left);
        assert_eq!(rig.tx.wait(ErrorKind::WouldBlock, LONG).expect("wait"), Wake::Ready);
        let next = rig.some(1);
        assert_eq!(rig.try_send(&next), Ok(1));
        assert_eq!(rig.far_takes(1), next);
    }
}

fn e2_room<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    for timeout in [Duration::ZERO, LONG, Duration::MAX] {
        assert_eq!(rig.tx.wait(ErrorKind::WouldBlock, timeout).expect("wait"), Wake::Ready, "{timeout:?}");
    }
}

/// A spurious `Ready` is legal, one for each wait is not.
fn e2_times_out<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    rig.fill();
    let patience = Patience::new("a wait for room to time out");
    while rig.tx.wait(ErrorKind::WouldBlock, Duration::from_millis(1)).expect("wait") != Wake::TimedOut {
        patience.check();
    }
    assert_eq!(rig.try_send(&rig.make([1000])), Err(ErrorKind::WouldBlock), "still full");
}

fn e2_pending<B: Bench>(bench: &B) {
    let Rig::<B> { rx, tx, stop, mut far, frames, .. } = {
        let rig = Rig::open(bench);
        let left = rig.fill().len();
        assert!(left > 0);
        rig
    };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| tx.wait(ErrorKind::WouldBlock, LONG).expect("wait"));
        far_takes(&mut far, &frames, 1);
        let patience = Patience::new("the wait for room to end");
        while !waiting.is_finished() {
            let _ = super::FarEnd::receive(&mut far);
            patience.check();
        }
        assert_eq!(waiting.join().expect("no panic"), Wake::Ready);
    });
    drop((rx, stop));
}

/// No readiness tells when buffers are there again, so that time has to pass; the time given is the most.
fn e2_no_buffers<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        assert_ne!(rig.tx.wait(ErrorKind::NoBuffers, timeout).expect("wait"), Wake::Stopped);
    }
}
