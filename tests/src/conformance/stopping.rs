//! S1, S2: a stop ends every wait and stays; nothing that is dropped waits.

use std::thread;
use std::time::Duration;

use fdlink_core::io::{ErrorKind, RxQueue as _, Stop as _, TxQueue as _, Wake};

use super::rig::{DEPTH, LONG, Rig, Rx, Tx, far_takes, take, try_send};
use super::{Bench, FarEnd as _, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("s1_stop_before_a_wait_ends_it_at_once", s1_before),
        Rule::new("s1_stop_is_seen_although_frames_are_there", s1_under_load),
        Rule::new("s1_stop_ends_waits_only", s1_waits_only),
        Rule::new("s1_stop_of_any_clone_counts_and_rearm_takes_it_back", s1_rearm),
        Rule::new("s1_stop_wakes_a_pending_receive_wait", s1_wakes_rx),
        Rule::new("s1_stop_wakes_a_pending_wait_for_room", s1_wakes_tx).only(|t| t.fills),
        Rule::new("s1_stop_wakes_a_pending_wait_for_buffers", s1_wakes_no_buffers),
        Rule::new("s1_stop_outlives_the_queues", s1_outlives),
        Rule::new("s2_queues_drop_in_every_order", s2_orders),
        Rule::new("s2_send_queue_lives_on_without_the_receive_queue", s2_tx_alone),
        Rule::new("s2_receive_queue_lives_on_without_the_send_queue", s2_rx_alone),
    ]
}

fn s1_before<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.stop.stop();
    for _ in 0..3 {
        assert_stopped::<B>(&mut rig.rx, &rig.tx);
        rig.stop.stop();
    }
}

fn s1_under_load<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(4);
    rig.far_sends(&sent);
    rig.until_lent();
    rig.stop.stop();
    assert_stopped::<B>(&mut rig.rx, &rig.tx);
    assert_eq!(rig.take(4, DEPTH), sent);
}

fn s1_waits_only<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.stop.stop();
    let sent = rig.some(4);
    rig.far_sends(&sent);
    assert_eq!(rig.take(4, DEPTH), sent);
    rig.send(&sent);
    assert_eq!(rig.far_takes(4), sent);
}

fn s1_rearm<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for _ in 0..3 {
        rig.stop.clone().stop();
        rig.stop.stop();
        assert_stopped::<B>(&mut rig.rx, &rig.tx);
        rig.stop.rearm();
        assert_ne!(rig.rx.wait(Some(Duration::ZERO)).expect("wait"), Wake::Stopped);
        assert_eq!(rig.tx.wait(ErrorKind::WouldBlock, LONG).expect("wait"), Wake::Ready);
    }
    rig.stop.rearm();
    rig.far_sends(&rig.some(1));
    rig.until_lent();
    assert_eq!(rig.rx.wait(Some(LONG)).expect("wait"), Wake::Ready);
}

/// Whether the stop comes before the wait or into it is left to chance; both are tried often.
fn s1_wakes_rx<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for _ in 0..ROUNDS {
        let Rig { rx, stop, .. } = &mut rig;
        until_stopped(stop, || rx.wait(Some(LONG)).expect("wait"));
        rig.stop.rearm();
    }
}

fn s1_wakes_tx<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    rig.fill();
    for _ in 0..ROUNDS {
        until_stopped(&rig.stop, || rig.tx.wait(ErrorKind::WouldBlock, LONG).expect("wait"));
        rig.stop.rearm();
    }
}

fn s1_wakes_no_buffers<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    for _ in 0..ROUNDS {
        until_stopped(&rig.stop, || rig.tx.wait(ErrorKind::NoBuffers, LONG).expect("wait"));
        rig.stop.rearm();
    }
}

fn s1_outlives<B: Bench>(bench: &B) {
    let Rig::<B> { rx, tx, stop, .. } = Rig::open(bench);
    drop((rx, tx));
    stop.stop();
    stop.rearm();
    stop.clone().stop();
}

fn s2_orders<B: Bench>(bench: &B) {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut rig = Rig::open(bench);
        rig.far_sends(&rig.some(4));
        rig.send(&rig.some(4));
        drop(rig.rx.poll(2).expect("poll"));
        let (mut rx, mut tx, mut stop) = (Some(rig.rx), Some(rig.tx), Some(rig.stop));
        for half in order {
            match half {
                0 => drop(rx.take()),
                1 => drop(tx.take()),
                _ => drop(stop.take()),
            }
        }
    }
}

fn s2_tx_alone<B: Bench>(bench: &B) {
    let Rig::<B> { rx, tx, stop, mut far, frames, .. } = Rig::open(bench);
    drop((rx, stop));
    let sent: Vec<_> = (0..4).map(|number| frames.make(number, 64)).collect();
    for frame in &sent {
        assert_eq!(try_send(&tx, std::slice::from_ref(frame)), Ok(1));
    }
    assert_eq!(far_takes(&mut far, &frames, 4), sent);
}

fn s2_rx_alone<B: Bench>(bench: &B) {
    let Rig::<B> { mut rx, tx, stop, mut far, frames, .. } = Rig::open(bench);
    drop((tx, stop));
    let sent: Vec<_> = (0..4).map(|number| frames.make(number, 64)).collect();
    sent.iter().for_each(|frame| far.send(frame));
    assert_eq!(take(&mut rx, &frames, 4, DEPTH), sent);
}

fn assert_stopped<B: Bench>(rx: &mut Rx<B>, tx: &Tx<B>) {
    for timeout in [Some(Duration::ZERO), Some(LONG), None] {
        assert_eq!(rx.wait(timeout).expect("wait"), Wake::Stopped, "{timeout:?}");
    }
    for refused in [ErrorKind::WouldBlock, ErrorKind::NoBuffers] {
        assert_eq!(tx.wait(refused, LONG).expect("wait"), Wake::Stopped, "{refused}");
    }
}

/// Waits until a stop from another thread is seen. What cannot block, and a frame of the kernel's own, end a wait early.
fn until_stopped(stop: &(impl fdlink_core::io::Stop + Sync), mut wait: impl FnMut() -> Wake) {
    let patience = super::rig::Patience::new("the stop");
    thread::scope(|scope| {
        scope.spawn(|| stop.stop());
        while wait() != Wake::Stopped {
            patience.check();
        }
    });
}

const ROUNDS: usize = 50;
