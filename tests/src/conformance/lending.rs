//! R4, R5: what is lent comes back, what is not taken stays.

use std::mem;
use std::time::Duration;

use fdlink_core::io::{RxBatch as _, RxQueue as _, Wake};

use super::rig::{DEPTH, LONG, Patience, Rig};
use super::{Bench, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("r4_untaken_frames_are_lent_again", r4_untaken),
        Rule::new("r4_frames_of_a_batch_that_was_only_looked_at_stay", r4_looked_at),
        Rule::new("r4_forgotten_batch_is_like_a_dropped_one", r4_forgotten),
        Rule::new("r4_batch_counts_what_is_left_and_goes_on", r4_goes_on),
        Rule::new("r4_memory_comes_back_for_ever", r4_for_ever),
        Rule::new("r5_budget_zero_lends_nothing_and_loses_nothing", r5_zero),
        Rule::new("r5_budget_caps_what_is_lent", r5_cap),
        Rule::new("r5_largest_budget_is_legal", r5_largest),
        Rule::new("r5_kept_frames_cost_no_call", r5_no_call).only(|t| t.keeps),
        Rule::new("r5_wait_is_ready_while_frames_are_kept", r5_wait),
    ]
}

fn r4_untaken<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(9);
    rig.far_sends(&sent);
    let mut taken = Vec::new();
    let patience = Patience::new("frames to be lent again");
    while taken.len() < sent.len() {
        let mut batch = rig.rx.poll(5).expect("poll");
        let frames = batch.frames().take(2).filter(|frame| rig.frames.are_mine(frame.bytes));
        taken.extend(frames.map(|frame| frame.bytes.to_vec()));
        drop(batch);
        patience.check();
    }
    assert_eq!(taken, sent);
    rig.assert_quiet();
}

fn r4_looked_at<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(6);
    rig.far_sends(&sent);
    for budget in (0..50).map(|round| round % 7) {
        let mut batch = rig.rx.poll(budget).expect("poll");
        drop(batch.frames());
        drop(batch);
    }
    assert_eq!(rig.take(6, DEPTH), sent);
    rig.assert_quiet();
}

fn r4_forgotten<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(9);
    rig.far_sends(&sent);
    let mut taken = Vec::new();
    let patience = Patience::new("frames of forgotten batches");
    while taken.len() < sent.len() {
        let mut batch = rig.rx.poll(4).expect("poll");
        let mut frames = batch.frames();
        let first = frames.next().filter(|frame| rig.frames.are_mine(frame.bytes));
        taken.extend(first.map(|frame| frame.bytes.to_vec()));
        mem::forget(frames);
        mem::forget(batch);
        patience.check();
    }
    assert_eq!(taken, sent);
    rig.assert_quiet();
}

fn r4_goes_on<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.far_sends(&rig.some(6));
    rig.until_lent();
    let mut batch = rig.rx.poll(6).expect("poll");
    let lent = batch.len();
    for taken in 0..lent {
        assert_eq!((batch.len(), batch.is_empty()), (lent - taken, false));
        assert!(batch.frames().next().is_some());
    }
    assert!(batch.is_empty() && batch.frames().next().is_none());
}

fn r4_for_ever<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for _ in 0..200 {
        let sent = rig.some(DEPTH / 2);
        rig.far_sends(&sent);
        mem::forget(rig.rx.poll(3).expect("poll"));
        assert_eq!(rig.take(DEPTH / 2, 7), sent);
    }
}

fn r5_zero<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(4);
    rig.far_sends(&sent);
    for _ in 0..3 {
        let mut batch = rig.rx.poll(0).expect("poll");
        assert!(batch.is_empty() && batch.frames().next().is_none());
    }
    assert_eq!(rig.take(2, 1), sent[..2]);
    assert!(rig.rx.poll(0).expect("poll").is_empty());
    assert_eq!(rig.take(2, 1), sent[2..]);
}

/// That no batch is longer than its budget is checked by every `take`.
fn r5_cap<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for budget in [1, 2, 3, 7, 100] {
        let sent = rig.some(20);
        rig.far_sends(&sent);
        assert_eq!(rig.take(20, budget), sent, "budget {budget}");
    }
    rig.assert_quiet();
}

fn r5_largest<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(5);
    rig.far_sends(&sent);
    assert_eq!(rig.take(5, usize::MAX), sent);
}

/// On a link the frames may come one by one, so that nothing can be kept; then it is tried again.
fn r5_no_call<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let patience = Patience::new("frames to be kept");
    let sent = rig.some(4);
    let mut free = false;
    while !free {
        patience.check();
        rig.far_sends(&sent);
        rig.until_lent();
        let mut taken = rig.take(1, 1);
        let mut batch = rig.rx.poll(1).expect("poll");
        free = batch.len() == 1 && batch.calls() == 0;
        taken.extend(batch.frames().filter(|f| rig.frames.are_mine(f.bytes)).map(|f| f.bytes.to_vec()));
        drop(batch);
        let left = sent.len() - taken.len();
        taken.extend(rig.take(left, DEPTH));
        assert_eq!(taken, sent);
    }
}

fn r5_wait<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(4);
    rig.far_sends(&sent);
    rig.until_lent();
    for timeout in [Duration::ZERO, LONG, Duration::MAX] {
        assert_eq!(rig.rx.wait(Some(timeout)).expect("wait"), Wake::Ready, "{timeout:?}");
    }
    assert_eq!(rig.rx.wait(None).expect("wait"), Wake::Ready);
    assert_eq!(rig.take(4, DEPTH), sent);
}
