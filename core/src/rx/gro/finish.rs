use super::segment::Segment;
use super::verify::pseudo_header;
use crate::offload::{ChecksumState, Gso, GsoType, Offload};
use crate::packet::RxPacket;
use crate::wire::layers::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpVersion, TransportProtocol};
use crate::wire::{Checksum, Layers};

/// Makes a run's first packet the head of the whole: `len` bytes from the IP header on, with the TCP `flags` of all.
///
/// The headers become those of a super-frame that is to be sent: lengths of the whole, the sum of its pseudo-header in the checksum field.
pub(super) fn finish(packet: &mut RxPacket<'_>, segment: &Segment, len: usize, flags: u8) {
    let Segment { layers, end, .. } = segment;
    let start = layers.transport - packet.link_header().len();
    packet.trim(*end, layers.network + len);
    packet.set_offload(Offload {
        checksum: ChecksumState::Partial { start: field(start), offset: layers.protocol.checksum_offset() },
        gso: Some(Gso { gso_type: gso_type(layers), size: field(segment.payload_len()), ecn: false }),
    });
    let frame = packet.frame_mut();
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
