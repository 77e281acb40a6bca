//! Whatever comes in a batch: what was merged is, cut again, what came; each flow keeps its order; every checksum is right.

use std::collections::{BTreeMap, BTreeSet};

use super::{Outcome, scale};
use crate::support::{Offloaded, Segments, coalesced, on_the_wire};
use fdlink_core::wire::Layers;
use fdlink_core::wire::checksum::is_transport_valid;
use fdlink_core::wire::layers::IpVersion;

use crate::random::Dice;

pub(super) fn case(dice: &mut Dice) -> Outcome {
    let has_ethernet = dice.flip();
    let link_len = if has_ethernet { 14 } else { 0 };
    let frames = frames(dice, has_ethernet);
    let packets = coalesced(&frames, link_len);
    packets.iter().filter(|packet| packet.offload.gso.is_some()).for_each(|packet| check_merged(packet, link_len));
    assert_eq!(by_flow(&packets, link_len), by_flow(&frames, link_len));
    Outcome { kind: kind(&packets, link_len), size: frames.iter().map(|frame| frame.frame.len()).sum() }
}

/// Whether there was a link header, what was merged and how much of it at most, and how much was not.
fn kind(packets: &[Offloaded], link_len: usize) -> String {
    let (merged, alone): (Vec<_>, Vec<_>) = packets.iter().partition(|packet| packet.offload.gso.is_some());
    let gso = || merged.iter().filter_map(|packet| Some((packet, packet.offload.gso?)));
    let types: BTreeSet<_> = gso().map(|(_, gso)| format!("{:?}", gso.gso_type)).collect();
    let longest = gso().map(|(packet, gso)| packet.frame.len() / usize::from(gso.size)).max().unwrap_or(0);
    format!("link {link_len} merged {types:?} {} alone {}", scale(longest.min(64)), scale(alone.len()) / 2)
}

/// Each segment of what was merged is right.
fn check_merged(packet: &Offloaded, link_len: usize) {
    for frame in on_the_wire(packet, link_len) {
        let layers = Layers::behind(&frame, link_len).expect("headers");
        assert!(is_transport_valid(&frame, &layers), "{frame:x?}");
    }
}

fn frames(dice: &mut Dice, has_ethernet: bool) -> Vec<Offloaded> {
    let mut flows: Vec<_> = (0..dice.within(1..=12)).map(|port| flow(dice, port as u16, has_ethernet)).collect();
    let size = dice.within(1..=200);
    let count = dice.within(1..=150);
    (0..count).map(|_| one(dice, &mut flows, size)).collect()
}

fn flow(dice: &mut Dice, port: u16, has_ethernet: bool) -> Segments {
    let (is_v6, is_tcp) = (dice.one_in(3), !dice.one_in(3));
    Segments { has_ethernet, is_v6, is_tcp, port, sequence: dice.number() as u32, id: dice.number() as u16 }
}

/// Most continue their flow; some are short, flagged, damaged, cut, or of the middle of nowhere.
fn one(dice: &mut Dice, flows: &mut [Segments], size: usize) -> Offloaded {
    let at = dice.within(0..=flows.len() - 1);
    let len = if dice.one_in(8) { dice.within(0..=size + 1) } else { size };
    let payload = dice.bytes(len);
    if dice.one_in(12) {
        flows[at].sequence = flows[at].sequence.wrapping_sub(dice.within(0..=3) as u32);
    }
    let flags = if dice.one_in(10) { dice.number() as u8 } else { 0 };
    let mut frame = flows[at].next(&payload, flags);
    match dice.within(0..=20) {
        0 => frame.truncate(dice.within(0..=frame.len())),
        1 => damage(dice, &mut frame),
        2 => frame.resize(frame.len() + dice.within(0..=20), 0xee),
        _ => {}
    }
    Offloaded::plain(&frame)
}

fn damage(dice: &mut Dice, frame: &mut [u8]) {
    let at = dice.within(0..=frame.len() - 1);
    frame[at] ^= 1 << dice.within(0..=7);
}

/// What comes out on a wire, by flow, in order.
fn by_flow(packets: &[Offloaded], link_len: usize) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut flows = BTreeMap::<_, Vec<_>>::new();
    for frame in packets.iter().flat_map(|packet| on_the_wire(packet, link_len)) {
        flows.entry(flow_of(&frame, link_len)).or_default().push(frame);
    }
    flows
}

/// Link header, addresses, ports and protocol; nothing for what has none.
fn flow_of(frame: &[u8], link_len: usize) -> Vec<u8> {
    let Some(layers) = Layers::behind(frame, link_len) else { return Vec::new() };
    let addresses = if layers.version == IpVersion::V4 { 12..20 } else { 8..40 };
    let ports = &frame[layers.transport..layers.transport + 4];
    [&frame[..layers.network], &frame[layers.network..][addresses], ports, &[layers.protocol as u8]].concat()
}
