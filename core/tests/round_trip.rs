//! Cutting and merging undo each other, for any payload, any headers that `etherparse` builds, and any cuts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use etherparse::PacketBuilder;
use fdlink_core::io::RxMeta;
use fdlink_core::rx::Split;
use fdlink_core::rx::gro::Coalescer;
use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::layers::{IpVersion, TransportProtocol};
use fdlink_core::wire::{Checksum, HeaderBuf, Layers, checksum};
use fdlink_core::{ChecksumState, EtherType, Gso, GsoType, NetworkDispatcher, Offload, RxPacket};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn split_and_coalesced_is_the_super_frame(flow in flow(), payload in vec(any::<u8>(), 2..9000), size in 150..3000u16) {
        prop_assume!(usize::from(size) < payload.len());
        let frame = flow.super_frame(&payload);
        let offload = flow.offload(size);
        let segments = cut(&frame, offload);
        prop_assert_eq!(segments.len(), payload.len().div_ceil(size.into()));
        prop_assert_eq!(coalesced(&segments), [(frame, offload)]);
    }

    #[test]
    fn coalesced_and_split_is_what_came(flow in flow(), packets in vec((vec(any::<u8>(), 0..300), 0..9u32), 1..150)) {
        let frames = flow.packets(&packets);
        let merged = coalesced(&frames);
        let again: Vec<_> = merged.iter().flat_map(|(frame, offload)| cut(frame, *offload)).collect();
        prop_assert_eq!(again, frames);
    }

    #[test]
    fn segments_of_equal_size_become_few(flow in flow(), count in 2..64usize, size in 1..500usize) {
        let packets = vec![(vec![7; size], 1); count];
        prop_assert_eq!(coalesced(&flow.packets(&packets)).len(), 1);
    }

    #[test]
    fn what_is_no_candidate_passes_unchanged(
        flow in flow(), packets in vec((vec(any::<u8>(), 0..80), 1..2u32), 1..20), noise in vec(vec(any::<u8>(), 0..120), 0..20), bit in 0..8u32,
    ) {
        let mut frames = flow.packets(&packets);
        // No checksum is right.
        frames.iter_mut().for_each(|frame| *frame.last_mut().unwrap() ^= 1 << bit);
        let frames = [frames, noise].concat();
        let expected: Vec<_> = frames.iter().cloned().map(|frame| (frame, Offload::NONE)).collect();
        prop_assert_eq!(coalesced(&frames), expected);
    }

    #[test]
    fn partial_segments_are_complete_ones_but_for_their_checksum(flow in flow(), payload in vec(any::<u8>(), 1..4000), size in 1..1500u16) {
        let (frame, offload) = (flow.super_frame(&payload), flow.offload(size));
        let mut partial = partial(&frame, offload);
        prop_assert_eq!(&partial, &left_partial(&frame, offload));
        let complete = cut(&frame, offload);
        let ChecksumState::Partial { start, offset } = offload.checksum else { unreachable!("it is partial") };
        for (partial, complete) in partial.iter_mut().zip(complete) {
            checksum::complete(&mut partial[LINK_LEN..], start.into(), offset.into()).unwrap();
            prop_assert!(*partial == complete || is_zero_of_tcp(&flow, &complete));
        }
    }
}

/// A checksum of 0 stays 0 where TCP is cut, and is 0xffff where a checksum is completed, as by Linux.
fn is_zero_of_tcp(flow: &Flow, frame: &[u8]) -> bool {
    let layers = Layers::of_frame(frame).unwrap();
    flow.protocol == TransportProtocol::Tcp && frame[layers.transport + 16..][..2] == [0, 0]
}

/// The headers of packets from one end to another.
#[derive(Debug, Clone)]
struct Flow {
    version: IpVersion,
    protocol: TransportProtocol,
    sequence: u32,
    id: u16,
    timestamps: bool,
    push: bool,
}

fn flow() -> impl Strategy<Value = Flow> {
    let version = prop_oneof![Just(IpVersion::V4), Just(IpVersion::V6)];
    let protocol = prop_oneof![Just(TransportProtocol::Tcp), Just(TransportProtocol::Udp)];
    let numbers = (any::<u32>(), any::<u16>(), any::<bool>(), any::<bool>());
    (version, protocol, numbers).prop_map(|(version, protocol, (sequence, id, timestamps, push))| Flow {
        version,
        protocol,
        sequence,
        id,
        timestamps,
        push,
    })
}

