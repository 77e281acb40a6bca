use core::ops::Range;

use super::own::{Own, Sums, length_start};
use super::{HeaderBuf, Unsplittable};
use crate::offload::{ChecksumState, Gso, Offload};
use crate::wire::Checksum;
use crate::wire::checksum::{never_zero, sum_of};
use crate::wire::layers::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpVersion, Layers, TCP_HEADER_LEN, TransportProtocol, UDP_HEADER_LEN, be16,
};

/// What the headers of all segments are made from: those of the super-frame, in which a few fields are written anew for each.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Those of the super-frame; the fields that segments have their own of are zero.
    headers: HeaderBuf,
    layers: Layers,
    payload_len: usize,
    size: usize,
    segments: usize,
    is_partial: bool,
    /// The first segment's, from which on they count up.
    id: u16,
    sequence: u32,
    first: Own,
    middle: Own,
    last: Own,
}

impl Template {
    /// For what `offload` says is left to do to a frame of `len` bytes that starts with `headers`, with `network` bytes of link header. `None`
    /// where nothing is to be cut.
    pub(crate) fn new(
        headers: &HeaderBuf,
        len: usize,
        network: usize,
        offload: Offload,
    ) -> Result<Option<Self>, Unsplittable> {
        let Some(gso) = offload.gso else { return Ok(None) };
        let layers = Layers::behind(headers, network).ok_or(Unsplittable::Headers)?;
        let payload_len = len.saturating_sub(layers.payload);
        if offload.for_payload(payload_len).gso.is_none() {
            return Ok(None);
        }
        check(gso, &layers, network, offload.checksum)?;
        Ok(Some(Self::of_layers(headers, layers, payload_len, gso.size.into(), offload.checksum)))
    }

    fn of_layers(
        headers: &HeaderBuf,
        layers: Layers,
        payload_len: usize,
        size: usize,
        checksum: ChecksumState,
    ) -> Self {
        let (id, sequence, flags) = counted_fields(headers, &layers);
        let pseudo = pseudo_sum(headers, &layers, payload_len, checksum);
        let mut headers = *headers;
        headers.truncate(layers.payload);
        clear_own_fields(&mut headers, &layers);
        let sums = Sums {
            header: sum(&headers, layers.network..layers.transport),
            pseudo,
            transport: sum(&headers, layers.transport..layers.payload),
        };
        let segments = payload_len.div_ceil(size);
        let own = |index| {
            let len = payload(index, size, payload_len).len();
            Own::new(sums, &layers, len, flags_of(flags, index == 0, index + 1 >= segments))
        };
        Self {
            first: own(0),
            middle: own(1),
            last: own(segments.saturating_sub(1)),
            is_partial: matches!(checksum, ChecksumState::Partial { .. }),
            headers,
            layers,
            payload_len,
            size,
            segments,
            id,
            sequence,
        }
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
        payload(index, self.size, self.payload_len)
    }

    /// The headers of the super-frame in `out`: to be made those of a segment.
    #[inline]
    pub(crate) fn start<'o>(&self, out: &'o mut HeaderBuf) -> &'o mut [u8] {
        out.copy_from(&self.headers);
        out
    }

    /// The headers of the super-frame at the start of `frame`.
    #[inline]
    pub(crate) fn copy_to(&self, out: &mut [u8]) -> Option<()> {
        out.get_mut(..self.headers.len())?.copy_from_slice(&self.headers);
        Some(())
    }

    /// Makes the headers of the super-frame those of segment `index`, with the checksum over themselves and over `payload`, its sum.
    #[inline]
    pub(crate) fn complete(&self, index: usize, mut payload: Checksum, headers: &mut [u8]) -> Option<()> {
        let own = self.own(index);
        payload.add_sum(own.transport_sum);
        let transport = self.write_network(index, own, headers)?;
        match self.layers.protocol {
            TransportProtocol::Tcp => {
                let sequence = self.sequence(index);
                payload.add_length(sequence);
                write_tcp(transport.first_chunk_mut()?, own, sequence, payload.finish());
            }
            TransportProtocol::Udp => write_udp(transport.first_chunk_mut()?, own, never_zero(payload.finish())),
        }
        Some(())
    }

    /// Makes the headers of the super-frame those of segment `index`, with the sum of the pseudo-header for a checksum.
    #[inline]
    pub(crate) fn partial(&self, index: usize, headers: &mut [u8]) -> Option<()> {
        let own = self.own(index);
        let transport = self.write_network(index, own, headers)?;
        match self.layers.protocol {
            TransportProtocol::Tcp => {
                write_tcp(transport.first_chunk_mut()?, own, self.sequence(index), own.pseudo_sum);
            }
            TransportProtocol::Udp => write_udp(transport.first_chunk_mut()?, own, own.pseudo_sum),
        }
        Some(())
    }

    /// Returns the transport header.
    #[inline]
    fn write_network<'h>(&self, index: usize, own: &Own, headers: &'h mut [u8]) -> Option<&'h mut [u8]> {
        let network = headers.get_mut(self.layers.network..)?;
        match self.layers.version {
            IpVersion::V4 => write_ipv4(network.first_chunk_mut()?, own, self.id.wrapping_add(index as u16)),
            IpVersion::V6 => write_ipv6(network.first_chunk_mut()?, own),
        }
        headers.get_mut(self.layers.transport..)
    }

    #[inline]
    const fn own(&self, index: usize) -> &Own {
        match index {
            0 => &self.first,
            _ if index + 1 < self.segments => &self.middle,
            _ => &self.last,
        }
    }

    #[inline]
    const fn sequence(&self, index: usize) -> u32 {
        self.sequence.wrapping_add((index * self.size) as u32)
    }
}

