//! In the steady state nothing is allocated: not for a frame, not for a batch, not for a wait.
//!
//! Counted for the thread that runs the endpoint; the other end is driven by the same thread, with buffers that are there before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use allocation_counter::measure;
use fdlink_core::io::{Offloads, Wake};
use fdlink_core::rx::handoff::{Block, Handoff, Processor, Record};
use fdlink_core::smoltcp::Device;
use fdlink_core::{
    ChecksumState, EtherType, FlowHasher, Gso, GsoSupport, GsoType, LinkEndpoint as _, NetworkDispatcher, Offload,
    Options, Packet, RxPacket, Steering, TxStatus,
};
use fdlink_linux::{DispatchMode, FdEndpoint, FdIo, FdOptions, endpoint};
use fdlink_tests::support::{
    Cable, MODES, OWN, PAIRS, PEER, Pair, Peer, Segments, TEST_PROTOCOL, Tap, Trials, attach_in, datagram, ethernet,
    marked, plain, seqpacket, to_own, until,
};
use smoltcp::phy::{Device as _, RxToken as _, TxToken as _};
use smoltcp::time::Instant;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.anywhere(receiving_from_a_socket_allocates_nothing);
    trials.in_namespaces(receiving_from_an_interface_allocates_nothing);
    trials.with_tap(receiving_from_a_tap_allocates_nothing);
    trials.anywhere(merging_allocates_nothing);
    trials.anywhere(waiting_allocates_nothing);
    trials.anywhere(dropping_bad_frames_allocates_nothing);
    trials.anywhere(handing_to_processors_allocates_nothing);
    trials.anywhere(sending_to_a_socket_allocates_nothing);
    trials.in_namespaces(sending_to_an_interface_allocates_nothing);
    trials.with_tap(sending_to_a_tap_allocates_nothing);
    trials.anywhere(sending_super_frames_allocates_nothing);
    trials.anywhere(merging_what_is_sent_allocates_nothing);
    trials.in_namespaces(merging_what_is_sent_to_an_interface_allocates_nothing);
    trials.anywhere(a_full_queue_allocates_nothing);
    trials.anywhere(smoltcp_device_allocates_nothing);
    trials.anywhere(what_is_counted_is_what_is_allocated);
    trials.conclude()
}

fn receiving_from_a_socket_allocates_nothing() {
    for mode in MODES {
        for pair in PAIRS {
            receiving_allocates_nothing(mode, pair());
        }
    }
}

fn receiving_from_an_interface_allocates_nothing() {
    let cable = Cable::new();
    for mode in MODES {
        receiving_allocates_nothing(mode, cable.pair());
    }
}

fn receiving_from_a_tap_allocates_nothing() {
    let Tap { fd, peer, .. } = Tap::new();
    receiving_allocates_nothing(DispatchMode::Readv, (fd, peer));
}

fn receiving_allocates_nothing(mode: DispatchMode, (fd, peer): Pair) {
    let endpoint = attach_in(mode, fd, plain());
    let mut receiver = endpoint.receiver(0).unwrap();
    let mut sink = Sink::default();
    let frame = to_own(&marked(1, 1000));
    let mut round = || {
        (0..BURST).for_each(|_| assert!(peer.try_send(&frame).is_ok()));
        let wanted = sink.frames + BURST;
        for _ in 0..ATTEMPTS {
            receiver.poll(&mut sink).expect("the queue lives");
            if sink.frames == wanted {
                return;
            }
        }
        panic!("{} of {wanted} frames", sink.frames);
    };
    assert_steady(&mut round, &format!("receive, {mode}"));
}

fn merging_allocates_nothing() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(mode, fd, Options { gro: true, ..plain() });
        let mut receiver = endpoint.receiver(0).unwrap();
        let mut sink = Sink::default();
        let mut flow = Segments::tcp(1);
        let frames: Vec<_> = (0..BURST).map(|_| flow.next(&[7; 1000], 0)).collect();
        let mut round = || {
            frames.iter().for_each(|frame| peer.try_send(frame).unwrap());
            let mut taken = 0;
            while taken < BURST {
                taken += receiver.poll(&mut sink).expect("the queue lives");
            }
        };
        assert_steady(&mut round, &format!("merge, {mode}"));
        let rx = endpoint.counters().rx;
        assert!(rx.merged > rx.delivered, "{rx:?}");
    }
}

fn waiting_allocates_nothing() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(mode, fd, plain());
        let mut receiver = endpoint.receiver(0).unwrap();
        let mut sink = Sink::default();
        let frame = to_own(&marked(1, 60));
        let mut round = || {
            assert_eq!(receiver.wait(Some(Duration::ZERO), &mut sink), Ok(Wake::TimedOut));
            peer.try_send(&frame).unwrap();
            assert_eq!(receiver.wait(None, &mut sink), Ok(Wake::Ready));
            assert_eq!(receiver.poll(&mut sink), Ok(1));
            assert_eq!(receiver.poll(&mut sink), Ok(0));
        };
        assert_steady(&mut round, &format!("wait, {mode}"));
    }
}

