//! A bridge of two endpoints, TAP to `AF_PACKET`, between two kernels' TCP and UDP: what goes in comes out.

use std::hash::Hasher as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fdlink_core::io::Offloads;
use fdlink_core::{EtherType, GsoSupport, LinkEndpoint as _, NetworkDispatcher, Options, Packet, RxPacket, TxPolicy};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{FdEndpoint, FdOptions, Runner, endpoint};
use fdlink_mock::rng::Rng;
use fdlink_tests::lab::{Namespace, link};
use fdlink_tests::support::{Cable, FdRunner, PATIENCE, Trials, marked, plain};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGsoSegment;
use twox_hash::XxHash64;

pub(crate) fn add(trials: &mut Trials) {
    trials.with_tap(traffic_is_forwarded_with_offloads);
    trials.with_tap(traffic_is_forwarded_without_offloads);
    trials.with_tap(traffic_is_forwarded_to_a_wire_without_offloads);
    trials.with_tap(traffic_is_forwarded_from_an_interface_without_offloads);
}

fn traffic_is_forwarded_with_offloads() {
    let bridge = Bridge::new(Offloads::all(), Offloads::all());
    bridge.carry();
    bridge.assert_frames_longer_than_the_mtu();
}

fn traffic_is_forwarded_without_offloads() {
    Bridge::new(Offloads::empty(), Offloads::empty()).carry();
}

fn traffic_is_forwarded_to_a_wire_without_offloads() {
    Bridge::new(Offloads::all(), Offloads::empty()).carry();
}

fn traffic_is_forwarded_from_an_interface_without_offloads() {
    Bridge::new(Offloads::empty(), Offloads::all()).carry();
}

/// A kernel with a TAP interface, a bridge, a cable, and another kernel.
struct Bridge {
    client: Namespace,
    cable: Cable,
    endpoints: [Arc<FdEndpoint>; 2],
    _runners: [FdRunner; 2],
}

impl Bridge {
    fn new(tap_offloads: Offloads, packet_offloads: Offloads) -> Self {
        let (client, cable) = (Namespace::new().unwrap(), Cable::new());
        let tap = client.run(|| {
            let device = TunTap::tap("tap0").vnet_header(!tap_offloads.is_empty()).open().unwrap();
            device.up().unwrap();
            link::add_ipv4("tap0", [10, 0, 0, 1].into(), 24).unwrap();
            device
        });
        cable.far.run(|| link::add_ipv4("far", [10, 0, 0, 2].into(), 24)).unwrap();
        if packet_offloads.is_empty() {
            // Or the far kernel would hand over what is left to do, to one that is not told.
            cable.far.run(|| link::disable_offloads("far")).unwrap();
        }
        let socket = cable.near.run(|| PacketSocket::on("near").promiscuous(true).receive_buffer(8 << 20).open());
        let tap = Arc::new(attachable(tap.into(), tap_offloads));
        let packet = Arc::new(attachable(socket.unwrap(), packet_offloads));
        let runners = [forward(&tap, &packet), forward(&packet, &tap)];
        Self { client, cable, endpoints: [tap, packet], _runners: runners }
    }

    fn carry(&self) {
        self.carry_udp();
        self.carry_tcp();
    }

    /// Super-frames of datagrams, each way in turn.
    fn carry_udp(&self) {
        let client = self.client.run(|| UdpSocket::bind("10.0.0.1:5000")).unwrap();
        let server = self.cable.far.run(|| UdpSocket::bind("10.0.0.2:5000")).unwrap();
        client.connect("10.0.0.2:5000").unwrap();
        server.connect("10.0.0.1:5000").unwrap();
        for round in 0..20 {
            pass(&client, &server, 2 * round);
            pass(&server, &client, 2 * round + 1);
        }
    }

