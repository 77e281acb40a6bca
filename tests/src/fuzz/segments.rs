//! Random super-frames and random virtio-net headers, cut from parts and in place: both give the same packets, which carry the payload
//! and have right lengths and checksums.

use fdlink_core::Offload;
use fdlink_core::rx::Split;
use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::Unsplittable;
use fdlink_core::wire::vnet::{GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, VirtioNetHdr};

use super::{Outcome, scale};
use crate::random::Dice;

pub(super) fn case(dice: &mut Dice) -> Outcome {
    let network = dice.pick(&[0, 14]);
    let draft = Draft::new(dice, network, 65_535);
    let vnet = VirtioNetHdr { hdr_len: dice.number() as u16, ..draft.vnet() };
    let offload = vnet.offload(&draft.frame, draft.network).expect("a sound super-frame");
    let segments = cut(dice, &draft.frame, draft.network, offload).expect("a sound super-frame");
    draft.check(&segments);
    let (size, kind) = (draft.frame.len(), draft.kind(segments.len()));
    Outcome { kind: format!("{kind}, spoiled: {}", spoiled(dice, draft, vnet)), size }
}

/// Wrong bytes anywhere: an error or packets, the same from both, never a panic.
fn spoiled(dice: &mut Dice, mut draft: Draft, mut vnet: VirtioNetHdr) -> String {
    for _ in 0..dice.within(1..=4) {
        let at = dice.within(0..=draft.payload.min(draft.frame.len() - 1));
        draft.frame[at] = dice.number() as u8;
    }
    draft.frame.truncate(if dice.flip() { usize::MAX } else { dice.within(0..=draft.frame.len()) });
    let noise = dice.number();
    match dice.within(0..=6) {
        0 => vnet.flags = noise as u8,
        1 => vnet.gso_type = noise as u8 & 0x87,
        2 => vnet.gso_size = (noise >> dice.pick(&[0, 12])) as u16,
        3 => vnet.csum_start = (noise >> dice.pick(&[0, 9])) as u16,
        4 => vnet.csum_offset = (noise >> dice.pick(&[0, 9])) as u16,
        5 => draft.network = dice.within(0..=40),
        _ => {}
    }
    let offload = match vnet.offload(&draft.frame, draft.network) {
        Ok(offload) => offload,
        Err(error) => return format!("{error:?}"),
    };
    let segments = match cut(dice, &draft.frame, draft.network, offload) {
        Ok(segments) => segments,
        Err(error) => return format!("{error:?}"),
    };
    assert!(segments.iter().map(Vec::len).sum::<usize>() >= draft.frame.len());
    assert!(segments.len() == 1 || offload.gso.is_some());
    String::from(if segments.len() == 1 { "whole" } else { "cut" })
}

fn cut(dice: &mut Dice, frame: &[u8], network: usize, offload: Offload) -> Cut {
    let borrowed = from_parts(dice, frame, network, offload);
    let mut memory = frame.to_vec();
    let mut split = match Split::new(&mut memory, network, offload) {
        Ok(split) => split,
        Err(error) => {
            assert_eq!(borrowed, Err(error));
            return Err(error);
        }
    };
    let mut segments = Vec::new();
    while let Some(segment) = split.next_segment() {
        segments.push(segment.to_vec());
        segment.fill(dice.number() as u8);
    }
    // Only from parts has the place of a checksum to be among the bytes that are copied.
    assert!(borrowed.is_err() || borrowed.as_ref() == Ok(&segments));
    Ok(segments)
}

type Cut = Result<Vec<Vec<u8>>, Unsplittable>;

fn from_parts(dice: &mut Dice, frame: &[u8], network: usize, offload: Offload) -> Cut {
    let (link, packet) = frame.split_at(if dice.flip() { network.min(frame.len()) } else { 0 });
    let mut cuts: Vec<_> = (0..dice.within(0..=4)).map(|_| dice.within(0..=packet.len())).collect();
    cuts.extend([0, packet.len()]);
    cuts.sort_unstable();
    let parts: Vec<_> = cuts.windows(2).map(|ends| &packet[ends[0]..ends[1]]).collect();
    let splitter = Splitter::new(link, &parts, network, offload)?;
    assert!(splitter.segment(splitter.segments()).is_none());
    let segments = (0..splitter.segments()).map(|index| splitter.segment(index).expect("it is one of them"));
    let bytes = |payload| payload_slices(&parts, payload).flatten().copied().collect::<Vec<_>>();
    Ok(segments.map(|segment| [&segment.headers, bytes(segment.payload).as_slice()].concat()).collect())
}

/// A sound super-frame, and where its headers lie.
pub(super) struct Draft {
    pub(super) frame: Vec<u8>,
    network: usize,
    /// Where the IP header is, behind VLAN tags.
    ip: usize,
    transport: usize,
    payload: usize,
    /// Of the checksum, from the transport header.
    field: usize,
    version: u8,
    is_udp: bool,
    size: u16,
}

