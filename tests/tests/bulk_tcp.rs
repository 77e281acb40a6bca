//! smoltcp over fdlink against sockets of the kernel: super-frames both ways, by smoltcp's own segmentation and by merging.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;

use fdlink_core::io::Offloads;
use fdlink_core::smoltcp::Device;
use fdlink_core::{Counters, GsoSupport, LinkEndpoint as _, Options};
use fdlink_linux::{FdEndpoint, FdIo, FdOptions, endpoint};
use fdlink_tests::bulk::{Connection, Direction, Family, Kernel, Net, Transfer};
use fdlink_tests::support::{Trials, plain};

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.with_tap(ipv4_by_segmentation_of_smoltcp);
    trials.with_tap(ipv4_by_merging);
    trials.with_tap(ipv6_by_merging);
    trials.with_tap(ipv6_where_the_system_cuts_nothing);
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

/// Of UDP smoltcp would take a super-frame for a datagram.
const TCP: Offloads = Offloads::CSUM.union(Offloads::TSO4).union(Offloads::TSO6);
const LEN: u64 = 32 << 20;
/// The longest IP packet behind an Ethernet header.
const SUPER_FRAME: usize = 14 + 65_535;
