//! Random super-frames, cut by the kernel and cut here: what arrives is the same, byte for byte. Outer VLAN tags are not seen: the far
//! interface takes them out of what it receives (`tests/vectors` has them).

use fdlink_core::io::Offloads;
use fdlink_core::{EtherType, GsoSupport, LinkEndpoint as _, Options, Packet};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::lab::link;
use fdlink_tests::random::Dice;
use fdlink_tests::support::{Cable, OWN, Peer, Trials, plain, until};

use crate::super_frame::SuperFrame;

pub(crate) fn add(trials: &mut Trials) {
    trials.in_namespaces(super_frames_are_cut_as_by_the_kernel);
}

fn super_frames_are_cut_as_by_the_kernel() {
    let cable = Cable::new();
    cable.near.run(|| link::disable_offloads("near")).unwrap();
    cable.far.run(|| link::disable_offloads("far")).unwrap();
    let kernel = attached(&cable, GsoSupport::Host, Offloads::all());
    let ours = attached(&cable, GsoSupport::Software, Offloads::empty());
    let peer = cable.far.run(|| PacketSocket::on("far").receive_buffer(8 << 20).open());
    let peer = Peer::new(peer.unwrap());
    let mut segments = 0;
    for seed in 0..CASES {
        let frame = SuperFrame::random(&mut Dice::new(seed));
        let count = sent(&ours, &frame, seed);
        let cut_here = received(&peer, count, seed);
        sent(&kernel, &frame, seed);
        let cut_there = received(&peer, count, seed);
        for (at, (ours, kernels)) in cut_here.iter().zip(&cut_there).enumerate() {
            assert!(
                ours == kernels,
                "seed {seed}, segment {at}: {frame:x?}\nours {ours:x?}\nthe kernel's {kernels:x?}"
            );
        }
        segments += count;
    }
    assert_eq!(kernel.queues()[0].offloads(), Offloads::all(), "nothing was refused");
    assert_eq!(kernel.counters().tx.sent, CASES as usize, "each left whole");
    println!("{CASES} super-frames, {segments} segments");
}

fn attached(cable: &Cable, gso: GsoSupport, offloads: Offloads) -> FdEndpoint {
    // Of no protocol: it receives nothing, and the kernel looks into each frame for what it is.
    let socket = cable.socket_with(|socket| socket.protocol(EtherType(0)));
    let fd_options = FdOptions { offloads, ..FdOptions::default() };
    let endpoint = endpoint([socket], Options { gso, ..plain() }, &fd_options).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

/// How many frames left.
fn sent(endpoint: &FdEndpoint, frame: &SuperFrame, seed: u64) -> usize {
    let before = endpoint.counters().tx.sent;
    let parts = frame.parts();
    let mut packets = [Packet::framed(&parts).with_offload(frame.offload)];
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!(
        (written.sent, written.offloads_lost),
        (1, Offloads::empty()),
        "seed {seed}: {:?} {written:?}",
        packets[0].status()
    );
    endpoint.counters().tx.sent - before
}

/// The next frames of ours; the kernel may send some of its own.
fn received(peer: &Peer, count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    until(&format!("{count} frames, seed {seed}"), || {
        let more = std::iter::from_fn(|| peer.try_receive());
        frames.extend(more.filter(|frame| frame[6..12] == OWN.0));
        frames.len() >= count
    });
    assert_eq!(frames.len(), count, "seed {seed}");
    frames
}

const CASES: u64 = 3000;