impl Draft {
    /// With `network` bytes of link header, and an IP packet of no more than `most` bytes.
    pub(super) fn new(dice: &mut Dice, network: usize, most: usize) -> Self {
        let (version, is_udp) = (dice.pick(&[4, 6]), dice.flip());
        let ip = network + if network == 0 { 0 } else { 4 * dice.within(0..=2) };
        let ip_len = if version == 4 { 20 + 4 * dice.within(0..=10) } else { 40 + 8 * dice.within(0..=3) };
        let tcp_len = 20 + 4 * dice.within(0..=10);
        let transport = ip + ip_len;
        let payload = transport + if is_udp { 8 } else { tcp_len };
        let largest = dice.pick(&[9, 300, 1460, 9000]);
        let size = dice.within(1..=largest);
        let segments = if is_udp { 128 } else { 300 };
        let payload_len = dice.within(0..=(segments * size).min(most - (payload - ip)));
        let frame = dice.bytes(payload + payload_len);
        let field = if is_udp { 6 } else { 16 };
        let mut draft = Self { frame, network, ip, transport, payload, field, version, is_udp, size: size as u16 };
        draft.write_headers(tcp_len);
        draft
    }

    fn write_headers(&mut self, tcp_len: usize) {
        let protocol = if self.is_udp { 17 } else { 6 };
        for at in (self.network..self.ip).step_by(4) {
            self.put(at - 2, 0x8100);
        }
        if self.ip > 0 {
            self.put(self.ip - 2, if self.version == 4 { 0x0800 } else { 0x86dd });
        }
        if self.version == 4 {
            self.frame[self.ip] = 0x40 | ((self.transport - self.ip) / 4) as u8;
            self.frame[self.ip + 9] = protocol;
        } else {
            self.frame[self.ip] = 0x60;
            let mut next = self.ip + 6;
            for at in (self.ip + 40..self.transport).step_by(8) {
                self.frame[next] = 60;
                self.frame[at + 1] = 0;
                next = at;
            }
            self.frame[next] = protocol;
        }
        let len = self.frame.len() - self.transport;
        if self.is_udp {
            self.put(self.transport + 4, len as u16);
        } else {
            self.frame[self.transport + 12] = (tcp_len * 4) as u8;
        }
        let sum = self.pseudo_sum(&self.frame, len);
        self.put(self.transport + self.field, sum);
    }

    /// What says how it is to be cut.
    pub(super) const fn vnet(&self) -> VirtioNetHdr {
        VirtioNetHdr {
            flags: NEEDS_CSUM,
            gso_type: self.gso_type(),
            hdr_len: 0,
            gso_size: self.size,
            csum_start: self.transport as u16,
            csum_offset: self.field as u16,
        }
    }

    fn kind(&self, segments: usize) -> String {
        let (version, protocol) = (self.version, if self.is_udp { "UDP" } else { "TCP" });
        format!("{protocol} over IPv{version}, {} segments", scale(segments) / 2)
    }

    const fn gso_type(&self) -> u8 {
        match (self.is_udp, self.version) {
            (true, _) => GSO_UDP_L4,
            (false, 4) => GSO_TCPV4,
            (false, _) => GSO_TCPV6,
        }
    }

    fn put(&mut self, at: usize, field: u16) {
        self.frame[at..at + 2].copy_from_slice(&field.to_be_bytes());
    }

    fn pseudo_sum(&self, frame: &[u8], len: usize) -> u16 {
        let addresses = if self.version == 4 { self.ip + 12..self.ip + 20 } else { self.ip + 8..self.ip + 40 };
        let rest = [0, if self.is_udp { 17 } else { 6 }, (len >> 8) as u8, len as u8];
        sum(&[&frame[addresses], &rest].concat())
    }

    fn check(&self, segments: &[Vec<u8>]) {
        let payload_len = self.frame.len() - self.payload;
        assert_eq!(segments.len(), payload_len.div_ceil(self.size.into()).max(1));
        let payload: Vec<_> = segments.iter().flat_map(|segment| &segment[self.payload..]).copied().collect();
        assert_eq!(payload, self.frame[self.payload..]);
        for segment in segments {
            assert!(segment.len() - self.payload <= self.size.into());
            let transport = &segment[self.transport..];
            let total = u32::from(sum(transport)) + u32::from(self.pseudo_sum(segment, transport.len()));
            assert!(total % 0xffff == 0, "the checksum is wrong");
            self.check_lengths(segment, segments.len());
        }
    }

    fn check_lengths(&self, segment: &[u8], count: usize) {
        let be16 = |at: usize| usize::from(u16::from_be_bytes([segment[at], segment[at + 1]]));
        if self.is_udp {
            assert_eq!(be16(self.transport + 4), segment.len() - self.transport);
        }
        if count > 1 && self.version == 4 {
            assert_eq!(be16(self.ip + 2), segment.len() - self.ip);
            assert_eq!(sum(&segment[self.ip..self.transport]), 0xffff);
        } else if count > 1 {
            assert_eq!(be16(self.ip + 4), segment.len() - self.ip - 40);
        }
    }
}

/// Word by word.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}
