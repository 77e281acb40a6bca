//! Which frames are for the endpoint.

use fdlink_core::{DropCause, LinkAddress, LinkEndpoint as _, Options};
use fdlink_linux::DispatchMode;
use fdlink_tests::support::{
    Cable, Collector, MODES, OWN, Pair, Peer, STRANGER, TEST_PROTOCOL, Trials, attach, attach_in, drain, ethernet,
    plain, seqpacket, to_own,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.in_namespaces(defect_37_what_other_sockets_send_is_not_received);
    trials.in_namespaces(defect_37_what_other_sockets_send_is_received_where_it_is_asked_for);
    trials.anywhere(defect_38_address_filter_can_be_switched_off);
    trials.in_namespaces(defect_38_address_filter_can_be_switched_off_on_an_interface);
}

fn defect_37_what_other_sockets_send_is_not_received() {
    let cable = Cable::new();
    for mode in MODES {
        let far = cable.peer();
        let received = received_beside(mode, &cable, cable.socket_with(|socket| socket), 1);
        assert_eq!(received, [b"from the wire"], "{mode}");
        assert_eq!(far.receive()[14..], *b"from beside", "it did leave");
    }
}

/// So that the test above can fail.
fn defect_37_what_other_sockets_send_is_received_where_it_is_asked_for() {
    let cable = Cable::new();
    for mode in MODES {
        let socket = cable.socket_with(|socket| socket.ignore_outgoing(false));
        let received = received_beside(mode, &cable, socket, 2);
        assert_eq!(received, [&b"from beside"[..], b"from the wire"], "{mode}");
    }
}

/// Only sockets of every protocol see what others send. What an endpoint receives on one when another socket on its interface sends to its address, and then the far end does.
fn received_beside(mode: DispatchMode, cable: &Cable, fd: std::os::fd::OwnedFd, count: usize) -> Vec<Vec<u8>> {
    let collector = Collector::new();
    let runner = attach(mode, fd, plain(), &collector);
    let beside = Peer::new(cable.socket());
    beside.send(&to_own(b"from beside"));
    cable.peer().send(&to_own(b"from the wire"));
    let received = collector.wait_for(count);
    runner.stop().unwrap();
    assert!(collector.packets().iter().all(|packet| packet.protocol == TEST_PROTOCOL), "nobody else sends");
    received
}

fn defect_38_address_filter_can_be_switched_off() {
    for mode in MODES {
        passes_only_if_promiscuous(mode, seqpacket(), seqpacket());
    }
}

fn defect_38_address_filter_can_be_switched_off_on_an_interface() {
    let (strict, promiscuous) = (Cable::new(), Cable::new());
    for mode in MODES {
        passes_only_if_promiscuous(mode, strict.pair(), promiscuous.pair());
    }
}

fn passes_only_if_promiscuous(mode: DispatchMode, strict: Pair, promiscuous: Pair) {
    let all = [STRANGER, LinkAddress::BROADCAST, LinkAddress::ZERO, OWN];
    let own = [LinkAddress::BROADCAST, OWN];
    assert_eq!(accepted(mode, strict, plain()), own, "{mode}");
    assert_eq!(accepted(mode, promiscuous, Options { promiscuous: true, ..plain() }), all, "{mode}");
}

/// Which destinations pass, of one frame each; the last one is the endpoint's own.
fn accepted(mode: DispatchMode, (fd, peer): Pair, options: Options) -> Vec<LinkAddress> {
    let endpoint = attach_in(mode, fd, options);
    let destinations = [STRANGER, LinkAddress::BROADCAST, LinkAddress::ZERO, OWN];
    destinations.iter().for_each(|to| peer.send(&ethernet(*to, TEST_PROTOCOL, &[0; 50])));
    let mut collector = Collector::new();
    fdlink_tests::support::until("four frames", || {
        drain(&endpoint, &mut collector);
        endpoint.counters().rx.received == destinations.len()
    });
    let dropped = endpoint.counters().rx.dropped(DropCause::ForeignAddress);
    assert_eq!(dropped + collector.packets().len(), destinations.len());
    let received = collector.packets().into_iter();
    received.map(|packet| LinkAddress(packet.header[..6].try_into().unwrap())).collect()
}
