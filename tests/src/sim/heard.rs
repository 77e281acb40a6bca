//! What dispatchers heard, held against what they should have.

use fdlink_core::io::VlanTag;
use fdlink_core::wire::Layers;
use fdlink_core::wire::layers::IpVersion;
use fdlink_core::{EtherType, FlowKey, LinkEvent, NetworkDispatcher, Options, RxPacket};

use super::verdict::Delivery;
use crate::support::{Offloaded, make_checksum, on_the_wire};

/// What came to the dispatchers of a queue and was not compared yet.
#[derive(Debug, Default)]
pub(super) struct Heard {
    packets: Vec<Told>,
    pub(super) ends: usize,
    pub(super) downs: usize,
    pub(super) ups: usize,
}

/// A packet, and which processor it came through.
#[derive(Debug)]
struct Told {
    delivery: Delivery,
    link_len: usize,
    processor: usize,
}

/// One of the dispatchers.
pub(super) struct Ear<'h> {
    pub(super) heard: &'h mut Heard,
    pub(super) processor: usize,
}

impl NetworkDispatcher for Ear<'_> {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        let frame = packet.parts().concat();
        assert_eq!(packet.meta().len, frame.len(), "the length that is told");
        assert_eq!(packet.payload_parts().concat(), frame[packet.link_header().len()..]);
        let packet_told = Offloaded { frame, offload: packet.offload() };
        let delivery = Delivery { protocol, tag: packet.meta().vlan, packet: packet_told };
        self.heard.packets.push(Told { delivery, link_len: packet.link_header().len(), processor: self.processor });
    }

    fn notify(&mut self, event: LinkEvent) {
        // Each processor is told; the first one counts.
        match event {
            _ if self.processor > 0 => {}
            LinkEvent::Down => self.heard.downs += 1,
            LinkEvent::Up => self.heard.ups += 1,
            _ => self.heard.ends += 1,
        }
    }
}

impl Heard {
    /// Everything expected was heard, in order within each flow, but `given_up` packets; nothing else was.
    pub(super) fn check(&mut self, expected: Vec<Delivery>, given_up: usize, options: &Options) {
        let link_len = if options.ethernet_header { 14 } else { 0 };
        self.check_processors();
        assert!(self.packets.iter().all(|told| told.link_len == link_len));
        let heard = self.packets.drain(..).map(|told| told.delivery);
        let is_in_order = !options.gro && options.processors_per_channel <= 1;
        let missing = match is_in_order {
            true => missing(&expected, &heard.collect::<Vec<_>>()),
            false => {
                let (expected, heard) = (by_flow(expected, link_len, options), by_flow(heard, link_len, options));
                let of = |flow: &Flow| heard.iter().find(|(other, _)| other == flow).map_or(&[][..], |(_, all)| all);
                assert!(heard.iter().all(|(flow, _)| expected.iter().any(|(other, _)| other == flow)), "another flow");
                expected.iter().map(|(flow, all)| missing(all, of(flow))).sum()
            }
        };
        // A packet that was merged is one, and several frames are missing for it.
        assert!(missing == given_up || options.gro && missing >= given_up, "{missing} missing, {given_up} given up");
        assert!(given_up > 0 || missing == 0, "{missing} missing, and nobody gave one up");
    }

    /// A flow has one processor.
    fn check_processors(&self) {
        let mut seen: Vec<(FlowKey, usize)> = Vec::new();
        for Told { delivery, processor, link_len, .. } in &self.packets {
            let flow = FlowKey::parse(delivery.protocol, &delivery.packet.frame[*link_len..]);
            let Some(flow) = flow else {
                assert_eq!(*processor, 0, "what has no flow goes to the first");
                continue;
            };
            match seen.iter().find(|(other, _)| *other == flow) {
                Some((_, first)) => assert_eq!(first, processor, "{flow:?}"),
                None => seen.push((flow, *processor)),
            }
        }
    }
}

/// How many of `expected` are not among `heard`, which has the others in order and nothing else.
fn missing<T: PartialEq>(expected: &[T], heard: &[T]) -> usize {
    let mut expected_left = expected.iter();
    let is_found = |one: &T| expected_left.any(|other| other == one);
    assert!(heard.iter().all(is_found), "a packet that nobody sent, or out of order");
    expected.len() - heard.len()
}

/// What has to stay in order: what a processor sees as a flow, and what is merged as one.
type Flow = (Option<FlowKey>, Option<VlanTag>, Vec<u8>);

/// What comes out on a wire, by flow, in order.
fn by_flow(
    packets: impl IntoIterator<Item = Delivery>,
    link_len: usize,
    options: &Options,
) -> Vec<(Flow, Vec<Delivery>)> {
    let mut flows = Vec::<(Flow, Vec<_>)>::new();
    for Delivery { protocol, tag, packet } in packets {
        // As it was spread: on a wire, a packet that tells a wrong length may be cut to it and have another key.
        let key = FlowKey::parse(protocol, &packet.frame[link_len..]).filter(|_| options.processors_per_channel > 1);
        let packets = if options.gro { plain(&packet, link_len) } else { vec![packet] };
        for packet in packets {
            let flow = (key, tag, headers_of(&packet.frame, link_len));
            let delivery = Delivery { protocol, tag, packet };
            match flows.iter_mut().find(|(other, _)| *other == flow) {
                Some((_, all)) => all.push(delivery),
                None => flows.push((flow, vec![delivery])),
            }
        }
    }
    flows
}

/// Its frames as they stand on a wire, each with a right checksum, since a merged packet has none of its own, and without an IPv4
/// identification where that has no meaning (RFC 6864, section 4).
fn plain(packet: &Offloaded, link_len: usize) -> Vec<Offloaded> {
    let mut frames = on_the_wire(packet, link_len);
    for frame in &mut frames {
        if let Some(layers) = Layers::behind(frame, link_len) {
            if layers.version == IpVersion::V4 && frame[layers.network + 6] & 0x40 != 0 {
                [4, 5, 10, 11].iter().for_each(|at| frame[layers.network + at] = 0);
            }
            make_checksum(frame, &layers);
        }
    }
    frames.iter().map(|frame| Offloaded::plain(frame)).collect()
}

/// Link header, addresses, ports and protocol; nothing for what has none.
fn headers_of(frame: &[u8], link_len: usize) -> Vec<u8> {
    let Some(layers) = Layers::behind(frame, link_len).filter(|layers| !layers.is_ipv4_fragment(frame)) else {
        return Vec::new();
    };
    let addresses = if layers.version == IpVersion::V4 { 12..20 } else { 8..40 };
    let ports = &frame[layers.transport..layers.transport + 4];
    [&frame[..layers.network], &frame[layers.network..][addresses], ports, &[layers.protocol as u8]].concat()
}
