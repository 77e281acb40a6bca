//! Bad frames end nothing.

use fdlink_core::io::Offloads;
use fdlink_core::wire::VirtioNetHdr;
use fdlink_core::wire::vnet::ByteOrder;
use fdlink_core::{
    ChecksumState, DropCause, EtherType, Gso, GsoType, LinkEndpoint as _, NetworkDispatcher, Offload, Options, RxPacket,
};
use fdlink_linux::{DispatchMode, FdOptions, endpoint};
use fdlink_tests::support::{
    Cable, Collector, MODES, PAIRS, Pair, STRANGER, Segments, TEST_PROTOCOL, Trials, attach, attach_in, datagram,
    drain, ethernet, in_mode, marked, plain, seqpacket, to_own,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_01_runt_and_foreign_frames_do_not_end_receiving);
    trials.in_namespaces(defect_01_foreign_frames_on_an_interface_do_not_end_receiving);
    trials.anywhere(defect_02_zero_length_datagram_does_not_end_receiving);
    trials.anywhere(defect_16_what_a_virtio_net_header_says_is_delivered);
    trials.anywhere(defect_18_cut_frame_is_dropped_and_its_real_length_told);
    trials.in_namespaces(defect_18_cut_frame_of_an_interface_is_dropped_and_its_real_length_told);
    trials.anywhere(defect_30_packet_that_ends_behind_its_ip_header_is_delivered);
    trials.anywhere(defect_43_packet_without_a_header_length_is_delivered);
}

fn defect_01_runt_and_foreign_frames_do_not_end_receiving() {
    for mode in MODES {
        for pair in PAIRS {
            good_ones_pass(mode, pair(), &[vec![0xee; 13], ethernet(STRANGER, TEST_PROTOCOL, b"not yours")], 2);
        }
    }
}

fn defect_01_foreign_frames_on_an_interface_do_not_end_receiving() {
    let cable = Cable::new();
    for mode in MODES {
        // The kernel sends no runt.
        good_ones_pass(mode, cable.pair(), &[ethernet(STRANGER, TEST_PROTOCOL, &[0; 50])], 1);
    }
}

fn good_ones_pass(mode: DispatchMode, (fd, peer): Pair, bad: &[Vec<u8>], drops: usize) {
    let collector = Collector::new();
    let runner = attach(mode, fd, plain(), &collector);
    let good = [marked(1, 60), marked(2, 60)];
    peer.send(&to_own(&good[0]));
    bad.iter().for_each(|frame| peer.send(frame));
    peer.send(&to_own(&good[1]));
    assert_eq!(collector.wait_for(2), good, "{mode}");

    let endpoint = runner.endpoint().clone();
    runner.stop().unwrap();
    let rx = endpoint.counters().rx;
    assert_eq!((rx.received, rx.dropped_total()), (2 + drops, drops), "{mode}");
    assert_eq!(rx.dropped(DropCause::ForeignAddress), 1, "{mode}");
}

fn defect_02_zero_length_datagram_does_not_end_receiving() {
    for mode in MODES {
        for pair in PAIRS {
            let (fd, peer) = pair();
            let collector = Collector::new();
            let runner = attach(mode, fd, plain(), &collector);
            peer.send(&[]);
            peer.send(&to_own(b"first"));
            assert_eq!(collector.wait_for(1), [b"first"], "{mode}");
            // And when nothing else is there to see it by.
            peer.send(&[]);
            fdlink_tests::support::until("the empty one to be counted", || {
                runner.endpoint().counters().rx.dropped(DropCause::Runt) == 2
            });
            peer.send(&to_own(b"second"));
            assert_eq!(collector.wait_for(2), [&b"first"[..], b"second"], "{mode}");
            runner.stop().unwrap();
        }
    }
}

