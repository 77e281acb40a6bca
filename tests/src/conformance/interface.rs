//! R7, E2: what becomes of a channel when the interface below it goes.

use fdlink_core::io::{ErrorKind, IoError as _, RxBatch as _, RxQueue};

use super::closing::assert_closed_for_ever;
use super::rig::{DEPTH, Patience, Rig};
use super::{Bench, FarEnd as _, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("e2_send_on_a_link_that_is_down_says_so_and_works_when_it_is_up", e2_send).only(|t| t.interface),
        Rule::new("e2_link_down_is_received_once_and_survived", e2_receive).only(|t| t.interface),
        Rule::new("r7_deleted_interface_is_closed_for_ever", r7_deleted).only(|t| t.interface),
        Rule::new("e2_send_on_a_deleted_interface_is_closed", e2_send_deleted).only(|t| t.interface),
    ]
}

fn e2_send<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    let sent = rig.some(2);
    for _ in 0..2 {
        rig.far.set_interface(false);
        assert_eq!(rig.try_send(&sent), Err(ErrorKind::LinkDown));
        rig.far.set_interface(true);
        rig.send(&sent);
        assert_eq!(rig.far_takes(2), sent);
    }
}

/// A kind that cannot tell may keep quiet; none may tell it more than once.
fn e2_receive<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    for _ in 0..2 {
        rig.far.set_interface(false);
        let errors: Vec<_> = (0..20).filter_map(|_| poll_error(&mut rig.rx)).collect();
        assert!(errors.is_empty() || errors == [ErrorKind::LinkDown], "{errors:?}");
        rig.far.set_interface(true);
        let sent = rig.some(5);
        rig.far_sends(&sent);
        assert_eq!(rig.take(5, 2), sent);
    }
}

/// What the kernel sends by itself is taken, since it comes ahead of an error.
fn poll_error<Q: RxQueue>(rx: &mut Q) -> Option<ErrorKind> {
    match rx.poll(DEPTH) {
        Ok(mut batch) => {
            batch.frames().for_each(drop);
            None
        }
        Err(error) => Some(error.kind()),
    }
}

fn r7_deleted<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.far.delete_interface();
    let patience = Patience::new("the close");
    loop {
        match rig.rx.poll(DEPTH) {
            Ok(mut batch) => assert!(!batch.frames().any(|frame| rig.frames.are_mine(frame.bytes))),
            Err(error) if error.kind() == ErrorKind::LinkDown => {}
            Err(_) => break,
        }
        patience.check();
    }
    assert_closed_for_ever::<B>(&mut rig.rx);
}

fn e2_send_deleted<B: Bench>(bench: &B) {
    let mut rig = Rig::open(bench);
    rig.far.delete_interface();
    let patience = Patience::new("the close");
    while rig.try_send(&rig.some(1)) != Err(ErrorKind::Closed) {
        patience.check();
    }
    assert_eq!(rig.try_send(&rig.some(1)), Err(ErrorKind::Closed), "for ever");
}
