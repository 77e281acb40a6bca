//! Segments that smoltcp makes one by one leave as super-frames, in the turns of a device.

use fdlink_core::io::{Channel, Limits, Offloads, RawIo, RxBatch as _, RxQueue as _};
use fdlink_core::smoltcp::Turn;
use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::vnet::ByteOrder;
use fdlink_core::wire::{Layers, VirtioNetHdr};
use fdlink_core::{Counters, Endpoint, EtherType, GsoSupport, LinkEndpoint as _, Options, Packet};
use fdlink_mock::{End, Link};
use smoltcp::wire::IpAddress;

use crate::stacks::{Stack, pattern, transfer_to};
use crate::{NOW, OURS, THEIRS, attached, ethernet, ip};

#[test]
fn ipv6_leaves_in_super_frames_and_arrives() {
    let counters = megabyte::<16>(ip, Offloads::all());
    let mean = counters.tx.sent_bytes / counters.tx.sent;
    assert!(mean > 4 * 1500 && mean <= LONGEST as usize, "{} frames of {mean} bytes", counters.tx.sent);
    megabyte::<16>(|| ethernet(OURS), Offloads::all());
}

#[test]
fn super_frames_that_a_short_link_does_not_take_are_held_back_and_lose_nothing() {
    for merged in [megabyte::<1>(ip, Offloads::all()), megabyte::<2>(ip, Offloads::all())] {
        assert!(merged.tx.sent_bytes / merged.tx.sent > 4 * 1500, "{merged}");
        assert!(merged.tx.calls > merged.tx.sent, "the link was never full: nothing was held back");
    }
}

#[test]
fn nothing_merges_where_the_system_does_not_cut() {
    let counters = megabyte::<16>(ip, Offloads::all() - Offloads::TSO6);
    assert!(counters.tx.sent_bytes / counters.tx.sent <= 1500, "{counters}");
    let counters = megabyte::<16>(|| Options { gso: GsoSupport::Software, ..ip() }, Offloads::all());
    assert!(counters.tx.sent_bytes / counters.tx.sent <= 1500, "{counters}");
}

/// What the sender of a megabyte counted, in turns over a link of so many frames.
fn megabyte<const FRAMES: usize>(options: fn() -> Options, offloads: Offloads) -> Counters {
    roomy(move || megabyte_here::<FRAMES>(options, offloads))
}

fn megabyte_here<const FRAMES: usize>(options: fn() -> Options, offloads: Offloads) -> Counters {
    let link = Link::<FRAMES, FRAME>::new();
    let (ours, theirs) = link.ends();
    let mut theirs_options = offloading(options());
    if theirs_options.ethernet_header {
        theirs_options.address = THEIRS;
    }
    let ours = attached(Hosted { end: ours, offloads }, offloading(options()));
    let theirs = attached(Hosted { end: theirs, offloads }, theirs_options);
    let mut pair = [stack(&ours, 1), stack(&theirs, 2)];
    let arrived = transfer_to(&mut pair, ipv6(2), 1 << 20);
    assert!(arrived == pattern(1 << 20), "{} bytes arrived, some of them wrong", arrived.len());
    for stack in &pair {
        let Counters { rx, tx } = stack.device.counters();
        assert_eq!((tx.refused_total(), rx.dropped_total()), (0, 0));
    }
    pair[0].device.counters()
}

#[test]
fn datagrams_that_do_not_go_on_follow_in_order() {
    for datagrams in [datagrams::<1>, datagrams::<2>, datagrams::<3>, datagrams::<8>] {
        let mut frames = roomy(datagrams);
        // One that waited behind a frame which was held back leaves alone.
        let counts: Vec<_> = frames.iter().map(Vec::len).collect();
        assert!(
            [[4, 2, 2, 2], [4, 2, 1, 3]].contains(counts.first_chunk().unwrap()) && counts.len() == 4,
            "{counts:?}"
        );
        let all: Vec<_> = frames.drain(..).flatten().collect();
        for (at, (payload, len)) in all.iter().zip(LENS).enumerate() {
            assert_eq!(*payload, vec![at as u8; len]);
        }
    }
}