#[inline]
const fn write_ipv4(header: &mut [u8; IPV4_HEADER_LEN], own: &Own, id: u16) {
    [header[2], header[3]] = own.network_len.to_be_bytes();
    [header[4], header[5]] = id.to_be_bytes();
    [header[10], header[11]] = (!sum_of([own.header_sum, id])).to_be_bytes();
}

#[inline]
const fn write_ipv6(header: &mut [u8; IPV6_HEADER_LEN], own: &Own) {
    [header[4], header[5]] = own.network_len.to_be_bytes();
}

#[inline]
const fn write_tcp(header: &mut [u8; TCP_HEADER_LEN], own: &Own, sequence: u32, checksum: u16) {
    [header[4], header[5], header[6], header[7]] = sequence.to_be_bytes();
    header[TCP_FLAGS] = own.flags;
    [header[16], header[17]] = checksum.to_be_bytes();
}

#[inline]
const fn write_udp(header: &mut [u8; UDP_HEADER_LEN], own: &Own, checksum: u16) {
    [header[4], header[5]] = own.transport_len.to_be_bytes();
    [header[6], header[7]] = checksum.to_be_bytes();
}

fn check(gso: Gso, layers: &Layers, network: usize, checksum: ChecksumState) -> Result<(), Unsplittable> {
    if !gso.gso_type.fits(layers) {
        return Err(Unsplittable::Headers);
    }
    if !gso.gso_type.agrees(checksum, layers.transport.saturating_sub(network)) {
        return Err(Unsplittable::Checksum);
    }
    let longest = layers.payload - length_start(layers) + usize::from(gso.size);
    if gso.size == 0 || longest > usize::from(u16::MAX) {
        return Err(Unsplittable::Size);
    }
    Ok(())
}

/// IPv4 identification, TCP sequence number and flags; 0 where there is none.
fn counted_fields(headers: &[u8], layers: &Layers) -> (u16, u32, u8) {
    let id = be16(headers, layers.network + 4).unwrap_or(0);
    match headers.get(layers.transport..).and_then(<[u8]>::first_chunk::<TCP_HEADER_LEN>) {
        Some(&[_, _, _, _, s0, s1, s2, s3, _, _, _, _, _, flags, ..]) => {
            (id, u32::from_be_bytes([s0, s1, s2, s3]), flags)
        }
        None => (id, 0, 0),
    }
}

fn clear_own_fields(headers: &mut HeaderBuf, layers: &Layers) {
    let Layers { network, transport, .. } = *layers;
    match layers.version {
        IpVersion::V4 => [2, 4, 10].iter().for_each(|at| headers.put(network + at, 0)),
        IpVersion::V6 => headers.put(network + 4, 0),
    }
    match layers.protocol {
        TransportProtocol::Tcp => {
            [4, 6, 16].iter().for_each(|at| headers.put(transport + at, 0));
            let header_len = be16(headers, transport + TCP_FLAGS - 1).unwrap_or(0) & 0xff00;
            headers.put(transport + TCP_FLAGS - 1, header_len);
        }
        TransportProtocol::Udp => [4, 6].iter().for_each(|at| headers.put(transport + at, 0)),
    }
}

#[inline]
fn payload(index: usize, size: usize, len: usize) -> Range<usize> {
    let start = index * size;
    start..(start + size).min(len)
}

fn sum(headers: &[u8], range: Range<usize>) -> Checksum {
    let mut sum = Checksum::new();
    sum.add_bytes(headers.get(range).unwrap_or_default());
    sum
}

const fn flags_of(flags: u8, is_first: bool, is_last: bool) -> u8 {
    let flags = if is_first { flags } else { flags & !CWR };
    if is_last { flags } else { flags & !(FIN | PSH) }
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

const UDP_LENGTH: usize = 4;
const TCP_FLAGS: usize = 13;
const FIN: u8 = 1 << 0;
const PSH: u8 = 1 << 3;
const CWR: u8 = 1 << 7;