/// A super-frame of two segments, whose checksum is still to be computed.
fn defect_16_what_a_virtio_net_header_says_is_delivered() {
    let header = VirtioNetHdr { flags: 1, gso_type: 1, hdr_len: 54, gso_size: 1000, csum_start: 34, csum_offset: 16 };
    let frame = Segments::tcp(1).next(&[7; 1500], 0);
    for mode in MODES {
        for (fd, peer) in PAIRS.map(|pair| pair()) {
            let offloads = Offloads::CSUM | Offloads::TSO4;
            let endpoint = endpoint([fd], plain(), &FdOptions { offloads, ..in_mode(mode) }).unwrap();
            endpoint.attach().unwrap();
            peer.send(&[&header.encode::<10>(ByteOrder::Native)[..], &frame].concat());
            let mut told = Told(Vec::new());
            assert_eq!(drain(&endpoint, &mut told), 1);
            let gso = Some(Gso { gso_type: GsoType::TcpV4, size: 1000, ecn: false });
            let offload = Offload { checksum: ChecksumState::Partial { start: 20, offset: 16 }, gso };
            assert_eq!(told.0, [(offload, frame.clone())], "{mode}");
        }
    }
}

struct Told(Vec<(Offload, Vec<u8>)>);

impl NetworkDispatcher for Told {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        self.0.push((packet.offload(), packet.frame().to_vec()));
    }
}

fn defect_18_cut_frame_is_dropped_and_its_real_length_told() {
    for pair in PAIRS {
        cut_frame_is_dropped(DispatchMode::RecvMmsg, pair());
        cut_frame_is_dropped(DispatchMode::Readv, pair());
    }
}

fn defect_18_cut_frame_of_an_interface_is_dropped_and_its_real_length_told() {
    let cable = Cable::new();
    cut_frame_is_dropped(DispatchMode::RecvMmsg, cable.pair());
    cut_frame_is_dropped(DispatchMode::Readv, cable.pair());
}

fn cut_frame_is_dropped(mode: DispatchMode, (fd, peer): Pair) {
    let collector = Collector::new();
    let mtu = 200;
    let runner = attach(mode, fd, Options { mtu, ..plain() }, &collector);
    let frames = [to_own(&marked(1, 200)), to_own(&marked(2, 1000 - 14)), to_own(&marked(3, 200))];
    frames.iter().for_each(|frame| peer.send(frame));
    assert_eq!(collector.wait_for(2), [marked(1, 200), marked(3, 200)], "{mode}");

    let endpoint = runner.endpoint().clone();
    runner.stop().unwrap();
    let rx = endpoint.counters().rx;
    assert_eq!(rx.drops.iter().sum::<usize>(), 1, "{mode}");
    assert_eq!(rx.dropped(DropCause::Truncated), 1, "{mode}");
    assert_eq!(rx.truncated_bytes, 1000, "{mode}");
}

/// The origin wants four bytes of ports to hash.
fn defect_30_packet_that_ends_behind_its_ip_header_is_delivered() {
    for behind in 0..4 {
        let (mut v4, mut v6) = (vec![0; 20 + behind], vec![0; 40 + behind]);
        (v4[0], v6[0]) = (0x45, 0x60);
        delivered_without_ethernet(&v4, EtherType::IPV4);
        delivered_without_ethernet(&v6, EtherType::IPV6);
    }
}

/// A port has to keep the delivery, but not the origin's read of addresses that are not there.
fn defect_43_packet_without_a_header_length_is_delivered() {
    delivered_without_ethernet(&[0x40, 0, 0, 0], EtherType::IPV4);
    delivered_without_ethernet(&[0x40], EtherType::IPV4);
    delivered_without_ethernet(&[0x6f], EtherType::IPV6);
}

fn delivered_without_ethernet(packet: &[u8], protocol: EtherType) {
    for mode in MODES {
        for (fd, peer) in [seqpacket(), datagram()] {
            let endpoint = attach_in(mode, fd, Options { ethernet_header: false, ..Options::default() });
            peer.send(packet);
            let mut collector = Collector::new();
            drain(&endpoint, &mut collector);
            let received = collector.packets();
            assert_eq!(received.len(), 1, "{mode}: {packet:x?}");
            assert_eq!((received[0].protocol, received[0].payload.as_slice()), (protocol, packet), "{mode}");
            assert!(received[0].header.is_empty());
        }
    }
}
