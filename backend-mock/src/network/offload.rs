//! What the system does to a frame with a virtio-net header that the other side does not take as it is: written down plainly, so that it can be
//! held against what an endpoint does.

use alloc::vec::Vec;

use fdlink_core::io::{Offloads, VlanTag};
use fdlink_core::wire::Layers;
use fdlink_core::wire::layers::{IpVersion, TransportProtocol};
use fdlink_core::wire::vnet::{ByteOrder, GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, MAX_LEN, NEEDS_CSUM, VirtioNetHdr};

use super::Frame;
use crate::descriptor::{DescriptorOptions, Kind};
use crate::fault::VnetLie;

impl Frame {
    /// True if something is left to do to it.
    pub(super) const fn asks(&self) -> bool {
        self.vnet.flags & NEEDS_CSUM != 0 || self.vnet.gso_type != GSO_NONE
    }

    /// True if its checksum is to be put where it has no bytes.
    pub(super) fn has_checksum_elsewhere(&self) -> bool {
        let VirtioNetHdr { flags, csum_start, csum_offset, .. } = self.vnet;
        flags & NEEDS_CSUM != 0 && usize::from(csum_start) + usize::from(csum_offset) + 2 > self.bytes.len()
    }

    /// What has to be done for it, `network` bytes of link header being in front of it.
    pub(super) fn needs(&self, network: usize) -> Offloads {
        let checksum = if self.vnet.flags & NEEDS_CSUM == 0 { Offloads::empty() } else { Offloads::CSUM };
        checksum
            | match self.vnet.gso_type & !GSO_ECN {
                GSO_NONE => Offloads::empty(),
                GSO_TCPV4 => Offloads::TSO4,
                GSO_TCPV6 => Offloads::TSO6,
                _ if Layers::behind(&self.bytes, network).is_some_and(|layers| layers.version == IpVersion::V6) => {
                    Offloads::USO6
                }
                _ => Offloads::USO4,
            }
    }

    /// As it stands on a wire: cut into segments with checksums of their own. Nothing where that cannot be done.
    pub(super) fn on_the_wire(&self, network: usize) -> Vec<Self> {
        let pieces = match self.vnet.gso_type & !GSO_ECN {
            GSO_NONE => completed(self).into_iter().collect(),
            _ => self.segments(network).unwrap_or_default(),
        };
        let plain = |bytes| Self { bytes, vnet: VirtioNetHdr::default(), ..self.clone_without_bytes() };
        pieces.into_iter().map(plain).collect()
    }

    fn clone_without_bytes(&self) -> Self {
        Self { bytes: Vec::new(), ..*self }
    }

    fn segments(&self, network: usize) -> Option<Vec<Vec<u8>>> {
        let layers = Layers::behind(&self.bytes, network)?;
        let size = usize::from(self.vnet.gso_size);
        let (headers, payload) = self.bytes.split_at_checked(layers.payload)?;
        let count = payload.len().div_ceil(size.max(1));
        let chunks = payload.chunks(size.max(1)).enumerate();
        chunks.map(|(at, payload)| segment(headers, &layers, [at, count, size], payload)).collect()
    }

    /// Without its outermost VLAN tag, where the system takes that out.
    pub(super) fn taken_apart(mut self, kind: Kind, options: &DescriptorOptions) -> Self {
        let tag = self.bytes.get(12..).and_then(<[u8]>::first_chunk);
        if let Some(&[t0, t1, c0, c1]) = tag.filter(|_| kind.is_packet() && options.takes_tags_out)
            && matches!([t0, t1], [0x81, 0x00] | [0x88, 0xa8])
        {
            self.bytes.drain(12..16);
            self.tag = Some(VlanTag { tpid: u16::from_be_bytes([t0, t1]), tci: u16::from_be_bytes([c0, c1]) });
            self.vnet.csum_start = self.vnet.csum_start.saturating_sub(4);
        }
        self
    }

    /// As it stands in the buffer of a descriptor with these options.
    pub(super) fn received(mut self, options: &DescriptorOptions) -> Self {
        if options.vnet_header_len > 0 {
            let header = self.lie.map_or(self.vnet, |lie| lie.told(self.vnet)).encode::<MAX_LEN>(ByteOrder::Native);
            let header = header.split_at(options.vnet_header_len.min(MAX_LEN)).0;
            self.bytes.splice(0..0, header.iter().copied());
            if let Some(VnetLie::Short(len)) = self.lie {
                self.bytes.truncate(usize::from(len) % options.vnet_header_len);
            }
        }
        self
    }
}

/// The checksum of a frame that is not cut.
fn completed(frame: &Frame) -> Option<Vec<u8>> {
    let mut bytes = frame.bytes.clone();
    if frame.vnet.flags & NEEDS_CSUM != 0 {
        let (start, offset) = (usize::from(frame.vnet.csum_start), usize::from(frame.vnet.csum_offset));
        let sum = never_zero(!folded(sum(bytes.get(start..)?)));
        put(&mut bytes, start + offset, sum)?;
    }
    Some(bytes)
}

fn segment(headers: &[u8], layers: &Layers, [at, count, size]: [usize; 3], payload: &[u8]) -> Option<Vec<u8>> {
    let mut frame = [headers, payload].concat();
    let Layers { network, transport, version, protocol, .. } = *layers;
    let transport_len = frame.len() - transport;
    match version {
        IpVersion::V4 => {
            put(&mut frame, network + 2, (transport - network + transport_len) as u16)?;
            let id = be16(&frame, network + 4)?.wrapping_add(at as u16);
            put(&mut frame, network + 4, id)?;
            put(&mut frame, network + 10, 0)?;
            let header_sum = !folded(sum(frame.get(network..transport)?));
            put(&mut frame, network + 10, header_sum)?;
        }
        IpVersion::V6 => put(&mut frame, network + 4, (transport - network - 40 + transport_len) as u16)?,
    }
    let field = transport + usize::from(protocol.checksum_offset());
    match protocol {
        TransportProtocol::Tcp => {
            let sequence = u32::from(be16(&frame, transport + 4)?) << 16 | u32::from(be16(&frame, transport + 6)?);
            let sequence = sequence.wrapping_add((at * size) as u32);
            put(&mut frame, transport + 4, (sequence >> 16) as u16)?;
            put(&mut frame, transport + 6, sequence as u16)?;
            let flags = frame.get_mut(transport + 13)?;
            *flags &= if at == 0 { 0xff } else { !CWR };
            *flags &= if at + 1 == count { 0xff } else { !(FIN | PSH) };
        }
        TransportProtocol::Udp => put(&mut frame, transport + 4, transport_len as u16)?,
    }
    put(&mut frame, field, 0)?;
    let addresses = match version {
        IpVersion::V4 => network + 12..network + 20,
        IpVersion::V6 => network + 8..network + 40,
    };
    let pseudo = sum(frame.get(addresses)?) + u64::from(protocol.number()) + transport_len as u64;
    let checksum = !folded(pseudo + sum(frame.get(transport..)?));
    let is_udp = protocol == TransportProtocol::Udp;
    put(&mut frame, field, if is_udp { never_zero(checksum) } else { checksum })?;
    Some(frame)
}

/// Word by word.
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| match *pair {
        [hi, lo] => u64::from(hi) << 8 | u64::from(lo),
        [hi] => u64::from(hi) << 8,
        _ => 0,
    };
    bytes.chunks(2).map(word).sum()
}

const fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

const fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

fn put(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