impl Flow {
    /// Successive packets; a step of 0 repeats the sequence number, one of more than 7 ends with PSH.
    fn packets(&self, packets: &[(Vec<u8>, u32)]) -> Vec<Vec<u8>> {
        let mut next = Self { push: false, ..self.clone() };
        let mut frames = Vec::new();
        for (payload, step) in packets {
            next.push = *step > 7;
            frames.push(next.packet(payload));
            next.id = next.id.wrapping_add(1);
            next.sequence = next.sequence.wrapping_add(payload.len() as u32 * u32::from(*step > 0));
        }
        frames
    }

    fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let ip = match self.version {
            IpVersion::V4 => {
                let mut header =
                    etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::TCP, [10, 0, 0, 1], [10, 0, 0, 2])
                        .unwrap();
                header.identification = self.id;
                link.ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
            }
            IpVersion::V6 => link.ipv6([6; 16], [7; 16], 64),
        };
        let mut frame = Vec::new();
        match self.protocol {
            TransportProtocol::Udp => ip.udp(1000, 2000).write(&mut frame, payload).unwrap(),
            TransportProtocol::Tcp => {
                let tcp = ip.tcp(1000, 2000, self.sequence, 500).ack(77);
                let tcp = if self.push { tcp.psh() } else { tcp };
                let options: &[_] =
                    if self.timestamps { &[etherparse::TcpOptionElement::Timestamp(1, 2)] } else { &[] };
                tcp.options(options).unwrap().write(&mut frame, payload).unwrap();
            }
        }
        frame
    }

    /// With the sum of the pseudo-header for a checksum.
    fn super_frame(&self, payload: &[u8]) -> Vec<u8> {
        let mut frame = self.packet(payload);
        let layers = Layers::of_frame(&frame).unwrap();
        let mut sum = Checksum::new();
        sum.add_pseudo_header(&frame, &layers, (frame.len() - layers.transport) as u32);
        let field = layers.transport + usize::from(self.protocol.checksum_offset());
        frame[field..field + 2].copy_from_slice(&sum.sum().to_be_bytes());
        frame
    }

    fn offload(&self, size: u16) -> Offload {
        let gso_type = match (self.protocol, self.version) {
            (TransportProtocol::Udp, _) => GsoType::UdpL4,
            (TransportProtocol::Tcp, IpVersion::V4) => GsoType::TcpV4,
            (TransportProtocol::Tcp, IpVersion::V6) => GsoType::TcpV6,
        };
        let start = if self.version == IpVersion::V4 { 20 } else { 40 };
        Offload {
            checksum: ChecksumState::Partial { start, offset: self.protocol.checksum_offset() },
            gso: Some(Gso { gso_type, size, ecn: false }),
        }
    }
}

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone holds for one lifetime of packets only"
)]
fn cut(frame: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    written(frame, offload, |splitter, index, headers| splitter.write_segment(index, headers))
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "as for `cut`")]
fn partial(frame: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    written(frame, offload, |splitter, index, headers| splitter.write_partial_segment(index, headers))
}

type Write = fn(&Splitter<'_>, usize, &mut HeaderBuf) -> Option<core::ops::Range<usize>>;

fn written(frame: &[u8], offload: Offload, write: Write) -> Vec<Vec<u8>> {
    let (link, packet) = frame.split_at(LINK_LEN.min(frame.len()));
    let parts = [packet];
    let splitter = Splitter::new(link, &parts, LINK_LEN, offload).unwrap();
    let segment = |index| {
        let mut headers = HeaderBuf::new();
        let payload = write(&splitter, index, &mut headers).unwrap();
        [&headers, payload_slices(&parts, payload).collect::<Vec<_>>().concat().as_slice()].concat()
    };
    (0..splitter.segments()).map(segment).collect()
}

fn left_partial(frame: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    let mut memory = frame.to_vec();
    let mut split = Split::new(&mut memory, LINK_LEN, offload).unwrap().leave_partial();
    let mut segments = Vec::new();
    while let Some(segment) = split.next_segment() {
        segments.push(segment.to_vec());
    }
    segments
}

fn coalesced(frames: &[Vec<u8>]) -> Vec<(Vec<u8>, Offload)> {
    let mut lent = frames.to_vec();
    let mut kept = Kept(Vec::new());
    let mut coalescer = Coalescer::new();
    for frame in &mut lent {
        let meta = RxMeta::new(frame.len());
        coalescer.take(EtherType(0), RxPacket::new(frame, LINK_LEN, meta), &mut kept);
    }
    coalescer.flush(&mut kept);
    kept.0
}

struct Kept(Vec<(Vec<u8>, Offload)>);

impl NetworkDispatcher for Kept {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        // What was verified and what nobody has are the same to a wire.
        let offload = match packet.offload() {
            Offload { checksum: ChecksumState::Unnecessary, gso: None } => Offload::NONE,
            offload => offload,
        };
        self.0.push((packet.parts().concat(), offload));
    }
}

const LINK_LEN: usize = 14;
