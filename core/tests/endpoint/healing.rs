//! What the system refuses is sent in software: the frame at hand, and all that follow.

use fdlink_core::io::{ErrorKind, Offloads};
use fdlink_core::wire::Unsplittable;
use fdlink_core::{GsoSupport, LinkEndpoint as _, Options, Refusal, TxStatus, Written};

use crate::scripted::{Refuses, Script, attached};
use crate::super_frame::SuperFrame;

const COUNT: usize = 5;

/// Those that are proof.
const KINDS: [(ErrorKind, Refuses); 2] = [
    (ErrorKind::FrameRejected, |frame| gso_type(frame).then_some(ErrorKind::FrameRejected)),
    (ErrorKind::FrameTooLong, |frame| gso_type(frame).then_some(ErrorKind::FrameTooLong)),
];

fn gso_type(frame: &[u8]) -> bool {
    frame[1] != 0
}

fn host() -> Options {
    Options { gso: GsoSupport::Host, ..Options::default() }
}

fn granting(offloads: Offloads) -> Script {
    Script::default().with_vnet(10, offloads)
}

/// A frame that only lacks its checksum, as it leaves where the system completes it.
fn whole(frame: &SuperFrame) -> Vec<u8> {
    let [start, offset] = [20u16, 16].map(u16::to_ne_bytes);
    [&[1, 0, 0, 0, 0, 0][..], &start, &offset, &frame.bytes].concat()
}

#[test]
fn refused_frame_at_any_position_goes_in_software_and_so_do_later_ones() {
    for (kind, refuses) in KINDS {
        for position in 0..COUNT {
            let script = granting(Offloads::all()).refusing(refuses);
            let endpoint = attached([&script], host());
            // Frames before it ask for their checksum only.
            let frames: Vec<_> = (0..COUNT as u16)
                .map(|at| match usize::from(at) < position {
                    true => SuperFrame::tcp(at, 1000, 0).with_checksum_only(),
                    false => SuperFrame::tcp(at, 3000, 1000),
                })
                .collect();
            let parts: Vec<_> = frames.iter().map(|frame| frame.parts(&[])).collect();
            let mut packets: Vec<_> = frames.iter().zip(&parts).map(|(frame, parts)| frame.packet(parts)).collect();
            let written = endpoint.write_packets(&mut packets).unwrap();
            assert_eq!(written, Written { sent: COUNT, offloads_lost: Offloads::TSO4, ..Written::default() });
            assert_eq!(endpoint.queues()[0].offloads(), Offloads::all() - Offloads::TSO4);
            let (before, after) = frames.split_at(position);
            let before: Vec<_> = before.iter().map(whole).collect();
            // Two are refused, since the loss is certain only when the first has left in software, and both leave complete. Of later ones the
            // system is asked for the checksum still.
            let (refused, later) = after.split_at(after.len().min(2));
            let refused = refused.iter().flat_map(|frame| frame.segments(10)).collect();
            let partial =
                |frames: &[SuperFrame]| frames.iter().flat_map(SuperFrame::partial_segments).collect::<Vec<_>>();
            let expected: Vec<_> = [before.clone(), refused, partial(later)].concat();
            assert!(script.sent() == expected, "{kind} at {position}");

            packets.iter_mut().for_each(fdlink_core::Packet::reset);
            let again = endpoint.write_packets(&mut packets).unwrap();
            assert_eq!(again, Written { sent: COUNT, ..Written::default() }, "it is said once");
            assert!(script.sent() == [expected, before, partial(after)].concat());
        }
    }
}

