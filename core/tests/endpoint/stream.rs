//! Packets of a flow, as a small stack makes them one by one, and what a receiver has of frames that left.

use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::layers::IpVersion;
use fdlink_core::wire::vnet::ByteOrder;
use fdlink_core::wire::{Checksum, Layers, VirtioNetHdr, checksum};
use fdlink_core::{ChecksumState, EtherType, Offload, Packet};

/// A flow, and where it has come to.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) version: IpVersion,
    pub(crate) is_tcp: bool,
    /// Its source port.
    pub(crate) port: u16,
    /// Packets are made with partial checksums.
    pub(crate) is_partial: bool,
    /// IPv4 with DF, and always the same identification.
    pub(crate) is_atomic: bool,
    /// Bytes of TCP options.
    pub(crate) options: usize,
    pub(crate) acknowledgement: u32,
    pub(crate) sequence: u32,
    pub(crate) id: u16,
}

/// A packet from its network header on.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
}

impl Stream {
    pub(crate) const fn tcp(version: IpVersion) -> Self {
        Self {
            version,
            is_tcp: true,
            port: 9,
            is_partial: false,
            is_atomic: false,
            options: 12,
            acknowledgement: 7,
            sequence: 0xffff_f000,
            id: 0xfff0,
        }
    }

    pub(crate) const fn udp(version: IpVersion) -> Self {
        Self { is_tcp: false, ..Self::tcp(version) }
    }

    /// The next packet, with `len` bytes of payload and these TCP flags besides ACK.
    pub(crate) fn next(&mut self, len: usize, flags: u8) -> Made {
        let transport = if self.is_tcp { self.tcp_header(flags) } else { self.udp_header(len) };
        let network = self.network_header(transport.len() + len);
        let payload = (0..len).map(|at| (self.sequence as usize + at * 31 + (at >> 8)) as u8);
        let mut bytes: Vec<u8> = [&network[..], &transport].concat().into_iter().chain(payload).collect();
        let offset = if self.is_tcp { 16 } else { 6 };
        put_pseudo_header(&mut bytes, network.len() + offset);
        let partial = ChecksumState::Partial { start: network.len() as u16, offset: offset as u16 };
        let mut made = Made { bytes, offload: Offload { checksum: partial, gso: None } };
        if !self.is_partial {
            checksum::complete(&mut made.bytes, network.len(), offset).unwrap();
            made.offload = Offload::NONE;
        }
        self.sequence = self.sequence.wrapping_add(len as u32);
        self.id = self.id.wrapping_add(u16::from(!self.is_atomic));
        made
    }

    /// `count` packets with `len` bytes of payload each.
    pub(crate) fn burst(&mut self, count: usize, len: usize) -> Vec<Made> {
        (0..count).map(|_| self.next(len, 0)).collect()
    }

    fn tcp_header(&self, flags: u8) -> Vec<u8> {
        let mut header = vec![0; 20 + self.options];
        header[..2].copy_from_slice(&self.port.to_be_bytes());
        header[3] = 80;
        header[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        header[8..12].copy_from_slice(&self.acknowledgement.to_be_bytes());
        header[12] = (5 + self.options as u8 / 4) << 4;
        header[13] = ACK | flags;
        header[14] = 1;
        header[20..].fill(1);
        header
    }

    fn udp_header(&self, len: usize) -> Vec<u8> {
        let [p0, p1] = self.port.to_be_bytes();
        let [l0, l1] = (8 + len as u16).to_be_bytes();
        vec![p0, p1, 0, 53, l0, l1, 0, 0]
    }

    fn network_header(&self, len: usize) -> Vec<u8> {
        let protocol = if self.is_tcp { 6 } else { 17 };
        if self.version == IpVersion::V6 {
            let [l0, l1] = (len as u16).to_be_bytes();
            return [&[0x60, 0, 0, 0, l0, l1, protocol, 64][..], &[0x20; 32]].concat();
        }
        let ([l0, l1], [i0, i1]) = ((20 + len as u16).to_be_bytes(), self.id.to_be_bytes());
        let df = if self.is_atomic { 0x40 } else { 0 };
        let mut header = vec![0x45, 0, l0, l1, i0, i1, df, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        put_header_checksum(&mut header);
        header
    }
}

impl Made {
    /// As it is to arrive at a receiver on a wire.
    pub(crate) fn on_the_wire(&self) -> Vec<u8> {
        let mut packets = cut(&self.bytes, self.offload);
        assert_eq!(packets.len(), 1);
        packets.remove(0)
    }

    /// Its bytes in parts that end there.
    pub(crate) fn parts(&self, cuts: &[usize]) -> Vec<&[u8]> {
        let mut ends: Vec<_> = cuts.iter().map(|cut| *cut.min(&self.bytes.len())).collect();
        ends.sort_unstable();
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(ends.iter().copied().chain([self.bytes.len()])).map(|(start, end)| &self.bytes[start..end]).collect()
    }
}

/// A packet for each, in the parts that it lies in.
pub(crate) fn packets<'p>(made: &[Made], parts: &'p [Vec<&'p [u8]>]) -> Vec<Packet<'p>> {
    let packets = made.iter().zip(parts);
    packets.map(|(made, parts)| Packet::new(EtherType::IPV4, parts).with_offload(made.offload)).collect()
}

/// What a receiver has of a frame that left with a virtio-net header of ten bytes: the packets that the system makes of it.
pub(crate) fn arrived(frame: &[u8]) -> Vec<Vec<u8>> {
    let (header, frame) = frame.split_at(10);
    let header = VirtioNetHdr::decode(header, ByteOrder::Native).unwrap();
    cut(frame, header.offload(frame, 0).unwrap())
}

/// The same packet with an IPv4 identification of 0 if it is atomic, when it has no meaning (RFC 6864), and with a TCP checksum of 0 if it is
/// 0xffff, which is the same number: whoever completes a packet writes the one, whoever cuts it off another the other.
pub(crate) fn in_one_form(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] == 0x45 && packet[6] & 0x40 != 0 {
        packet[4..6].fill(0);
        put_header_checksum(&mut packet);
    }
    let (protocol, transport) = if packet[0] >> 4 == 4 { (packet[9], 20) } else { (packet[6], 40) };
    match packet.get_mut(transport + 16..transport + 18) {
        Some(checksum) if protocol == 6 && checksum == [0xff; 2] => checksum.fill(0),
        _ => {}
    }
    packet
}

fn cut(bytes: &[u8], offload: Offload) -> Vec<Vec<u8>> {
    let parts = [bytes];
    let splitter = Splitter::new(&[], &parts, 0, offload).unwrap();
    let segments = (0..splitter.segments()).map(|index| splitter.segment(index).unwrap());
    segments
        .map(|segment| {
            let payload: Vec<_> = payload_slices(&parts, segment.payload.clone()).collect();
            [&segment.headers[..], &payload.concat()].concat()
        })
        .collect()
}

fn put_header_checksum(header: &mut [u8]) {
    header[10..12].fill(0);
    let mut sum = Checksum::new();
    sum.add_bytes(&header[..20]);
    header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
}

fn put_pseudo_header(bytes: &mut [u8], field: usize) {
    let layers = Layers::of_packet(bytes, 0).unwrap();
    let mut sum = Checksum::new();
    sum.add_pseudo_header(bytes, &layers, (bytes.len() - layers.transport) as u32);
    bytes[field..field + 2].copy_from_slice(&sum.sum().to_be_bytes());
}

pub(crate) const FIN: u8 = 1;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
