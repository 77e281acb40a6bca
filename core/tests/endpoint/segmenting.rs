//! What leaves where the endpoint does the work, whatever the queue answers: nothing is lost, nothing goes twice, the order is kept.

use fdlink_core::io::{ErrorKind, Offloads};
use fdlink_core::wire::Checksum;
use fdlink_core::wire::vnet::{ByteOrder, NEEDS_CSUM, VirtioNetHdr};
use fdlink_core::{EtherType, GsoSupport, LinkEndpoint as _, Options, Packet, TxPolicy, TxStatus};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::scripted::{Script, attached};
use crate::super_frame::SuperFrame;

fn software() -> Options {
    Options { gso: GsoSupport::Software, ..Options::default() }
}

#[test]
fn super_frames_and_plain_packets_keep_their_order() {
    for vnet in [0, 10, 24] {
        let script = Script::default().with_vnet(vnet, Offloads::empty());
        let frames = [SuperFrame::tcp(1, 65_000, 1448), SuperFrame::udp(2, 9000, 1000)];
        let parts = frames.each_ref().map(|frame| frame.parts(&[20, 41, 5000]));
        let plain = [&b"\x45plain"[..]];
        let [tcp, udp] = [0, 1].map(|at: usize| frames[at].packet(&parts[at]));
        let mut packets = [Packet::new(EtherType::IPV4, &plain), tcp, Packet::new(EtherType::IPV4, &plain), udp];
        let written = attached([&script], software()).write_packets(&mut packets).unwrap();
        assert_eq!((written.sent, written.pending), (4, 0));
        let plain = vec![[&vec![0; vnet][..], plain[0]].concat()];
        let [tcp, udp] = frames.each_ref().map(|frame| frame.segments(vnet));
        assert!(script.sent() == [plain.clone(), tcp, plain, udp].concat(), "{vnet} bytes of virtio-net header");
    }
}

#[test]
fn partial_checksum_is_completed_where_the_system_does_not() {
    for (vnet, granted) in [(0, Offloads::empty()), (10, Offloads::empty())] {
        let script = Script::default().with_vnet(vnet, granted);
        let frame = SuperFrame::tcp(1, 999, 0).with_checksum_only();
        let parts = frame.parts(&[33, 34, 500]);
        // No option is needed.
        let written = attached([&script], Options::default()).write_packets(&mut [frame.packet(&parts)]).unwrap();
        assert_eq!((written.sent, script.sent()), (1, frame.segments(vnet)));
    }
}

#[test]
fn segments_are_summed_up_by_a_system_that_does_no_more() {
    let script = Script::default().with_vnet(10, Offloads::CSUM);
    let frames = [SuperFrame::tcp(1, 65_000, 1448), SuperFrame::udp(2, 9000, 1000)];
    let parts = frames.each_ref().map(|frame| frame.parts(&[20, 41, 5000]));
    let mut packets = [0, 1].map(|at: usize| frames[at].packet(&parts[at]));
    let written = attached([&script], software()).write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.pending), (2, 0));
    assert!(script.sent() == frames.each_ref().map(SuperFrame::partial_segments).concat());
}

#[test]
fn segments_whose_partial_checksum_is_refused_leave_complete() {
    for taken in 0..3 {
        let before = (taken > 0).then_some(Ok(taken));
        let script = Script::sending(before.into_iter().chain([Err(ErrorKind::FrameRejected)]));
        let script = script.with_vnet(10, Offloads::CSUM);
        let frame = SuperFrame::tcp(1, 3000, 1000);
        let endpoint = attached([&script], software());
        let written = endpoint.write_packets(&mut [frame.packet(&frame.parts(&[]))]).unwrap();
        assert_eq!((written.sent, written.offloads_lost), (1, Offloads::CSUM));
        let expected = [&frame.partial_segments()[..taken], &frame.segments(10)[taken..]].concat();
        assert!(script.sent() == expected, "after {taken} segments");
    }
}

#[test]
fn frames_and_bytes_are_counted_as_they_leave() {
    let script = Script::default().with_vnet(12, Offloads::empty());
    let frame = SuperFrame::tcp(1, 3000, 1000);
    let endpoint = attached([&script], software());
    let _ = endpoint.write_packets(&mut [frame.packet(&[&frame.bytes])]).unwrap();
    let tx = endpoint.counters().tx;
    assert_eq!((tx.sent, tx.sent_bytes, tx.calls), (3, 3 * 1040, 1));
}

#[test]
fn cut_super_frame_goes_on_behind_the_segments_that_left() {
    let frames = [SuperFrame::tcp(1, 5000, 500), SuperFrame::tcp(2, 30_000, 300)];
    let expected = [frames[0].segments(0), frames[1].segments(0)].concat();
    for taken in 1..expected.len() {
        let script = Script::sending([Ok(taken), Err(ErrorKind::WouldBlock)]);
        // Batches end where they are full, too.
        script.sends.borrow_mut().extend([Ok(3), Err(ErrorKind::WouldBlock)]);
        let endpoint = attached([&script], software());
        let parts = frames.each_ref().map(|frame| frame.parts(&[]));
        let mut packets = [0, 1].map(|at: usize| frames[at].packet(&parts[at]));
        let mut sent = 0;
        for _ in 0..10 {
            let written = endpoint.write_packets(&mut packets).unwrap();
            sent += written.sent;
            assert_eq!(written.pending, packets.iter().filter(|p| p.status() == TxStatus::Pending).count());
            assert_eq!(written.blocked.is_some(), written.pending > 0);
        }
        assert!(script.sent() == expected, "after {taken} segments");
        assert_eq!((sent, endpoint.counters().tx.sent), (2, expected.len()));
    }
}

