//! Endpoints behind a muxed one: what is injected goes out where its address says, once and in order, or its packet says why not; what is injected
//! inbound is delivered while attached.

use std::net::{IpAddr, Ipv4Addr};

use fdlink_core::endpoint::Route;
use fdlink_core::io::ErrorKind;
use fdlink_core::{
    ArpHardwareType, Capabilities, ConfigError, EtherType, GsoSupport, InjectableEndpoint, InjectableLinkEndpoint,
    LinkAddress, LinkEndpoint as _, MuxedInjectableEndpoint, NetworkDispatcher, Packet, RxPacket, TxStatus, WriteError,
};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::Rates;
use fdlink_mock::network::Wire;
use fdlink_mock::rng::Rng;

use super::books::check_sent;
use super::peers::Peer;
use super::world::World;

/// Descriptors that refuse, and do not end.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    Rates { refuse: rng.within(0, 200) as u16, interrupt: 20, ..Rates::NONE }
}

pub(super) fn play(world: &mut World) {
    let kind = world.rng.pick(&[Kind::Tun, Kind::Seqpacket, Kind::Datagram]).unwrap_or(Kind::Tun);
    let (mut endpoints, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..world.rng.within(1, 4) {
        let [near, far] = world.cable(Wire::default(), [kind; 2], DescriptorOptions::default());
        lines.push(Line { near: near.port(), peer: Peer::new(&world.network, far, Rates::NONE), expected: Vec::new() });
        endpoints.push(InjectableEndpoint::injectable(near, MTU).expect("the options are good"));
    }
    let routes: Vec<_> = (0..ADDRESSES).map(|host| (address(host), world.rng.below(endpoints.len()))).collect();
    let table: Vec<Route<'_>> = routes.iter().map(|(address, at)| (*address, &endpoints[*at] as _)).collect();
    let muxed = MuxedInjectableEndpoint::new(&table).expect("there are routes");
    let mut stage = Stage { muxed, endpoints: &endpoints, routes: &routes, lines, attached: false, injected: 0 };
    for _ in 0..world.rng.within(5, 60) {
        stage.step(world);
    }
    stage.check_shape(world);
    stage.muxed.close();
    assert_eq!(stage.muxed.inject_outbound(address(0), &[0x45]), Err(WriteError::Closed));
}

/// One endpoint's other end, and what should come there.
struct Line {
    near: usize,
    peer: Peer,
    expected: Vec<Vec<u8>>,
}

struct Stage<'e> {
    muxed: MuxedInjectableEndpoint<'e>,
    endpoints: &'e [InjectableEndpoint<Descriptor>],
    routes: &'e [(IpAddr, usize)],
    lines: Vec<Line>,
    attached: bool,
    /// Packets that were injected inbound and delivered.
    injected: usize,
}

