use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;

use fdlink_core::{
    EtherType, InjectableEndpoint, InjectableLinkEndpoint, LinkEndpoint as _, MuxedInjectableEndpoint, Packet,
    TxStatus, WriteError,
};
use fdlink_linux::{FdIo, injectable};
use fdlink_tests::support::{Peer, seqpacket};

pub(crate) fn test_injectable_endpoint_mtu() {
    let ((small, _), (large, _)) = (routed(1500), routed(6500));
    let routes = [(address(1), &small as &dyn InjectableLinkEndpoint), (address(2), &large)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    assert_eq!(muxed.mtu(), 1500, "the smallest");

    muxed.set_mtu(1000).unwrap();
    assert_eq!((muxed.mtu(), small.mtu(), large.mtu()), (1000, 1000, 1000));
}

pub(crate) fn test_injectable_endpoint_raw_dispatch() {
    let (endpoint, peer) = routed(6500);
    let routes = [(address(4), &endpoint as &dyn InjectableLinkEndpoint)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    assert_eq!(muxed.inject_outbound(address(4), &[0xfa]).unwrap().sent, 1);
    assert_eq!(peer.receive(), [0xfa]);
    assert_eq!(muxed.inject_outbound(address(5), &[0xfa]), Err(WriteError::HostUnreachable));
}

pub(crate) fn test_injectable_endpoint_dispatch() {
    assert_eq!(dispatched(&[&[0xfa], &[0xfb]]), [0xfa, 0xfb]);
}

pub(crate) fn test_injectable_endpoint_dispatch_hdr_only() {
    assert_eq!(dispatched(&[&[0xfa], &[]]), [0xfa]);
}

type Injectable = InjectableEndpoint<FdIo<OwnedFd>>;

/// What comes out at the other end of the route.
fn dispatched(parts: &[&[u8]]) -> Vec<u8> {
    let (endpoint, peer) = routed(6500);
    let routes = [(address(4), &endpoint as &dyn InjectableLinkEndpoint)];
    let muxed = MuxedInjectableEndpoint::new(&routes).unwrap();
    let mut packets = [Packet::new(EtherType::IPV4, parts).via(address(4))];
    assert_eq!(muxed.write_packets(&mut packets).unwrap().sent, 1);
    assert_eq!(packets[0].status(), TxStatus::Sent);
    peer.receive()
}

fn routed(mtu: u32) -> (Injectable, Peer) {
    let (fd, peer) = seqpacket();
    let endpoint = injectable(fd, mtu).unwrap();
    endpoint.attach().unwrap();
    (endpoint, peer)
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(1, 2, 3, last).into()
}
