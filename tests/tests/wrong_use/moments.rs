//! The right call at the wrong time, and packets that cannot be sent.

use fdlink_core::{
    ConfigError, LinkEndpoint as _, Options, Packet, ReceiverError, Refusal, StateError, TxStatus, WriteError,
};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{PEER, Peer, TEST_PROTOCOL, Trials, attach_in, plain, seqpacket};

use crate::assert_says;

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(writing_before_attach);
    trials.anywhere(writing_after_close);
    trials.anywhere(receiving_before_attach);
    trials.anywhere(receiver_that_is_out_or_does_not_exist);
    trials.anywhere(attaching_twice);
    trials.anywhere(attaching_while_receivers_are_out);
    trials.anywhere(attaching_after_close);
    trials.anywhere(setting_an_mtu_or_address_that_cannot_work);
    trials.anywhere(packet_longer_than_the_mtu);
    trials.anywhere(packet_without_a_byte);
    trials.anywhere(framed_packet_shorter_than_its_header);
}

fn writing_before_attach() {
    let (endpoint, peer) = detached();
    assert_says(written(&endpoint), WriteError::NotAttached, &["not attached", "attach before writing"]);
    endpoint.attach().unwrap();
    assert_eq!(written(&endpoint), None);
    endpoint.detach();
    assert_says(written(&endpoint), WriteError::NotAttached, &["not attached"]);
    let _ = peer.receive();
    assert_eq!(peer.try_receive(), None, "what was refused has not left");
}

fn writing_after_close() {
    let (endpoint, _peer) = detached();
    endpoint.close();
    assert_says(written(&endpoint), WriteError::Closed, &["closed for good"]);
}

fn written(endpoint: &FdEndpoint) -> Option<WriteError> {
    let mut packets = [Packet::new(TEST_PROTOCOL, &[b"hello"]).to(PEER)];
    let error = endpoint.write_packets(&mut packets).err();
    let expected = if error.is_none() { TxStatus::Sent } else { TxStatus::Pending };
    assert_eq!(packets[0].status(), expected);
    error
}

fn receiving_before_attach() {
    let (endpoint, _peer) = detached();
    assert_says(endpoint.receiver(0).err(), ReceiverError::NotAttached, &["not attached", "attach before receiving"]);
}

fn receiver_that_is_out_or_does_not_exist() {
    let (endpoint, _peer) = detached();
    endpoint.attach().unwrap();
    assert_says(endpoint.receiver(1).err(), ReceiverError::NoSuchQueue, &["no queue of this number"]);
    let receiver = endpoint.receiver(0).unwrap();
    assert_says(endpoint.receiver(0).err(), ReceiverError::Taken, &["out already"]);
    drop(receiver);
    assert!(endpoint.receiver(0).is_ok());
}

fn attaching_twice() {
    let (endpoint, _peer) = detached();
    endpoint.attach().unwrap();
    assert_says(endpoint.attach().err(), StateError::AlreadyAttached, &["attached already", "detach it first"]);
    assert!(endpoint.is_attached());
}

fn attaching_while_receivers_are_out() {
    let (endpoint, _peer) = detached();
    endpoint.attach().unwrap();
    let receiver = endpoint.receiver(0).unwrap();
    endpoint.detach();
    assert_says(endpoint.attach().err(), StateError::Draining, &["still out", "wait for them"]);
    drop(receiver);
    endpoint.attach().unwrap();
}

fn attaching_after_close() {
    let (endpoint, _peer) = detached();
    endpoint.close();
    assert_says(endpoint.attach().err(), StateError::Closed, &["closed for good", "make a new one"]);
}

fn setting_an_mtu_or_address_that_cannot_work() {
    let (endpoint, _peer) = detached();
    assert_says(endpoint.set_mtu(0).err(), ConfigError::MtuZero, &["mtu", "zero"]);
    let most = 1504; // a VLAN tag fits behind the MTU of 1500
    let expected = ConfigError::MtuAboveFrameLimit { mtu: 9000, max: most };
    assert_says(endpoint.set_mtu(9000).err(), expected, &["9000", "1504"]);
    let error = endpoint.set_link_address(fdlink_core::LinkAddress::BROADCAST).err();
    assert_says(error, ConfigError::GroupAddress, &["group bit", "unicast"]);
    assert_eq!((endpoint.mtu(), endpoint.link_address()), (1500, plain().address), "nothing changed");
}

fn packet_longer_than_the_mtu() {
    let bytes = [0; 1501];
    for ethernet_header in [true, false] {
        let options = Options { ethernet_header, ..Options::default() };
        let status = status_of(options, Packet::new(TEST_PROTOCOL, &[&bytes]));
        assert_refused(status, Refusal::ExceedsMtu, &["longer than the MTU"]);
        let status = status_of(options, Packet::new(TEST_PROTOCOL, &[&bytes[..1500]]));
        assert_eq!(status, TxStatus::Sent);
    }
}

fn packet_without_a_byte() {
    for ethernet_header in [true, false] {
        let options = Options { ethernet_header, ..Options::default() };
        let status = status_of(options, Packet::new(TEST_PROTOCOL, &[b"", b""]));
        assert_refused(status, Refusal::Empty, &["empty", "at least one byte"]);
    }
}

fn framed_packet_shorter_than_its_header() {
    let status = status_of(plain(), Packet::framed(&[&[0; 13]]));
    assert_refused(status, Refusal::Runt, &["shorter than its link header"]);
}

fn status_of(options: Options, packet: Packet<'_>) -> TxStatus {
    let (fd, _peer) = seqpacket();
    let endpoint = attach_in(DispatchMode::Readv, fd, options);
    let mut packets = [packet];
    let _ = endpoint.write_packets(&mut packets).unwrap();
    packets[0].status()
}

#[track_caller]
fn assert_refused(status: TxStatus, expected: Refusal, words: &[&str]) {
    match status {
        TxStatus::Refused(refusal) => assert_says(Some(refusal), expected, words),
        other => panic!("{other:?}"),
    }
}

fn detached() -> (FdEndpoint, Peer) {
    let (fd, peer) = seqpacket();
    (endpoint([fd], plain(), &FdOptions::default()).unwrap(), peer)
}
