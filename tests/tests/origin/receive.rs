use fdlink_core::{EtherType, Options};
use fdlink_tests::support::{
    Collector, MODES, OWN, Received, attach, attach_in, datagram, drain, ethernet, marked, plain, seqpacket,
};

pub(crate) fn test_deliver_packet() {
    for len in [100, 1000] {
        for mode in MODES {
            let (fd, peer) = seqpacket();
            let collector = Collector::new();
            let runner = attach(mode, fd, plain(), &collector);
            let frame = ethernet(OWN, EtherType(10), &marked(1, len));
            peer.send(&frame);
            assert_eq!(collector.wait_for(1).len(), 1);
            assert_eq!(collector.packets(), [cut(&frame, 14, EtherType(10))]);
            runner.stop().unwrap();

            let (fd, peer) = seqpacket();
            let collector = Collector::new();
            let runner = attach(mode, fd, without_ethernet(), &collector);
            // So that it looks like an IPv4 packet.
            let packet = [&[0x40], marked(1, len).as_slice()].concat();
            peer.send(&packet);
            assert_eq!(collector.wait_for(1).len(), 1);
            assert_eq!(collector.packets(), [cut(&packet, 0, EtherType::IPV4)]);
            runner.stop().unwrap();
        }
    }
}

/// The origin's four bytes of "mock network header", and IPv6 with extension headers, which the link layer does not look into.
pub(crate) fn test_dispatch_packet_format() {
    for packet in [vec![40, 41, 42, 43], ipv6_with_extension_headers()] {
        for mode in MODES {
            let frame = ethernet(OWN, EtherType::IPV6, &packet);
            assert_eq!(dispatched(mode, plain(), &frame), [cut(&frame, 14, EtherType::IPV6)], "{mode}, {packet:x?}");
        }
    }
    let with_version = [(vec![0x40, 41, 42, 43], EtherType::IPV4), (ipv6_with_extension_headers(), EtherType::IPV6)];
    for (packet, protocol) in with_version {
        for mode in MODES {
            let received = dispatched(mode, without_ethernet(), &packet);
            assert_eq!(received, [cut(&packet, 0, protocol)], "{mode}, {packet:x?}");
        }
    }
}

fn dispatched(mode: fdlink_linux::DispatchMode, options: Options, frame: &[u8]) -> Vec<Received> {
    let (fd, peer) = datagram();
    let endpoint = attach_in(mode, fd, options);
    peer.send(frame);
    let mut collector = Collector::new();
    drain(&endpoint, &mut collector);
    collector.packets()
}

fn cut(frame: &[u8], at: usize, protocol: EtherType) -> Received {
    let (header, payload) = frame.split_at(at);
    Received { protocol, header: header.to_vec(), payload: payload.to_vec() }
}

/// Hop-by-hop options, then destination options, then UDP without payload (RFC 8200).
fn ipv6_with_extension_headers() -> Vec<u8> {
    let fixed = [0x60, 0, 0, 0, 0, 24, HOP_BY_HOP, 64];
    let extension = |next| [next, 0, PAD_N, 4, 0, 0, 0, 0];
    let udp = [0x10, 0, 0x20, 0, 0, 8, 0, 0];
    [&fixed[..], &[0xfd; 16], &[0xfe; 16], &extension(DESTINATION), &extension(UDP), &udp].concat()
}

const HOP_BY_HOP: u8 = 0;
const DESTINATION: u8 = 60;
const UDP: u8 = 17;
const PAD_N: u8 = 1;

fn without_ethernet() -> Options {
    Options { ethernet_header: false, ..Options::default() }
}
