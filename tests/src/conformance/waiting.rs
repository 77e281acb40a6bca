//! R5, S1: when a receive wait ends, and why.

use std::thread;
use std::time::Duration;

use fdlink_core::io::{ErrorKind, RxBatch as _, RxQueue as _, TxQueue as _, Wake};

use super::rig::{DEPTH, LONG, Patience, Rig};
use super::{Bench, FarEnd as _, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("r1_wait_with_nothing_to_do_times_out", r1_times_out),
        Rule::new("r1_frame_ends_a_pending_wait", r1_frame_wakes).only(|t| t.blocks),
        Rule::new("e1_signals_neither_fail_nor_prolong_a_wait", e1_signals).only(|t| t.blocks),
    ]
}

/// A spurious `Ready` is legal, one for each wait is not.
fn r1_times_out<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let patience = Patience::new("a wait to time out");
    for timeout in [Duration::ZERO, Duration::from_millis(2), Duration::from_nanos(1)] {
        while rig.rx.wait(Some(timeout)).expect("wait") != Wake::TimedOut {
            drain(&mut rig);
            patience.check();
        }
    }
}

fn r1_frame_wakes<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for number in 0..50 {
        let sent = rig.frames.make(number, 64);
        let Rig { rx, far, frames, .. } = &mut rig;
        thread::scope(|scope| {
            scope.spawn(|| far.send(&sent));
            let patience = Patience::new("the frame");
            loop {
                assert_eq!(rx.wait(None).expect("wait"), Wake::Ready);
                let mut batch = rx.poll(DEPTH).expect("poll");
                if batch.frames().any(|frame| frames.are_mine(frame.bytes)) {
                    break;
                }
                patience.check();
            }
        });
    }
}

/// Signals rain on the waiting thread for as long as it waits. One of them may end a wait: a spurious `Ready` is legal.
fn e1_signals<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    super::signal::rain_on_this_thread(|| {
        let patience = Patience::new("waits of 5 ms to end");
        for _ in 0..50 {
            assert_ne!(rig.rx.wait(Some(Duration::from_millis(5))).expect("no EINTR"), Wake::Stopped);
            assert_ne!(rig.tx.wait(ErrorKind::NoBuffers, Duration::from_millis(5)).expect("no EINTR"), Wake::Stopped);
            assert_eq!(rig.tx.wait(ErrorKind::WouldBlock, LONG).expect("no EINTR"), Wake::Ready);
            patience.check();
        }
        let sent = rig.some(DEPTH);
        rig.far_sends(&sent);
        assert_eq!(rig.take(DEPTH, 3), sent);
        rig.send(&sent);
        assert_eq!(rig.far_takes(DEPTH), sent);
    });
}

/// Takes what the kernel sent by itself.
fn drain<B: Bench>(rig: &mut Rig<B>) {
    while rig.rx.poll(DEPTH).expect("poll").frames().count() > 0 {}
}
