//! What must hold for any traffic.

use fdlink_core::Offload;
use fdlink_tests::support::{Offloaded, Segments, Trials, coalesced, on_the_wire};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(cut_and_merged_is_the_original);
    trials.anywhere(what_is_no_candidate_passes_unchanged);
}

/// A super-frame of every kind and of many lengths.
fn cut_and_merged_is_the_original() {
    for (is_v6, is_tcp, has_ethernet) in KINDS {
        for len in [2, 99, 100, 101, 1000, 6399, 6400] {
            let segments = Segments { is_v6, is_tcp, has_ethernet, ..Segments::tcp(1) };
            let link_len = if has_ethernet { 14 } else { 0 };
            let whole = super_frame(&segments, len, link_len);
            let wire: Vec<_> = on_the_wire(&whole, link_len).iter().map(|frame| Offloaded::plain(frame)).collect();
            assert_eq!(wire.len(), len.div_ceil(SIZE));
            let again = coalesced(&wire, link_len);
            match wire.len() {
                1 => assert_eq!(again[0].frame, wire[0].frame),
                _ => assert_eq!(again, [whole], "IPv6 {is_v6}, TCP {is_tcp}, {len} bytes"),
            }
        }
    }
}

/// Made by merging, which is compared with the kernel's elsewhere; cut by the test's own means.
fn super_frame(segments: &Segments, len: usize, link_len: usize) -> Offloaded {
    let payload: Vec<_> = (0..len).map(|at| (at * 31 + (at >> 8)) as u8).collect();
    let mut segments = segments.clone();
    let frames: Vec<_> = payload.chunks(SIZE).map(|chunk| Offloaded::plain(&segments.next(chunk, 0))).collect();
    coalesced(&frames, link_len).remove(0)
}

fn what_is_no_candidate_passes_unchanged() {
    let mut flow = Segments::tcp(1);
    let good = flow.next(&[5; 100], 0);
    for at in 14..54 {
        let mut frames = [good.clone(), flow.next(&[6; 100], 0)].map(|frame| Offloaded::plain(&frame));
        // Some field is wrong in both, and no checksum fits.
        frames.iter_mut().for_each(|packet| packet.frame[at] ^= 0x11);
        assert_eq!(coalesced(&frames, 14), frames, "byte {at}");
    }
    for len in 0..good.len() {
        let cut = [Offloaded::plain(&good[..len]), Offloaded { frame: good[..len].to_vec(), offload: Offload::NONE }];
        assert_eq!(coalesced(&cut, 14), cut, "{len} bytes");
    }
}

const SIZE: usize = 100;

/// IPv6, TCP, Ethernet.
const KINDS: [(bool, bool, bool); 8] = [
    (false, false, false),
    (false, false, true),
    (false, true, false),
    (false, true, true),
    (true, false, false),
    (true, false, true),
    (true, true, false),
    (true, true, true),
];
