//! Several endpoints behind one: each packet goes to the endpoint of its remote address.

use std::net::{IpAddr, Ipv4Addr};

use fdlink_core::io::ErrorKind;
use fdlink_core::{
    ConfigError, EtherType, InjectableEndpoint, InjectableLinkEndpoint as _, LinkEndpoint as _,
    MuxedInjectableEndpoint, Packet, State, TxStatus, WriteError,
};

use crate::recorder::Recorder;
use crate::scripted::{Script, Scripted};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));

fn endpoints(scripts: &[Script; 2]) -> [InjectableEndpoint<Scripted<'_>>; 2] {
    scripts.each_ref().map(|script| InjectableEndpoint::injectable(Scripted(script), 1400).unwrap())
}

#[test]
fn packets_go_to_the_endpoint_of_their_remote_address() {
    let scripts = [Script::default(), Script::default()];
    let [a, b] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, b as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    muxed.attach().unwrap();
    let packet = |parts, remote| Packet::new(EtherType::IPV4, parts).via(remote);
    let mut packets = [packet(&[b"to a"], A), packet(&[b"to b"], B), packet(&[b"to ", b"a"], A)];
    assert_eq!(muxed.write_packets(&mut packets).unwrap().sent, 3);
    assert_eq!(muxed.inject_outbound(B, b"b again").unwrap().sent, 1);
    assert_eq!(scripts[0].sent(), [b"to a", b"to a"]);
    assert_eq!(scripts[1].sent(), [b"to b".to_vec(), b"b again".to_vec()]);
}

#[test]
fn packets_without_a_route_stay_pending_and_alone_they_are_an_error() {
    let scripts = [Script::default(), Script::default()];
    let [a, b] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, b as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    muxed.attach().unwrap();
    let packet = Packet::new(EtherType::IPV4, &[b"x"]);
    let mut packets = [packet.clone(), packet.clone().via(NOBODY), packet.via(B)];
    let written = muxed.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.pending), (1, 2));
    assert_eq!(packets.each_ref().map(Packet::status), [TxStatus::Pending, TxStatus::Pending, TxStatus::Sent]);
    assert_eq!(muxed.write_packets(&mut packets), Err(WriteError::HostUnreachable));
    assert_eq!(muxed.inject_outbound(NOBODY, b"x"), Err(WriteError::HostUnreachable));
}

#[test]
fn packet_behind_a_blocked_one_does_not_overtake_it() {
    let scripts = [Script::sending([Err(ErrorKind::WouldBlock)]), Script::default()];
    let [a, b] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, b as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    muxed.attach().unwrap();
    let packet = |parts, remote| Packet::new(EtherType::IPV4, parts).via(remote);
    let mut packets = [packet(&[b"1"], A), packet(&[b"2"], A), packet(&[b"3"], B)];
    let written = muxed.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.pending, written.blocked), (1, 2, Some(ErrorKind::WouldBlock)));
    assert_eq!(muxed.write_packets(&mut packets).unwrap().sent, 2);
    assert_eq!(scripts[0].sent(), [b"1", b"2"]);
}

#[test]
fn one_endpoint_may_have_several_addresses() {
    let scripts = [Script::default(), Script::default()];
    let [a, _] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, a as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    assert_eq!(muxed.attach(), Ok(()));
    let mut packets = [A, B].map(|remote| Packet::new(EtherType::IPV4, &[b"x"]).via(remote));
    assert_eq!(muxed.write_packets(&mut packets).unwrap().sent, 2);
    assert_eq!(muxed.counters().tx.sent, 2, "counted once each");
}

#[test]
fn properties_are_those_that_hold_for_all() {
    let scripts = [Script::default(), Script::default()];
    let [a, b] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, b as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    b.set_mtu(1280).unwrap();
    assert_eq!(muxed.mtu(), 1280);
    muxed.set_mtu(900).unwrap();
    assert_eq!((a.mtu(), b.mtu(), muxed.max_header_length()), (900, 900, 0));
    assert!(matches!(muxed.set_mtu(0), Err(ConfigError::MtuZero)));
    assert_eq!(MuxedInjectableEndpoint::new(&[]).err(), Some(ConfigError::NoQueues));
}

#[test]
fn life_of_all_is_one() {
    let scripts = [Script::default(), Script::default()];
    let [a, b] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, b as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    muxed.attach().unwrap();
    assert!(muxed.is_attached() && a.is_attached() && b.is_attached());
    muxed.detach();
    assert_eq!((a.state(), b.state(), muxed.state()), (State::Detached, State::Detached, State::Detached));
    muxed.close();
    assert_eq!((a.state(), b.state(), muxed.state()), (State::Closed, State::Closed, State::Closed));
}

#[test]
fn inbound_packets_are_delivered() {
    let scripts = [Script::default(), Script::default()];
    let [a, b] = &endpoints(&scripts);
    let routes = [(A, a as _), (B, b as _)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    muxed.attach().unwrap();
    let mut recorder = Recorder::default();
    muxed.inject_inbound(EtherType::IPV4, &mut [0x45], &mut recorder).unwrap();
    assert_eq!((recorder.payloads(), muxed.counters().rx.delivered), (vec![&[0x45][..]], 1));
}
