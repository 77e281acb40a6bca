use fdlink_core::wire::{Checksum, Layers};
use fdlink_core::{ChecksumState, Gso, GsoType, Offload};

use crate::send::frame;

/// TCP over IPv4 with a timestamp, to be cut into segments of 1448 bytes, its checksum the sum of the pseudo-header: what the other anchors send.
pub(crate) fn new(size: usize, ethernet: bool) -> (Vec<u8>, Offload) {
    let mut frame = frame(size, ethernet);
    let packet = &mut frame[if ethernet { 14 } else { 0 }..];
    packet[9] = 6;
    packet[IP..IP + TCP.len()].copy_from_slice(&TCP);
    let mut sum = Checksum::new();
    sum.add_bytes(&packet[..IP]);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    if let Some(layers) = Layers::behind(packet, 0) {
        let mut sum = Checksum::new();
        sum.add_pseudo_header(packet, &layers, (packet.len() - IP) as u32);
        packet[IP + 16..IP + 18].copy_from_slice(&sum.sum().to_be_bytes());
    }
    let checksum = ChecksumState::Partial { start: IP as u16, offset: 16 };
    (frame, Offload { checksum, gso: Some(Gso { gso_type: GsoType::TcpV4, size: 1448, ecn: false }) })
}

const IP: usize = 20;
/// Ports 12345 and 12346, 32 bytes long, ACK, the greatest window, timestamps.
const TCP: [u8; 32] = [
    0x30, 0x39, 0x30, 0x3a, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x10, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 0, 0, 0,
    0, 0,
];
