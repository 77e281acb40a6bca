//! The headers of the segments that a super-frame is cut into, as Linux makes them (`tcp_gso_segment`, `__udp_gso_segment`).
//!
//! | field | in each segment |
//! |---|---|
//! | link header, VLAN tags, IP options, extension headers | copied |
//! | IPv4 identification | counts up from that of the super-frame, whether DF is set or not |
//! | IPv4 total length and checksum, IPv6 payload length, UDP length | its own; those of the super-frame are not looked at |
//! | TCP sequence number | that of its first byte |
//! | FIN, PSH | only in the last |
//! | CWR | only in the first |
//! | other TCP flags, acknowledgement, window, urgent pointer, options | copied |
//! | checksum | its own; 0 stays 0 for TCP and becomes 0xffff for UDP |

use core::ops::{Deref, Range};

use super::Checksum;
use super::checksum::never_zero;
use super::layers::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpVersion, Layers, TCP_HEADER_LEN, TransportProtocol, UDP_HEADER_LEN, be16,
};
use crate::offload::{ChecksumState, Gso, Offload};

/// All headers of a frame, link, network and transport, in a buffer of fixed size.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBuf {
    bytes: [u8; MAX_HEADERS_LEN],
    len: u8,
}

impl HeaderBuf {
    /// The first bytes of `slices`, up to [`MAX_HEADERS_LEN`].
    pub(crate) fn gather<'s>(slices: impl Iterator<Item = &'s [u8]>) -> Self {
        let mut bytes = [0; MAX_HEADERS_LEN];
        let mut room = bytes.as_mut_slice();
        for slice in slices {
            let (filled, rest) = room.split_at_mut(slice.len().min(room.len()));
            filled.copy_from_slice(slice.split_at(filled.len()).0);
            room = rest;
            if room.is_empty() {
                break;
            }
        }
        let len = MAX_HEADERS_LEN - room.len();
        Self { bytes, len: len as u8 }
    }

    /// No header yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_HEADERS_LEN], len: 0 }
    }

    /// Adds `bytes` behind what is there, as far as there is room.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let (_, room) = self.bytes.split_at_mut(usize::from(self.len).min(MAX_HEADERS_LEN));
        let len = bytes.len().min(room.len());
        room.split_at_mut(len).0.copy_from_slice(bytes.split_at(len).0);
        self.len += len as u8;
    }

    /// The first `len` bytes, to be written.
    #[inline]
    pub(crate) fn set_len(&mut self, len: usize) -> &mut [u8] {
        let len = len.min(MAX_HEADERS_LEN);
        self.len = len as u8;
        self.bytes.split_at_mut(len).0
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = len.min(usize::from(self.len)) as u8;
    }

    pub(crate) fn put(&mut self, at: usize, field: u16) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = field.to_be_bytes();
        }
    }
}

impl Default for HeaderBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for HeaderBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.split_at(usize::from(self.len).min(MAX_HEADERS_LEN)).0
    }
}

/// Why a packet cannot be cut, or its checksum not be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsplittable {
    /// The headers are not those that the kind of segmentation is for, are cut, or have more than [`MAX_HEADERS_LEN`] bytes.
    Headers,
    /// The checksum is not that of the transport header, not within the packet, or for UDP not partial.
    Checksum,
    /// The size of the segments is 0, or makes IP packets of more than 65,535 bytes.
    Size,
}

impl core::fmt::Display for Unsplittable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Headers => "the headers are not those that the kind of segmentation is for, or too long",
            Self::Checksum => "the checksum to complete is not that of the transport header, or outside of the packet",
            Self::Size => "the segment size is 0 or makes packets that are too long for IP",
        })
    }
}

impl core::error::Error for Unsplittable {}

/// What the headers of all segments are made from.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Those of the super-frame; fields that each segment has its own of are zero, so are FIN, PSH and CWR.
    headers: HeaderBuf,
    layers: Layers,
    payload_len: usize,
    size: usize,
    segments: usize,
    is_partial: bool,
    /// The first segment's, and how the last one's flags differ.
    id: u16,
    sequence: u32,
    first_flags: u8,
    last_flags: u8,
    /// Over the IPv4 header.
    header_sum: Checksum,
    /// Over the pseudo-header without its length.
    pseudo_sum: Checksum,
    /// Over the pseudo-header without its length, and the transport header.
    transport_sum: Checksum,
}

