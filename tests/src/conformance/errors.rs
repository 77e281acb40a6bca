//! E2: errors say what the caller can do.

use fdlink_core::io::{ErrorKind, TxFrame, TxQueue as _};

use super::rig::{Patience, Rig, try_send};
use super::{Bench, FarEnd as _, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("e2_send_to_a_closed_far_end_is_closed_for_ever", e2_closed).only(|t| t.close_refuses),
        Rule::new("e2_errors_say_what_is_wrong_in_words", e2_words),
    ]
}

fn e2_closed<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    let frame = rig.some(1);
    rig.far.close();
    let patience = Patience::new("the close");
    while try_send(&rig.tx, &frame).is_ok() {
        patience.check();
    }
    for _ in 0..3 {
        assert_eq!(try_send(&rig.tx, &frame), Err(ErrorKind::Closed));
    }
}

fn e2_words<B: Bench>(bench: &B) {
    let rig = Rig::open(bench);
    let too_long = rig.traits.too_long.map(|len| rig.frames.make(0, len));
    let rejected = rig.traits.rejected.map(<[u8]>::to_vec);
    for frame in too_long.into_iter().chain(rejected) {
        let error = rig.tx.send(&[TxFrame { header: &[], parts: &[&frame] }]).expect_err("no frame for this kind");
        assert!(error.to_string().contains(' '), "a sentence: {error}");
    }
}