/// One error at one position, and the system goes on taking such frames: each that was not refused leaves whole.
#[test]
fn single_refusal_at_any_position_keeps_the_order() {
    for (kind, _) in KINDS {
        for position in 0..COUNT {
            let before = (position > 0).then_some(Ok(position));
            let script = Script::sending(before.into_iter().chain([Err(kind)])).with_vnet(10, Offloads::all());
            let endpoint = attached([&script], host());
            let frames: Vec<_> = (0..COUNT as u16).map(|at| SuperFrame::tcp(at, 3000, 1000)).collect();
            let parts: Vec<_> = frames.iter().map(|frame| frame.parts(&[])).collect();
            let mut packets: Vec<_> = frames.iter().zip(&parts).map(|(frame, parts)| frame.packet(parts)).collect();
            let written = endpoint.write_packets(&mut packets).unwrap();
            assert_eq!(written, Written { sent: COUNT, offloads_lost: Offloads::TSO4, ..Written::default() });
            let marks = script.sent().iter().map(|frame| frame[31]).collect::<Vec<_>>();
            assert!(marks.is_sorted(), "{marks:?}");
            let payload: usize = script.sent().iter().map(|frame| frame.len() - 50).sum();
            assert_eq!(payload, COUNT * 3000);
            assert_eq!(marks.iter().filter(|mark| usize::from(**mark) == position).count(), 3);
        }
    }
}

#[test]
fn what_is_lost_is_what_the_frame_needed_of_what_there_was() {
    let udp = SuperFrame::udp(1, 3000, 1000);
    let checksum = SuperFrame::tcp(1, 1000, 0).with_checksum_only();
    let most = Offloads::CSUM | Offloads::USO6;
    for (frame, granted, lost) in [
        (&udp, Offloads::all(), Offloads::USO6),
        (&udp, most, Offloads::USO6),
        (&checksum, Offloads::all(), Offloads::all()),
        (&checksum, most, most),
    ] {
        let script = Script::sending([Err(ErrorKind::FrameRejected)]).with_vnet(10, granted);
        let endpoint = attached([&script], host());
        let written = endpoint.write_packets(&mut [frame.packet(&[&frame.bytes])]).unwrap();
        assert_eq!((written.sent, written.offloads_lost), (1, lost));
        assert_eq!(endpoint.queues()[0].offloads(), granted - lost);
        assert_eq!(script.sent(), frame.segments(10));
    }
}

/// What the channel answers to frames, each one of three segments; which of them leave whole, and what is lost in the end.
#[test]
fn lack_of_memory_is_no_proof_until_the_third_in_a_row() {
    const NO: Result<usize, ErrorKind> = Err(ErrorKind::OffloadRejected);
    for (answers, whole, lost) in [
        (&[NO, Ok(9), Ok(9)][..], [false, true, true, true, true], Offloads::empty()),
        (&[NO, Ok(9), NO, Ok(9), Ok(9)], [false, false, true, true, true], Offloads::empty()),
        (&[NO, Ok(9), NO, Ok(9), Ok(1), NO, Ok(9), NO], [false, false, true, false, false], Offloads::empty()),
        (&[NO, Ok(9), NO, Ok(9), NO], [false; 5], Offloads::TSO4),
    ] {
        let script = Script::sending(answers.iter().copied()).with_vnet(10, Offloads::all());
        let endpoint = attached([&script], host());
        let (mut said, mut expected) = (Vec::new(), Vec::new());
        for (mark, whole) in whole.into_iter().enumerate() {
            let frame = SuperFrame::tcp(mark as u16, 3000, 1000);
            let sent = script.sent().len();
            let written = endpoint.write_packets(&mut [frame.packet(&[&frame.bytes])]).unwrap();
            assert_eq!(
                (written.sent, script.sent().len() - sent),
                (1, if whole { 1 } else { 3 }),
                "{answers:?}, {mark}"
            );
            said.push(written.offloads_lost);
            expected.push(if mark == 2 { lost } else { Offloads::empty() });
        }
        assert_eq!((said, endpoint.queues()[0].offloads()), (expected, Offloads::all() - lost), "{answers:?}");
    }
}