impl Template {
    /// For a super-frame of `len` bytes that starts with `headers`, with `network` bytes of link header.
    pub(crate) fn new(
        headers: HeaderBuf,
        len: usize,
        network: usize,
        checksum: ChecksumState,
        gso: Gso,
    ) -> Result<Self, Unsplittable> {
        let layers = Layers::behind(&headers, network).filter(|layers| gso.gso_type.fits(layers));
        let layers = layers.ok_or(Unsplittable::Headers)?;
        if !gso.gso_type.agrees(checksum, layers.transport.saturating_sub(network)) {
            return Err(Unsplittable::Checksum);
        }
        let payload_len = len.saturating_sub(layers.payload);
        let longest = layers.payload - length_start(&layers) + usize::from(gso.size);
        if gso.size == 0 || longest > usize::from(u16::MAX) {
            return Err(Unsplittable::Size);
        }
        let pseudo_sum = pseudo_sum(&headers, &layers, payload_len, checksum);
        let template = Self::of_layers(headers, layers, payload_len, gso.size.into(), pseudo_sum);
        Ok(Self { is_partial: matches!(checksum, ChecksumState::Partial { .. }), ..template })
    }

    fn of_layers(
        mut headers: HeaderBuf,
        layers: Layers,
        payload_len: usize,
        size: usize,
        pseudo_sum: Checksum,
    ) -> Self {
        headers.truncate(layers.payload);
        let mut template = Self {
            id: be16(&headers, layers.network + 4).unwrap_or(0),
            sequence: u32::from(be16(&headers, layers.transport + 4).unwrap_or(0)) << 16
                | u32::from(be16(&headers, layers.transport + 6).unwrap_or(0)),
            first_flags: 0,
            last_flags: 0,
            headers,
            layers,
            payload_len,
            size,
            segments: payload_len.div_ceil(size),
            is_partial: false,
            header_sum: Checksum::new(),
            pseudo_sum,
            transport_sum: pseudo_sum,
        };
        template.clear_own_fields();
        template.add_sums();
        template
    }

    fn clear_own_fields(&mut self) {
        let Layers { network, transport, .. } = self.layers;
        match self.layers.version {
            IpVersion::V4 => [2, 4, 10].iter().for_each(|at| self.headers.put(network + at, 0)),
            IpVersion::V6 => self.headers.put(network + 4, 0),
        }
        match self.layers.protocol {
            TransportProtocol::Tcp => {
                [4, 6, 16].iter().for_each(|at| self.headers.put(transport + at, 0));
                if let Some(flags) = self.headers.bytes.get_mut(transport + TCP_FLAGS) {
                    self.first_flags = *flags & CWR;
                    self.last_flags = *flags & (FIN | PSH);
                    *flags &= !(CWR | FIN | PSH);
                }
            }
            TransportProtocol::Udp => [4, 6].iter().for_each(|at| self.headers.put(transport + at, 0)),
        }
    }

    fn add_sums(&mut self) {
        let Layers { network, transport, payload, .. } = self.layers;
        self.header_sum.add_bytes(self.headers.get(network..transport).unwrap_or_default());
        self.transport_sum.add_bytes(self.headers.get(transport..payload).unwrap_or_default());
    }

    /// How many segments there are.
    pub(crate) const fn segments(&self) -> usize {
        self.segments
    }

    /// True if the super-frame's checksum is partial.
    pub(crate) const fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Bytes of all headers of each segment.
    pub(crate) const fn headers_len(&self) -> usize {
        self.layers.payload
    }

    /// Where segment `index`, one of [`segments`](Self::segments), has its payload, from the start of the super-frame's payload.
    #[inline]
    pub(crate) fn payload(&self, index: usize) -> Range<usize> {
        let start = index * self.size;
        start..(start + self.size).min(self.payload_len)
    }

