//! The descriptors of a simulated network as kinds of channels.

use std::time::Duration;

use fdlink_core::io::{Channel, RawIo as _, RxBatch as _, RxQueue as _, TxFrame, TxQueue as _};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, DescriptorRx, DescriptorTx, Kind, Ring};
use fdlink_mock::fault::FaultPlan;
use fdlink_mock::network::{Network, Topology, Wire};

use super::{Bench, FarEnd, Shape, Traits};

/// Descriptors of one kind, on a wire that is instant and perfect.
#[derive(Debug, Clone, Copy)]
pub struct SimBench(pub Kind);

impl SimBench {
    /// Every kind, with the name of the test.
    pub const ALL: [(&'static str, Self); 7] = [
        ("sim::tap", Self(Kind::Tap)),
        ("sim::tun", Self(Kind::Tun)),
        ("sim::seqpacket", Self(Kind::Seqpacket)),
        ("sim::dgram", Self(Kind::Datagram)),
        ("sim::packet", Self(Kind::Packet)),
        ("sim::ring_v2", Self(Kind::PacketRing(Ring::slots(256)))),
        ("sim::ring_v3", Self(Kind::PacketRing(Ring::blocks(64, 4, Duration::ZERO)))),
    ];
}

impl Bench for SimBench {
    type Io = Descriptor;
    type Far = SimFar;

    fn open(&self, receive_len: usize) -> (Descriptor, SimFar) {
        let network = Network::new(FaultPlan::none());
        let segment = network.segment(Topology::Hub, Wire::default());
        let options = DescriptorOptions { receive_len, ..DescriptorOptions::default() };
        let near = network.open_with(segment, self.0, options);
        let port = near.port();
        // The other end of an interface is a socket on it, as on the real one.
        let far = if self.0 == Kind::Tap { Kind::Packet } else { self.0.without_ring() };
        let options = DescriptorOptions { receive_len: 1 << 17, ..options };
        let Channel { rx, tx, .. } = network.open_with(segment, far, options).split();
        (near, SimFar { network, port, rx, tx })
    }

    fn traits(&self) -> Traits {
        let kind = self.0;
        let (shape, longest): (_, usize) = match kind {
            Kind::Seqpacket | Kind::Datagram => (Shape::Any, 65_535),
            Kind::Tun => (Shape::Ipv4, 1500),
            _ => (Shape::Ethernet, 1514),
        };
        let rejected: &[u8] = if kind == Kind::Tun { &[0; 40] } else { &[2; 13] };
        Traits {
            shape,
            longest,
            too_long: (kind.is_unix() || kind.is_packet()).then_some(if kind.is_unix() { 1 << 20 } else { 1600 }),
            rejected: kind.has_interface().then_some(rejected),
            zero_length: kind.is_unix(),
            zero_length_before_close: false,
            tells_real_length: !matches!(kind, Kind::Tap | Kind::Tun),
            close_is_received: kind == Kind::Seqpacket,
            close_refuses: kind.is_unix(),
            fills: kind.is_unix(),
            keeps: !matches!(kind, Kind::Tap | Kind::Tun),
            blocks: false,
            interface: kind.has_interface(),
        }
    }
}

/// The other end of the wire.
#[derive(Debug)]
pub struct SimFar {
    network: Network,
    /// Of the descriptor under test.
    port: usize,
    rx: DescriptorRx,
    tx: DescriptorTx,
}

impl FarEnd for SimFar {
    fn send(&mut self, frame: &[u8]) {
        self.tx.send(&[TxFrame { header: &[], parts: &[frame] }]).expect("the far end has room");
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut batch = self.rx.poll(1).ok()?;
        batch.frames().next().map(|frame| frame.bytes.to_vec())
    }

    fn set_interface(&mut self, up: bool) {
        self.network.set_link(self.port, up);
    }

    fn delete_interface(&mut self) {
        self.network.hang_up(self.port);
    }
}