/// Frames of other kinds leave whole in between.
#[test]
fn each_offload_is_doubted_by_itself() {
    let refuses: Refuses = |frame| gso_type(frame).then_some(ErrorKind::OffloadRejected);
    let script = granting(Offloads::all()).refusing(refuses);
    let endpoint = attached([&script], host());
    let (cut, summed) = (SuperFrame::tcp(1, 3000, 1000), SuperFrame::tcp(2, 1000, 0).with_checksum_only());
    let lost = [0; 4].map(|_| {
        let parts = [cut.parts(&[]), summed.parts(&[])];
        let mut packets = [cut.packet(&parts[0]), summed.packet(&parts[1])];
        endpoint.write_packets(&mut packets).unwrap().offloads_lost
    });
    assert_eq!(lost, [Offloads::empty(), Offloads::empty(), Offloads::TSO4, Offloads::empty()]);
}

/// It was the frame's fault, not that of what it asked for.
#[test]
fn frame_refused_in_software_too_keeps_the_capability() {
    let script = Script::sending([Err(ErrorKind::FrameRejected); 2]).with_vnet(10, Offloads::all());
    let endpoint = attached([&script], host());
    let frames = [SuperFrame::tcp(1, 3000, 1000), SuperFrame::tcp(2, 3000, 1000)];
    let parts = frames.each_ref().map(|frame| frame.parts(&[]));
    let mut packets = [0, 1].map(|at: usize| frames[at].packet(&parts[at]));
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!(written, Written { sent: 1, refused: 1, ..Written::default() });
    assert_eq!(packets[0].status(), TxStatus::Refused(Refusal::Io(ErrorKind::FrameRejected)));
    assert_eq!(endpoint.queues()[0].offloads(), Offloads::all());
    assert_eq!(script.sent().len(), 1, "the second goes whole");
}

#[test]
fn frame_that_software_cannot_cut_either_never_asks_the_system() {
    let script = granting(Offloads::all());
    let endpoint = attached([&script], host());
    let mut frame = SuperFrame::tcp(1, 3000, 1000);
    frame.bytes[9] = 47;
    let parts = frame.parts(&[]);
    let mut packets = [frame.packet(&parts)];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().refused, 1);
    let unfit = Refusal::Unsplittable(Unsplittable::Headers);
    assert_eq!((packets[0].status(), script.calls.get()), (TxStatus::Refused(unfit), 0));
}

/// The refusal is remembered with the packet, however many calls it takes.
#[test]
fn loss_is_said_when_the_last_segment_has_left_and_once() {
    let answers = [Err(ErrorKind::FrameRejected), Ok(1), Err(ErrorKind::WouldBlock)];
    let script = Script::sending(answers).with_vnet(10, Offloads::all());
    let endpoint = attached([&script], host());
    let frame = SuperFrame::tcp(1, 3000, 1000);
    let parts = frame.parts(&[]);
    let mut packets = [frame.packet(&parts)];
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.pending, written.offloads_lost), (1, Offloads::empty()));
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.offloads_lost), (1, Offloads::TSO4));
    assert!(script.sent() == frame.segments(10));
}

/// Both were refused by the system, in calls of their own, before either had left in software.
#[test]
fn second_frame_refused_for_the_same_does_not_say_it_again() {
    let script = granting(Offloads::all()).refusing(KINDS[0].1);
    let answers = [Ok(3), Ok(1), Ok(1), Err(ErrorKind::WouldBlock)];
    script.sends.borrow_mut().extend(answers);
    let endpoint = attached([&script], host());
    let frames = [SuperFrame::tcp(1, 3000, 1000), SuperFrame::tcp(2, 3000, 1000)];
    let parts = frames.each_ref().map(|frame| frame.parts(&[]));
    let mut packets = [0, 1].map(|at: usize| frames[at].packet(&parts[at]));
    let lost: Vec<_> = (0..3).map(|_| endpoint.write_packets(&mut packets).unwrap().offloads_lost).collect();
    assert_eq!(lost.iter().filter(|lost| !lost.is_empty()).count(), 1, "{lost:?}");
    assert!(script.sent() == [frames[0].segments(10), frames[1].segments(10)].concat());
}