    /// So many bytes each way at the same time, in one connection.
    fn carry_tcp(&self) {
        let listener = self.cable.far.run(|| TcpListener::bind("10.0.0.2:5000")).unwrap();
        let client = self.client.run(|| TcpStream::connect_timeout(&([10, 0, 0, 2], 5000).into(), PATIENCE)).unwrap();
        let (server, _) = listener.accept().unwrap();
        let ends = [(server.try_clone().unwrap(), 1), (client.try_clone().unwrap(), 2)];
        let writers = ends.map(|(stream, seed)| thread::spawn(move || write(stream, seed)));
        let readers = [(client, 1), (server, 2)].map(|(stream, seed)| thread::spawn(move || (read(stream), seed)));
        let written = writers.map(|writer| writer.join().unwrap());
        for (reader, hash) in readers.into_iter().zip(written) {
            let (read, seed) = reader.join().unwrap();
            assert_eq!(read, (bytes(), hash), "direction {seed}");
        }
    }

    fn assert_frames_longer_than_the_mtu(&self) {
        for endpoint in &self.endpoints {
            let tx = endpoint.counters().tx;
            assert!(tx.sent_bytes / tx.sent > 1514, "{tx:?}");
            assert_eq!(endpoint.queues()[0].offloads(), Offloads::all());
        }
    }
}

fn pass(from: &UdpSocket, to: &UdpSocket, number: u32) {
    setsockopt(from, UdpGsoSegment, &SEGMENT).unwrap();
    let (bytes, mut came) = (marked(number, 30_000), Vec::new());
    assert_eq!(from.send(&bytes).unwrap(), bytes.len());
    to.set_read_timeout(Some(PATIENCE)).unwrap();
    while came.len() < bytes.len() {
        let mut datagram = [0; 2000];
        let len = to.recv(&mut datagram).unwrap();
        assert_eq!(len, (bytes.len() - came.len()).min(SEGMENT as usize));
        came.extend_from_slice(&datagram[..len]);
    }
    assert!(came == bytes, "round {number}");
}

fn attachable(fd: std::os::fd::OwnedFd, offloads: Offloads) -> FdEndpoint {
    let policy = TxPolicy::Wait { attempts: 1000, timeout: Duration::from_millis(10) };
    let options = Options { gso: GsoSupport::Host, promiscuous: true, tx_policy: policy, ..plain() };
    endpoint([fd], options, &FdOptions { offloads, ..FdOptions::default() }).unwrap()
}

fn forward(from: &Arc<FdEndpoint>, to: &Arc<FdEndpoint>) -> FdRunner {
    Runner::attach(Arc::clone(from), |_| Forwarder(Arc::clone(to))).unwrap()
}

#[derive(Clone)]
struct Forwarder(Arc<FdEndpoint>);

impl NetworkDispatcher for Forwarder {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let parts = packet.parts();
        let mut packets = [Packet::framed(&parts).with_offload(packet.offload())];
        // What is lost at the start and at the end, TCP sends again.
        let _ = self.0.write_packets(&mut packets);
    }
}

fn write(mut stream: TcpStream, seed: u64) -> u64 {
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let (mut rng, mut hasher, mut block) = (Rng::new(seed), XxHash64::with_seed(0), vec![0; BLOCK]);
    for _ in 0..bytes() / BLOCK {
        rng.fill(&mut block);
        hasher.write(&block);
        stream.write_all(&block).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    hasher.finish()
}

/// How many bytes came, and their hash.
fn read(mut stream: TcpStream) -> (usize, u64) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut hasher, mut block, mut total) = (XxHash64::with_seed(0), vec![0; BLOCK], 0);
    loop {
        match stream.read(&mut block).unwrap() {
            0 => return (total, hasher.finish()),
            len => {
                hasher.write(&block[..len]);
                total += len;
            }
        }
    }
}

/// Bytes each way: 64 MiB, or as many MiB as `FDLINK_FORWARD_MIB` says.
fn bytes() -> usize {
    let mib = std::env::var("FDLINK_FORWARD_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(64);
    mib << 20
}

const BLOCK: usize = 1 << 20;

/// Bytes of a datagram.
const SEGMENT: i32 = 1400;
