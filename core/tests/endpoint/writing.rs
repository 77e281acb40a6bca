//! What a written packet looks like on the wire, and what becomes of an unfit one.

use fdlink_core::{
    Endpoint, EtherType, LinkAddress, LinkEndpoint as _, Options, Packet, Queue, Refusal, RefusalCause, TxStatus,
    Written,
};

use crate::scripted::{Script, Scripted, attached};
use crate::{OTHER, OWN};

fn ethernet(script: &Script) -> Endpoint<Scripted<'_>> {
    let options = Options { mtu: 100, address: OWN, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(Scripted(script))], options).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

#[test]
fn link_header_and_parts_are_one_frame() {
    let script = Script::default();
    let endpoint = ethernet(&script);
    let mut packets = [Packet::new(EtherType::ARP, &[b"he", b"", b"llo"]).to(OTHER)];
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!(written, Written { sent: 1, ..Written::default() });
    assert_eq!(script.sent(), [b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x06hello"]);
}

#[test]
fn bridged_packet_keeps_its_source_address() {
    let script = Script::default();
    let bridged = LinkAddress([2, 0, 0, 0, 0, 7]);
    let mut packets = [Packet::new(EtherType::IPV4, &[b"x"]).to(OTHER).from(bridged)];
    let _ = ethernet(&script).write_packets(&mut packets).unwrap();
    assert_eq!(script.sent()[0][6..12], bridged.0);
}

#[test]
fn added_header_is_what_goes_out_and_a_framed_packet_keeps_its_own() {
    let script = Script::default();
    let endpoint = ethernet(&script);
    let mut added = Packet::new(EtherType::IPV4, &[b"x"]).to(OTHER);
    endpoint.add_header(&mut added);
    let header = added.link_header().to_vec();
    assert_eq!(header.len(), endpoint.max_header_length());
    endpoint.set_link_address(OTHER).unwrap();
    let mut framed = Packet::framed(&[b"\x02\0\0\0\0\x09", b"source\x08\0payload"]);
    endpoint.add_header(&mut framed);
    assert!(framed.link_header().is_empty());
    let _ = endpoint.write_packets(&mut [added, framed]).unwrap();
    assert_eq!(script.sent(), [[&header[..], b"x"].concat(), b"\x02\0\0\0\0\x09source\x08\0payload".to_vec()]);
}

#[test]
fn parsed_header_is_the_one_that_was_added() {
    let script = Script::default();
    let endpoint = ethernet(&script);
    let mut packet = Packet::new(EtherType::IPV6, &[]).to(OWN);
    endpoint.add_header(&mut packet);
    let parsed = endpoint.parse_header(packet.link_header()).unwrap();
    assert_eq!((parsed.protocol, parsed.header_len), (EtherType::IPV6, 14));
}

#[test]
fn mtu_counts_the_packet_without_its_link_header() {
    let script = Script::default();
    let endpoint = ethernet(&script);
    let (fits, long) = ([0x45; 100], [0x45; 101]);
    let (framed_fits, framed_long) = ([0; 114], [0; 115]);
    let (fits, long) = ([&fits[..]], [&long[..]]);
    let (framed_fits, framed_long) = ([&framed_fits[..]], [&framed_long[..]]);
    let mut packets = [
        Packet::new(EtherType::IPV4, &fits),
        Packet::new(EtherType::IPV4, &long),
        Packet::framed(&framed_fits),
        Packet::framed(&framed_long),
    ];
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.refused, written.pending), (2, 2, 0));
    let too_long = TxStatus::Refused(Refusal::ExceedsMtu);
    assert_eq!(packets.map(|p| p.status()), [TxStatus::Sent, too_long, TxStatus::Sent, too_long]);
}

#[test]
fn changed_mtu_counts_for_the_next_write() {
    let script = Script::default();
    let endpoint = ethernet(&script);
    endpoint.set_mtu(4).unwrap();
    let mut packets = [Packet::new(EtherType::IPV4, &[b"12345"])];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().refused, 1);
    endpoint.set_mtu(5).unwrap();
    packets[0].reset();
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 1);
}

#[test]
fn packets_without_a_byte_are_refused() {
    let script = Script::default();
    let mut packets =
        [Packet::new(EtherType::IPV4, &[]), Packet::new(EtherType::IPV4, &[b"", b""]), Packet::framed(&[])];
    let written = ethernet(&script).write_packets(&mut packets).unwrap();
    assert_eq!((written.refused, script.calls.get()), (3, 0));
    assert_eq!(packets.map(|p| p.status()), [TxStatus::Refused(Refusal::Empty); 3]);
}

#[test]
fn framed_runt_is_refused_and_a_bare_header_is_not() {
    let script = Script::default();
    let endpoint = ethernet(&script);
    let mut packets = [Packet::framed(&[&[2; 13]]), Packet::framed(&[&[2; 14]])];
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.refused), (1, 1));
    assert_eq!(packets[0].status(), TxStatus::Refused(Refusal::Runt));
    assert_eq!(endpoint.counters().tx.refused(RefusalCause::Unfit), 1);
}

#[test]
fn without_link_header_a_packet_goes_as_it_is() {
    let script = Script::default();
    let endpoint = attached([&script], Options::default());
    let mut packets = [Packet::new(EtherType::IPV4, &[b"\x45", b"rest"]).to(OTHER), Packet::framed(&[b"\x60"])];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 2);
    assert_eq!(script.sent(), [b"\x45rest".to_vec(), b"\x60".to_vec()]);
}

#[test]
fn no_packets_are_no_error() {
    let script = Script::default();
    let endpoint = attached([&script], Options::default());
    assert_eq!(endpoint.write_packets(&mut []), Ok(Written::default()));
    assert_eq!(script.calls.get(), 0);
}
