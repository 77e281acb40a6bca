//! L1, T5: what a channel promises at the start.

use fdlink_core::io::RawIo as _;

use super::rig::Rig;
use super::{Bench, Rule};

pub(super) fn rules<B: Bench>() -> Vec<Rule<B>> {
    vec![
        Rule::new("l1_limits_tell_what_was_asked_for", l1_asked),
        Rule::new("l1_limits_are_constant", l1_constant),
        Rule::new("t5_no_offload_is_promised_without_a_virtio_header", t5_none).only(|_| true),
    ]
}

fn l1_asked<B: Bench>(bench: &B) {
    for len in [128, 600, bench.traits().longest] {
        let limits = Rig::open_for(bench, len).limits;
        assert_eq!(limits.max_frame_len, len + limits.vnet_header_len);
        assert!(limits.frames_per_send >= 1);
    }
}

fn l1_constant<B: Bench>(bench: &B) {
    let (io, _far) = bench.open(bench.traits().longest);
    assert_eq!(io.limits(), io.limits());
}

fn t5_none<B: Bench>(bench: &B) {
    let limits = Rig::open(bench).limits;
    assert!(limits.vnet_header_len > 0 || limits.offloads.is_empty(), "{limits:?}");
}