/// What leaves, by frames, over a link that has room for so many and was full before.
fn datagrams<const FRAMES: usize>() -> Vec<Vec<Vec<u8>>> {
    let link = Link::<FRAMES, FRAME>::new();
    let (ours, theirs) = link.ends();
    let mut theirs = theirs.split();
    let ours = attached(Hosted { end: ours, offloads: Offloads::all() }, offloading(ip()));
    let mut others: Vec<_> = (0..FRAMES).map(|_| Packet::new(EtherType::IPV6, &[b"other"])).collect();
    assert_eq!(ours.write_packets(&mut others).unwrap().sent, FRAMES);
    let mut near = stack(&ours, 1);
    let port = near.add_udp(7);
    for (at, len) in LENS.into_iter().enumerate() {
        near.udp(port).send_slice(&vec![at as u8; len], (ipv6(2), 7)).unwrap();
    }
    let mut frames = Vec::new();
    for _ in 0..40 {
        let Stack { device, interface, sockets, .. } = &mut near;
        assert!(matches!(device.turn(NOW, interface, sockets, |_, _| {}), Turn::Dry(_)));
        frames.extend(theirs.rx.poll(1).unwrap().frames().map(|frame| frame.bytes.to_vec()));
    }
    assert_eq!(near.device.counters().tx.refused_total(), 0);
    frames.iter().skip(FRAMES).map(|frame| payloads(frame)).collect()
}

/// The datagrams that the system makes of a frame.
fn payloads(frame: &[u8]) -> Vec<Vec<u8>> {
    let (header, frame) = frame.split_at(10);
    let offload = VirtioNetHdr::decode(header, ByteOrder::Native).unwrap().offload(frame, 0).unwrap();
    let parts = [frame];
    let splitter = Splitter::new(&[], &parts, 0, offload).unwrap();
    let segments = (0..splitter.segments()).map(|index| splitter.segment(index).unwrap());
    segments
        .map(|segment| {
            let slices: Vec<_> = payload_slices(&parts, segment.payload.clone()).collect();
            let packet = [&segment.headers[..], &slices.concat()].concat();
            let layers = Layers::of_packet(&packet, 0).unwrap();
            assert!(fdlink_core::wire::checksum::is_transport_valid(&packet, &layers));
            packet[layers.payload..].to_vec()
        })
        .collect()
}

/// On a stack that has room for links.
pub(crate) fn roomy<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let thread = std::thread::Builder::new().stack_size(32 << 20);
    std::thread::scope(|scope| thread.spawn_scoped(scope, test).unwrap().join().unwrap())
}

fn stack<IO: RawIo>(endpoint: &Endpoint<IO>, host: u8) -> Stack<'_, IO, SUPER_FRAME> {
    Stack { in_turns: true, ..Stack::with_frame_len(endpoint, host) }
}

fn offloading(options: Options) -> Options {
    let gso = if options.gso == GsoSupport::None { GsoSupport::Host } else { options.gso };
    Options { gso, gso_max_size: LONGEST, tx_checksum_offload: true, ..options }
}

pub(crate) fn ipv6(host: u8) -> IpAddress {
    IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, host.into())
}

/// An end that takes super-frames.
pub(crate) struct Hosted<'l, const FRAMES: usize> {
    pub(crate) end: End<'l, FRAMES, FRAME>,
    pub(crate) offloads: Offloads,
}

impl<'l, const FRAMES: usize> RawIo for Hosted<'l, FRAMES> {
    type Error = <End<'l, FRAMES, FRAME> as RawIo>::Error;
    type Rx = <End<'l, FRAMES, FRAME> as RawIo>::Rx;
    type Tx = <End<'l, FRAMES, FRAME> as RawIo>::Tx;
    type Stop = <End<'l, FRAMES, FRAME> as RawIo>::Stop;

    fn limits(&self) -> Limits {
        Limits::new(FRAME).with_vnet_header(10, self.offloads)
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        self.end.split()
    }
}

/// Of the datagrams, in bytes.
const LENS: [usize; 10] = [100, 100, 100, 50, 200, 200, 300, 200, 200, 200];
/// Of a super-frame, in bytes without link header: less than there could be, so that it shows.
const LONGEST: u32 = 16_000;
/// Bytes of a slot, and of a transmit buffer.
pub(crate) const FRAME: usize = 18_000;
const SUPER_FRAME: usize = 20_000;
