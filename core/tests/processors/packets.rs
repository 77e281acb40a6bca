//! IP packets to hash, written down field by field.

use fdlink_core::EtherType;
use proptest::prelude::*;

/// A packet of the protocol, from its network header on.
pub(crate) type Ip = (EtherType, Vec<u8>);

pub(crate) const ICMP: u8 = 1;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;

/// What follows the IP header, and its protocol.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) protocol: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Payload {
    pub(crate) fn udp(ports: [u16; 2]) -> Self {
        let bytes = ports.into_iter().flat_map(u16::to_be_bytes).chain([0, 12, 0, 0, 1, 2, 3, 4]).collect();
        Self { protocol: UDP, bytes }
    }

    /// An echo: request or reply, and a checksum that depends on its number.
    pub(crate) fn echo(protocol: u8, kind: u8, number: u16) -> Self {
        let [n0, n1] = number.to_be_bytes();
        Self { protocol, bytes: vec![kind, 0, !n0, !n1, 7, 7, n0, n1] }
    }
}

/// `fragment` is the field of flags and offset; `options` counts words of 4 bytes.
pub(crate) fn ipv4(addresses: [[u8; 4]; 2], fragment: u16, options: u8, payload: &Payload) -> Ip {
    let len = (20 + usize::from(options) * 4 + payload.bytes.len()) as u16;
    let ([l0, l1], [f0, f1]) = (len.to_be_bytes(), fragment.to_be_bytes());
    let mut packet = vec![0x45 + options, 0, l0, l1, 0x12, 0x34, f0, f1, 64, payload.protocol, 0, 0];
    packet.extend(addresses.as_flattened());
    packet.extend(vec![1; usize::from(options) * 4]);
    packet.extend(&payload.bytes);
    (EtherType::IPV4, packet)
}

/// An extension header (RFC 8200 section 4): its number, and what follows the number of the next one.
pub(crate) type Extension = (u8, Vec<u8>);

/// Hop-by-hop options, a routing header or destination options, with `units` of 8 bytes behind the first.
pub(crate) fn options(number: u8, units: u8) -> Extension {
    (number, [vec![units], vec![0; 6 + usize::from(units) * 8]].concat())
}

pub(crate) fn fragment(offset: u16, more: bool) -> Extension {
    let [o0, o1] = (offset << 3 | u16::from(more)).to_be_bytes();
    (44, vec![0, o0, o1, 1, 2, 3, 4])
}

pub(crate) fn ipv6(addresses: [[u8; 16]; 2], extensions: &[Extension], payload: &Payload) -> Ip {
    let numbers: Vec<_> = extensions.iter().map(|(number, _)| *number).chain([payload.protocol]).collect();
    let mut rest = Vec::new();
    for ((_, body), next) in extensions.iter().zip(&numbers[1..]) {
        rest.push(*next);
        rest.extend(body);
    }
    rest.extend(&payload.bytes);
    let [l0, l1] = (rest.len() as u16).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, l0, l1, numbers[0], 64];
    packet.extend(addresses.as_flattened());
    packet.extend(rest);
    (EtherType::IPV6, packet)
}

pub(crate) fn any_ipv4() -> impl Strategy<Value = Ip> {
    let fragment = prop_oneof![Just(0), Just(0x4000), any::<u16>()];
    (any::<[[u8; 4]; 2]>(), fragment, 0..=10u8, any_payload())
        .prop_map(|(addresses, fragment, options, payload)| ipv4(addresses, fragment, options, &payload))
}

/// Extension headers in the order that RFC 8200 section 4.1 recommends, each there or not.
pub(crate) fn any_ipv6() -> impl Strategy<Value = Ip> {
    let optional = |number| prop::option::of((0..4u8).prop_map(move |units| options(number, units)));
    let fragment =
        prop_oneof![Just(fragment(0, false)), (any::<u16>(), any::<bool>()).prop_map(|(o, m)| fragment(o, m))];
    let extensions = (optional(0), optional(60), optional(43), prop::option::of(fragment));
    (any::<[[u8; 16]; 2]>(), extensions, any_payload()).prop_map(|(addresses, (a, b, c, d), payload)| {
        ipv6(addresses, &[a, b, c, d].into_iter().flatten().collect::<Vec<_>>(), &payload)
    })
}

/// TCP, UDP, SCTP, and protocols without ports; cut short now and then.
fn any_payload() -> impl Strategy<Value = Payload> {
    let protocol = prop::sample::select(vec![6, UDP, 132, ICMP, ICMPV6, 2, 47, 50, 253]);
    (protocol, prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(protocol, bytes)| Payload { protocol, bytes })
}
