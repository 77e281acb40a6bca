//! What leaves where the system does the work: the virtio-net header, byte for byte.

use fdlink_core::io::Offloads;
use fdlink_core::wire::vnet::{ByteOrder, GSO_NONE, GSO_TCPV4, GSO_UDP_L4, NEEDS_CSUM, VirtioNetHdr};
use fdlink_core::{ChecksumState, Endpoint, EtherType, GsoSupport, LinkEndpoint as _, Offload, Options, Packet, Queue};

use crate::scripted::{Script, Scripted, attached};
use crate::super_frame::SuperFrame;
use crate::{OTHER, OWN};

fn host() -> Options {
    Options { gso: GsoSupport::Host, ..Options::default() }
}

fn granting(len: usize) -> Script {
    Script::default().with_vnet(len, Offloads::all())
}

fn over_ethernet(script: &Script) -> Endpoint<Scripted<'_>> {
    let endpoint = Endpoint::new([Queue::new(Scripted(script))], Options { address: OWN, ..host() }).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

#[track_caller]
fn send(endpoint: &impl fdlink_core::LinkEndpoint, packet: Packet<'_>) {
    let mut packets = [packet];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 1, "{:?}", packets[0].status());
}

fn header(frame: &[u8]) -> VirtioNetHdr {
    VirtioNetHdr::decode(frame, ByteOrder::Native).unwrap()
}

#[test]
fn super_frame_leaves_whole_behind_its_header() {
    for len in [10, 12, 20, 24] {
        let script = granting(len);
        let frame = SuperFrame::tcp(9, 5000, 1400);
        send(&attached([&script], host()), frame.packet(&frame.parts(&[20, 40, 2000])));
        let [hdr_len, gso_size, start, offset] = [40u16, 1400, 20, 16].map(u16::to_ne_bytes);
        let fields = [&[NEEDS_CSUM, GSO_TCPV4][..], &hdr_len, &gso_size, &start, &offset].concat();
        assert_eq!(script.sent(), [[&fields[..], &vec![0; len - 10], &frame.bytes].concat()], "{len} bytes");
    }
}

#[test]
fn plain_packet_has_a_header_of_zeros() {
    let script = granting(12);
    send(&attached([&script], host()), Packet::new(EtherType::IPV4, &[b"\x45", b"rest"]));
    assert_eq!(script.sent(), [[&[0; 12][..], b"\x45rest"].concat()]);
}

#[test]
fn packet_of_one_segment_only_lacks_its_checksum() {
    for len in [0, 1, 1388, 1399, 1400] {
        let script = granting(10);
        let frame = SuperFrame::tcp(9, len, 1400);
        send(&attached([&script], host()), frame.packet(&[&frame.bytes]));
        let expected = VirtioNetHdr { flags: NEEDS_CSUM, csum_start: 20, csum_offset: 16, ..VirtioNetHdr::default() };
        assert_eq!(header(&script.sent()[0]), expected, "{len} bytes");
    }
}

#[test]
fn nothing_is_said_to_be_verified() {
    let script = granting(10);
    let offload = Offload { checksum: ChecksumState::Unnecessary, gso: None };
    send(&attached([&script], host()), Packet::new(EtherType::IPV4, &[b"\x45"]).with_offload(offload));
    assert_eq!(header(&script.sent()[0]), VirtioNetHdr::default());
}

#[test]
fn checksum_starts_behind_the_link_header_that_there_is() {
    let frame = SuperFrame::tcp(9, 5000, 1400);
    let parts = [frame.bytes.as_slice()];
    let script = granting(10);
    send(&attached([&script], host()), frame.packet(&parts));
    send(&over_ethernet(&script), frame.packet(&parts).to(OTHER));
    let link = [&OTHER.0[..], &OWN.0, &[8, 0]].concat();
    send(&over_ethernet(&script), Packet::framed(&[&link, &frame.bytes]).with_offload(frame.offload));
    let said = script.sent().iter().map(|frame| (header(frame).csum_start, header(frame).hdr_len)).collect::<Vec<_>>();
    assert_eq!(said, [(20, 40), (34, 54), (34, 54)]);
    let sent = script.sent();
    assert_eq!(sent[1], sent[2], "framed or not");
}

/// A tag in the frame counts with the packet, as it does when such a frame is received.
#[test]
fn checksum_starts_behind_vlan_tags_too() {
    let frame = SuperFrame::udp(9, 5000, 1400);
    let ChecksumState::Partial { start, offset } = frame.offload.checksum else { unreachable!() };
    let tagged = Offload { checksum: ChecksumState::Partial { start: start + 4, offset }, ..frame.offload };
    let link = [&OTHER.0[..], &OWN.0, &[0x81, 0, 0, 5, 0x86, 0xdd]].concat();
    let script = granting(10);
    send(&over_ethernet(&script), Packet::framed(&[&link, &frame.bytes]).with_offload(tagged));
    let said = header(&script.sent()[0]);
    assert_eq!((said.csum_start, said.hdr_len, said.gso_type), (58, 66, GSO_UDP_L4));
    let received = said.offload(&script.sent()[0][10..], 14).unwrap();
    assert_eq!(received, tagged, "as it was handed in, so that it can be forwarded as it came");
}

#[test]
fn more_datagrams_than_the_kernel_cuts_are_cut_here_and_nothing_is_lost() {
    let script = granting(10);
    let endpoint = attached([&script], host());
    let (most, more) = (SuperFrame::udp(9, 128 * 100, 100), SuperFrame::udp(9, 128 * 100 + 1, 100));
    send(&endpoint, more.packet(&[&more.bytes]));
    send(&endpoint, most.packet(&[&most.bytes]));
    let mut sent = script.sent();
    assert_eq!(header(&sent.pop().unwrap()).gso_type, GSO_UDP_L4);
    assert_eq!(sent, more.partial_segments());
    assert_eq!(endpoint.queues()[0].offloads(), Offloads::all());
}

/// Without a partial checksum a super-frame has none that a receiver could make sense of.
#[test]
fn super_frame_without_partial_checksum_is_cut_here() {
    let script = granting(10);
    let mut frame = SuperFrame::tcp(9, 5000, 1400);
    frame.offload.checksum = ChecksumState::None;
    send(&attached([&script], host()), frame.packet(&[&frame.bytes]));
    assert_eq!(script.sent(), frame.segments(10));
}

#[test]
fn what_is_granted_is_used_and_no_more() {
    let (tcp, udp) = (SuperFrame::tcp(1, 5000, 1400), SuperFrame::udp(1, 5000, 1400));
    for granted in [Offloads::CSUM, Offloads::TSO4, Offloads::USO6].map(|one| one | Offloads::CSUM) {
        for (frame, needed) in [(&tcp, Offloads::TSO4), (&udp, Offloads::USO6)] {
            let script = Script::default().with_vnet(10, granted);
            let endpoint = attached([&script], host());
            send(&endpoint, frame.packet(&[&frame.bytes]));
            assert_eq!(script.sent().len() == 1, granted.contains(needed), "{granted:?}, {needed:?}");
            let whole = frame.clone().with_checksum_only();
            let short = SuperFrame { bytes: whole.bytes[..1000].to_vec(), ..whole };
            send(&endpoint, short.packet(&[&short.bytes]));
            let last = header(script.sent().last().unwrap());
            assert_eq!((last.flags, last.gso_type), (NEEDS_CSUM, GSO_NONE));
        }
    }
}
