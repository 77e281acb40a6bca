//! What is left to do to received packets: done as the options say, or dropped and counted.

use fdlink_core::counters::RxCounters;
use fdlink_core::io::Offloads;
use fdlink_core::wire::checksum::is_transport_valid;
use fdlink_core::wire::vnet::ByteOrder;
use fdlink_core::wire::{Layers, VirtioNetHdr};
use fdlink_core::{
    Capabilities, ChecksumState, DropCause, EtherType, Gso, GsoType, LinkEndpoint as _, NetworkDispatcher, Offload,
    Options, RxPacket,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::scripted::{Script, attached};

#[test]
fn super_frame_is_delivered_whole_with_what_is_left_to_do() {
    let (packets, rx) = received(Options::default(), vec![super_frame()]);
    assert_eq!(packets, [(PARTIAL_SUPER, tcp(PAYLOAD, sum_of_pseudo_header(PAYLOAD)))]);
    assert_eq!((rx.received, rx.delivered, rx.split), (1, 1, 0));
}

#[test]
fn split_super_frame_is_packets_with_right_checksums() {
    let (packets, rx) = received(Options { rx_split: true, ..Options::default() }, vec![super_frame(), super_frame()]);
    let lengths: Vec<_> = packets.iter().map(|(_, packet)| packet.len() - 40).collect();
    assert_eq!(lengths, [1000, 1000, 500, 1000, 1000, 500]);
    assert!(packets.iter().all(|(offload, packet)| *offload == VERIFIED && is_valid(packet)));
    assert_eq!((rx.received, rx.split, rx.delivered), (2, 4, 6));
}

/// Damaged on the way: segments with new checksums would hide it.
#[test]
fn super_frame_that_nobody_verified_is_split_only_if_it_is_right() {
    let header = VirtioNetHdr { gso_type: 1, gso_size: 1000, hdr_len: 40, ..VirtioNetHdr::default() };
    let right = framed(header, &completed(PAYLOAD));
    let mut wrong = right.clone();
    wrong[2000] ^= 1;
    let (packets, rx) = received(Options { rx_split: true, ..Options::default() }, vec![wrong, right]);
    assert_eq!((packets.len(), rx.dropped(DropCause::Checksum), rx.split), (3, 1, 2));
    assert!(packets.iter().all(|(offload, packet)| *offload == VERIFIED && is_valid(packet)));
}

#[test]
fn partial_checksums_are_completed_where_that_is_asked_for() {
    let frames = || vec![framed(NEEDS_CSUM, &tcp(7, sum_of_pseudo_header(7))), super_frame()];
    let (plain, _) = received(Options::default(), frames());
    assert!(plain[0].0.checksum == PARTIAL && !is_valid(&plain[0].1));
    let (packets, _) = received(Options { complete_checksums: true, ..Options::default() }, frames());
    assert_eq!(packets[0], (VERIFIED, completed(7)));
    assert_eq!(packets[1].0, PARTIAL_SUPER, "one that stays whole");
}

#[test]
fn what_nobody_verified_is_verified() {
    let options = Options { rx_checksum_offload: true, ..Options::default() };
    for header in [None, Some(VirtioNetHdr::default())] {
        let frame = |packet: &[u8]| header.map_or(packet.to_vec(), |header| framed(header, packet));
        let (right, mut wrong, mut fragment) = (completed(9), completed(9), completed(9));
        wrong[45] ^= 1;
        fragment[6] = 0x20;
        let (unsummed, icmp) = (udp_without_checksum(), [&[0x45; 9][..], &[1; 30]].concat());
        let sent = [&right, &wrong, &fragment, &unsummed, &icmp].map(|packet| frame(packet)).to_vec();
        let (packets, rx) = received_behind(header.map_or(0, |_| 10), options, sent);
        let delivered =
            [(VERIFIED, right), (Offload::NONE, fragment), (Offload::NONE, unsummed), (Offload::NONE, icmp)];
        assert_eq!(packets, delivered);
        assert_eq!((rx.received, rx.dropped(DropCause::Checksum)), (5, 1));
    }
}

/// It came over no wire, or somebody else has verified it.
#[test]
fn what_need_not_be_verified_is_not() {
    let options = Options { rx_checksum_offload: true, ..Options::default() };
    let valid = VirtioNetHdr { flags: 2, ..VirtioNetHdr::default() };
    let partial = tcp(7, sum_of_pseudo_header(7));
    let (packets, _) = received(options, vec![framed(NEEDS_CSUM, &partial), framed(valid, &tcp(7, 0xbad))]);
    assert_eq!(packets, [(Offload { checksum: PARTIAL, gso: None }, partial), (VERIFIED, tcp(7, 0xbad))]);
}

#[test]
fn merged_packets_are_finished_too() {
    let sent = || vec![completed_at(0, 9), completed_at(9, 9), tcp(0, 0xbad)];
    let gro = Options { gro: true, rx_checksum_offload: true, complete_checksums: true, ..Options::default() };
    let (packets, rx) = received_behind(0, gro, sent());
    assert_eq!((packets.len(), rx.merged, rx.dropped(DropCause::Checksum)), (1, 1, 1));
    assert!(packets[0].0.gso.is_some());
}

/// Processors wake at the end of a batch.
#[test]
fn end_of_a_batch_is_told_whichever_way_it_went() {
    let ways = [Options::default(), Options { gro: true, ..Options::default() }];
    for (vnet_header_len, options) in [(0, ways[0]), (0, ways[1]), (10, ways[0]), (10, ways[1])] {
        let frame = framed(VirtioNetHdr::default(), &completed(9)).split_off(10 - vnet_header_len);
        let script = Script::receiving([Ok(vec![frame])]).with_vnet(vnet_header_len, Offloads::all());
        let endpoint = attached([&script], options);
        let mut sparing = Sparing(0);
        endpoint.receiver(0).unwrap().poll(&mut sparing).unwrap();
        let rx = endpoint.counters().rx;
        assert_eq!((sparing.0, rx.delivered, rx.dropped(DropCause::BacklogFull)), (1, 0, 1));
    }
}

/// Gives every packet up.
struct Sparing(usize);

impl NetworkDispatcher for Sparing {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {
        self.0 += 1;
    }

    fn end_of_batch(&mut self) -> usize {
        self.0
    }
}

/// A checksum is over all of a packet, whatever the dispatcher reads.
#[test]
fn backend_learns_how_much_of_a_frame_is_read() {
    let verifying = Options { rx_checksum_offload: true, ..Options::default() };
    let completing = Options { complete_checksums: true, ..Options::default() };
    let plain = Options::default();
    for (vnet_header_len, options, expected) in
        [(0, plain, 40), (10, plain, 40), (0, verifying, usize::MAX), (10, completing, usize::MAX)]
    {
        let frame = framed(VirtioNetHdr::default(), &completed(9)).split_off(10 - vnet_header_len);
        let script = Script::receiving([Ok(vec![frame])]).with_vnet(vnet_header_len, Offloads::all());
        attached([&script], options).receiver(0).unwrap().poll(&mut Reading(40)).unwrap();
        assert_eq!(*script.prefetched.borrow(), [expected]);
    }
}

/// Reads the first bytes of a frame.
struct Reading(usize);

impl NetworkDispatcher for Reading {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {}

    fn prefetch_len(&mut self) -> usize {
        self.0
    }
}

#[test]
fn capability_is_announced_with_the_option_only() {
    for rx_checksum_offload in [false, true] {
        let script = Script::default();
        let endpoint = attached([&script], Options { rx_checksum_offload, ..Options::default() });
        assert_eq!(endpoint.capabilities().contains(Capabilities::RX_CHECKSUM_OFFLOAD), rx_checksum_offload);
    }
}

#[test]
fn headers_that_ask_for_what_cannot_be_done_are_counted_drops() {
    let spoiled = [
        VirtioNetHdr { csum_start: 65_535, ..NEEDS_CSUM },
        VirtioNetHdr { csum_start: 0, ..NEEDS_CSUM },
        VirtioNetHdr { csum_offset: 3000, ..NEEDS_CSUM },
        VirtioNetHdr { gso_type: 1, gso_size: 0, ..NEEDS_CSUM },
        VirtioNetHdr { gso_type: 9, gso_size: 9, ..NEEDS_CSUM },
        VirtioNetHdr { gso_type: 4, gso_size: 9, ..NEEDS_CSUM },
    ];
    let frames = spoiled.map(|header| framed(header, &tcp(100, 0))).to_vec();
    let (packets, rx) = received(Options::default(), frames);
    assert_eq!((packets.len(), rx.dropped(DropCause::VnetHeader)), (0, spoiled.len()));
}

proptest! {
    #[test]
    fn any_bytes_for_a_header_are_delivered_or_counted(
        headers in vec(any::<[u8; 10]>(), 1..20),
        kinds in vec(0u8..6, 20),
        payload in 0..3000usize,
        options in any::<[bool; 4]>(),
    ) {
        let [rx_split, complete_checksums, rx_checksum_offload, gro] = options;
        let options =
            Options { rx_split, complete_checksums, rx_checksum_offload, gro: gro && !rx_split, ..Options::default() };
        let frames: Vec<_> =
            headers.iter().zip(kinds).map(|(header, kind)| [&likely(*header, kind)[..], &tcp(payload, 0)].concat()).collect();
        let (packets, rx) = received(options, frames);
        prop_assert_eq!((packets.len(), rx.received), (rx.delivered, headers.len()));
        for (offload, packet) in packets {
            prop_assert!(!rx_split || offload.gso.is_none());
            prop_assert!(!complete_checksums || offload.gso.is_some() || offload.is_none());
            prop_assert!(packet.len() <= 40 + payload);
        }
    }
}

/// Noise is rarely a kind of segmentation that there is.
const fn likely(mut header: [u8; 10], kind: u8) -> [u8; 10] {
    header[1] = kind;
    if header[9] & 1 == 0 {
        [header[0], header[6], header[7], header[8], header[9]] = [1, 20, 0, 16, 0];
    }
    header
}

/// What comes of frames behind a virtio-net header of 10 bytes, and the counters, which are balanced.
fn received(options: Options, frames: Vec<Vec<u8>>) -> (Vec<(Offload, Vec<u8>)>, RxCounters) {
    received_behind(10, options, frames)
}

fn received_behind(
    vnet_header_len: usize,
    options: Options,
    frames: Vec<Vec<u8>>,
) -> (Vec<(Offload, Vec<u8>)>, RxCounters) {
    let script = Script::receiving([Ok(frames)]).with_vnet(vnet_header_len, Offloads::all());
    let endpoint = attached([&script], Options { mtu: 1000, ..options });
    let mut kept = Kept(Vec::new());
    endpoint.receiver(0).unwrap().poll(&mut kept).unwrap();
    let rx = endpoint.counters().rx;
    assert!(rx.is_balanced(), "{rx:?}");
    (kept.0, rx)
}

struct Kept(Vec<(Offload, Vec<u8>)>);

impl NetworkDispatcher for Kept {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        assert_eq!(packet.meta().len, packet.total_len());
        self.0.push((packet.offload(), packet.payload_parts().concat()));
    }
}

