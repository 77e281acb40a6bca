use fdlink_core::io::Offloads;
use fdlink_core::wire::ethernet::EthernetHeader;
use fdlink_core::wire::vnet::{self, ByteOrder, VirtioNetHdr};
use fdlink_core::{
    ChecksumState, EtherType, Gso, GsoSupport, GsoType, LinkEndpoint as _, Offload, Options, Packet, TxStatus,
};
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{OWN, PEER, Peer, STRANGER, marked, plain, seqpacket};

pub(crate) fn test_write_packet() {
    for (ethernet, payload_len) in cases() {
        check_written(ethernet, payload_len, 0);
        check_offloaded(ethernet, payload_len, 0);
    }
}

pub(crate) fn test_hashed_write_packet() {
    for (ethernet, payload_len) in cases() {
        for hash in [0, 1] {
            check_written(ethernet, payload_len, hash);
            check_offloaded(ethernet, payload_len, hash);
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

/// The case with `GSOMaxSize`: the same 100 bytes of headers, which here are those of IPv6 and of TCP with options, since a packet is not sent
/// to be cut that cannot be.
///
/// Without Ethernet the origin says that the checksum starts at 54, too, where it starts at 40 (defect 14).
fn check_offloaded(ethernet: bool, payload_len: usize, hash: u32) {
    let address = if ethernet { OWN } else { Options::default().address };
    let options = Options {
        ethernet_header: ethernet,
        address,
        gso: GsoSupport::Host,
        gso_max_size: 32_768,
        ..Options::default()
    };
    let fd_options = FdOptions { offloads: Offloads::all(), ..FdOptions::default() };
    let (endpoint, peers) = over_two_with(options, &fd_options);
    let (headers, payload) = (tcp_headers(), marked(8, 4.max(payload_len))[..payload_len].to_vec());
    let parts = [headers.as_slice(), &payload];
    let checksum = ChecksumState::Partial { start: 40, offset: 16 };
    let offload = Offload { checksum, gso: Some(Gso { gso_type: GsoType::TcpV6, size: MSS, ecn: false }) };
    let mut packets = [Packet::new(EtherType::IPV6, &parts).to(PEER).with_hash(hash).with_offload(offload)];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 1);

    let frame = peers[hash as usize % peers.len()].receive();
    let link_header = EthernetHeader { destination: PEER, source: OWN, ether_type: EtherType::IPV6 }.to_bytes();
    let link_header = if ethernet { &link_header[..] } else { &[] };
    let (header, frame) = frame.split_at(vnet::LEN);
    let link_len = link_header.len() as u16;
    let is_cut = payload_len > MSS.into();
    let expected = VirtioNetHdr {
        flags: vnet::NEEDS_CSUM,
        csum_start: link_len + 40,
        csum_offset: 16,
        gso_type: if is_cut { vnet::GSO_TCPV6 } else { vnet::GSO_NONE },
        gso_size: if is_cut { MSS } else { 0 },
        hdr_len: if is_cut { link_len + 100 } else { 0 },
    };
    assert_eq!(VirtioNetHdr::decode(header, ByteOrder::Native), Some(expected), "{ethernet}, payload {payload_len}");
    assert_eq!(frame, [link_header, &headers, &payload].concat());
    assert!(peers.iter().all(|peer| peer.try_receive().is_none()), "one frame, on one descriptor");
}

/// 40 bytes of IPv6, 60 of TCP.
fn tcp_headers() -> Vec<u8> {
    let mut headers = marked(7, 100);
    headers[0] = 0x60;
    headers[6] = 6;
    headers[52] = 0xf0;
    headers
}

fn over_two(options: Options) -> (FdEndpoint, [Peer; 2]) {
    over_two_with(options, &FdOptions::default())
}

fn over_two_with(options: Options, fd_options: &FdOptions) -> (FdEndpoint, [Peer; 2]) {
    let ((first, first_peer), (second, second_peer)) = (seqpacket(), seqpacket());
    let endpoint = endpoint([first, second], options, fd_options).unwrap();
    endpoint.attach().unwrap();
    (endpoint, [first_peer, second_peer])
}

/// The origin's.
const MSS: u16 = 500;

/// The origin's `proto`.
const PROTOCOL: EtherType = EtherType(10);
