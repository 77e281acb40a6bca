//! smoltcp over fdlink against sockets of the kernel: super-frames both ways, by smoltcp's own segmentation and by merging, and those of UDP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;
use std::time::Duration;

use fdlink_core::io::Offloads;
use fdlink_core::smoltcp::Device;
use fdlink_core::{Counters, GsoSupport, LinkEndpoint as _, Options};
use fdlink_linux::{FdEndpoint, FdIo, FdOptions, endpoint};
use fdlink_tests::bulk::{Connection, Direction, Family, Kernel, Net, Rounds as _, Transfer};
use fdlink_tests::support::{Trials, plain};
use nix::sys::socket::{setsockopt, sockopt};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.with_tap(ipv4_by_segmentation_of_smoltcp);
    trials.with_tap(ipv4_by_merging);
    trials.with_tap(ipv6_by_merging);
    trials.with_tap(ipv6_where_the_system_cuts_nothing);
    trials.with_tap(super_frames_of_udp_arrive_as_datagrams);
    trials.conclude()
}

fn ipv4_by_segmentation_of_smoltcp() {
    both_ways(Family::V4, offloading(), TCP);
}

/// smoltcp makes super-frames only where it leaves checksums alone.
fn ipv4_by_merging() {
    both_ways(Family::V4, Options { tx_checksum_offload: false, ..offloading() }, TCP);
}

fn ipv6_by_merging() {
    both_ways(Family::V6, offloading(), TCP);
}

fn ipv6_where_the_system_cuts_nothing() {
    let (download, upload) = transfers(Family::V6, offloading(), Offloads::CSUM);
    assert!(mean(download.rx.received_bytes, download.rx.received) <= 1514);
    assert!(mean(upload.tx.sent_bytes, upload.tx.sent) <= 1514);
}

fn both_ways(family: Family, options: Options, offloads: Offloads) {
    let (download, upload) = transfers(family, options, offloads);
    let received = mean(download.rx.received_bytes, download.rx.received);
    let sent = mean(upload.tx.sent_bytes, upload.tx.sent);
    println!("{family:?}: frames of {received} bytes received, of {sent} sent");
    assert!(received > 10_000, "frames of {received} bytes were received");
    assert!(sent > 10_000, "frames of {sent} bytes were sent");
}

/// What was counted in either direction. All that is sent arrives as it was.
fn transfers(family: Family, options: Options, offloads: Offloads) -> (Counters, Counters) {
    let net = Net::new(true);
    let kernel = Kernel::new(net.listener(family), || {}).unwrap();
    let endpoint = endpoint([net.tap], options, &FdOptions { offloads, ..FdOptions::default() }).unwrap();
    endpoint.attach().unwrap();
    let mut device = Device::<FdIo, Vec<_>, SUPER_FRAME>::with_frame_len(&endpoint, 0).unwrap();
    let mut port = 40_000;
    let [download, upload] = [Direction::Download, Direction::Upload].map(|direction| {
        let before = endpoint.counters();
        port += 1;
        transfer(&mut device, &kernel, family, direction, port);
        endpoint.counters() - before
    });
    assert_nothing_lost(&endpoint);
    (download, upload)
}

type SuperDevice<'e> = Device<'e, FdIo, Vec<fdlink_core::Queue<FdIo>>, SUPER_FRAME>;

fn transfer(device: &mut SuperDevice<'_>, kernel: &Kernel, family: Family, direction: Direction, port: u16) {
    let transfer = Transfer { direction, family, buffer: 0xffff << 2, len: LEN, is_hashed: true };
    kernel.expect(transfer);
    let mut connection = Connection::open(device, transfer, port, true);
    let ours = connection.run();
    let (len, hash) = (ours.position, ours.hash());
    connection.close();
    let theirs = kernel.result().unwrap();
    assert_eq!((len, theirs.len), (LEN, LEN));
    assert!(hash == theirs.hash, "{direction:?}: other bytes arrived than were sent");
}

/// The kernel sends datagrams in one piece (`UDP_SEGMENT` of udp(7)).
fn super_frames_of_udp_arrive_as_datagrams() {
    for family in [Family::V4, Family::V6] {
        let net = Net::new(true);
        let socket = net.udp(family);
        setsockopt(&socket, sockopt::UdpGsoSegment, &(DATAGRAM as i32)).unwrap();
        let options = FdOptions { offloads: TCP | Offloads::USO4 | Offloads::USO6, ..FdOptions::default() };
        let endpoint = endpoint([net.tap], offloading(), &options).unwrap();
        endpoint.attach().unwrap();
        let sent: Vec<u8> = (0..8 * DATAGRAM + 1).map(|at| (at % 251) as u8).collect();
        socket.send_to(&sent, (family.smoltcp(), UDP_PORT)).unwrap();
        let got = datagrams(&mut Device::with_frame_len(&endpoint, 0).unwrap(), family, 9);
        assert!(got.iter().map(Vec::as_slice).eq(sent.chunks(DATAGRAM)), "{got:?}");
        let in_one = endpoint.queues()[0].offloads().contains(Offloads::USO4);
        assert_eq!(endpoint.counters().rx.split, if in_one { 8 } else { 0 });
        assert_nothing_lost(&endpoint);
    }
}

/// The first `count` that a socket of smoltcp receives.
fn datagrams(device: &mut SuperDevice<'_>, family: Family, count: usize) -> Vec<Vec<u8>> {
    let mut interface = Interface::new(Config::new(device.hardware_address()), device, Instant::now());
    interface.update_ip_addrs(|list| list.push(IpCidr::new(family.smoltcp().into(), 24)).unwrap());
    let buffer = || PacketBuffer::new(vec![PacketMetadata::EMPTY; 2 * count], vec![0; 1 << 16]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.bind(UDP_PORT).unwrap();
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);
    let (mut got, deadline) = (Vec::new(), std::time::Instant::now() + PATIENCE);
    while got.len() < count {
        assert!(std::time::Instant::now() < deadline, "{} datagrams of {count}", got.len());
        device.round(&mut interface, &mut sockets, |sockets| {
            let socket = sockets.get_mut::<Socket<'_>>(handle);
            got.extend(std::iter::from_fn(|| socket.recv().ok().map(|(bytes, _)| bytes.to_vec())));
            got.len() >= count
        });
    }
    got
}

fn assert_nothing_lost(endpoint: &FdEndpoint) {
    let Counters { rx, tx } = endpoint.counters();
    assert!(rx.is_balanced());
    assert_eq!(tx.refused_total(), 0);
    assert_eq!(rx.dropped_total(), rx.dropped(fdlink_core::DropCause::ForeignAddress), "{rx:?}");
}

fn offloading() -> Options {
    Options { gso: GsoSupport::Host, tx_checksum_offload: true, ..plain() }
}

fn mean(bytes: usize, frames: usize) -> usize {
    bytes / frames.max(1)
}

const TCP: Offloads = Offloads::CSUM.union(Offloads::TSO4).union(Offloads::TSO6);
/// Bytes.
const DATAGRAM: usize = 1000;
const UDP_PORT: u16 = 7;
const PATIENCE: Duration = Duration::from_secs(20);
const LEN: u64 = 32 << 20;
/// The longest IP packet behind an Ethernet header.
const SUPER_FRAME: usize = 14 + 65_535;