impl Stage<'_> {
    fn step(&mut self, world: &mut World) {
        match world.rng.below(8) {
            0 => self.attach(),
            1 if world.rng.one_in(4) => {
                self.muxed.detach();
                self.attached = false;
            }
            1..=3 => self.write(world),
            4..=5 => self.inject_outbound(world),
            _ => self.inject_inbound(world),
        }
        self.check(world);
    }

    fn attach(&mut self) {
        assert_eq!(self.muxed.attach().is_ok(), !self.attached, "attach");
        self.attached = true;
        assert!(self.endpoints.iter().zip(0..).all(|(endpoint, at)| endpoint.is_attached() == self.is_routed(at)));
    }

    /// False for an endpoint to which no address leads.
    fn is_routed(&self, endpoint: usize) -> bool {
        self.routes.iter().any(|(_, at)| *at == endpoint)
    }

    fn route(&self, host: u8) -> Option<usize> {
        self.routes.iter().find(|(ip, _)| *ip == address(host)).map(|(_, at)| *at)
    }

    fn write(&mut self, world: &mut World) {
        let drafts: Vec<_> = (0..world.rng.within(0, 20)).map(|_| draft(&mut world.rng)).collect();
        let parts: Vec<[&[u8]; 1]> = drafts.iter().map(|(_, bytes)| [bytes.as_slice()]).collect();
        let packet = |at: usize| Packet::new(EtherType::IPV4, &parts[at]).via(address(drafts[at].0));
        let mut packets: Vec<_> = (0..drafts.len()).map(packet).collect();
        match self.muxed.write_packets(&mut packets) {
            Ok(written) => {
                let count = |is: fn(TxStatus) -> bool| packets.iter().filter(|packet| is(packet.status())).count();
                assert_eq!(written.sent, count(|status| status == TxStatus::Sent));
                assert_eq!(written.pending, count(|status| status == TxStatus::Pending));
                assert_eq!(written.sent + written.refused + written.pending, packets.len());
            }
            Err(WriteError::HostUnreachable) => assert!(drafts.iter().any(|(host, _)| self.route(*host).is_none())),
            Err(error) => assert_eq!((error, self.attached), (WriteError::NotAttached, false)),
        }
        for ((host, bytes), packet) in drafts.iter().zip(&packets) {
            if packet.status() == TxStatus::Sent {
                let at = self.route(*host).expect("sent without a route");
                self.lines[at].expected.push(bytes.clone());
            }
        }
    }

    fn inject_outbound(&mut self, world: &mut World) {
        let (host, bytes) = draft(&mut world.rng);
        let route = self.route(host);
        match self.muxed.inject_outbound(address(host), &bytes) {
            Ok(written) if written.sent == 1 => self.lines[route.expect("a route")].expected.push(bytes),
            Ok(written) => assert!(written.refused + written.pending == 1 && self.attached),
            Err(WriteError::HostUnreachable) => assert_eq!(route, None),
            Err(error) => assert_eq!((error, self.attached), (WriteError::NotAttached, false)),
        }
    }

    fn inject_inbound(&mut self, world: &mut World) {
        let (_, mut bytes) = draft(&mut world.rng);
        let mut heard = Heard(Vec::new());
        let injected = self.muxed.inject_inbound(EtherType::IPV4, &mut bytes, &mut heard);
        let expected = if self.attached { Ok(()) } else { Err(WriteError::NotAttached) };
        assert_eq!(injected, expected, "inject inbound");
        assert_eq!(heard.0, if self.attached { vec![bytes] } else { Vec::new() });
        self.injected += usize::from(self.attached);
    }

    /// What it is follows from what its endpoints are: without link header, none of which segments.
    fn check_shape(&self, world: &mut World) {
        let muxed = &self.muxed;
        assert_eq!((muxed.max_header_length(), muxed.link_address()), (0, LinkAddress::ZERO));
        assert_eq!((muxed.arp_hardware_type(), muxed.supported_gso()), (ArpHardwareType::None, GsoSupport::None));
        assert_eq!((muxed.gso_max_size(), muxed.capabilities()), (0, Capabilities::empty()));
        assert_eq!(muxed.is_attached(), self.attached);
        let mtu = world.rng.within(1, MTU as usize) as u32;
        assert_eq!((muxed.set_mtu(mtu), muxed.mtu(), muxed.set_mtu(0)), (Ok(()), mtu, Err(ConfigError::MtuZero)));
        assert_eq!(muxed.set_link_address(LinkAddress::BROADCAST), Err(ConfigError::GroupAddress));
        let parsed = muxed.parse_header(&[0x60]).map(|parsed| (parsed.protocol, parsed.header_len));
        assert_eq!(parsed, Ok((EtherType::IPV6, 0)));
        let mut packet = Packet::new(EtherType::IPV4, &[]).via(address(0));
        muxed.add_header(&mut packet);
        assert!(packet.link_header().is_empty());
        muxed.set_on_close_action(None);
        assert_eq!(MuxedInjectableEndpoint::new(&[]).err(), Some(ConfigError::NoQueues));
    }

    fn check(&mut self, world: &mut World) {
        for (line, endpoint) in self.lines.iter_mut().zip(self.endpoints) {
            let arrived = line.peer.take(usize::MAX);
            assert!(
                arrived == std::mem::take(&mut line.expected),
                "{} frames arrived, others were sent",
                arrived.len()
            );
            let ledger = world.network.ledger(line.near);
            check_sent(&endpoint.queues()[0].counters(), &ledger, endpoint.options());
            if ledger.refused[ErrorKind::NoBuffers] > 0 {
                world.seen.at("muxed: no buffers");
            }
        }
        let counters = self.muxed.counters();
        assert!(counters.rx.delivered == self.injected && counters.rx.is_balanced(), "{counters}");
        assert_eq!(self.muxed.mtu(), MTU);
    }
}

/// A packet that every kind takes, and the host that it is for: the last ones have no route.
fn draft(rng: &mut Rng) -> (u8, Vec<u8>) {
    let mut bytes = vec![0; rng.within(20, MTU as usize)];
    rng.fill(&mut bytes);
    bytes[0] = 0x45;
    (rng.below(usize::from(ADDRESSES) + 1) as u8, bytes)
}

fn address(host: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, host).into()
}

/// Keeps what is delivered.
struct Heard(Vec<Vec<u8>>);

impl NetworkDispatcher for Heard {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        self.0.push(packet.payload().to_vec());
    }
}

const ADDRESSES: u8 = 6;
const MTU: u32 = 600;
