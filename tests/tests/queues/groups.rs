//! Making a fanout group and joining it.

use std::os::fd::OwnedFd;

use fdlink_core::EtherType;
use fdlink_linux::SetupError;
use fdlink_linux::fanout::{FanoutGroup, FanoutMode, FanoutOptions};
use fdlink_linux::packet::PacketSocket;
use fdlink_tests::lab::link;
use fdlink_tests::support::{Cable, TEST_PROTOCOL, Trials, seqpacket};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::driven::Driven;
use crate::fanout::{far, socket};
use crate::flows::{assert_each_once, assert_flows_kept, assert_spread, interleaved};
use crate::helper;

pub(crate) fn add(trials: &mut Trials) {
    trials.in_namespaces(each_group_has_a_number_of_its_own);
    trials.in_namespaces(group_is_joined_by_its_number);
    trials.in_namespaces(group_is_joined_by_another_process);
    trials.in_namespaces(group_that_nobody_is_in_begins_with_who_joins);
    trials.in_namespaces(group_can_be_made_while_the_interface_is_down);
    trials.in_namespaces(what_does_not_fit_the_group_is_refused);
    trials.in_namespaces(socket_has_to_be_bound);
    trials.in_namespaces(socket_is_in_one_group_at_most);
    trials.anywhere(other_descriptors_are_refused);
}

fn each_group_has_a_number_of_its_own() {
    let cable = Cable::new();
    let sockets = [(); 3].map(|()| socket(&cable));
    let ids = sockets.each_ref().map(|socket| FanoutGroup::create(socket, FanoutMode::Hash).unwrap().id());
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

/// Also by 0, which the kernel gives out as well.
fn group_is_joined_by_its_number() {
    for number in [0, 1, 4711, u16::MAX] {
        let cable = Cable::new();
        let sockets = [socket(&cable), socket(&cable)];
        for socket in &sockets {
            FanoutGroup::from_id(number, FanoutMode::Hash).join(socket).unwrap();
        }
        assert_one_group(&cable, sockets);
    }
}

fn group_is_joined_by_another_process() {
    let cable = Cable::new();
    let sockets = [socket(&cable), socket(&cable)];
    let group = FanoutGroup::create(&sockets[0], FanoutMode::Hash).unwrap();
    helper::join(sockets[1].try_clone().unwrap(), group);
    assert_one_group(&cable, sockets);
}

fn group_that_nobody_is_in_begins_with_who_joins() {
    let cable = Cable::new();
    let sockets = [socket(&cable), socket(&cable)];
    let group = FanoutGroup::create(&sockets[0], FanoutMode::Hash).unwrap();
    let [first, second] = sockets;
    drop(first);
    group.join(&second).unwrap();
    let mut driven = Driven::new([second]);
    let sent = interleaved(1);
    assert_each_once(&driven.receive(&far(&cable), &sent), &sent);
}

/// The way to a group that delivers nothing twice.
fn group_can_be_made_while_the_interface_is_down() {
    let cable = Cable::new();
    cable.near.run(|| link::set_down("near")).unwrap();
    let sockets = [socket(&cable), socket(&cable)];
    let group = match FanoutGroup::create(&sockets[0], FanoutMode::Hash) {
        Err(SetupError::System { errno: Errno::INVAL, .. }) => {
            println!("SKIP group_can_be_made_while_the_interface_is_down: needs Linux 6.13");
            return;
        }
        group => group.unwrap(),
    };
    group.join(&sockets[1]).unwrap();
    cable.mend();
    assert_one_group(&cable, sockets);
}

fn what_does_not_fit_the_group_is_refused() {
    let cable = Cable::new();
    let first = socket(&cable);
    let id = FanoutGroup::create(&first, FanoutMode::Hash).unwrap().id();
    let other = socket(&cable);
    let hash = FanoutOptions::default();
    for options in [
        FanoutMode::Random.into(),
        FanoutOptions { defrag: true, ..hash },
        FanoutOptions { ignore_outgoing: false, ..hash },
    ] {
        assert_refused(FanoutGroup::from_id(id, options).join(&other), Errno::INVAL);
    }
    let other_protocol = cable.socket_with(|socket| socket.protocol(TEST_PROTOCOL));
    assert_refused(FanoutGroup::from_id(id, hash).join(&other_protocol), Errno::INVAL);
    let other_interface = cable.near.run(|| PacketSocket::on("lo").protocol(EtherType::IPV4).open()).unwrap();
    assert_refused(FanoutGroup::from_id(id, hash).join(&other_interface), Errno::INVAL);
    FanoutGroup::from_id(id, hash).join(&other).unwrap();
}

fn socket_has_to_be_bound() {
    let cable = Cable::new();
    let unbound = cable.near.run(|| socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None));
    let unbound = unbound.unwrap();
    assert_refused(FanoutGroup::create(&unbound, FanoutMode::Hash).map(drop), Errno::INVAL);
    assert_refused(FanoutGroup::from_id(9, FanoutMode::Hash).join(&unbound), Errno::INVAL);
}

fn socket_is_in_one_group_at_most() {
    let cable = Cable::new();
    let socket = socket(&cable);
    let group = FanoutGroup::create(&socket, FanoutMode::Hash).unwrap();
    assert_refused(group.join(&socket), Errno::ALREADY);
    assert_refused(FanoutGroup::create(&socket, FanoutMode::Hash).map(drop), Errno::ALREADY);
}

fn other_descriptors_are_refused() {
    let (fd, _peer) = seqpacket();
    let error = FanoutGroup::create(&fd, FanoutMode::Hash).unwrap_err();
    let SetupError::System { call: "setsockopt PACKET_FANOUT", errno } = error else { panic!("{error}") };
    assert!([Errno::OPNOTSUPP, Errno::NOPROTOOPT].contains(&errno), "{errno}");
}

/// Both receive, and no frame is received twice.
#[track_caller]
fn assert_one_group(cable: &Cable, sockets: [OwnedFd; 2]) {
    let mut driven = Driven::new(sockets);
    let sent = interleaved(2);
    let queues = driven.receive(&far(cable), &sent);
    assert_each_once(&queues, &sent);
    assert_flows_kept(&queues);
    assert_spread(&queues);
}

#[track_caller]
fn assert_refused(result: Result<(), SetupError>, errno: Errno) {
    assert_eq!(result, Err(SetupError::System { call: "setsockopt PACKET_FANOUT", errno }));
}
