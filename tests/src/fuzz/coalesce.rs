//! Whatever comes in a batch: what was merged is, cut again, what came; each flow keeps its order; every checksum is right. And whatever is
//! handed in in one call: what leaves merged is, cut again, what was handed in and not refused, all in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fdlink_core::io::{Offloads, RawIo as _};
use fdlink_core::wire::Layers;
use fdlink_core::wire::checksum::is_transport_valid;
use fdlink_core::wire::layers::IpVersion;
use fdlink_core::wire::vnet::{ByteOrder, LEN, VirtioNetHdr};
use fdlink_core::{Endpoint, LinkAddress, LinkEndpoint as _, Options, Packet, Queue, TxStatus};
use fdlink_mock::Link;
use fdlink_mock::device::Faulty;
use fdlink_mock::fault::{FaultPlan, Rates};
use spin::Mutex;

use super::wire::{FarEnd, WithHeader};
use super::{Outcome, scale};
use crate::random::Dice;
use crate::support::{OWN, Offloaded, Segments, coalesced, in_one_form, on_the_wire};

pub(super) fn case(dice: &mut Dice) -> Outcome {
    let has_ethernet = dice.flip();
    let link_len = if has_ethernet { 14 } else { 0 };
    let frames = frames(dice, has_ethernet);
    let packets = coalesced(&frames, link_len);
    packets.iter().filter(|packet| packet.offload.gso.is_some()).for_each(|packet| check_merged(packet, link_len));
    assert_eq!(by_flow(&packets, link_len), by_flow(&frames, link_len));
    let sent = check_sent(dice, &frames, link_len);
    Outcome {
        kind: format!("{} {sent}", kind(&packets, link_len)),
        size: frames.iter().map(|frame| frame.frame.len()).sum(),
    }
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

/// Hands the frames in, to a system that may have little room or refuse to cut; says how much of them was merged.
fn check_sent(dice: &mut Dice, frames: &[Offloaded], link_len: usize) -> String {
    let link = Box::new(Link::<SLOTS, LONGEST>::new());
    let (near, far) = link.ends();
    let rates = Rates { refuse: dice.pick(&[0, 0, 200]), ..Rates::NONE };
    let plan = Arc::new(Mutex::new(FaultPlan::drawn(dice.number(), rates)));
    let io = WithHeader { io: Faulty::new(near, plan, 0), offloads: Offloads::all() };
    let endpoint = Endpoint::new([Queue::new(io)], options(link_len)).expect("the options are good");
    endpoint.attach().expect("it is new");
    let parts: Vec<_> = frames.iter().map(|frame| parts(dice, &frame.frame)).collect();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::framed(parts)).collect();
    let mut far = FarEnd::new(far.split());
    while endpoint.write_packets(&mut packets).expect("it is attached").pending > 0 {
        far.receive(dice.within(1..=SLOTS));
    }
    far.receive(usize::MAX);
    let sent = frames.iter().zip(&packets).filter(|(_, packet)| packet.status() == TxStatus::Sent);
    let expected: Vec<_> = sent.flat_map(|(frame, _)| wire_form(frame, link_len)).collect();
    let arrived: Vec<_> = far.frames.iter().flat_map(|frame| wire_form(&told(frame, link_len), link_len)).collect();
    assert!(arrived == expected, "{} arrived, {} sent", arrived.len(), expected.len());
    let tx = endpoint.counters().tx;
    assert_eq!((tx.sent, tx.sent + tx.merged), (far.frames.len(), expected.len()));
    assert_eq!(tx.refused_total(), packets.len() - expected.len());
    let lost = Offloads::all() - endpoint.queues()[0].offloads();
    format!("merged to send {}{}", scale(tx.merged) / 4, if lost.is_empty() { "" } else { ", refused" })
}

fn options(link_len: usize) -> Options {
    let has_ethernet = link_len > 0;
    let address = if has_ethernet { OWN } else { LinkAddress::ZERO };
    Options { ethernet_header: has_ethernet, address, mtu: 300, tx_coalesce: true, ..Options::default() }
}

fn parts<'f>(dice: &mut Dice, frame: &'f [u8]) -> Vec<&'f [u8]> {
    let (front, back) = frame.split_at(dice.within(0..=frame.len()));
    let (middle, back) = back.split_at(dice.within(0..=back.len()));
    vec![front, middle, back]
}

fn told(frame: &[u8], link_len: usize) -> Offloaded {
    let (header, frame) = frame.split_at(LEN);
    let header = VirtioNetHdr::decode(header, ByteOrder::Native).expect("all its bytes");
    let offload = header.offload(frame, link_len).expect("a header that the endpoint made");
    Offloaded { frame: frame.to_vec(), offload }
}

fn wire_form(packet: &Offloaded, link_len: usize) -> impl Iterator<Item = Vec<u8>> + use<> {
    on_the_wire(packet, link_len).into_iter().map(move |frame| in_one_form(frame, link_len))
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

/// Fewer frames than are handed in, and as long as 64 of them can be merged into.
const SLOTS: usize = 6;
const LONGEST: usize = 14_000;
