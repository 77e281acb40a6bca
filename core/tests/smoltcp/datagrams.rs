//! A super-frame of UDP reaches smoltcp as the datagrams that it is made of.

use etherparse::PacketBuilder;
use fdlink_core::counters::RxCounters;
use fdlink_core::io::{Offloads, RawIo, TxFrame, TxQueue as _, Wake};
use fdlink_core::smoltcp::Device;
use fdlink_core::wire::vnet::{ByteOrder, GSO_TCPV4, GSO_UDP_L4, NEEDS_CSUM};
use fdlink_core::wire::{Layers, VirtioNetHdr};
use fdlink_core::{DropCause, Endpoint, LinkEndpoint as _, Options, Queue};
use fdlink_mock::Link;
use smoltcp::phy::{Device as _, RxToken as _};

use crate::merging::{FRAME, Hosted, roomy};
use crate::stacks::{Stack, pattern};
use crate::{NOW, OURS, attached, ethernet, ip};

#[test]
fn socket_receives_each_datagram() {
    for packet in [ipv4(LEN), ipv6(LEN)] {
        for in_turns in [false, true] {
            let (got, rx) = with_endpoint(ip(), &[&packet, &packet], |endpoint| {
                let mut stack = Stack { in_turns, ..Stack::<_, FRAME>::with_frame_len(endpoint, 2) };
                let socket = stack.add_udp(PORT);
                stack.poll(NOW);
                let socket = stack.udp(socket);
                core::iter::from_fn(|| socket.recv().ok().map(|(bytes, _)| bytes.to_vec())).collect::<Vec<_>>()
            });
            let sent = [pattern(LEN), pattern(LEN)];
            let datagrams: Vec<_> = sent.iter().flat_map(|payload| payload.chunks(SIZE)).collect();
            assert_eq!(got, datagrams);
            assert_eq!((rx.received, rx.split, rx.delivered), (2, 6, 8));
        }
    }
}

#[test]
fn datagram_whose_token_is_not_used_comes_again() {
    let (lens, _) = with_endpoint(ip(), &[&ipv4(LEN)], |endpoint| {
        let mut device = device::<_, FRAME>(endpoint);
        let mut lens = Vec::new();
        while device.receive(NOW).is_some() {
            assert_eq!(device.wait(None), Wake::Ready);
            let (token, _) = device.receive(NOW).unwrap();
            lens.push(token.consume(|packet| Layers::of_packet(packet, 0).map(|layers| packet.len() - layers.payload)));
        }
        lens
    });
    assert_eq!(lens, [Some(SIZE), Some(SIZE), Some(SIZE), Some(ODD)]);
}

#[test]
fn datagrams_that_a_device_leaves_are_counted() {
    let ((), rx) = with_endpoint(ip(), &[&ipv6(LEN)], |endpoint| {
        let mut device = device::<_, FRAME>(endpoint);
        device.receive(NOW).unwrap().0.consume(|packet| assert_eq!(packet.len(), 48 + SIZE));
    });
    assert_eq!((rx.delivered, rx.dropped(DropCause::BacklogFull)), (1, 3));
    assert!(rx.is_balanced());
}

#[test]
fn super_frame_that_the_device_has_no_room_for_is_dropped_and_counted() {
    let (packet, fits) = (ipv4(2000), ipv4(LEN));
    let (lens, rx) = with_endpoint(ip(), &[&packet, &fits], |endpoint| {
        let mut device = device::<_, 1514>(endpoint);
        [(); 2].map(|()| device.receive(NOW).unwrap().0.consume(<[u8]>::len))
    });
    assert_eq!((lens, rx.dropped(DropCause::Truncated)), ([0, 28 + SIZE], 1));
    assert!(rx.is_balanced());
}

#[test]
fn super_frame_of_tcp_stays_whole() {
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(PORT, PORT, 1, 1000);
    let packet = super_frame(GSO_TCPV4, 16, |bytes| builder.write(bytes, &pattern(LEN)).unwrap());
    let (len, _) = with_endpoint(ip(), &[&packet], |endpoint| {
        device::<_, 1514>(endpoint).receive(NOW).unwrap().0.consume(<[u8]>::len)
    });
    assert_eq!(len, 40 + LEN);
}

#[test]
fn link_header_stands_in_front_of_each_datagram() {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], OURS.0);
    let builder = builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(PORT, PORT);
    let packet = super_frame(GSO_UDP_L4, 6, |bytes| builder.write(bytes, &pattern(LEN)).unwrap());
    with_endpoint(ethernet(OURS), &[&packet], |endpoint| {
        let mut device = device::<_, FRAME>(endpoint);
        for payload in pattern(LEN).chunks(SIZE) {
            let is_framed = |frame: &[u8]| frame[..14] == packet[10..24] && frame[42..] == *payload;
            assert!(device.receive(NOW).unwrap().0.consume(is_framed));
        }
    });
}

/// What `use_it` gives for an endpoint to which these frames come, and what it counted when that was over.
fn with_endpoint<T: Send>(
    options: Options,
    frames: &[&[u8]],
    use_it: impl FnOnce(&Endpoint<Hosted<'_, 2>>) -> T + Send,
) -> (T, RxCounters) {
    roomy(|| {
        let link = Link::<2, FRAME>::new();
        let (ours, theirs) = link.ends();
        let theirs = theirs.split();
        let endpoint = attached(Hosted { end: ours, offloads: Offloads::all() }, options);
        for frame in frames {
            assert_eq!(theirs.tx.send(&[TxFrame { header: &[], parts: &[frame] }]).unwrap(), 1);
        }
        (use_it(&endpoint), endpoint.counters().rx)
    })
}

fn device<'e, IO: RawIo, const N: usize>(endpoint: &'e Endpoint<IO>) -> Device<'e, IO, [Queue<IO>; 1], N> {
    Device::with_frame_len(endpoint, 0).unwrap()
}

fn ipv4(len: usize) -> Vec<u8> {
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(PORT, PORT);
    super_frame(GSO_UDP_L4, 6, |bytes| builder.write(bytes, &pattern(len)).unwrap())
}

fn ipv6(len: usize) -> Vec<u8> {
    let [source, destination] = [1, 2].map(|host| std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host).octets());
    let builder = PacketBuilder::ipv6(source, destination, 64).udp(PORT, PORT);
    super_frame(GSO_UDP_L4, 6, |bytes| builder.write(bytes, &pattern(len)).unwrap())
}

/// A packet behind the virtio-net header that says how it is to be cut, and that its checksum is partial.
fn super_frame(gso_type: u8, csum_offset: u16, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = Vec::new();
    write(&mut packet);
    let network = if packet[0] >> 4 == 4 || packet[0] >> 4 == 6 { 0 } else { 14 };
    let layers = Layers::behind(&packet, network).unwrap();
    let (hdr_len, csum_start) = (layers.payload as u16, layers.transport as u16);
    let header = VirtioNetHdr { flags: NEEDS_CSUM, gso_type, hdr_len, gso_size: SIZE as u16, csum_start, csum_offset };
    [&header.encode::<10>(ByteOrder::Native)[..], &packet].concat()
}

const PORT: u16 = 7;
/// Three datagrams and an odd one.
const LEN: usize = 3 * SIZE + ODD;
const SIZE: usize = 100;
const ODD: usize = 37;
