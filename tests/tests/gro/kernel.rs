//! The kernel's own cases (`tests/vectors/gro_*`): what it was given, and what it delivered.

use std::collections::BTreeMap;

use fdlink_core::wire::layers::{IpVersion, TransportProtocol};
use fdlink_core::wire::{Layers, VirtioNetHdr};
use fdlink_tests::support::{Offloaded, Trials, coalesced, make_checksum, on_the_wire};
use fdlink_tests::vectors::{Case, Frame, cases};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(tcp_is_merged_as_by_the_kernel);
    trials.anywhere(udp_is_merged_as_by_the_kernel);
    trials.anywhere(frames_with_virtio_net_header_are_merged_as_by_the_kernel);
    trials.anywhere(every_case_cut_again_is_what_came);
}

fn tcp_is_merged_as_by_the_kernel() {
    compare("gro_tcp");
}

fn udp_is_merged_as_by_the_kernel() {
    compare("gro_udp");
}

fn frames_with_virtio_net_header_are_merged_as_by_the_kernel() {
    compare("gro_vnet");
}

/// Where the outcome differs on purpose: a part of the case's name, and why.
const DIFFERENCES: [(&str, &str); 23] = [
    ("bad TCP checksum in the middle", ORDER),
    ("bad TCP checksum on the last", ORDER),
    ("bad checksum in the middle", ORDER),
    ("bad IPv4 header checksum in the middle", ORDER),
    ("wrong checksum in the middle without flags", ORDER),
    ("checksum 0 in the middle", ORDER),
    ("IP fragment (MF) in the middle", ORDER),
    ("IP fragment (offset 24) in the middle", ORDER),
    ("IPv4 options in the middle", ORDER),
    ("udp6 ip flow label differs", "the flow label may change within a flow (RFC 6437), whose order is kept"),
    ("trailing padding", "padding of the link does not matter (defect 33)"),
    ("IP ID fixed, DF clear", IDS),
    ("IP ID 0 on every frame, DF clear", IDS),
    ("IP ID fixed for two frames then increments, DF clear", IDS),
    ("IP ID increments for three frames then stays, DF clear", IDS),
    ("reserved bit of the fragment field", "the checksum was verified, and is said to be right"),
    ("VLAN tag", "the recording kernel knew no VLAN"),
    ("QinQ", "the recording kernel knew no VLAN"),
    ("last frame brings the IP packet to", "64 segments in a packet"),
    ("empty datagrams", CLAIM),
    ("checksum 0 on every frame", CLAIM),
    ("UDP length", CLAIM),
    ("DATA_VALID with a wrong checksum", "the kernel's word is taken"),
];
const ORDER: &str = "the kernel lets what it does not merge overtake what it holds of the same flow";
const IDS: &str = "cut again, the identification would count up, which matters where DF is clear";
const CLAIM: &str = "nothing was verified, so nothing is claimed";

/// As the kernel does it, but for [`DIFFERENCES`], each of which there is.
fn compare(file: &str) {
    let cases = cases(file);
    assert!(cases.len() > 70, "{} cases", cases.len());
    for case in &cases {
        let reason = DIFFERENCES.iter().find(|(part, _)| case.name.contains(part)).map(|(_, reason)| *reason);
        // What the kernel was told to do otherwise is no rule.
        let reason = reason.or(case.note.as_deref());
        let delivered = delivered(case);
        assert_eq!(is_same(case, &delivered), reason.is_none(), "{file}, {}: {reason:?}\n{delivered:x?}", case.name);
        if let Some(reason) = reason {
            println!("{}: {} packets, the kernel {}: {reason}", case.name, delivered.len(), expected(case).len());
        }
    }
}

/// Whatever was merged: cut again, it is what came, in the order in which it came.
fn every_case_cut_again_is_what_came() {
    for file in ["gro_tcp", "gro_udp", "gro_vnet"] {
        for case in cases(file) {
            let input: Vec<_> = case.input.iter().map(|frame| offloaded(frame, case.link_len)).collect();
            let output = coalesced(&input, case.link_len);
            let is_wrong = case.name.contains("wrong");
            assert_eq!(wire(&output, case.link_len, is_wrong), wire(&input, case.link_len, is_wrong), "{}", case.name);
        }
    }
}