fn dropping_bad_frames_allocates_nothing() {
    for mode in MODES {
        let (fd, peer) = datagram();
        let endpoint = attach_in(mode, fd, plain());
        let mut receiver = endpoint.receiver(0).unwrap();
        let mut sink = Sink::default();
        let long = vec![0; 3000];
        let mut round = || {
            [&[][..], &[0; 13], &[0; 60], &long].iter().for_each(|frame| peer.try_send(frame).unwrap());
            let taken: usize = (0..5).map(|_| receiver.poll(&mut sink).expect("the queue lives")).sum();
            assert_eq!(taken, 4);
        };
        assert_steady(&mut round, &format!("drop, {mode}"));
        assert_eq!(sink.frames, 0);
    }
}

/// What the threads of a runner do, on one: steer, hand over, work off, and drop what does not fit.
fn handing_to_processors_allocates_nothing() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(mode, fd, plain());
        let mut receiver = endpoint.receiver(0).unwrap();
        let block = || Block::new(vec![0; 8 * 1518], vec![Record::default(); 8]);
        let handoffs = [Handoff::new(block()), Handoff::new(block())];
        let mut processors = handoffs.each_ref().map(|handoff| Processor::new(handoff, block()));
        let mut steering =
            Steering::new(handoffs.each_ref().map(|handoff| handoff.feed(|| {})), FlowHasher::new([0; 2]));
        let mut sinks = [Sink::default(), Sink::default()];
        let frames: Vec<_> = (0..BURST as u16).map(|port| ethernet(OWN, EtherType::IPV4, &udp(port))).collect();
        let mut round = || {
            frames.iter().for_each(|frame| peer.try_send(frame).unwrap());
            let mut taken = 0;
            while taken < BURST {
                taken += receiver.poll(&mut steering).expect("the queue lives");
            }
            for (processor, sink) in processors.iter_mut().zip(&mut sinks) {
                assert!(processor.poll(sink).expect("the hand-off is open") > 0);
            }
        };
        assert_steady(&mut round, &format!("processors, {mode}"));
        let rx = endpoint.counters().rx;
        assert_eq!(rx.delivered, sinks.iter().map(|sink| sink.frames).sum::<usize>());
        assert!(rx.is_balanced() && sinks.iter().all(|sink| sink.frames > 0) && rx.dropped_total() > 0, "{rx:?}");
    }
}

fn udp(port: u16) -> Vec<u8> {
    let [p0, p1] = port.to_be_bytes();
    let header = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
    [&header[..], &[p0, p1, 0, 7, 0, 8, 0, 0]].concat()
}

fn sending_to_a_socket_allocates_nothing() {
    for pair in PAIRS {
        sending_allocates_nothing(pair());
    }
}

fn sending_to_an_interface_allocates_nothing() {
    sending_allocates_nothing(Cable::new().pair());
}

fn sending_to_a_tap_allocates_nothing() {
    let Tap { fd, peer, .. } = Tap::new();
    sending_allocates_nothing((fd, peer));
}

/// Packets of one part, and of header and payload apart, as stacks make them.
fn sending_allocates_nothing((fd, peer): Pair) {
    let endpoint = attach_in(DispatchMode::Readv, fd, plain());
    let bytes = marked(1, 1000);
    for cuts in [&[][..], &[20], &[20, 40], &[20, 40, 500]] {
        let parts = cut(&bytes, cuts);
        let packets = (0..BURST).map(|_| Packet::new(TEST_PROTOCOL, &parts).to(PEER));
        let mut packets: Vec<_> = packets.collect();
        let mut buffer = vec![0; 2000];
        let mut round = || {
            packets.iter_mut().for_each(Packet::reset);
            assert_eq!(endpoint.write_packets(&mut packets).map(|written| written.sent), Ok(BURST));
            take(&peer, &mut buffer, BURST);
        };
        assert_steady(&mut round, &format!("send in {} parts", parts.len()));
        assert_eq!(buffer[14..1014], bytes);
    }
}

fn cut<'b>(mut bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    for len in cuts {
        let (part, rest) = bytes.split_at(*len);
        parts.push(part);
        bytes = rest;
    }
    parts.push(bytes);
    parts
}

/// Left to the system, and cut here; in few parts, as stacks have them.
fn sending_super_frames_allocates_nothing() {
    for (gso, count) in [(GsoSupport::Host, 1), (GsoSupport::Software, 40)] {
        let (fd, peer) = seqpacket();
        let fd_options = FdOptions { offloads: Offloads::all(), ..FdOptions::default() };
        let endpoint: FdEndpoint = endpoint([fd], Options { gso, ..plain() }, &fd_options).unwrap();
        endpoint.attach().unwrap();
        let bytes = Segments { has_ethernet: false, ..Segments::tcp(1) }.next(&[7; 40_000], 0);
        let parts = cut(&bytes, &[40, 10_000]);
        let checksum = ChecksumState::Partial { start: 20, offset: 16 };
        let gso = Some(Gso { gso_type: GsoType::TcpV4, size: 1000, ecn: false });
        let mut packets = [Packet::new(EtherType::IPV4, &parts).to(PEER).with_offload(Offload { checksum, gso })];
        let mut buffer = vec![0; 70_000];
        let mut round = || {
            packets[0].reset();
            assert_eq!(endpoint.write_packets(&mut packets).map(|written| written.sent), Ok(1));
            take(&peer, &mut buffer, count);
        };
        assert_steady(&mut round, &format!("super-frames in {count}"));
    }
}

