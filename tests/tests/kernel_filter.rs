//! The filter that the kernel asks before it queues a frame: nothing foreign arrives, nothing else is missed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, thread};

use fdlink_core::io::{EtherTypes, VlanFilter};
use fdlink_core::{ConfigError, DropCause, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, Options, Queue};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::{DispatchMode, FdEndpoint, FdIo, FdOptions, RingOptions, RingVersion, Runner, SetupError, endpoint};
use fdlink_tests::support::{
    Cable, Collector, OWN, Peer, STRANGER, TEST_PROTOCOL, Trials, datagram, drain, ethernet, marked, plain, seqpacket,
    until,
};
use nix::sys::socket::setsockopt;
use nix::{libc, setsockopt_impl, sockopt_impl};
use rustix::io::ioctl_fionread;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.in_namespaces(what_is_for_others_does_not_arrive);
    trials.in_namespaces(without_it_what_is_for_others_is_counted);
    trials.in_namespaces(new_address_is_heard_by_a_receiver_that_waits);
    trials.in_namespaces(protocols_and_vlans_are_chosen_by_the_kernel);
    trials.in_namespaces(what_was_queued_before_is_dropped_by_the_endpoint);
    trials.in_namespaces(borrowed_socket_is_without_filter_afterwards);
    trials.in_namespaces(filter_of_somebody_else_stays);
    trials.in_namespaces(locked_socket_is_refused);
    trials.in_namespaces(address_stays_where_the_filter_is_locked);
    trials.in_namespaces(filter_that_the_kernel_refuses_is_left_out);
    trials.anywhere(other_descriptors_are_refused);
    trials.conclude()
}

fn what_is_for_others_does_not_arrive() {
    for options in every_mode() {
        let cable = Cable::new();
        let endpoint = attached(cable.socket(), plain(), &options);
        assert!(endpoint.queues()[0].is_filtered_below());
        assert_eq!(arrived(&endpoint, &cable.peer(), &[STRANGER, LinkAddress::BROADCAST, STRANGER, OWN], 2), [1, 3]);
        assert_eq!(endpoint.counters().rx.received, 2, "{options:?}");
    }
}

/// So that the test above can fail.
fn without_it_what_is_for_others_is_counted() {
    let cable = Cable::new();
    let endpoint = attached(cable.socket(), plain(), &FdOptions::default());
    assert!(!endpoint.queues()[0].is_filtered_below());
    assert_eq!(arrived(&endpoint, &cable.peer(), &[STRANGER, OWN], 2), [1]);
    assert_eq!(endpoint.counters().rx.dropped(DropCause::ForeignAddress), 1);
}

fn new_address_is_heard_by_a_receiver_that_waits() {
    for options in every_mode() {
        let (cable, collector) = (Cable::new(), Collector::new());
        let peer = cable.peer();
        let endpoint = Arc::new(endpoint([cable.socket()], plain(), &options).unwrap());
        let runner = Runner::attach(Arc::clone(&endpoint), |_| collector.clone()).unwrap();
        send(&peer, 0, OWN);
        assert_eq!(collector.wait_for(1), [marked(0, 50)]);
        endpoint.set_link_address(STRANGER).unwrap();
        [OWN, STRANGER].iter().zip(1..).for_each(|(to, number)| send(&peer, number, *to));
        assert_eq!(collector.wait_for(2), [marked(0, 50), marked(2, 50)], "{options:?}");
        runner.stop().unwrap();
        assert_eq!(endpoint.counters().rx.received, 2, "{options:?}");
    }
}

