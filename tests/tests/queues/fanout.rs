//! How a fanout group spreads frames.

use std::os::fd::OwnedFd;

use fdlink_core::{EtherType, LinkEndpoint as _};
use fdlink_linux::DispatchMode;
use fdlink_linux::fanout::{FanoutGroup, FanoutMode, FanoutOptions};
use fdlink_linux::packet::PacketSocket;
use fdlink_tests::support::{Cable, Collector, OWN, Peer, Trials, ethernet, until};

use crate::driven::Driven;
use crate::flows::{FLOWS, assert_each_once, assert_flows_kept, assert_spread, frame, interleaved, ipv4};

pub(crate) fn add(trials: &mut Trials) {
    trials.in_namespaces(hash_keeps_each_flow_on_one_socket);
    trials.in_namespaces(every_mode_delivers_each_frame_once);
    trials.in_namespaces(load_balance_takes_turns);
    trials.in_namespaces(rollover_fills_one_socket_after_the_other);
    trials.in_namespaces(fragments_reach_the_stack_unless_defrag_is_asked_for);
    trials.in_namespaces(what_the_host_sends_stays_out_of_a_group_unless_asked_for);
    trials.in_namespaces(sockets_without_a_group_deliver_every_frame_each);
}

/// Members of a group on the near interface, which receive IPv4.
pub(crate) fn group(cable: &Cable, members: usize, options: impl Into<FanoutOptions>) -> Vec<OwnedFd> {
    let sockets: Vec<_> = (0..members).map(|_| socket(cable)).collect();
    let group = FanoutGroup::create(&sockets[0], options).unwrap();
    sockets[1..].iter().for_each(|socket| group.join(socket).unwrap());
    sockets
}

pub(crate) fn socket(cable: &Cable) -> OwnedFd {
    cable.socket_with(|socket| socket.protocol(EtherType::IPV4).receive_buffer(4 << 20))
}

/// A socket at the far end, for IPv4.
pub(crate) fn far(cable: &Cable) -> Peer {
    Peer::new(cable.far.run(|| PacketSocket::on("far").protocol(EtherType::IPV4).open()).unwrap())
}

fn hash_keeps_each_flow_on_one_socket() {
    let modes = [DispatchMode::Readv, DispatchMode::RecvMmsg, DispatchMode::PacketMmap];
    for (mode, members) in modes.into_iter().flat_map(|mode| [(mode, 2), (mode, 4)]) {
        let cable = Cable::new();
        let mut driven = Driven::in_mode(Some(mode), group(&cable, members, FanoutMode::Hash));
        let sent = interleaved(16);
        let queues = driven.receive(&far(&cable), &sent);
        assert_each_once(&queues, &sent);
        assert_flows_kept(&queues);
        assert_spread(&queues);
        let counters = driven.endpoint.counters().rx;
        assert_eq!((counters.delivered, counters.dropped_total()), (sent.len(), 0), "{mode}, {members} sockets");
    }
}

fn every_mode_delivers_each_frame_once() {
    use FanoutMode::{Cpu, Hash, LoadBalance, QueueMapping, Random, Rollover};
    let cable = Cable::new();
    for mode in [Hash, LoadBalance, Cpu, Rollover, Random, QueueMapping] {
        for ignore_outgoing in [true, false] {
            let options = FanoutOptions { ignore_outgoing, ..mode.into() };
            assert_each_once_in(&cable, options);
        }
    }
}

fn assert_each_once_in(cable: &Cable, options: FanoutOptions) {
    let mut driven = Driven::new(group(cable, 3, options));
    let sent = interleaved(4);
    let queues = driven.receive(&far(cable), &sent);
    assert_each_once(&queues, &sent);
}

fn load_balance_takes_turns() {
    let cable = Cable::new();
    let mut driven = Driven::new(group(&cable, 4, FanoutMode::LoadBalance));
    let queues = driven.receive(&far(&cable), &interleaved(1));
    assert!(queues.iter().all(|marks| marks.len() == usize::from(FLOWS) / 4), "{queues:?}");
}

fn rollover_fills_one_socket_after_the_other() {
    let cable = Cable::new();
    let mut driven = Driven::new(group(&cable, 2, FanoutMode::Rollover));
    let queues = driven.receive(&far(&cable), &interleaved(1));
    let counts: Vec<_> = queues.iter().map(Vec::len).collect();
    assert!(counts.contains(&0), "none was ever full: {counts:?}");
}

fn fragments_reach_the_stack_unless_defrag_is_asked_for() {
    for (defrag, expected) in [(false, vec![820, 420]), (true, vec![1220])] {
        let cable = Cable::new();
        let options = FanoutOptions { defrag, ..FanoutOptions::default() };
        let mut driven = Driven::new(group(&cable, 4, options));
        let far = far(&cable);
        for fragment in [ipv4(77, MORE_FRAGMENTS, &[1; 800]), ipv4(77, 800 / 8, &[2; 400])] {
            far.send(&ethernet(OWN, EtherType::IPV4, &fragment));
        }
        until("the fragments, or the datagram", || driven.poll() >= expected.len());
        let queues: Vec<_> =
            driven.collectors.iter().map(Collector::payloads).filter(|queue| !queue.is_empty()).collect();
        assert_eq!(queues.len(), 1, "fragments of one datagram meet in one socket");
        assert_eq!(queues[0].iter().map(Vec::len).collect::<Vec<_>>(), expected, "defrag: {defrag}");
    }
}

const MORE_FRAGMENTS: u16 = 0x2000;

/// Only sockets of every protocol see what others send.
fn what_the_host_sends_stays_out_of_a_group_unless_asked_for() {
    for (ignore_outgoing, expected) in [(true, 1), (false, 2)] {
        let cable = Cable::new();
        let sockets = [(); 2].map(|()| cable.socket_with(|socket| socket));
        let options = FanoutOptions { ignore_outgoing, ..FanoutOptions::default() };
        let group = FanoutGroup::create(&sockets[0], options).unwrap();
        group.join(&sockets[1]).unwrap();
        let mut driven = Driven::new(sockets);
        Peer::new(socket(&cable)).send(&frame((1, 0)));
        far(&cable).send(&frame((2, 0)));
        until("the frame from the wire", || driven.poll() >= expected);
        let flows: Vec<_> = driven.marks().concat().iter().map(|(flow, _)| *flow).collect();
        assert_eq!(flows.len(), expected, "{flows:?}, ignore_outgoing: {ignore_outgoing}");
        assert!(flows.contains(&2));
    }
}

/// What `endpoint` warns of.
fn sockets_without_a_group_deliver_every_frame_each() {
    let cable = Cable::new();
    let alone: Vec<_> = (0..2).map(|_| socket(&cable)).collect();
    let mut twice = Driven::new(&alone);
    let mut once = Driven::new(group(&cable, 2, FanoutMode::Hash));
    let sent = interleaved(1);
    let far = far(&cable);
    sent.iter().for_each(|mark| far.send(&frame(*mark)));
    until("all frames", || twice.poll() == 2 * sent.len() && once.poll() == sent.len());
    twice.marks().iter().for_each(|queue| assert_each_once(std::slice::from_ref(queue), &sent));
    assert_each_once(&once.marks(), &sent);
}
