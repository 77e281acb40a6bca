//! What the kernel leaves undone of the frames that it hands over with a virtio-net header: told, done, or handed on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use fdlink_core::counters::RxCounters;
use fdlink_core::io::Offloads;
use fdlink_core::wire::Layers;
use fdlink_core::wire::checksum::is_transport_valid;
use fdlink_core::wire::vnet;
use fdlink_core::{
    ChecksumState, EtherType, Gso, GsoType, LinkEndpoint as _, NetworkDispatcher, Offload, Options, RxPacket,
};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::probe::probe;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{DispatchMode, FdIo, FdOptions, RingOptions, endpoint};
use fdlink_tests::lab::{Namespace, link};
use fdlink_tests::support::{Cable, OWN, Offloaded, PEER, Trials, drain, plain, until};
use nix::sys::socket::{setsockopt, sockopt};

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.with_tap(super_frames_of_a_tap_are_told);
    trials.with_tap(super_frames_of_a_tap_are_split);
    trials.with_tap(datagrams_of_a_tap_are_completed);
    trials.with_tap(borrowed_tap_is_as_it_was_after_constructions_that_fail);
    trials.in_namespaces(super_frames_of_packet_sockets_are_told);
    trials.in_namespaces(super_frames_of_packet_sockets_are_split);
    trials.in_namespaces(datagrams_of_packet_sockets_are_completed);
    trials.conclude()
}

fn super_frames_of_a_tap_are_told() {
    super_frames_are_told(&mut Link::tap());
}

fn super_frames_of_a_tap_are_split() {
    super_frames_are_split(&mut Link::tap());
}

fn datagrams_of_a_tap_are_completed() {
    datagrams_are_completed(&mut Link::tap());
}

/// Whatever step fails, and whoever failed: nobody reads a longer header or an unfinished frame from it.
fn borrowed_tap_is_as_it_was_after_constructions_that_fail() {
    let Link { fd, fd_options, socket, _namespaces, .. } = Link::tap();
    let before = probe(&fd).unwrap();
    let good = FdOptions { vnet_header_len: 12, ..fd_options };
    let bad = [
        FdOptions { max_frame_len: Some(usize::MAX), ..good },
        FdOptions { kernel_filter: true, ..good },
        FdOptions { reinsert_vlan_tag: true, ..good },
    ];
    for options in bad {
        assert!(FdIo::new(&fd, &options).is_err() && endpoint([&fd], plain(), &options).is_err(), "{options:?}");
        assert_eq!(probe(&fd), Ok(before), "{options:?}");
    }
    assert!(endpoint([&fd], Options { mtu: 0, ..plain() }, &good).is_err());
    assert_eq!(probe(&fd), Ok(before));
    let not_a_link = std::io::pipe().unwrap().0;
    assert!(endpoint([fd.as_fd(), not_a_link.as_fd()], plain(), &good).is_err());
    assert_eq!(probe(&fd), Ok(before));

    socket.send(b"datagram").unwrap();
    let mut frame = [0; 2000];
    until("the datagram", || rustix::io::read(&fd, &mut frame).is_ok_and(|len| frame[..len].ends_with(b"datagram")));
    assert_eq!(frame[..before.vnet_header_len], [0; vnet::LEN], "the checksum is complete");
    assert!(endpoint([&fd], plain(), &good).is_ok(), "so that the test can fail");
    assert_eq!(probe(&fd).unwrap().vnet_header_len, 12);
}

fn super_frames_of_packet_sockets_are_told() {
    Link::packet_sockets().for_each(|mut link| super_frames_are_told(&mut link));
}

fn super_frames_of_packet_sockets_are_split() {
    Link::packet_sockets().for_each(|mut link| super_frames_are_split(&mut link));
}

fn datagrams_of_packet_sockets_are_completed() {
    Link::packet_sockets().for_each(|mut link| datagrams_are_completed(&mut link));
}

/// The kernel cuts nothing and sums up nothing, and says so.
fn super_frames_are_told(link: &mut Link) {
    let (packets, _) = link.receive(plain(), &payload(), 1);
    let gso = Some(Gso { gso_type: GsoType::UdpL4, size: SIZE, ecn: false });
    assert_eq!(packets[0].offload, Offload { checksum: PARTIAL, gso }, "{}", link.name);
    assert_eq!(packets[0].frame[HEADERS..], payload(), "{}", link.name);
}

fn super_frames_are_split(link: &mut Link) {
    let (packets, rx) = link.receive(Options { rx_split: true, ..plain() }, &payload(), 6);
    packets.iter().for_each(|packet| assert_finished(packet, &link.name));
    assert!(packets.iter().all(|packet| packet.frame.len() <= 14 + 1500));
    assert_eq!((rx.received, rx.split, rx.delivered), (1, 5, 6), "{}", link.name);
    let payloads: Vec<_> = packets.iter().map(|packet| &packet.frame[HEADERS..]).collect();
    assert_eq!(payloads.concat(), payload(), "{}", link.name);
}