fn framed(header: VirtioNetHdr, packet: &[u8]) -> Vec<u8> {
    [&header.encode::<10>(ByteOrder::Native)[..], packet].concat()
}

fn super_frame() -> Vec<u8> {
    let header = VirtioNetHdr { gso_type: 1, gso_size: 1000, hdr_len: 40, ..NEEDS_CSUM };
    framed(header, &tcp(PAYLOAD, sum_of_pseudo_header(PAYLOAD)))
}

/// TCP over IPv4 with this in its checksum field.
fn tcp(payload_len: usize, checksum: u16) -> Vec<u8> {
    tcp_at(0, payload_len, checksum)
}

fn tcp_at(sequence: u8, payload_len: usize, checksum: u16) -> Vec<u8> {
    let ([l0, l1], [c0, c1]) = ((40 + payload_len as u16).to_be_bytes(), checksum.to_be_bytes());
    let mut ip = [0x45, 0, l0, l1, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let sum = (!ones_sum(&ip, 0)).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let tcp = [0, 1, 0, 2, 0, 0, 0, sequence, 0, 0, 0, 0, 0x50, 0x10, 1, 0, c0, c1, 0, 0];
    [&ip[..], &tcp, &vec![0xa5; payload_len]].concat()
}

fn completed(payload_len: usize) -> Vec<u8> {
    completed_at(0, payload_len)
}

fn completed_at(sequence: u8, payload_len: usize) -> Vec<u8> {
    let bare = tcp_at(sequence, payload_len, 0);
    let sum = ones_sum(&bare[20..], sum_of_pseudo_header(payload_len));
    tcp_at(sequence, payload_len, !sum)
}

fn udp_without_checksum() -> Vec<u8> {
    let ip = [0x45, 0, 0, 29, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&ip[..], &[0, 1, 0, 2, 0, 9, 0, 0, 0xff]].concat()
}

fn sum_of_pseudo_header(payload_len: usize) -> u16 {
    let [hi, lo] = (20 + payload_len as u16).to_be_bytes();
    ones_sum(&[10, 0, 0, 1, 10, 0, 0, 2, 0, 6, hi, lo], 0)
}

/// RFC 1071, word by word.
fn ones_sum(bytes: &[u8], start: u16) -> u16 {
    bytes.chunks(2).fold(start, |sum, word| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]));
        sum + u16::from(carry)
    })
}

fn is_valid(packet: &[u8]) -> bool {
    Layers::of_packet(packet, 0).is_some_and(|layers| is_transport_valid(packet, &layers))
}

const PAYLOAD: usize = 2500;
const PARTIAL: ChecksumState = ChecksumState::Partial { start: 20, offset: 16 };
const PARTIAL_SUPER: Offload =
    Offload { checksum: PARTIAL, gso: Some(Gso { gso_type: GsoType::TcpV4, size: 1000, ecn: false }) };
const VERIFIED: Offload = Offload { checksum: ChecksumState::Unnecessary, gso: None };
const NEEDS_CSUM: VirtioNetHdr =
    VirtioNetHdr { flags: 1, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 20, csum_offset: 16 };