/// The frames by flow. Without what may change: the identification of atomic packets, an urgent pointer without URG, and a checksum that
/// is made right on the way.
fn wire(packets: &[Offloaded], link_len: usize, without_checksum: bool) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut flows = BTreeMap::<_, Vec<_>>::new();
    for mut frame in packets.iter().flat_map(|packet| on_the_wire(packet, link_len)) {
        if let Some(layers) = Layers::behind(&frame, link_len) {
            forget(&mut frame, &layers, without_checksum);
        }
        flows.entry(flow(&frame, link_len)).or_default().push(frame);
    }
    flows
}

fn forget(frame: &mut [u8], layers: &Layers, without_checksum: bool) {
    let is_atomic = layers.version == IpVersion::V4 && frame[layers.network + 6] & 0x40 != 0;
    if is_atomic {
        frame[layers.network + 4..][..2].fill(0);
        frame[layers.network + 10..][..2].fill(0);
    }
    let has_idle_pointer = layers.protocol == TransportProtocol::Tcp && frame[layers.transport + 13] & 0x20 == 0;
    if has_idle_pointer && frame[layers.transport + 18..][..2] != [0, 0] {
        frame[layers.transport + 18..][..2].fill(0);
        make_checksum(frame, layers);
    }
    if without_checksum {
        make_checksum(frame, layers);
    }
}

fn delivered(case: &Case) -> Vec<Frame> {
    let input: Vec<_> = case.input.iter().map(|frame| offloaded(frame, case.link_len)).collect();
    coalesced(&input, case.link_len).iter().map(|packet| recorded(packet, case.link_len)).collect()
}

fn expected(case: &Case) -> &[Frame] {
    case.expect.as_ref().unwrap().frames()
}

fn is_same(case: &Case, delivered: &[Frame]) -> bool {
    let expect: Vec<_> = expected(case).iter().cloned().map(without_hint).collect();
    match case.is_per_flow {
        true => by_flow(&expect, case.link_len) == by_flow(delivered, case.link_len),
        false => expect == delivered,
    }
}

/// `hdr_len` depends on the kernel's buffers.
fn without_hint(mut frame: Frame) -> Frame {
    frame.vnet.iter_mut().for_each(|vnet| vnet.hdr_len = 0);
    frame
}

fn by_flow(frames: &[Frame], link_len: usize) -> BTreeMap<Vec<u8>, Vec<&Frame>> {
    let mut flows = BTreeMap::<_, Vec<_>>::new();
    frames.iter().for_each(|frame| flows.entry(flow(&frame.bytes, link_len)).or_default().push(frame));
    flows
}

/// Addresses, ports and protocol, or the whole frame where there are none.
fn flow(frame: &[u8], link_len: usize) -> Vec<u8> {
    let Some(layers) = Layers::behind(frame, link_len) else { return frame.to_vec() };
    let addresses = if frame[layers.network] >> 4 == 4 { 12..20 } else { 8..40 };
    let addresses = &frame[layers.network..][addresses];
    let ports = &frame[layers.transport..layers.transport + 4];
    [&frame[..layers.network], addresses, ports, &[layers.protocol as u8]].concat()
}

fn offloaded(frame: &Frame, link_len: usize) -> Offloaded {
    let vnet = frame.vnet.unwrap_or_default();
    Offloaded { frame: frame.bytes.clone(), offload: vnet.offload(&frame.bytes, link_len).unwrap() }
}

/// As the kernel's output was recorded.
fn recorded(packet: &Offloaded, link_len: usize) -> Frame {
    let vnet = VirtioNetHdr::from_offload(packet.offload, link_len, 0);
    Frame { vnet: Some(vnet), bytes: packet.frame.clone() }
}
