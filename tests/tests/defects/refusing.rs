//! A packet that cannot leave takes no other with it.

use fdlink_core::io::ErrorKind;
use fdlink_core::{EtherType, LinkEndpoint as _, Options, Packet, Refusal, TxPolicy, TxStatus};
use fdlink_linux::DispatchMode;
use fdlink_tests::support::{
    Cable, MODES, PAIRS, PEER, TEST_PROTOCOL, Trials, attach_in, datagram, marked, plain, seqpacket,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_22_full_queue_leaves_packets_pending_and_all_leave_in_order);
    trials.anywhere(defect_22_full_queue_drops_only_what_it_is_told_to);
    trials.anywhere(defect_22_packet_that_the_system_refuses_takes_no_other_with_it);
    trials.in_namespaces(defect_22_packet_above_the_mtu_of_an_interface_takes_no_other_with_it);
    trials.anywhere(defect_26_packet_without_a_byte_is_refused);
}

fn defect_22_full_queue_leaves_packets_pending_and_all_leave_in_order() {
    for pair in PAIRS {
        let (fd, peer) = pair();
        let endpoint = attach_in(DispatchMode::Readv, fd, plain());
        let payloads: Vec<_> = (0..2000).map(|number| marked(number, 1000)).collect();
        let parts: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [payload.as_slice()]).collect();
        let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(TEST_PROTOCOL, parts).to(PEER)).collect();

        let mut arrived = Vec::new();
        let mut calls = 0;
        while arrived.len() < payloads.len() {
            let written = endpoint.write_packets(&mut packets).unwrap();
            assert_eq!(written.refused, 0);
            assert_eq!(written.blocked, (written.pending > 0).then_some(ErrorKind::WouldBlock));
            let sent = packets.iter().filter(|packet| packet.status() == TxStatus::Sent).count();
            assert!(packets[sent..].iter().all(|packet| packet.status() == TxStatus::Pending), "in order");
            while let Some(frame) = peer.try_receive() {
                arrived.push(frame[14..].to_vec());
            }
            assert_eq!(arrived.len(), sent, "what was sent is what arrived");
            calls += 1;
            assert!(calls <= payloads.len(), "no progress");
        }
        assert!(calls > 1, "the queue never was full");
        assert_eq!(arrived, payloads);
    }
}

fn defect_22_full_queue_drops_only_what_it_is_told_to() {
    let (fd, peer) = seqpacket();
    let endpoint = attach_in(DispatchMode::Readv, fd, Options { tx_policy: TxPolicy::Drop, ..plain() });
    let parts: [&[u8]; 1] = [&[0; 1000]];
    let mut packets: Vec<_> = (0..1000).map(|_| Packet::new(TEST_PROTOCOL, &parts).to(PEER)).collect();
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent + written.refused, written.pending), (packets.len(), 0));
    let dropped = TxStatus::Refused(Refusal::Io(ErrorKind::WouldBlock));
    assert!(packets[written.sent..].iter().all(|packet| packet.status() == dropped));
    let arrived = std::iter::from_fn(|| peer.try_receive()).count();
    assert_eq!(arrived, written.sent);
    assert_eq!(endpoint.counters().tx.refused_total(), written.refused);
}

/// More than the send buffer ever holds.
fn defect_22_packet_that_the_system_refuses_takes_no_other_with_it() {
    for pair in PAIRS {
        let (fd, peer) = pair();
        let endpoint = attach_in(DispatchMode::Readv, fd, Options { mtu: 1_000_000, ..plain() });
        let huge = vec![0; 900_000];
        let payloads = [marked(1, 60), huge, marked(2, 60), marked(3, 60)];
        let statuses = write_and_look(&endpoint, &payloads);
        assert_eq!(statuses, [TxStatus::Sent, TOO_LONG, TxStatus::Sent, TxStatus::Sent]);
        for number in [1, 2, 3] {
            assert_eq!(peer.receive()[14..], marked(number, 60));
        }
    }
}

fn defect_22_packet_above_the_mtu_of_an_interface_takes_no_other_with_it() {
    let cable = Cable::new();
    for mode in MODES {
        let (fd, peer) = cable.pair();
        let endpoint = attach_in(mode, fd, Options { mtu: 4000, ..plain() });
        let payloads = [marked(1, 60), marked(2, 3000), marked(3, 60), marked(4, 3000), marked(5, 1500)];
        let statuses = write_and_look(&endpoint, &payloads);
        assert_eq!(statuses, [TxStatus::Sent, TOO_LONG, TxStatus::Sent, TOO_LONG, TxStatus::Sent]);
        for (number, len) in [(1, 60), (3, 60), (5, 1500)] {
            assert_eq!(peer.receive()[14..], marked(number, len));
        }
    }
}

fn defect_26_packet_without_a_byte_is_refused() {
    for ethernet_header in [true, false] {
        for (fd, peer) in [seqpacket(), datagram()] {
            let endpoint = attach_in(DispatchMode::Readv, fd, Options { ethernet_header, ..Options::default() });
            let mut packets = [
                Packet::new(EtherType::IPV4, &[]),
                Packet::new(EtherType::IPV4, &[b"", b""]),
                Packet::framed(&[]),
                Packet::new(EtherType::IPV4, &[b"!"]),
            ];
            let written = endpoint.write_packets(&mut packets).unwrap();
            assert_eq!((written.sent, written.refused, written.pending), (1, 3, 0));
            let refused = TxStatus::Refused(Refusal::Empty);
            assert!(packets[..3].iter().all(|packet| packet.status() == refused));
            assert_eq!(peer.receive().last(), Some(&b'!'));
            assert_eq!(peer.try_receive(), None, "nothing else left");
        }
    }
}

fn write_and_look(endpoint: &dyn fdlink_core::LinkEndpoint, payloads: &[Vec<u8>]) -> Vec<TxStatus> {
    let parts: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [payload.as_slice()]).collect();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(TEST_PROTOCOL, parts).to(PEER)).collect();
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().pending, 0);
    packets.iter().map(Packet::status).collect()
}

const TOO_LONG: TxStatus = TxStatus::Refused(Refusal::Io(ErrorKind::FrameTooLong));
