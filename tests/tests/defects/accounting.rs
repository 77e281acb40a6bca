//! Every frame is counted, by what became of it.

use fdlink_core::{DropCause, LinkEndpoint as _, Options, Packet, RefusalCause, TxPolicy};
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{
    Collector, MODES, PAIRS, PEER, Peer, STRANGER, TEST_PROTOCOL, Trials, drain, ethernet, in_mode, marked, plain,
    to_own,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_39_every_received_frame_is_counted_by_its_fate);
    trials.anywhere(defect_39_unknown_versions_are_counted);
    trials.anywhere(defect_39_every_written_packet_is_counted_by_its_fate);
}

fn defect_39_every_received_frame_is_counted_by_its_fate() {
    for mode in MODES {
        for pair in PAIRS {
            let (fd, peer) = pair();
            let endpoint = endpoint([fd], plain(), &FdOptions { max_frame_len: Some(1514), ..in_mode(mode) }).unwrap();
            endpoint.attach().unwrap();
            let expected = send_some_of_each(&peer);
            let mut collector = Collector::new();
            drain(&endpoint, &mut collector);

            let rx = endpoint.counters().rx;
            assert_eq!(rx.drops, expected, "{mode}: {}", endpoint.counters());
            assert_eq!((rx.delivered, rx.received), (7, 7 + expected.iter().sum::<usize>()), "{mode}");
            assert!(rx.is_balanced(), "{mode}");
            assert_eq!(collector.packets().len(), rx.delivered, "{mode}");
            assert!(rx.calls > 0);
            assert_eq!(rx.truncated_bytes, 2 * 2000, "{mode}");
            let whole = 7 * (14 + 100) + 13 + 3 * (14 + 20);
            assert_eq!(rx.received_bytes, whole + 2 * 1514, "{mode}");
        }
    }
}

/// Seven good frames among bad ones; how many of those, by cause.
fn send_some_of_each(peer: &Peer) -> [usize; DropCause::ALL.len()] {
    for number in 0..7 {
        peer.send(&to_own(&marked(number, 100)));
        match number {
            0 | 1 => peer.send(&to_own(&[0; 2000 - 14])),
            2..=4 => peer.send(&ethernet(STRANGER, TEST_PROTOCOL, &[0; 20])),
            5 => peer.send(&[0; 13]),
            _ => {}
        }
    }
    DropCause::ALL.map(|cause| match cause {
        DropCause::Runt => 1,
        DropCause::ForeignAddress => 3,
        DropCause::Truncated => 2,
        _ => 0,
    })
}

fn defect_39_unknown_versions_are_counted() {
    for mode in MODES {
        for pair in PAIRS {
            let (fd, peer) = pair();
            let options = Options { ethernet_header: false, ..Options::default() };
            let endpoint = endpoint([fd], options, &in_mode(mode)).unwrap();
            endpoint.attach().unwrap();
            (0..=u8::MAX).step_by(16).for_each(|first| peer.send(&[first, 0, 0]));
            drain(&endpoint, &mut Collector::new());
            let rx = endpoint.counters().rx;
            assert_eq!((rx.received, rx.delivered, rx.dropped(DropCause::UnknownVersion)), (16, 2, 14), "{mode}");
            assert!(rx.is_balanced());
        }
    }
}

fn defect_39_every_written_packet_is_counted_by_its_fate() {
    for pair in PAIRS {
        let (fd, peer) = pair();
        let options = Options { tx_policy: TxPolicy::Drop, mtu: 1_000_000, ..plain() };
        let endpoint: FdEndpoint = endpoint([fd], options, &FdOptions::default()).unwrap();
        endpoint.attach().unwrap();
        endpoint.set_mtu(900_000).unwrap();
        let bytes = vec![0; 900_001];
        let lens = [100, 0, 900_001, 900_000, 100];
        let parts: Vec<[&[u8]; 1]> = lens.iter().map(|len| [&bytes[..*len]]).collect();
        let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(TEST_PROTOCOL, parts).to(PEER)).collect();
        let _ = endpoint.write_packets(&mut packets).unwrap();
        let tx = endpoint.counters().tx;
        assert_eq!((tx.sent, tx.sent_bytes), (2, 2 * 114));
        assert_eq!((tx.refused(RefusalCause::Unfit), tx.refused(RefusalCause::Rejected)), (2, 1));

        let mut many: Vec<_> = (0..1000).map(|_| Packet::new(TEST_PROTOCOL, &parts[0]).to(PEER)).collect();
        let written = endpoint.write_packets(&mut many).unwrap();
        let tx = endpoint.counters().tx;
        assert!(written.refused > 0, "the queue never was full");
        assert_eq!(tx.refused(RefusalCause::WouldBlock), written.refused);
        assert_eq!(tx.sent + tx.refused_total(), lens.len() + many.len());

        drop(peer);
        many.iter_mut().for_each(Packet::reset);
        let written = endpoint.write_packets(&mut many).unwrap();
        assert_eq!((written.refused, endpoint.counters().tx.refused(RefusalCause::Closed)), (1, 1));
    }
}
