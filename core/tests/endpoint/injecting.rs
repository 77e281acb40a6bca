//! Packets put in by hand, in both directions.

use std::net::{IpAddr, Ipv4Addr};

use fdlink_core::io::ErrorKind;
use fdlink_core::{
    Capabilities, ConfigError, EtherType, InjectableEndpoint, InjectableLinkEndpoint as _, LinkEndpoint as _,
    WriteError,
};

use crate::recorder::Recorder;
use crate::scripted::{Script, Scripted};

const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn injectable(script: &Script) -> InjectableEndpoint<Scripted<'_>> {
    InjectableEndpoint::injectable(Scripted(script), 1400).unwrap()
}

#[test]
fn injectable_endpoint_has_no_link_header() {
    let script = Script::default();
    let endpoint = injectable(&script);
    assert_eq!((endpoint.mtu(), endpoint.max_header_length()), (1400, 0));
    assert_eq!(endpoint.capabilities(), Capabilities::empty());
    let error = InjectableEndpoint::injectable(Scripted(&script), 0).err();
    assert_eq!(error, Some(ConfigError::MtuZero));
}

#[test]
fn inbound_packet_is_delivered_and_counted() {
    let script = Script::default();
    let endpoint = injectable(&script);
    endpoint.attach().unwrap();
    assert!(endpoint.is_attached());
    let mut recorder = Recorder::default();
    endpoint.inject_inbound(EtherType::IPV6, &mut [0x60, 1, 2], &mut recorder).unwrap();
    assert_eq!(recorder.packets, [(EtherType::IPV6, vec![0x60, 1, 2])]);
    let rx = endpoint.counters().rx;
    assert_eq!((rx.received, rx.received_bytes, rx.delivered, rx.is_balanced()), (1, 3, 1, true));
}

#[test]
fn inbound_packet_is_not_delivered_where_nothing_is_attached() {
    let script = Script::default();
    let endpoint = injectable(&script);
    let mut recorder = Recorder::default();
    let mut inject = || endpoint.inject_inbound(EtherType::IPV4, &mut [0x45], &mut recorder);
    assert_eq!(inject(), Err(WriteError::NotAttached));
    endpoint.close();
    assert_eq!(inject(), Err(WriteError::Closed));
    assert!(recorder.packets.is_empty());
    assert_eq!(endpoint.counters().rx.received, 0);
}

#[test]
fn outbound_packet_goes_out_as_it_is() {
    let script = Script::default();
    let endpoint = injectable(&script);
    assert_eq!(endpoint.inject_outbound(ANYWHERE, b"x"), Err(WriteError::NotAttached));
    endpoint.attach().unwrap();
    assert_eq!(endpoint.inject_outbound(ANYWHERE, b"\x45 and so on").unwrap().sent, 1);
    assert_eq!(script.sent(), [b"\x45 and so on"]);
}

#[test]
fn outbound_packet_that_does_not_go_says_so() {
    let script = Script::sending([Err(ErrorKind::WouldBlock)]);
    let endpoint = injectable(&script);
    endpoint.attach().unwrap();
    let written = endpoint.inject_outbound(ANYWHERE, b"x").unwrap();
    assert_eq!((written.pending, written.blocked), (1, Some(ErrorKind::WouldBlock)));
    assert_eq!(endpoint.inject_outbound(ANYWHERE, &[0; 1401]).unwrap().refused, 1);
    assert_eq!(endpoint.inject_outbound(ANYWHERE, &[]).unwrap().refused, 1);
}
