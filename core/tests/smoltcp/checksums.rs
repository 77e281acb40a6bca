//! Who looks at the checksums of received frames: smoltcp, or the device.

use fdlink_core::io::{Channel, Limits, Offloads, RawIo, TxFrame, TxQueue as _};
use fdlink_core::smoltcp::Device;
use fdlink_core::wire::VirtioNetHdr;
use fdlink_core::wire::vnet::ByteOrder;
use fdlink_core::{DropCause, Options};
use smoltcp::phy::{ChecksumCapabilities, Device as _, RxToken as _};
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, UdpPacket};

use crate::{NOW, WireEnd, attached, ip, wire};

#[test]
fn smoltcp_verifies_where_frames_come_bare() {
    let (checksums, lent, dropped) = received(false, ip());
    assert!(checksums.tcp.rx() && checksums.udp.rx() && checksums.ipv4.rx());
    assert_eq!((lent, dropped), ([true; 3], 0));
}

#[test]
fn device_verifies_where_it_is_asked_to() {
    let (checksums, lent, dropped) = received(false, Options { rx_checksum_offload: true, ..ip() });
    assert!(!checksums.tcp.rx() && !checksums.udp.rx() && checksums.ipv4.rx());
    assert_eq!((lent, dropped), ([true, false, false], 2), "a partial checksum cannot be told from a wrong one");
}

#[test]
fn device_verifies_where_frames_have_a_virtio_net_header() {
    let (checksums, lent, dropped) = received(true, ip());
    assert!(!checksums.tcp.rx() && !checksums.udp.rx() && checksums.ipv4.rx());
    assert!(checksums.tcp.tx() && checksums.udp.tx() && checksums.icmpv4.rx());
    assert_eq!((lent, dropped), ([true, false, true], 1));
}

/// What the device announces, whether it lends a right datagram, a wrong one and a partial one, and how many it drops as wrong.
fn received(has_header: bool, options: Options) -> (ChecksumCapabilities, [bool; 3], usize) {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(Headed { end: ours, has_header }, options);
    let mut device = Device::new(&endpoint, 0).unwrap();
    let (right, mut wrong, mut partial) = (datagram(), datagram(), datagram());
    wrong[30] ^= 1;
    partial[26..28].copy_from_slice(&[0x12, 0x34]);
    let lent = [(0, right), (0, wrong), (NEEDS_CSUM, partial)].map(|(flags, packet)| {
        let header = VirtioNetHdr { flags, csum_start: 20, csum_offset: 6, ..VirtioNetHdr::default() };
        let header = header.encode::<10>(ByteOrder::Native);
        let header = if has_header { &header[..] } else { &[] };
        assert_eq!(theirs.tx.send(&[TxFrame { header: &[], parts: &[header, &packet] }]).unwrap(), 1);
        let (token, _) = device.receive(NOW).unwrap();
        token.consume(|bytes| bytes == packet)
    });
    (device.capabilities().checksum, lent, device.counters().rx.dropped(DropCause::Checksum))
}

/// UDP over IPv4, made by smoltcp.
fn datagram() -> Vec<u8> {
    let [source, destination] = [1, 2].map(|host| Ipv4Address::new(10, 0, 0, host));
    let mut bytes = vec![0; 20 + 8 + 4];
    let repr = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Udp,
        payload_len: 12,
        hop_limit: 64,
    };
    repr.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &ChecksumCapabilities::default());
    let mut udp = UdpPacket::new_unchecked(&mut bytes[20..]);
    udp.set_len(12);
    udp.payload_mut().copy_from_slice(b"data");
    udp.fill_checksum(&IpAddress::Ipv4(source), &IpAddress::Ipv4(destination));
    bytes
}

/// An end whose frames have a virtio-net header of 10 bytes, or none.
struct Headed<'l> {
    end: WireEnd<'l, 8>,
    has_header: bool,
}

impl<'l> RawIo for Headed<'l> {
    type Error = <WireEnd<'l, 8> as RawIo>::Error;
    type Rx = <WireEnd<'l, 8> as RawIo>::Rx;
    type Tx = <WireEnd<'l, 8> as RawIo>::Tx;
    type Stop = <WireEnd<'l, 8> as RawIo>::Stop;

    fn limits(&self) -> Limits {
        let len = if self.has_header { 10 } else { 0 };
        Limits::new(1524).with_vnet_header(len, Offloads::CSUM)
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        self.end.split()
    }
}

const NEEDS_CSUM: u8 = 1;