    /// Writes the headers of segment `index`, with a complete checksum, to the start of `out`.
    #[inline]
    pub(crate) fn complete<'s>(
        &self,
        index: usize,
        payload: impl Iterator<Item = &'s [u8]>,
        out: &mut [u8],
    ) -> Option<()> {
        let mut sum = self.transport_sum;
        payload.for_each(|slice| sum.add_bytes(slice));
        let transport = self.write_network(index, out)?;
        match self.layers.protocol {
            TransportProtocol::Tcp => self.write_tcp(index, sum, true, transport),
            TransportProtocol::Udp => self.write_udp(index, sum, true, transport),
        }
    }

    /// Writes the headers of segment `index`, with the sum of the pseudo-header for a checksum, to the start of `out`.
    #[inline]
    pub(crate) fn partial(&self, index: usize, out: &mut [u8]) -> Option<()> {
        let transport = self.write_network(index, out)?;
        match self.layers.protocol {
            TransportProtocol::Tcp => self.write_tcp(index, self.pseudo_sum, false, transport),
            TransportProtocol::Udp => self.write_udp(index, self.pseudo_sum, false, transport),
        }
    }

    /// Writes all headers, that of the network with its own fields; returns the transport header.
    #[inline]
    fn write_network<'o>(&self, index: usize, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let Layers { network, transport, payload, version, .. } = self.layers;
        let out = out.get_mut(..payload)?;
        out.copy_from_slice(self.headers.get(..payload)?);
        let (front, transport_header) = out.split_at_mut_checked(transport)?;
        let len = self.transport_len(index) + (transport - network) as u16;
        let header = front.get_mut(network..)?;
        match version {
            IpVersion::V4 => self.write_ipv4(index, len, header.first_chunk_mut()?),
            IpVersion::V6 => {
                let header: &mut [u8; IPV6_HEADER_LEN] = header.first_chunk_mut()?;
                [header[4], header[5]] = (len - IPV6_HEADER_LEN as u16).to_be_bytes();
            }
        }
        Some(transport_header)
    }

    #[inline]
    fn write_ipv4(&self, index: usize, len: u16, header: &mut [u8; IPV4_HEADER_LEN]) {
        let id = self.id.wrapping_add(index as u16);
        let mut sum = self.header_sum;
        sum.add_word(len);
        sum.add_word(id);
        [header[2], header[3]] = len.to_be_bytes();
        [header[4], header[5]] = id.to_be_bytes();
        [header[10], header[11]] = sum.finish().to_be_bytes();
    }

    #[inline]
    fn write_tcp(&self, index: usize, mut sum: Checksum, is_complete: bool, header: &mut [u8]) -> Option<()> {
        let header: &mut [u8; TCP_HEADER_LEN] = header.first_chunk_mut()?;
        let sequence = self.sequence.wrapping_add((index * self.size) as u32);
        let first = if index == 0 { self.first_flags } else { 0 };
        let flags = first | if index + 1 == self.segments { self.last_flags } else { 0 };
        [header[4], header[5], header[6], header[7]] = sequence.to_be_bytes();
        header[TCP_FLAGS] |= flags;
        sum.add_word(self.transport_len(index));
        let checksum = if is_complete {
            sum.add_length(sequence);
            sum.add_word(flags.into());
            sum.finish()
        } else {
            sum.sum()
        };
        [header[16], header[17]] = checksum.to_be_bytes();
        Some(())
    }

    #[inline]
    fn write_udp(&self, index: usize, mut sum: Checksum, is_complete: bool, header: &mut [u8]) -> Option<()> {
        let header: &mut [u8; UDP_HEADER_LEN] = header.first_chunk_mut()?;
        let len = self.transport_len(index);
        [header[4], header[5]] = len.to_be_bytes();
        sum.add_word(len);
        let checksum = if is_complete {
            sum.add_word(len);
            never_zero(sum.finish())
        } else {
            sum.sum()
        };
        [header[6], header[7]] = checksum.to_be_bytes();
        Some(())
    }

    /// Bytes of the transport header and payload of segment `index`; the longest ones were found to fit.
    #[inline]
    fn transport_len(&self, index: usize) -> u16 {
        (self.layers.payload - self.layers.transport + self.payload(index).len()) as u16
    }
}

/// `offload` without segmentation where there is nothing to cut. `prefix` is how a frame of `frame_len` bytes starts.
pub(crate) fn normalised(
    offload: Offload,
    prefix: &[u8],
    frame_len: usize,
    network: usize,
) -> Result<Offload, Unsplittable> {
    if offload.gso.is_none() {
        return Ok(offload);
    }
    let layers = Layers::behind(prefix, network).ok_or(Unsplittable::Headers)?;
    Ok(offload.for_payload(frame_len - layers.payload))
}

/// The first byte behind the field of a partial checksum, from the start of a frame with `network` bytes of link header.
pub(crate) fn field_end(network: usize, checksum: ChecksumState) -> Option<usize> {
    match checksum {
        ChecksumState::Partial { start, offset } => {
            Some(network.saturating_add(usize::from(start) + usize::from(offset) + 2))
        }
        _ => None,
    }
}

/// From where on the length in the IP header counts.
const fn length_start(layers: &Layers) -> usize {
    match layers.version {
        IpVersion::V4 => layers.network,
        IpVersion::V6 => layers.network + IPV6_HEADER_LEN,
    }
}

/// The sum over the pseudo-header without its length. If the checksum is partial it is taken from the field: with a routing header only the
/// sender knows the address that counts.
fn pseudo_sum(headers: &[u8], layers: &Layers, payload_len: usize, checksum: ChecksumState) -> Checksum {
    let mut sum = Checksum::new();
    if !matches!(checksum, ChecksumState::Partial { .. }) {
        sum.add_pseudo_header(headers, layers, 0);
        return sum;
    }
    let field = |at: usize| be16(headers, layers.transport + at).unwrap_or(0);
    sum.add_word(field(layers.protocol.checksum_offset().into()));
    match layers.protocol {
        TransportProtocol::Tcp => sum.add_length(!((layers.payload - layers.transport + payload_len) as u32)),
        TransportProtocol::Udp => sum.add_word(!field(UDP_LENGTH)),
    }
    sum
}

/// Longest headers of a packet that is cut: Ethernet, two VLAN tags, and 170 bytes of IP and TCP with options or extension headers.
pub const MAX_HEADERS_LEN: usize = 192;

const UDP_LENGTH: usize = 4;
const TCP_FLAGS: usize = 13;
const FIN: u8 = 1 << 0;
const PSH: u8 = 1 << 3;
const CWR: u8 = 1 << 7;