#[test]
fn policy_drop_gives_up_the_packet_whose_segment_was_not_taken() {
    for taken in 0..5 {
        let before = (taken > 0).then_some(Ok(taken));
        let script = Script::sending(before.into_iter().chain([Err(ErrorKind::WouldBlock)]));
        let endpoint = attached([&script], Options { tx_policy: TxPolicy::Drop, ..software() });
        let frames = [SuperFrame::tcp(1, 5000, 1000), SuperFrame::tcp(2, 2000, 1000)];
        let parts = frames.each_ref().map(|frame| frame.parts(&[]));
        let mut packets = [0, 1].map(|at: usize| frames[at].packet(&parts[at]));
        let written = endpoint.write_packets(&mut packets).unwrap();
        assert_eq!((written.sent, written.refused, written.pending), (1, 1, 0));
        assert!(script.sent() == [&frames[0].segments(0)[..taken], &frames[1].segments(0)].concat());
    }
}

#[test]
fn policy_wait_goes_on_with_the_segment_that_was_not_taken() {
    let script = Script::sending([Ok(2), Err(ErrorKind::WouldBlock), Ok(1), Err(ErrorKind::NoBuffers)]);
    let policy = TxPolicy::Wait { attempts: 2, timeout: core::time::Duration::ZERO };
    let endpoint = attached([&script], Options { tx_policy: policy, ..software() });
    let frame = SuperFrame::tcp(1, 5000, 1000);
    assert_eq!(endpoint.write_packets(&mut [frame.packet(&[&frame.bytes])]).unwrap().sent, 1);
    assert!(script.sent() == frame.segments(0));
    assert_eq!(script.waited.borrow().len(), 2);
}

/// `Offloaded` is the largest value on the way.
#[test]
fn small_stack_is_enough() {
    let send = || {
        let script = Script::default().with_vnet(12, Offloads::empty());
        let frame = SuperFrame::tcp(1, 65_000, 1448);
        let written = attached([&script], software()).write_packets(&mut [frame.packet(&[&frame.bytes])]);
        assert_eq!((written.unwrap().sent, script.sent().len()), (1, 45));
    };
    std::thread::Builder::new().stack_size(64 << 10).spawn(send).unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every error at every position, over parts that end anywhere.
    #[test]
    fn every_segment_leaves_once_and_in_order(
        drafts in vec(draft(), 1..6),
        answers in vec(answer(), 0..40),
        granted in prop_oneof![Just(Offloads::empty()), Just(Offloads::all())],
        vnet in prop_oneof![Just(0usize), Just(10), Just(12)],
    ) {
        let script = Script::sending(answers).with_vnet(vnet, granted).refusing(segmentation);
        let endpoint = attached([&script], Options { gso: GsoSupport::Host, ..Options::default() });
        let frames: Vec<_> = drafts.iter().enumerate().map(|(at, draft)| frame(at as u16, draft)).collect();
        let parts: Vec<_> = frames.iter().zip(&drafts).map(|(frame, draft)| frame.parts(&draft.cuts)).collect();
        let mut packets: Vec<_> = frames.iter().zip(&parts).map(|(frame, parts)| frame.packet(parts)).collect();
        let mut sent = 0;
        for _ in 0..100 {
            let written = endpoint.write_packets(&mut packets).unwrap();
            prop_assert_eq!(written.refused, 0);
            sent += written.sent;
            if written.pending == 0 {
                break;
            }
        }
        prop_assert_eq!(sent, packets.len());
        let expected: Vec<_> = frames.iter().map(|frame| frame.segments(vnet)).collect();
        let arrived: Vec<_> = script.sent().into_iter().map(|frame| summed_up(frame, vnet)).collect();
        prop_assert!(arrived == expected.concat());
    }
}

/// A frame as it arrives from a system that completes its checksum.
fn summed_up(mut frame: Vec<u8>, vnet: usize) -> Vec<u8> {
    let header = VirtioNetHdr::decode(&frame[..vnet], ByteOrder::Native).unwrap_or_default();
    if header.flags & NEEDS_CSUM != 0 {
        frame[..vnet].fill(0);
        let start = vnet + usize::from(header.csum_start);
        let mut sum = Checksum::new();
        sum.add_bytes(&frame[start..]);
        let is_reserved = sum.finish() == 0 && header.csum_offset == 6;
        let checksum = if is_reserved { 0xffff } else { sum.finish() };
        frame[start + usize::from(header.csum_offset)..][..2].copy_from_slice(&checksum.to_be_bytes());
    }
    frame
}

#[derive(Debug)]
struct Draft {
    is_udp: bool,
    len: usize,
    size: u16,
    cuts: Vec<usize>,
}

fn draft() -> impl Strategy<Value = Draft> {
    let cuts = vec(prop_oneof![0..60usize, 0..20_000usize], 0..8);
    (any::<bool>(), 1101..20_000usize, 200..1000u16, cuts).prop_map(|(is_udp, len, size, cuts)| Draft {
        is_udp,
        len,
        size,
        cuts,
    })
}

fn frame(mark: u16, draft: &Draft) -> SuperFrame {
    let make = if draft.is_udp { SuperFrame::udp } else { SuperFrame::tcp };
    make(mark, draft.len, draft.size)
}

/// A system that granted segmentation and does none.
fn segmentation(frame: &[u8]) -> Option<ErrorKind> {
    // The sizes are such that a frame which is too long is a super-frame.
    (frame.len() > 1100).then_some(ErrorKind::FrameRejected)
}

fn answer() -> impl Strategy<Value = Result<usize, ErrorKind>> {
    prop_oneof![(1usize..40).prop_map(Ok), Just(Err(ErrorKind::WouldBlock)), Just(Err(ErrorKind::NoBuffers)),]
}
