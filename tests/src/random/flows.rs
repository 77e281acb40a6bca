use fdlink_core::wire::layers::{IpVersion, TransportProtocol};
use fdlink_core::wire::{Checksum, Layers};
use fdlink_core::{ChecksumState, Gso, GsoType, Offload};

use super::Dice;
use crate::support::{Offloaded, Segments};

/// Packets of some TCP and UDP flows, many of them super-frames, many with a checksum that is left to be computed.
#[derive(Debug, Clone)]
pub struct Flows(Vec<Segments>);

impl Flows {
    /// New flows, with Ethernet headers or without.
    pub fn new(dice: &mut Dice, has_ethernet: bool) -> Self {
        let flow = |dice: &mut Dice, port| Segments {
            has_ethernet,
            is_v6: dice.one_in(3),
            is_tcp: !dice.one_in(3),
            port,
            sequence: dice.number() as u32,
            id: dice.number() as u16,
        };
        Self((0..dice.within(1..=10)).map(|port| flow(dice, port as u16)).collect())
    }

    /// The next packet of one of them.
    pub fn next(&mut self, dice: &mut Dice) -> Offloaded {
        let at = dice.within(0..=self.0.len() - 1);
        let flow = &mut self.0[at];
        let most = dice.pick(&[0, 100, 100, 1000, 1000, 5000]);
        let len = if dice.one_in(60) { dice.within(0..=60_000) } else { dice.within(0..=most) };
        let flags = if dice.one_in(10) { dice.number() as u8 } else { 0 };
        let mut frame = flow.next(&dice.bytes(len), flags);
        if flow.has_ethernet && dice.one_in(8) {
            frame.splice(12..12, [0x81, 0, 0x20, dice.pick(&[0, 5, 6])]);
        }
        let offload = leave(dice, &mut frame, flow.link_len());
        Offloaded { frame, offload }
    }

    /// Successive packets of one of them, whole and most of them as long, as a stack sends them that has much to send; `most` bytes of
    /// payload each. Some are flagged, or damaged.
    pub fn burst(&mut self, dice: &mut Dice, most: usize) -> Vec<Offloaded> {
        let at = dice.within(0..=self.0.len() - 1);
        let flow = &mut self.0[at];
        let (size, is_partial) = (dice.pick(&[8, 100, 1000]).min(most), dice.flip());
        let longest = dice.pick(&[5, 10, 20, 80]);
        let count = dice.within(2..=longest);
        let packet = |_| {
            let len = if dice.one_in(20) { dice.within(0..=size) } else { size };
            let flags = if dice.one_in(20) { dice.number() as u8 } else { 0 };
            let mut frame = flow.next(&dice.bytes(len), flags);
            let offload = if is_partial { leave_checksum(&mut frame, flow.link_len()) } else { Offload::NONE };
            if !is_partial && dice.one_in(50) {
                frame.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            }
            Offloaded { frame, offload }
        };
        (0..count).map(packet).collect()
    }

    /// Something that cannot be done to a packet.
    pub fn odd(&mut self, dice: &mut Dice) -> Offloaded {
        let mut packet = self.next(dice);
        let Some(gso) = &mut packet.offload.gso else {
            packet.offload.checksum = ChecksumState::Partial { start: 20, offset: u16::MAX };
            return packet;
        };
        match dice.within(0..=1) {
            0 => gso.size = 0,
            _ => {
                gso.gso_type = if gso.gso_type == GsoType::TcpV6 { GsoType::TcpV4 } else { GsoType::TcpV6 };
                gso.size = 1;
            }
        }
        packet
    }
}

/// Leaves some of the work undone, and says what.
fn leave(dice: &mut Dice, frame: &mut [u8], link_len: usize) -> Offload {
    let layers = Layers::behind(frame, link_len).expect("a whole packet");
    let payload_len = frame.len() - layers.payload;
    let is_udp = layers.protocol == TransportProtocol::Udp;
    let is_long = payload_len > 1000 || payload_len > 1 && dice.one_in(3);
    if !is_long && dice.flip() {
        return Offload::NONE;
    }
    let checksum = if is_udp || !dice.one_in(4) { partial(frame, &layers, link_len) } else { ChecksumState::None };
    let size = dice.pick(&[payload_len / 3, 500, 1000, 1400]).max(payload_len.div_ceil(100)).max(1);
    let gso = Gso { gso_type: gso_type(&layers), size: size as u16, ecn: false };
    Offload { checksum, gso: is_long.then_some(gso) }
}

const fn gso_type(layers: &Layers) -> GsoType {
    match (layers.protocol, layers.version) {
        (TransportProtocol::Udp, _) => GsoType::UdpL4,
        (TransportProtocol::Tcp, IpVersion::V4) => GsoType::TcpV4,
        (TransportProtocol::Tcp, IpVersion::V6) => GsoType::TcpV6,
    }
}

/// Leaves the checksum of a whole frame and the cutting into segments of `size` bytes to others, and says so.
pub fn leave_undone(frame: &mut [u8], link_len: usize, size: u16) -> Offload {
    let layers = Layers::behind(frame, link_len).expect("a whole packet");
    let gso = Gso { gso_type: gso_type(&layers), size, ecn: false };
    Offload { checksum: partial(frame, &layers, link_len), gso: Some(gso) }
}

fn leave_checksum(frame: &mut [u8], link_len: usize) -> Offload {
    let layers = Layers::behind(frame, link_len).expect("a whole packet");
    Offload { checksum: partial(frame, &layers, link_len), gso: None }
}

/// Puts the sum of the pseudo-header where the checksum is to be.
fn partial(frame: &mut [u8], layers: &Layers, link_len: usize) -> ChecksumState {
    let mut sum = Checksum::new();
    sum.add_pseudo_header(frame, layers, (frame.len() - layers.transport) as u32);
    let offset = layers.protocol.checksum_offset();
    let field = layers.transport + usize::from(offset);
    frame[field..field + 2].copy_from_slice(&sum.sum().to_be_bytes());
    ChecksumState::Partial { start: (layers.transport - link_len) as u16, offset }
}
