//! The flow of a packet and its hash.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use etherparse::{IpNumber, LaxIpSlice};
use fdlink_core::{EtherType, FlowHasher, FlowKey};
use proptest::prelude::*;

use crate::packets::{ICMP, ICMPV6, Ip, Payload, any_ipv4, any_ipv6, fragment, ipv4, ipv6, options};

const A4: [[u8; 4]; 2] = [[10, 0, 0, 1], [192, 0, 2, 7]];
const A6: [[u8; 16]; 2] = [[0xfe; 16], [0x20; 16]];

fn key((protocol, packet): &Ip) -> Option<FlowKey> {
    FlowKey::parse(*protocol, packet)
}

/// What another parser of the same headers makes of it.
fn other((_, packet): &Ip) -> FlowKey {
    let (ip, _) = LaxIpSlice::from_slice(packet).unwrap();
    let payload = ip.payload();
    let has_ports = [IpNumber::TCP, IpNumber::UDP, IpNumber::SCTP].contains(&payload.ip_number);
    let ports = match payload.payload {
        [s0, s1, d0, d1, ..] if has_ports && !payload.fragmented => [[*s0, *s1], [*d0, *d1]],
        _ => [[0; 2]; 2],
    };
    let [source, destination] = ports.map(u16::from_be_bytes);
    FlowKey {
        source: SocketAddr::new(ip.source_addr(), source),
        destination: SocketAddr::new(ip.destination_addr(), destination),
    }
}

proptest! {
    #[test]
    fn another_parser_agrees(packet in prop_oneof![any_ipv4(), any_ipv6()]) {
        prop_assert_eq!(key(&packet), Some(other(&packet)));
    }

    #[test]
    fn whatever_the_bytes_the_addresses_tell(is_v4: bool, bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let (protocol, version, len) = if is_v4 { (EtherType::IPV4, 4, 20) } else { (EtherType::IPV6, 6, 40) };
        let is_whole = bytes.len() >= len && bytes[0] >> 4 == version;
        let flow = FlowKey::parse(protocol, &bytes);
        prop_assert_eq!(flow.is_some(), is_whole);
        if let Some(flow) = flow {
            let addresses = if is_v4 { bytes[12..20].to_vec() } else { bytes[8..40].to_vec() };
            let octets = |end: SocketAddr| match end.ip() {
                std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
                std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            prop_assert_eq!([octets(flow.source), octets(flow.destination)].concat(), addresses);
        }
    }

    #[test]
    fn both_directions_meet_where_that_is_asked_for(seed: [u64; 2], packet in prop_oneof![any_ipv4(), any_ipv6()]) {
        let there = key(&packet).unwrap();
        let back = FlowKey { source: there.destination, destination: there.source };
        let hasher = FlowHasher::new(seed);
        prop_assert_eq!(hasher.symmetric(true).hash(&there), hasher.symmetric(true).hash(&back));
        prop_assert_eq!(hasher.hash(&there) == hasher.hash(&back), there == back);
    }

    #[test]
    fn seed_decides_where_flows_meet(seeds: [[u64; 2]; 2], packet in prop_oneof![any_ipv4(), any_ipv6()]) {
        prop_assume!(seeds[0] != seeds[1]);
        let flow = key(&packet).unwrap();
        let [a, b] = seeds.map(|seed| FlowHasher::new(seed).hash(&flow));
        prop_assert_ne!(a, b);
    }
}

#[test]
fn what_is_not_ip_has_no_flow() {
    for protocol in [EtherType::ARP, EtherType::VLAN, EtherType(0x88b5)] {
        assert_eq!(FlowKey::parse(protocol, &ipv4(A4, 0, 0, &Payload::udp([1, 2])).1), None);
    }
}

#[test]
fn fragments_of_one_datagram_are_one_flow() {
    let whole = Payload::udp([5000, 53]);
    let behind = Payload { bytes: vec![0xaa; 16], ..whole.clone() };
    let of_v4 = [(0x2000, &whole), (0x2001, &behind), (0x0002, &behind)].map(|(at, data)| ipv4(A4, at, 0, data));
    let of_v6 = [(0, true, &whole), (1, true, &behind), (2, false, &behind)]
        .map(|(at, more, data)| ipv6(A6, &[options(0, 0), fragment(at, more)], data));
    for fragments in [of_v4, of_v6] {
        let flows = fragments.each_ref().map(|packet| key(packet).unwrap());
        assert_eq!([flows[0].source.port(), flows[0].destination.port()], [0, 0]);
        assert_eq!(flows, [flows[0]; 3]);
    }
    // An atomic fragment (RFC 6946) is whole.
    let atomic = key(&ipv6(A6, &[fragment(0, false)], &whole)).unwrap();
    assert_eq!([atomic.source.port(), atomic.destination.port()], [5000, 53]);
}

#[test]
fn echoes_of_one_host_are_one_flow() {
    let echoes = (0..100).flat_map(|number| {
        [
            ipv4(A4, 0, 0, &Payload::echo(ICMP, 8, number)),
            ipv4(A4, 0, 0, &Payload::echo(ICMP, 0, number)),
            ipv6(A6, &[], &Payload::echo(ICMPV6, 128, number)),
        ]
    });
    let flows: std::collections::HashSet<_> = echoes.map(|packet| key(&packet).unwrap()).collect();
    assert_eq!(flows.len(), 2, "one of IPv4, one of IPv6");
}

#[test]
fn chain_of_extension_headers_is_walked_to_a_bound() {
    for count in 0..20 {
        let chain = vec![options(60, 0); count];
        let flow = key(&ipv6(A6, &chain, &Payload::udp([7, 9]))).unwrap();
        let expected = if count <= 8 { [7, 9] } else { [0, 0] };
        assert_eq!([flow.source.port(), flow.destination.port()], expected, "{count} headers");
    }
}

/// Each single bit of a flow moves its hash.
#[test]
fn every_bit_counts() {
    let hasher = FlowHasher::new([1, 2]);
    let packets = [ipv4(A4, 0, 0, &Payload::udp([1, 2])), ipv6(A6, &[], &Payload::udp([1, 2]))];
    for ((protocol, packet), bytes) in packets.iter().zip([12..24, 8..44]) {
        let bits = bytes.flat_map(|byte| (0..8).map(move |bit| (byte, bit)));
        let flipped: Vec<_> = bits
            .map(|(byte, bit)| {
                let mut packet = packet.clone();
                packet[byte] ^= 1 << bit;
                hasher.hash(&FlowKey::parse(*protocol, &packet).unwrap())
            })
            .collect();
        assert_eq!(flipped.iter().collect::<BTreeSet<_>>().len(), flipped.len(), "{protocol}");
    }
}