fn protocols_and_vlans_are_chosen_by_the_kernel() {
    let cases = [
        (Options { ether_types: EtherTypes::only([EtherType::ARP, TEST_PROTOCOL]), ..plain() }, vec![0, 2, 3, 4]),
        (Options { vlan: VlanFilter::Untagged, ..plain() }, vec![0, 1, 4]),
        (Options { vlan: VlanFilter::Id(5), ..plain() }, vec![2]),
        (Options { vlan: VlanFilter::Id(5), ether_types: EtherTypes::only([EtherType::ARP]), ..plain() }, vec![]),
    ];
    let modes = [in_mode(DispatchMode::RecvMmsg), in_ring(RingOptions::V2), in_ring(RingOptions::V3)];
    for ((options, expected), mode) in cases.iter().flat_map(|case| modes.map(|mode| (case, mode))) {
        let cable = Cable::new();
        let socket = cable.socket_with(|socket| socket.promiscuous(true));
        let endpoint = attached(socket, *options, &mode);
        let far = Peer::new(cable.far.run(|| PacketSocket::on("far").protocol(EtherType(0)).open()).unwrap());
        let tags = [None, None, Some(5), Some(6), Some(0xe000)];
        let types = [TEST_PROTOCOL, EtherType::IPV4, TEST_PROTOCOL, TEST_PROTOCOL, TEST_PROTOCOL];
        tags.iter().zip(types).zip(0..).for_each(|((tag, ty), number)| far.send(&tagged(*tag, ty, number)));
        let mut collector = Collector::new();
        // The last one comes to all who look.
        let last = attached(cable.socket_with(|socket| socket), plain(), &mode);
        far.send(&tagged(None, TEST_PROTOCOL, 9));
        until("the last frame", || drain(&last, &mut Collector::new()) > 0);
        drain(&endpoint, &mut collector);
        let numbers: Vec<_> = numbers(&collector).into_iter().filter(|number| *number != 9).collect();
        assert_eq!(numbers, *expected, "{options:?}");
        let rx = endpoint.counters().rx;
        assert_eq!((rx.dropped(DropCause::ForeignProtocol), rx.dropped(DropCause::ForeignVlan)), (0, 0));
    }
}

fn what_was_queued_before_is_dropped_by_the_endpoint() {
    for mode in [DispatchMode::Readv, DispatchMode::RecvMmsg] {
        let (cable, options) = (Cable::new(), in_mode(mode));
        let (socket, peer) = cable.pair();
        send(&peer, 0, STRANGER);
        until("the frame to be queued", || ioctl_fionread(&socket).unwrap() > 0);
        let endpoint = attached(socket, plain(), &options);
        assert_eq!(arrived(&endpoint, &peer, &[STRANGER, OWN], 2), [1], "{mode}");
        assert_eq!(endpoint.counters().rx.dropped(DropCause::ForeignAddress), 1, "{mode}");
    }
}

fn borrowed_socket_is_without_filter_afterwards() {
    let cable = Cable::new();
    let (socket, peer) = cable.pair();
    drop(attached(&socket, plain(), &in_mode(DispatchMode::RecvMmsg)));
    let endpoint = attached(&socket, plain(), &FdOptions::default());
    assert_eq!(arrived(&endpoint, &peer, &[STRANGER, OWN], 2), [1]);
    assert_eq!(endpoint.counters().rx.dropped(DropCause::ForeignAddress), 1);
}

fn filter_of_somebody_else_stays() {
    let cable = Cable::new();
    let (socket, peer) = cable.pair();
    let theirs = attached(&socket, plain(), &in_mode(DispatchMode::RecvMmsg));
    assert_refused(endpoint([&socket], plain(), &in_mode(DispatchMode::RecvMmsg)), "SO_DETACH_FILTER");
    assert_eq!(arrived(&theirs, &peer, &[STRANGER, OWN], 1), [1]);
    assert_eq!(theirs.counters().rx.received, 1);
}

fn locked_socket_is_refused() {
    let socket = Cable::new().socket();
    setsockopt(&socket, LockFilter, &true).unwrap();
    assert_refused(endpoint([&socket], plain(), &in_mode(DispatchMode::RecvMmsg)), "SO_LOCK_FILTER");
    assert!(endpoint([&socket], plain(), &FdOptions::default()).is_ok(), "it works without");
}

/// Also that of a queue whose filter could follow.
fn address_stays_where_the_filter_is_locked() {
    let (free, locked) = (Cable::new(), Cable::new());
    let sockets = [free.socket(), locked.socket()];
    let endpoint = endpoint(&sockets, plain(), &in_mode(DispatchMode::RecvMmsg)).unwrap();
    endpoint.attach().unwrap();
    setsockopt(&sockets[1], LockFilter, &true).unwrap();
    assert_eq!(endpoint.set_link_address(STRANGER), Err(ConfigError::RxFilterRefused));
    assert_eq!(endpoint.link_address(), OWN);
    let mut collectors = [Collector::new(), Collector::new()];
    for ((queue, cable), collector) in [&free, &locked].iter().enumerate().zip(&mut collectors) {
        let peer = cable.peer();
        [STRANGER, OWN].iter().zip(0..).for_each(|(to, number)| send(&peer, number, *to));
        let mut receiver = endpoint.receiver(queue).unwrap();
        until("the frame", || receiver.poll(collector).unwrap() > 0);
        assert_eq!(numbers(collector), [1], "queue {queue}");
    }
    assert_eq!(endpoint.counters().rx.received, 2);
}