fn datagrams_are_completed(link: &mut Link) {
    let (packets, _) = link.receive(plain(), b"datagram", 1);
    assert_eq!(packets[0].offload.checksum, PARTIAL, "{}", link.name);
    assert!(!is_valid(&packets[0].frame), "{}", link.name);
    let (packets, _) = link.receive(Options { complete_checksums: true, ..plain() }, b"datagram", 1);
    assert_finished(&packets[0], &link.name);
}

fn assert_finished(packet: &Offloaded, name: &str) {
    assert_eq!(packet.offload, Offload { checksum: ChecksumState::Unnecessary, gso: None }, "{name}");
    assert!(is_valid(&packet.frame), "{name}: {:x?}", &packet.frame[..HEADERS]);
}

fn is_valid(frame: &[u8]) -> bool {
    Layers::of_frame(frame).is_some_and(|layers| is_transport_valid(frame, &layers))
}

/// A descriptor with a virtio-net header, and a socket of the kernel that sends to it.
struct Link {
    name: String,
    fd_options: FdOptions,
    fd: OwnedFd,
    socket: UdpSocket,
    _namespaces: Vec<Namespace>,
}

impl Link {
    fn tap() -> Self {
        let namespace = Namespace::new().unwrap();
        let (fd, socket) = namespace.run(|| {
            let device = TunTap::tap("tap0").vnet_header(true).open().unwrap();
            device.up().unwrap();
            (OwnedFd::from(device), sender("tap0"))
        });
        let fd_options = FdOptions { offloads: Offloads::all(), ..FdOptions::default() };
        Self { name: "tap".into(), fd_options, fd, socket, _namespaces: vec![namespace] }
    }

    /// In every mode.
    fn packet_sockets() -> impl Iterator<Item = Self> {
        let rings = [RingOptions::V2, RingOptions::V3].map(|ring| (DispatchMode::PacketMmap, ring));
        let modes = [DispatchMode::Readv, DispatchMode::RecvMmsg].map(|mode| (mode, RingOptions::V2));
        modes.into_iter().chain(rings).map(|(mode, ring)| Self::packet_socket(mode, ring))
    }

    fn packet_socket(mode: DispatchMode, ring: RingOptions) -> Self {
        let Cable { near, far, .. } = Cable::new();
        let fd = near.run(|| PacketSocket::on("near").protocol(EtherType::IPV4).open()).unwrap();
        let socket = far.run(|| sender("far"));
        let fd_options =
            FdOptions { offloads: Offloads::all(), dispatch_mode: Some(mode), ring, ..FdOptions::default() };
        let name = format!("{mode}, {:?}", ring.version);
        Self { name, fd_options, fd, socket, _namespaces: vec![near, far] }
    }

    /// What an endpoint with these options delivers of `payload`: so many packets, and nothing is unaccounted for.
    fn receive(&mut self, options: Options, payload: &[u8], count: usize) -> (Vec<Offloaded>, RxCounters) {
        let endpoint = endpoint([&self.fd], options, &self.fd_options).unwrap();
        endpoint.attach().unwrap();
        self.socket.send(payload).unwrap();
        let mut kept = Kept(Vec::new());
        until("the packets", || {
            drain(&endpoint, &mut kept);
            kept.0.len() >= count
        });
        let rx = endpoint.counters().rx;
        assert_eq!((kept.0.len(), rx.is_balanced()), (count, true), "{}: {rx:?}", self.name);
        (kept.0, rx)
    }
}

/// A socket in this namespace towards [`OWN`], which asks the kernel to cut what it sends.
fn sender(interface: &str) -> UdpSocket {
    link::set_address(interface, PEER.0).unwrap();
    link::add_ipv4(interface, [10, 9, 0, 2].into(), 24).unwrap();
    link::add_neighbour(interface, [10, 9, 0, 1].into(), OWN.0).unwrap();
    let socket = UdpSocket::bind("10.9.0.2:7").unwrap();
    socket.connect("10.9.0.1:9").unwrap();
    setsockopt(&socket, sockopt::UdpGsoSegment, &i32::from(SIZE)).unwrap();
    socket
}

/// Five segments, and a short one.
fn payload() -> Vec<u8> {
    (0..5 * usize::from(SIZE) + 300).map(|at| (at / 7) as u8).collect()
}

/// Keeps the packets of the flow.
struct Kept(Vec<Offloaded>);

impl NetworkDispatcher for Kept {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        assert_eq!(packet.meta().len, packet.frame().len());
        if protocol == EtherType::IPV4 {
            self.0.push(Offloaded { frame: packet.frame().to_vec(), offload: packet.offload() });
        }
    }
}

const SIZE: u16 = 1000;
/// Ethernet, IPv4, UDP.
const HEADERS: usize = 14 + 20 + 8;
const PARTIAL: ChecksumState = ChecksumState::Partial { start: 20, offset: 6 };
