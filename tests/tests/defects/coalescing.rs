//! What is merged, and what becomes of it.

use fdlink_core::{ChecksumState, Gso, GsoType};
use fdlink_tests::support::{Offloaded, Segments, Trials, coalesced, on_the_wire};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_31_a_flush_delivers_everything);
    trials.anywhere(defect_32_push_does_not_defeat_merging);
    trials.anywhere(defect_33_padding_is_no_payload);
    trials.anywhere(defect_34_what_was_merged_can_be_sent_on);
    trials.anywhere(defect_35_flows_cannot_be_steered_together);
}

fn defect_31_a_flush_delivers_everything() {
    let frames: Vec<_> = (0..5).map(|port| Segments::tcp(port).next(&[1; 100], 0)).collect();
    assert_eq!(merged(&frames), plain(&frames), "none is left behind");
}

/// A sender that sets PSH on the end of what it wrote: the segments before it are merged, and it with them.
fn defect_32_push_does_not_defeat_merging() {
    let mut flow = Segments::tcp(1);
    let frames = [0, 0, 0, PSH, 0, 0, PSH].map(|flags| flow.next(&[1; 100], flags));
    let delivered = merged(&frames);
    assert_eq!(lengths(&delivered), [54 + 400, 54 + 300]);
    assert!(delivered.iter().all(|packet| packet.frame[47] & PSH != 0), "it is handed on");
}

fn defect_33_padding_is_no_payload() {
    let mut flow = Segments::tcp(1);
    let first = flow.next(b"abcd", 0);
    let mut short = flow.next(b"ef", 0);
    short.resize(60, 0x55);
    let delivered = merged(&[padded(first), short]);
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0].frame[54..], *b"abcdef");
}

fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(60, 0xaa);
    frame
}

fn defect_34_what_was_merged_can_be_sent_on() {
    let mut flow = Segments::tcp(1);
    let frames = [100, 100, 7].map(|len| flow.next(&vec![3; len], 0));
    let delivered = merged(&frames);
    let [packet] = delivered.as_slice() else { panic!("{} packets", delivered.len()) };
    assert_eq!(packet.offload.gso, Some(Gso { gso_type: GsoType::TcpV4, size: 100, ecn: false }));
    assert_eq!(packet.offload.checksum, ChecksumState::Partial { start: 20, offset: 16 });
    assert_eq!(on_the_wire(packet, 14), frames, "the segments with their checksums come out of it again");
}

/// The origin's buckets are sums of address bytes and ports: these flows share one there, and evict each other.
fn defect_35_flows_cannot_be_steered_together() {
    let mut flows: Vec<_> = (0..8).map(|at| Segments::tcp(0x0100 * at + (0x40 - at))).collect();
    let frames: Vec<_> =
        (0..10).flat_map(|_| flows.iter_mut().map(|flow| flow.next(&[1; 100], 0)).collect::<Vec<_>>()).collect();
    assert_eq!(lengths(&merged(&frames)), [54 + 1000; 8]);
}

fn merged(frames: &[Vec<u8>]) -> Vec<Offloaded> {
    let merged = coalesced(&plain(frames), 14);
    merged.into_iter().map(without_verdict).collect()
}

/// That a checksum was verified on the way is no matter here.
fn without_verdict(mut packet: Offloaded) -> Offloaded {
    if packet.offload.checksum == ChecksumState::Unnecessary {
        packet.offload.checksum = ChecksumState::None;
    }
    packet
}

fn plain(frames: &[Vec<u8>]) -> Vec<Offloaded> {
    frames.iter().map(|frame| Offloaded::plain(frame)).collect()
}

fn lengths(packets: &[Offloaded]) -> Vec<usize> {
    packets.iter().map(|packet| packet.frame.len()).collect()
}

const PSH: u8 = 8;
