use super::head::Head;
use super::segment::Segment;
use super::verify::pseudo_header;
use crate::offload::{ChecksumState, Gso, GsoType, Offload};
use crate::packet::RxPacket;
use crate::wire::layers::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpVersion, TransportProtocol};
use crate::wire::{Checksum, Layers};

/// Makes a run's first packet the head of the whole.
pub(super) fn finish(head: Head<RxPacket<'_>>) -> RxPacket<'_> {
    let offload = head.offload();
    let Head { mut packet, segment: Segment { layers, end, .. }, len, flags, .. } = head;
    packet.trim(end, layers.network + len);
    packet.set_offload(offload);
    write_headers(packet.frame_mut(), &layers, len, flags);
    packet
}

/// What is left to do to a packet that begins with `segment` and goes on with others like it, behind `link_len` bytes of link header.
pub(super) fn offload(segment: &Segment, link_len: usize) -> Offload {
    let layers = &segment.layers;
    let start = field(layers.transport - link_len);
    Offload {
        checksum: ChecksumState::Partial { start, offset: layers.protocol.checksum_offset() },
        gso: Some(Gso { gso_type: gso_type(layers), size: field(segment.payload_len()), ecn: false }),
    }
}

/// Makes the headers of a segment those of a super-frame that is to be sent, of `len` bytes from the IP header on, with the TCP `flags` of all:
/// lengths of the whole, the sum of its pseudo-header in the checksum field.
pub(super) fn write_headers(frame: &mut [u8], layers: &Layers, len: usize, flags: u8) {
    let transport_len = len - (layers.transport - layers.network);
    let sum = pseudo_header(frame, layers, len).sum();
    write_network(frame.get_mut(layers.network..).unwrap_or_default(), layers.version, len);
    let transport = frame.get_mut(layers.transport..).unwrap_or_default();
    match layers.protocol {
        TransportProtocol::Tcp => transport.iter_mut().skip(13).take(1).for_each(|byte| *byte |= flags),
        TransportProtocol::Udp => put(transport, 4, field(transport_len).to_be_bytes()),
    }
    put(transport, layers.protocol.checksum_offset().into(), sum.to_be_bytes());
}

fn write_network(header: &mut [u8], version: IpVersion, len: usize) {
    match version {
        IpVersion::V4 => {
            put(header, 2, field(len).to_be_bytes());
            put(header, 10, [0, 0]);
            let mut sum = Checksum::new();
            sum.add_bytes(header.get(..IPV4_HEADER_LEN).unwrap_or_default());
            put(header, 10, sum.finish().to_be_bytes());
        }
        IpVersion::V6 => put(header, 4, field(len.saturating_sub(IPV6_HEADER_LEN)).to_be_bytes()),
    }
}

fn put(bytes: &mut [u8], at: usize, value: [u8; 2]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = from);
}

const fn gso_type(layers: &Layers) -> GsoType {
    match (layers.protocol, layers.version) {
        (TransportProtocol::Tcp, IpVersion::V4) => GsoType::TcpV4,
        (TransportProtocol::Tcp, IpVersion::V6) => GsoType::TcpV6,
        (TransportProtocol::Udp, _) => GsoType::UdpL4,
    }
}

/// Every length within an IP packet fits.
fn field(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
