use fdlink_core::wire::ethernet::EthernetHeader;
use fdlink_core::{EtherType, LinkEndpoint as _, Options, Packet, TxStatus};
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{OWN, PEER, Peer, STRANGER, marked, plain, seqpacket};

pub(crate) fn test_write_packet() {
    for (ethernet, payload_len) in cases() {
        check_written(ethernet, payload_len, 0);
    }
}

pub(crate) fn test_hashed_write_packet() {
    for (ethernet, payload_len) in cases() {
        for hash in [0, 1] {
            check_written(ethernet, payload_len, hash);
        }
    }
}

pub(crate) fn test_preserve_src_address() {
    let (endpoint, peers) = over_two(plain());
    let mut packets = [Packet::new(PROTOCOL, &[b"!"]).to(PEER).from(STRANGER)];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 1);
    let frame = peers[0].receive();
    assert_eq!(EthernetHeader::parse(&frame).unwrap().source, STRANGER);
}

fn cases() -> impl Iterator<Item = (bool, usize)> {
    [true, false].into_iter().flat_map(|ethernet| [0, 100, 1000].map(|payload_len| (ethernet, payload_len)))
}

/// As in the origin, 100 bytes of network and transport headers are in front of the payload.
fn check_written(ethernet: bool, payload_len: usize, hash: u32) {
    let address = if ethernet { OWN } else { Options::default().address };
    let (endpoint, peers) = over_two(Options { ethernet_header: ethernet, address, ..Options::default() });
    let (headers, payload) = (marked(7, 100), marked(8, 4.max(payload_len))[..payload_len].to_vec());

    let parts = [headers.as_slice(), &payload];
    let mut packets = [Packet::new(PROTOCOL, &parts).to(PEER).with_hash(hash)];
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, packets[0].status()), (1, TxStatus::Sent));

    let frame = peers[hash as usize % peers.len()].receive();
    let link_header = EthernetHeader { destination: PEER, source: OWN, ether_type: PROTOCOL }.to_bytes();
    let link_header = if ethernet { &link_header[..] } else { &[] };
    assert_eq!(frame, [link_header, &headers, &payload].concat(), "ethernet {ethernet}, payload {payload_len}");
    assert!(peers.iter().all(|peer| peer.try_receive().is_none()), "one frame, on one descriptor");
}

fn over_two(options: Options) -> (FdEndpoint, [Peer; 2]) {
    let ((first, first_peer), (second, second_peer)) = (seqpacket(), seqpacket());
    let endpoint = endpoint([first, second], options, &FdOptions::default()).unwrap();
    endpoint.attach().unwrap();
    (endpoint, [first_peer, second_peer])
}

/// The origin's `proto`.
const PROTOCOL: EtherType = EtherType(10);
