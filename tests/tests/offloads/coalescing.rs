//! Packets that leave in one super-frame, with the kernel as the one who cuts and receives.

use std::net::UdpSocket;
use std::time::Duration;

use fdlink_core::io::Offloads;
use fdlink_core::{EtherType, LinkEndpoint as _, Options, Packet};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::lab::{Namespace, link};
use fdlink_tests::random::Dice;
use fdlink_tests::support::{Cable, OWN, PEER, Peer, Segments, Trials, plain, until};

pub(crate) fn add(trials: &mut Trials) {
    trials.in_namespaces(merged_packets_are_cut_by_the_kernel_into_what_they_were);
    trials.with_tap(merged_datagrams_are_received_one_by_one);
}

/// Random bursts of several flows over a link that takes no super-frames, so that the kernel cuts them.
fn merged_packets_are_cut_by_the_kernel_into_what_they_were() {
    let cable = Cable::new();
    cable.near.run(|| link::disable_offloads("near")).unwrap();
    cable.far.run(|| link::disable_offloads("far")).unwrap();
    // Of no protocol: the kernel looks into each frame for what it is.
    let endpoint = coalescing(cable.socket_with(|socket| socket.protocol(EtherType(0))));
    let peer = cable.far.run(|| PacketSocket::on("far").receive_buffer(8 << 20).open());
    let peer = Peer::new(peer.unwrap());
    for seed in 0..300 {
        let frames = burst(&mut Dice::new(seed));
        send(&endpoint, &frames);
        let mut arrived = Vec::new();
        until(&format!("{} frames, seed {seed}", frames.len()), || {
            let more = std::iter::from_fn(|| peer.try_receive());
            arrived.extend(more.filter(|frame| frame[6..12] == PEER.0));
            arrived.len() >= frames.len()
        });
        assert!(arrived == frames, "seed {seed}: {} of {} frames, or not the same", arrived.len(), frames.len());
    }
    let tx = endpoint.counters().tx;
    assert_eq!(endpoint.queues()[0].offloads(), Offloads::all(), "nothing was refused");
    assert!(tx.merged > tx.sent, "too little merged to tell: {} of {}", tx.merged, tx.sent + tx.merged);
    println!("{} packets in {} frames", tx.sent + tx.merged, tx.sent);
}

/// Each datagram is the kernel's, with a checksum that it verified.
fn merged_datagrams_are_received_one_by_one() {
    let namespace = Namespace::new().unwrap();
    let (tap, socket) = namespace.run(|| {
        let tap = TunTap::tap("tap0").vnet_header(true).open().unwrap();
        link::set_address("tap0", OWN.0).unwrap();
        tap.up().unwrap();
        link::add_ipv4("tap0", [10, 0, 0, 1].into(), 24).unwrap();
        (tap, UdpSocket::bind("10.0.0.1:53").unwrap())
    });
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let endpoint = coalescing(tap.into());
    let mut flow = Segments { is_tcp: false, ..Segments::tcp(4000) };
    let payloads: Vec<_> = (0..40u8).map(|at| vec![at; 1200]).collect();
    let frames: Vec<_> = payloads.iter().map(|payload| flow.next(payload, 0)).collect();
    send(&endpoint, &frames);
    assert_eq!((endpoint.counters().tx.sent, endpoint.counters().tx.merged), (1, 39));
    let mut buffer = [0; 2000];
    for payload in &payloads {
        let len = socket.recv(&mut buffer).expect("a datagram");
        assert!(buffer[..len] == payload[..], "datagram {}: {len} bytes", payload[0]);
    }
}

fn coalescing(fd: std::os::fd::OwnedFd) -> FdEndpoint {
    let fd_options = FdOptions { offloads: Offloads::all(), ..FdOptions::default() };
    let endpoint = endpoint([fd], Options { tx_coalesce: true, ..plain() }, &fd_options).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

/// In one call.
fn send(endpoint: &FdEndpoint, frames: &[Vec<u8>]) {
    let parts: Vec<_> = frames.iter().map(|frame| frame.split_at(frame.len() / 2)).map(|(a, b)| [a, b]).collect();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::framed(parts)).collect();
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.offloads_lost), (frames.len(), Offloads::empty()));
}

/// Up to a hundred packets of four flows, most often of the same one as before.
fn burst(dice: &mut Dice) -> Vec<Vec<u8>> {
    let kinds = [(false, true), (true, true), (false, false), (true, false)];
    let mut flows = kinds.map(|(is_v6, is_tcp)| Segments { is_v6, is_tcp, ..Segments::tcp(1) });
    let (mut flow, mut len) = (0, 1000);
    let count = dice.within(1..=100);
    (0..count)
        .map(|_| {
            if dice.within(0..=9) == 0 {
                flow = dice.within(0..=3);
                len = dice.within(1..=1400);
            }
            let flags = if dice.within(0..=19) == 0 { PSH } else { 0 };
            let payload = dice.bytes(if flags == PSH { len.div_ceil(2) } else { len });
            flows[flow].next(&payload, flags)
        })
        .collect()
}

const PSH: u8 = 8;
