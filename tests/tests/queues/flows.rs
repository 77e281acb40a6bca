//! Frames of many flows that a kernel can tell apart: UDP over IPv4, told by the source port.

use std::collections::{BTreeMap, BTreeSet};

use fdlink_core::EtherType;
use fdlink_tests::support::{Collector, OWN, Peer, ethernet, until};

pub(crate) const FLOWS: u16 = 64;

/// A flow, and the how-manieth of its frames.
pub(crate) type Mark = (u16, u32);

/// The frame with this mark, from the peer to the endpoint.
pub(crate) fn frame((flow, sequence): Mark) -> Vec<u8> {
    ethernet(OWN, EtherType::IPV4, &packet((flow, sequence)))
}

pub(crate) fn packet((flow, sequence): Mark) -> Vec<u8> {
    let data = sequence.to_be_bytes();
    let udp_len = (8 + data.len()) as u16;
    let port = (FIRST_PORT + flow).to_be_bytes();
    let udp = [&port[..], &[0, 7], &udp_len.to_be_bytes(), &[0, 0], &data].concat();
    ipv4(0, 0, &udp)
}

/// A packet of 10.0.0.2 to 10.0.0.1; `offset` is the field of that name with its flags.
pub(crate) fn ipv4(id: u16, offset: u16, data: &[u8]) -> Vec<u8> {
    let len = (20 + data.len()) as u16;
    let head = |checksum: u16| {
        let [l0, l1] = len.to_be_bytes();
        let ([i0, i1], [o0, o1], [c0, c1]) = (id.to_be_bytes(), offset.to_be_bytes(), checksum.to_be_bytes());
        [0x45, 0, l0, l1, i0, i1, o0, o1, 64, 17, c0, c1, 10, 0, 0, 2, 10, 0, 0, 1]
    };
    [&head(checksum(&head(0)))[..], data].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// The mark of a packet, or of what follows the link header of a frame.
pub(crate) fn mark(packet: &[u8]) -> Mark {
    let port = u16::from_be_bytes(packet[20..22].try_into().unwrap());
    (port - FIRST_PORT, u32::from_be_bytes(packet[28..32].try_into().unwrap()))
}

pub(crate) fn marks(collector: &Collector) -> Vec<Mark> {
    collector.payloads().iter().map(|packet| mark(packet)).collect()
}

/// All marks of `rounds` frames of each flow, the flows interleaved.
pub(crate) fn interleaved(rounds: u32) -> Vec<Mark> {
    (0..rounds).flat_map(|sequence| (0..FLOWS).map(move |flow| (flow, sequence))).collect()
}

/// Sends frames in bursts that fit every queue, and waits for each to have been received.
pub(crate) fn send_in_bursts(peer: &Peer, marks: &[Mark], mut received: impl FnMut() -> usize) {
    let mut sent = 0;
    for burst in marks.chunks(64) {
        burst.iter().for_each(|mark| peer.send(&frame(*mark)));
        sent += burst.len();
        until("the burst to be received", || received() >= sent);
    }
}

/// Each mark was received exactly once, by whatever queue.
#[track_caller]
pub(crate) fn assert_each_once(queues: &[Vec<Mark>], sent: &[Mark]) {
    let mut received = queues.concat();
    let mut sent = sent.to_vec();
    received.sort_unstable();
    sent.sort_unstable();
    assert_eq!(received.len(), sent.len());
    assert!(received == sent, "some are missing and some are there twice");
}

/// Each flow came by one queue, in the order in which it was sent.
#[track_caller]
pub(crate) fn assert_flows_kept(queues: &[Vec<Mark>]) {
    let mut homes = BTreeMap::<u16, BTreeSet<usize>>::new();
    for (queue, marks) in queues.iter().enumerate() {
        assert_ordered(marks);
        for (flow, _) in marks {
            homes.entry(*flow).or_default().insert(queue);
        }
    }
    let split: Vec<_> = homes.iter().filter(|(_, queues)| queues.len() > 1).collect();
    assert!(split.is_empty(), "flows by several queues: {split:?}");
}

/// The sequence numbers of each flow rise one by one, from the first that came.
#[track_caller]
pub(crate) fn assert_ordered(marks: &[Mark]) {
    let mut last = BTreeMap::<u16, u32>::new();
    for (flow, sequence) in marks {
        if let Some(before) = last.insert(*flow, *sequence) {
            assert_eq!(*sequence, before + 1, "flow {flow}");
        }
    }
}

/// As [`assert_ordered`], where some may be missing.
#[track_caller]
pub(crate) fn assert_rising(marks: &[Mark]) {
    let mut last = BTreeMap::<u16, u32>::new();
    for (flow, sequence) in marks {
        let before = last.insert(*flow, *sequence);
        assert!(before < Some(*sequence), "flow {flow}: {sequence} behind {before:?}");
    }
}

/// Each queue got its share.
#[track_caller]
pub(crate) fn assert_spread(queues: &[Vec<Mark>]) {
    let counts: Vec<_> = queues.iter().map(Vec::len).collect();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

const FIRST_PORT: u16 = 10_000;
