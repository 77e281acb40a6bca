//! What an endpoint must make of a received frame, written down a second time.

use fdlink_core::io::{VlanFilter, VlanTag};
use fdlink_core::wire::Layers;
use fdlink_core::wire::checksum::is_transport_valid;
use fdlink_core::wire::layers::{IpVersion, TransportProtocol};
use fdlink_core::{ChecksumState, DropCause, EtherType, Gso, GsoType, LinkAddress, Offload, Options};

use crate::random::judge;
use crate::support::{Offloaded, on_the_wire};

/// A frame as it was lent.
#[derive(Debug)]
pub(super) struct LentFrame {
    /// The length told.
    pub(super) len: usize,
    pub(super) tag: Option<VlanTag>,
    pub(super) bytes: Vec<u8>,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) protocol: EtherType,
    pub(super) tag: Option<VlanTag>,
    pub(super) packet: Offloaded,
}

/// The packets that come of a frame, or why it is dropped. What is merged of them is not looked at.
pub(super) fn verdict(
    lent: &LentFrame,
    options: &Options,
    own: LinkAddress,
    vnet_header_len: usize,
) -> Result<Vec<Delivery>, DropCause> {
    if lent.len > lent.bytes.len() {
        return Err(DropCause::Truncated);
    }
    let (header, frame) = lent.bytes.split_at_checked(vnet_header_len).ok_or(DropCause::Runt)?;
    let (protocol, packet) = judge(frame, options, own, usize::MAX)?;
    let link_len = frame.len() - packet.len();
    select(frame, protocol, lent.tag, options)?;
    let offload = match vnet_header_len {
        0 => Offload::NONE,
        _ => offload_of(header, frame, link_len).ok_or(DropCause::VnetHeader)?,
    };
    let packets = finished(Offloaded { frame: frame.to_vec(), offload }, link_len, options)?;
    Ok(packets.into_iter().map(|packet| Delivery { protocol, tag: lent.tag, packet }).collect())
}

/// By VLAN, then by protocol.
fn select(frame: &[u8], protocol: EtherType, taken_out: Option<VlanTag>, options: &Options) -> Result<(), DropCause> {
    let Options { ethernet_header, ether_types, vlan, .. } = *options;
    let (mut id, mut protocol) = (taken_out.map_or(0, |tag| tag.tci & 0xfff), protocol);
    let is_tagged = ethernet_header && taken_out.is_none() && matches!(protocol.0, 0x8100 | 0x88a8);
    if is_tagged && (vlan != VlanFilter::Any || !ether_types.is_all()) {
        let &[hi, lo, p0, p1] = frame.get(14..18).and_then(<[u8]>::first_chunk).ok_or(DropCause::Runt)?;
        (id, protocol) = (u16::from_be_bytes([hi, lo]) & 0xfff, EtherType(u16::from_be_bytes([p0, p1])));
    }
    let is_in = match vlan {
        VlanFilter::Id(own) => id == own,
        VlanFilter::Untagged => id == 0,
        _ => true,
    };
    match is_in {
        false => Err(DropCause::ForeignVlan),
        true if ether_types.is_all() || ether_types.as_slice().contains(&protocol) => Ok(()),
        true => Err(DropCause::ForeignProtocol),
    }
}

/// What a virtio-net header says, if that can be done to the frame.
pub(super) fn offload_of(header: &[u8], frame: &[u8], link_len: usize) -> Option<Offload> {
    let field = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let (start, offset, size) = (usize::from(field(6)), field(8), field(4));
    let checksum = match header[0] & 3 {
        0 => ChecksumState::None,
        2 => ChecksumState::Unnecessary,
        _ => {
            let is_within = start >= link_len + 20 && start + usize::from(offset) + 2 <= frame.len();
            is_within.then(|| ChecksumState::Partial { start: (start - link_len) as u16, offset })?
        }
    };
    if header[1] == 0 {
        return Some(Offload { checksum, gso: None });
    }
    let (kind, ecn) = (header[1] & 0x7f, header[1] & 0x80 != 0);
    let layers = Layers::behind(frame, link_len)?;
    let gso_type = match (kind, layers.version, layers.protocol) {
        (1, IpVersion::V4, TransportProtocol::Tcp) => GsoType::TcpV4,
        (4, IpVersion::V6, TransportProtocol::Tcp) => GsoType::TcpV6,
        (5, _, TransportProtocol::Udp) if !ecn => GsoType::UdpL4,
        _ => return None,
    };
    let is_its_own = match checksum {
        ChecksumState::Partial { start, .. } => {
            usize::from(start) == layers.transport - link_len && offset == layers.protocol.checksum_offset()
        }
        _ => gso_type != GsoType::UdpL4,
    };
    let payload_len = frame.len() - layers.payload;
    let is_too_many = gso_type == GsoType::UdpL4 && payload_len > 128 * usize::from(size);
    if !is_its_own || size == 0 || size == 0xffff || is_too_many {
        return None;
    }
    let gso = Gso { gso_type, size, ecn };
    Some(Offload { checksum, gso: (payload_len > size.into()).then_some(gso) })
}

/// What the options have done to it.
fn finished(mut packet: Offloaded, link_len: usize, options: &Options) -> Result<Vec<Offloaded>, DropCause> {
    let Offload { checksum, gso } = packet.offload;
    if options.rx_split && gso.is_some() {
        if checksum == ChecksumState::None && valid(&packet.frame, link_len) != Some(true) {
            return Err(DropCause::Checksum);
        }
        let offload = Offload { checksum: ChecksumState::Unnecessary, gso: None };
        return Ok(on_the_wire(&packet, link_len).into_iter().map(|frame| Offloaded { frame, offload }).collect());
    }
    match checksum {
        ChecksumState::Partial { start, offset } if options.complete_checksums && gso.is_none() => {
            complete(&mut packet.frame[link_len..], start.into(), offset.into());
            packet.offload.checksum = ChecksumState::Unnecessary;
        }
        ChecksumState::None if options.rx_checksum_offload => match valid(&packet.frame, link_len) {
            Some(true) => packet.offload.checksum = ChecksumState::Unnecessary,
            Some(false) => return Err(DropCause::Checksum),
            None => {}
        },
        _ => {}
    }
    Ok(vec![packet])
}

/// Whether a checksum is right, if that can be told.
fn valid(frame: &[u8], link_len: usize) -> Option<bool> {
    let layers = Layers::behind(frame, link_len)?;
    let is_udp4 = layers.protocol == TransportProtocol::Udp && layers.version == IpVersion::V4;
    let is_left_out = is_udp4 && frame[layers.transport + 6..layers.transport + 8] == [0, 0];
    let is_elsewhere = layers.is_ipv4_fragment(frame) || layers.has_routing_header(frame);
    (!is_elsewhere && !is_left_out).then(|| is_transport_valid(frame, &layers))
}

/// Everything from `start` on, summed up.
pub(super) fn complete(packet: &mut [u8], start: usize, offset: usize) {
    let words = packet[start..].chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0)));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    let sum = if sum == 0xffff { 0xffff } else { !(sum as u16) };
    packet[start + offset..start + offset + 2].copy_from_slice(&sum.to_be_bytes());
}