fn merging_what_is_sent_allocates_nothing() {
    let (fd, peer) = seqpacket();
    merging_what_is_sent(fd, &mut || assert_eq!(peer.receive_into(&mut [0; 70_000]), Some(10 + 14 + 40 + 40_000)));
}

fn merging_what_is_sent_to_an_interface_allocates_nothing() {
    let cable = Cable::new();
    merging_what_is_sent(cable.socket_with(|socket| socket.protocol(EtherType(0))), &mut || {});
}

/// Forty packets become one frame of 41 slices.
fn merging_what_is_sent(fd: OwnedFd, take: &mut dyn FnMut()) {
    let fd_options = FdOptions { offloads: Offloads::all(), ..FdOptions::default() };
    let endpoint: FdEndpoint = endpoint([fd], Options { tx_coalesce: true, ..plain() }, &fd_options).unwrap();
    endpoint.attach().unwrap();
    let mut flow = Segments { has_ethernet: false, ..Segments::tcp(1) };
    let bytes: Vec<_> = (0..40).map(|_| flow.next(&[7; 1000], 0)).collect();
    let parts: Vec<_> = bytes.iter().map(|bytes| [&bytes[..40], &bytes[40..]]).collect();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(EtherType::IPV4, parts).to(PEER)).collect();
    let mut round = || {
        packets.iter_mut().for_each(Packet::reset);
        assert_eq!(endpoint.write_packets(&mut packets).map(|written| written.sent), Ok(40));
        take();
    };
    assert_steady(&mut round, "merge what is sent");
    let tx = endpoint.counters().tx;
    assert_eq!(tx.merged, 39 * tx.sent);
}

fn a_full_queue_allocates_nothing() {
    let (fd, peer) = seqpacket();
    let endpoint: FdEndpoint = endpoint([fd], plain(), &FdOptions::default()).unwrap();
    endpoint.attach().unwrap();
    let bytes = marked(1, 1000);
    let parts = [bytes.as_slice()];
    let mut packets: Vec<_> = (0..1000).map(|_| Packet::new(TEST_PROTOCOL, &parts).to(PEER)).collect();
    let mut buffer = vec![0; 2000];
    let mut round = || {
        packets.iter_mut().for_each(Packet::reset);
        let written = endpoint.write_packets(&mut packets).unwrap();
        assert!(written.pending > 0, "it never was full");
        assert_eq!(packets[written.sent].status(), TxStatus::Pending);
        take(&peer, &mut buffer, written.sent);
    };
    assert_steady(&mut round, "send until it is full");
}

fn smoltcp_device_allocates_nothing() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(mode, fd, plain());
        let mut device = Device::<FdIo, Vec<_>>::new(&endpoint, 0).unwrap();
        let frame = to_own(&marked(1, 1000));
        let mut buffer = vec![0; 2000];
        let mut round = || {
            (0..BURST).for_each(|_| peer.try_send(&frame).unwrap());
            for _ in 0..BURST {
                let (rx, tx) = device.receive(Instant::ZERO).expect("a frame is there");
                let len = rx.consume(|bytes| {
                    assert_eq!(bytes, frame);
                    bytes.len()
                });
                tx.consume(len, |bytes| bytes.copy_from_slice(&frame));
            }
            assert!(device.receive(Instant::ZERO).is_none());
            take(&peer, &mut buffer, BURST);
        };
        assert_steady(&mut round, &format!("smoltcp, {mode}"));
        assert_eq!(buffer[..frame.len()], frame);
    }
}

/// So that the tests above can fail.
fn what_is_counted_is_what_is_allocated() {
    let info = measure(|| assert_eq!(std::hint::black_box(vec![1u8; 100]).len(), 100));
    assert_eq!((info.count_total, info.bytes_total), (1, 100));
}

/// Takes `count` frames at the other end.
fn take(peer: &Peer, buffer: &mut [u8], count: usize) {
    let mut taken = 0;
    until("the frames at the other end", || {
        while taken < count && peer.receive_into(buffer).is_some() {
            taken += 1;
        }
        taken == count
    });
}

/// The first rounds may set something up, the others allocate nothing.
#[track_caller]
fn assert_steady(round: &mut impl FnMut(), what: &str) {
    (0..3).for_each(|_| round());
    let info = measure(|| (0..ROUNDS).for_each(|_| round()));
    assert_eq!(info.count_total, 0, "{what}: allocations in {ROUNDS} rounds, {} bytes", info.bytes_total);
}

/// Below what every queue holds.
const BURST: usize = 32;
const ROUNDS: usize = 100;
const ATTEMPTS: usize = 100_000;

#[derive(Default)]
struct Sink {
    frames: usize,
}

impl NetworkDispatcher for Sink {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        self.frames += usize::from(!packet.payload().is_empty());
    }
}
