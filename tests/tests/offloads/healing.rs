//! What the kernel refuses, although it was asked for, goes in software.

use fdlink_core::io::Offloads;
use fdlink_core::{EtherType, GsoSupport, LinkEndpoint as _, Options, Packet, TxStatus, Written};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::{FdOptions, endpoint};
use fdlink_tests::lab::link;
use fdlink_tests::support::{Cable, Peer, Trials, plain, seqpacket, until};
use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::super_frame::SuperFrame;

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(super_frame_above_a_small_send_buffer_is_cut);
    trials.in_namespaces(super_frame_of_another_protocol_than_its_socket_is_cut);
}

fn offloading() -> FdOptions {
    FdOptions { offloads: Offloads::all(), ..FdOptions::default() }
}

/// `EMSGSIZE`: a unix socket takes no frame that is longer than its send buffer.
fn super_frame_above_a_small_send_buffer_is_cut() {
    let (fd, peer) = seqpacket();
    set_socket_send_buffer_size(&fd, 8 << 10).unwrap();
    let endpoint = endpoint([fd], Options { gso: GsoSupport::Host, ..plain() }, &offloading()).unwrap();
    endpoint.attach().unwrap();
    let frame = SuperFrame::tcp(60_000, 1000);
    let parts = frame.parts();
    let mut lost = Vec::new();
    for _ in 0..2 {
        let mut packets = [Packet::framed(&parts).with_offload(frame.offload)];
        let mut payload = Vec::new();
        until("all to be written", || {
            let written = endpoint.write_packets(&mut packets).unwrap();
            lost.push(written.offloads_lost);
            let frames = std::iter::from_fn(|| peer.try_receive());
            payload.extend(frames.flat_map(|frame| frame[10 + 54..].to_vec()));
            packets[0].status() == TxStatus::Sent
        });
        assert!(payload == frame.bytes[54..], "in order, nothing lost, nothing twice");
    }
    lost.retain(|lost| !lost.is_empty());
    assert_eq!(lost, [Offloads::TSO4], "said once");
    assert_eq!(endpoint.queues()[0].offloads(), Offloads::all() - Offloads::TSO4);
}

/// `ENOMEM`: to the kernel, all that a socket of one protocol sends is of that protocol, which is none that it can cut. It might be a lack of memory: the
/// third in a row is proof.
fn super_frame_of_another_protocol_than_its_socket_is_cut() {
    let cable = Cable::new();
    cable.near.run(|| link::disable_offloads("near")).unwrap();
    let endpoint = endpoint([cable.socket()], Options { gso: GsoSupport::Host, ..plain() }, &offloading()).unwrap();
    endpoint.attach().unwrap();
    let peer = cable.far.run(|| PacketSocket::on("far").protocol(EtherType::IPV4).open());
    let peer = Peer::new(peer.unwrap());
    let frame = SuperFrame::tcp(20_000, 1000);
    let parts = frame.parts();
    for lost in [Offloads::empty(), Offloads::empty(), Offloads::TSO4, Offloads::empty()] {
        let mut packets = [Packet::framed(&parts).with_offload(frame.offload)];
        let written = endpoint.write_packets(&mut packets).unwrap();
        assert_eq!(written, Written { sent: 1, offloads_lost: lost, ..Written::default() });
        let payload: Vec<_> = (0..20).flat_map(|_| peer.receive()[54..].to_vec()).collect();
        assert!(payload == frame.bytes[54..], "in order, nothing lost, nothing twice");
    }
    assert_eq!(endpoint.queues()[0].offloads(), Offloads::all() - Offloads::TSO4);
    assert!(peer.try_receive().is_none());
}
