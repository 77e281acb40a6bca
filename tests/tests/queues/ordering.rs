//! Sending over several descriptors.

use std::os::fd::OwnedFd;

use fdlink_core::{LinkEndpoint as _, Packet};
use fdlink_linux::fanout::FanoutMode;
use fdlink_linux::tuntap::{Device, TunTap};
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{Cable, Peer, Trials, plain, seqpacket};

use crate::fanout::{far, group};
use crate::flows::{FLOWS, Mark, assert_each_once, assert_ordered, frame, interleaved, mark};
use crate::interface::Interface;

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(interleaved_flows_take_one_call_for_each_unix_socket);
    trials.in_namespaces(interleaved_flows_take_one_call_for_each_member_of_a_group);
    trials.with_tap(interleaved_flows_keep_their_order_over_the_queues_of_a_tap);
}

fn interleaved_flows_take_one_call_for_each_unix_socket() {
    let (fds, peers): (Vec<_>, Vec<_>) = (0..4).map(|_| seqpacket()).unzip();
    let endpoint = attached(fds);
    for round in 1..=8 {
        let sent = round_of(round);
        send(&endpoint, &sent);
        let queues: Vec<_> = peers.iter().map(|peer| receive(peer, sent.len() / 4)).collect();
        assert_each_once(&queues, &sent);
        for (number, marks) in queues.iter().enumerate() {
            assert!(marks.iter().all(|(flow, _)| usize::from(*flow) % 4 == number), "by hash % descriptors");
            assert_eq!(
                *marks,
                sent.iter().copied().filter(|(flow, _)| usize::from(*flow) % 4 == number).collect::<Vec<_>>()
            );
        }
        assert_calls(&endpoint, round as usize);
    }
}

fn interleaved_flows_take_one_call_for_each_member_of_a_group() {
    let cable = Cable::new();
    let far = far(&cable);
    let endpoint = attached(group(&cable, 4, FanoutMode::Hash));
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for round in 1..=8 {
        let now = round_of(round);
        send(&endpoint, &now);
        received.extend(receive(&far, now.len()));
        sent.extend(now);
        assert_calls(&endpoint, round as usize);
    }
    assert_each_once(std::slice::from_ref(&received), &sent);
    assert_ordered(&received);
}

fn interleaved_flows_keep_their_order_over_the_queues_of_a_tap() {
    let Interface { queues, peer, .. } = Interface::new(TunTap::tap, 4);
    let endpoint = attached(queues.into_iter().map(Device::into).collect());
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for round in 1..=8 {
        let now = round_of(round);
        send(&endpoint, &now);
        received.extend(receive(&peer, now.len()));
        sent.extend(now);
    }
    assert_each_once(std::slice::from_ref(&received), &sent);
    assert_ordered(&received);
    for queue in endpoint.queues() {
        let tx = queue.counters().tx;
        assert_eq!((tx.sent, tx.calls), (sent.len() / 4, sent.len() / 4), "a TAP takes one frame a call");
    }
}

fn attached(fds: Vec<OwnedFd>) -> FdEndpoint {
    let endpoint = endpoint(fds, plain(), &FdOptions::default()).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

/// Three frames of each flow, behind those of earlier rounds: no more than one call takes on each of four queues.
fn round_of(round: u32) -> Vec<Mark> {
    interleaved(3).into_iter().map(|(flow, sequence)| (flow, sequence + 3 * (round - 1))).collect()
}

fn send(endpoint: &FdEndpoint, marks: &[Mark]) {
    let frames: Vec<_> = marks.iter().map(|mark| frame(*mark)).collect();
    let parts: Vec<[&[u8]; 1]> = frames.iter().map(|frame| [frame.as_slice()]).collect();
    let packets = parts.iter().zip(marks);
    let mut packets: Vec<_> =
        packets.map(|(parts, (flow, _))| Packet::framed(parts).with_hash(u32::from(*flow))).collect();
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.pending), (marks.len(), 0), "{written:?}");
}

fn receive(peer: &Peer, count: usize) -> Vec<Mark> {
    (0..count).map(|_| mark(&peer.receive()[14..])).collect()
}

/// So far, `calls` of each queue, which sent as much as the others.
#[track_caller]
fn assert_calls(endpoint: &FdEndpoint, calls: usize) {
    for queue in endpoint.queues() {
        let tx = queue.counters().tx;
        assert_eq!((tx.calls, tx.sent), (calls, calls * 3 * usize::from(FLOWS) / 4));
    }
}