/// As for want of memory (`net.core.optmem_max`).
fn filter_that_the_kernel_refuses_is_left_out() {
    if TargetArch::try_from(env::consts::ARCH).is_err() {
        return;
    }
    let cable = Cable::new();
    let channel = FdIo::new(cable.socket(), &in_mode(DispatchMode::RecvMmsg)).unwrap();
    let made = thread::spawn(|| {
        refuse_filters();
        Endpoint::new(vec![Queue::new(channel)], plain())
    });
    let endpoint = made.join().unwrap().unwrap();
    endpoint.attach().unwrap();
    assert!(!endpoint.queues()[0].is_filtered_below());
    assert_eq!(arrived(&endpoint, &cable.peer(), &[STRANGER, OWN], 2), [1]);
    assert_eq!(endpoint.counters().rx.dropped(DropCause::ForeignAddress), 1);
}

/// To this thread, from now on.
fn refuse_filters() {
    let value = libc::SO_ATTACH_FILTER.unsigned_abs().into();
    let option = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
    let calls = BTreeMap::from([(libc::SYS_setsockopt, vec![SeccompRule::new(vec![option]).unwrap()])]);
    let out_of_memory = SeccompAction::Errno(libc::ENOMEM.unsigned_abs());
    let machine = TargetArch::try_from(env::consts::ARCH).unwrap();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, out_of_memory, machine).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

fn other_descriptors_are_refused() {
    for (fd, _peer) in [seqpacket(), datagram()] {
        assert_refused(endpoint([fd], plain(), &in_mode(DispatchMode::RecvMmsg)), "AF_PACKET sockets only");
    }
}

#[track_caller]
fn assert_refused<F: AsFd>(refused: Result<FdEndpoint<F>, SetupError>, words: &str) {
    let error = refused.err().unwrap();
    let SetupError::Unavailable { option: "kernel_filter", reason } = error else { panic!("{error}") };
    assert!(reason.contains(words), "{reason}");
}

fn attached<F: AsFd>(fd: F, options: Options, fd_options: &FdOptions) -> FdEndpoint<F> {
    let endpoint = endpoint([fd], options, fd_options).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

fn in_mode(mode: DispatchMode) -> FdOptions {
    FdOptions { kernel_filter: true, ..fdlink_tests::support::in_mode(mode) }
}

fn in_ring(ring: RingOptions) -> FdOptions {
    FdOptions { ring, ..in_mode(DispatchMode::PacketMmap) }
}

fn every_mode() -> Vec<FdOptions> {
    let v1 = RingOptions { version: RingVersion::V1, ..RingOptions::V2 };
    let rings = [v1, RingOptions::V2, RingOptions::V3].map(in_ring);
    [DispatchMode::Readv, DispatchMode::RecvMmsg].map(in_mode).into_iter().chain(rings).collect()
}

/// Sends one numbered frame to each of `destinations`; the numbers of those that were delivered, once `received` frames have come.
fn arrived<F: AsFd>(endpoint: &FdEndpoint<F>, peer: &Peer, destinations: &[LinkAddress], received: usize) -> Vec<u32> {
    destinations.iter().zip(0..).for_each(|(to, number)| send(peer, number, *to));
    let mut collector = Collector::new();
    until("the last frame", || {
        drain(endpoint, &mut collector);
        endpoint.counters().rx.received >= received && !collector.packets().is_empty()
    });
    numbers(&collector)
}

fn send(peer: &Peer, number: u32, to: LinkAddress) {
    peer.send(&ethernet(to, TEST_PROTOCOL, &marked(number, 50)));
}

fn tagged(tci: Option<u16>, ether_type: EtherType, number: u32) -> Vec<u8> {
    let untagged = ethernet(OWN, ether_type, &marked(number, 50));
    let tag = tci.map(|tci| [[0x81, 0x00], tci.to_be_bytes()].concat()).unwrap_or_default();
    [&untagged[..12], &tag, &untagged[12..]].concat()
}

fn numbers(collector: &Collector) -> Vec<u32> {
    collector.payloads().iter().map(|payload| u32::from_be_bytes(payload[..4].try_into().unwrap())).collect()
}

sockopt_impl!(
    #[doc = "Nobody changes the filter any more."]
    LockFilter,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_LOCK_FILTER,
    bool
);
