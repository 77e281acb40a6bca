use std::hint::black_box;

use fdlink_core::tx::gso::Splitter;
use fdlink_core::wire::vnet::LEN;
use fdlink_core::wire::{Checksum, HeaderBuf};
use fdlink_core::{
    ChecksumState, Endpoint, EtherType, Gso, GsoSupport, GsoType, LinkEndpoint as _, Offload, Options, Packet, Queue,
};
use fdlink_tests::support::{OWN, PEER, Segments};

use crate::idle::Idle;
use crate::{Job, counted};

/// Cutting alone.
pub(crate) fn cutting() -> Job {
    let frame = super_frame();
    Box::new(move || counted(|| cut(&frame)))
}

fn cut(frame: &[u8]) {
    let (link, packet) = frame.split_at(LINK_LEN);
    let parts = [packet];
    let splitter = Splitter::new(link, &parts, LINK_LEN, OFFLOAD).expect("a sound super-frame");
    let mut headers = HeaderBuf::new();
    for index in 0..SEGMENTS {
        let payload = splitter.write_segment(index, &mut headers).expect("it is one of them");
        black_box((&headers, payload.start));
    }
}

/// The sum of the bytes of each segment alone, which [`cutting`] has in it.
pub(crate) fn summing() -> Job {
    let frame = super_frame();
    Box::new(move || counted(|| sum(&frame)))
}

fn sum(frame: &[u8]) {
    for payload in frame.split_at(frame.len() - SIZE * SEGMENTS).1.chunks_exact(SIZE) {
        let mut sum = Checksum::new();
        sum.add_bytes(payload);
        black_box(sum);
    }
}

/// The whole way, through an endpoint whose descriptor cuts nothing.
pub(crate) fn sending() -> Job {
    let packet = super_frame().split_off(LINK_LEN).leak();
    let parts: &[&[u8]] = Box::leak(Box::new([&*packet]));
    let options = Options { address: OWN, gso: GsoSupport::Software, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(Idle::<LEN>(Vec::new()))], options);
    let endpoint = endpoint.expect("the options are good");
    endpoint.attach().expect("it is new");
    let packets = [Packet::new(EtherType::IPV4, parts).to(PEER).with_offload(OFFLOAD)];
    Box::new(move || {
        let mut packets = packets.clone();
        let written = counted(|| endpoint.write_packets(&mut packets)).expect("it is attached");
        assert_eq!(written.sent, 1);
    })
}

fn super_frame() -> Vec<u8> {
    Segments::tcp(1).next(&[0x45; SIZE * SEGMENTS], 0)
}

/// Those of 64 KiB on Ethernet.
pub(crate) const SEGMENTS: usize = 45;
const SIZE: usize = 1448;
const LINK_LEN: usize = 14;

const OFFLOAD: Offload = Offload {
    checksum: ChecksumState::None,
    gso: Some(Gso { gso_type: GsoType::TcpV4, size: SIZE as u16, ecn: false }),
};
