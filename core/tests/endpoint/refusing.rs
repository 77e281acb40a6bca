//! Packets that ask for what cannot be done.

use fdlink_core::io::{ErrorKind, Offloads};
use fdlink_core::wire::Unsplittable;
use fdlink_core::{ChecksumState, GSO_MAX_SIZE, GsoSupport, LinkEndpoint as _, Options, Refusal, TxStatus, Written};

use crate::scripted::{Script, attached};
use crate::super_frame::SuperFrame;

/// What becomes of it where the system does everything, and where it does nothing.
#[track_caller]
fn assert_refused(frame: &SuperFrame, options: Options, refusal: Refusal) {
    for (vnet, granted) in [(0, Offloads::empty()), (10, Offloads::all())] {
        let script = Script::default().with_vnet(vnet, granted);
        let parts = frame.parts(&[]);
        let mut packets = [frame.packet(&parts)];
        let written = attached([&script], options).write_packets(&mut packets).unwrap();
        assert_eq!(packets[0].status(), TxStatus::Refused(refusal), "{granted:?}");
        assert_eq!((written, script.calls.get()), (Written { refused: 1, ..Written::default() }, 0));
    }
}

fn host() -> Options {
    Options { gso: GsoSupport::Host, ..Options::default() }
}

#[test]
fn segmentation_without_the_option() {
    for len in [1, 5000] {
        assert_refused(&SuperFrame::tcp(1, len, 1000), Options::default(), Refusal::NoGso);
    }
}

#[test]
fn longer_than_the_longest() {
    let most = GSO_MAX_SIZE as usize - 40;
    assert_refused(&SuperFrame::tcp(1, most + 1, 1000), host(), Refusal::ExceedsGsoMaxSize);
    let options = Options { gso_max_size: 3000, ..host() };
    assert_refused(&SuperFrame::tcp(1, 2961, 1000), options, Refusal::ExceedsGsoMaxSize);
    let script = Script::default();
    let frame = SuperFrame::tcp(1, 2960, 1000);
    assert_eq!(attached([&script], options).write_packets(&mut [frame.packet(&[&frame.bytes])]).unwrap().sent, 1);
}

#[test]
fn segments_above_the_mtu() {
    assert_refused(&SuperFrame::tcp(1, 5000, 1461), host(), Refusal::ExceedsMtu);
    // Of one segment, which is not cut.
    for len in [1461, 1500, 2000] {
        assert_refused(&SuperFrame::tcp(1, len, 2000), host(), Refusal::ExceedsMtu);
    }
    let script = Script::default();
    let endpoint = attached([&script], host());
    for frame in [SuperFrame::tcp(1, 5000, 1460), SuperFrame::tcp(1, 1460, 2000)] {
        assert_eq!(endpoint.write_packets(&mut [frame.packet(&[&frame.bytes])]).unwrap().sent, 1);
    }
}

/// Linux loses some of these without a word.
#[test]
fn offload_that_does_not_fit_the_packet() {
    let frame = SuperFrame::tcp(1, 5000, 1000);
    let partial = |start, offset| SuperFrame {
        offload: fdlink_core::Offload { checksum: ChecksumState::Partial { start, offset }, ..frame.offload },
        ..frame.clone()
    };
    for (start, offset) in [(18, 16), (20, 6), (24, 16), (0, 16), (20, 0xffff), (0xffff, 0xffff)] {
        assert_refused(&partial(start, offset), host(), Refusal::Unsplittable(Unsplittable::Checksum));
    }
    for (at, value) in [(0, 0x60), (0, 0x4f), (9, 17), (9, 47), (32, 0), (0, 0)] {
        let mut other = frame.clone();
        other.bytes[at] = value;
        let script = Script::default().with_vnet(10, Offloads::all());
        let parts = other.parts(&[]);
        let mut packets = [other.packet(&parts)];
        assert_eq!(attached([&script], host()).write_packets(&mut packets).unwrap().refused, 1, "{value} at {at}");
        assert!(matches!(packets[0].status(), TxStatus::Refused(Refusal::Unsplittable(_))), "{value} at {at}");
    }
    assert_refused(&SuperFrame::tcp(1, 5000, 0), host(), Refusal::Unsplittable(Unsplittable::Size));
}

#[test]
fn segment_in_too_many_parts_takes_its_packet_only() {
    let frame = SuperFrame::tcp(1, 3000, 1000);
    // The second segment lies in 188 parts.
    let cuts: Vec<_> = (0..187).map(|at| 1041 + 5 * at).collect();
    for answer in [Ok(9), Err(ErrorKind::WouldBlock), Err(ErrorKind::FrameRejected)] {
        let script = Script::sending([answer]);
        let endpoint = attached([&script], host());
        let (many, whole) = (frame.parts(&cuts), frame.parts(&[]));
        let mut packets = [frame.packet(&many), frame.packet(&whole)];
        let written = endpoint.write_packets(&mut packets).unwrap();
        assert_eq!(packets[0].status(), TxStatus::Refused(Refusal::TooManyParts), "{answer:?}");
        assert_eq!(written.sent + written.refused + written.pending, 2);
        assert!(written.refused >= 1);
    }
    let script = Script::default();
    let fewer = frame.parts(&cuts[1..]);
    assert_eq!(attached([&script], host()).write_packets(&mut [frame.packet(&fewer)]).unwrap().sent, 1);
    assert!(script.sent() == frame.segments(0));
}
