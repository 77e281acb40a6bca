use core::ops::Range;

use super::finish;
use super::flow::Related;
use super::frame::{Frame, Headers};
use super::like::{Ipv4, Ipv6, Tcp, ethernet};
use super::prediction::Prediction;
use super::segment::{CWR, FIN, Network, PSH, Segment, is_whole_udp, varying};
use super::verify::is_verified;
use crate::io::Offloads;
use crate::offload::{ChecksumState, Offload};
use crate::wire::Layers;
use crate::wire::ethernet::HEADER_LEN;
use crate::wire::layers::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, TCP_HEADER_LEN, TransportProtocol, be16};

/// The first packet of a run, and how the next one must look.
pub(crate) struct Head<P> {
    pub(crate) packet: P,
    pub(crate) segment: Segment,
    /// Length of the IP packet with all that was appended.
    pub(crate) len: usize,
    /// FIN and PSH of the last segment: no other has them.
    pub(crate) flags: u8,
    /// Where the next segment of TCP begins.
    pub(super) sequence: u32,
    /// IPv4 identification of the next segment.
    pub(super) id: u16,
    /// See [`Layers::is_plain`](crate::wire::Layers::is_plain).
    is_plain: bool,
    /// From one identification to the next: 1, or 0 as decided by the second segment.
    step: u16,
    is_alone: bool,
}

/// What a segment adds that continues a run.
pub(crate) struct Next {
    /// Where its payload is in its frame.
    pub(crate) payload: Range<usize>,
    flags: u8,
    id: u16,
}

impl<P: Headers> Head<P> {
    pub(crate) fn new(packet: P, segment: Segment) -> Self {
        Self {
            len: segment.end - segment.layers.network,
            flags: 0,
            sequence: segment.sequence.wrapping_add(segment.payload_len() as u32),
            id: segment.id().wrapping_add(1),
            step: 1,
            is_plain: segment.layers.is_plain(),
            is_alone: true,
            packet,
            segment,
        }
    }

    pub(super) fn is_related(&self, related: Related) -> bool {
        self.segment.flow.is_related(related)
    }

    /// True if `segment` is of this flow: what [`Flow`](super::flow::Flow) does not tell is compared too.
    pub(super) fn is_of_flow(&self, segment: &Segment, packet: &impl Headers) -> bool {
        let (layers, other) = (&self.segment.layers, &segment.layers);
        self.segment.flow == segment.flow
            && (layers.network, layers.version, layers.protocol) == (other.network, other.version, other.protocol)
            && self.is_same_link(packet)
            && self.is_same(packet.headers(), layers.addresses())
    }

    /// The segment behind the first; to be [advanced](Prediction::advance) with each that was appended.
    pub(crate) fn predict(&self) -> Option<Prediction> {
        Prediction::new(self.packet.headers(), &self.segment)
    }

    /// True if `packet` is the segment that is predicted. Always inlined, so that the packet stays in registers.
    #[inline(always)]
    pub(crate) fn expects(&self, packet: &impl Frame, prediction: &Prediction) -> bool {
        let (Segment { layers, end, .. }, frame) = (&self.segment, packet.headers());
        let was_verified = self.is_plain && packet.offload().checksum == ChecksumState::Unnecessary;
        prediction.fits(frame)
            && *end <= packet.len()
            && (layers.protocol == TransportProtocol::Tcp || has_udp_checksum(frame, layers))
            && self.is_tagged_so(packet)
            && (was_verified || is_verified(packet, layers, *end))
    }

    /// What `packet` adds; `None` if it does not continue the run. Compared in place, so that only the first packet of a run is parsed.
    pub(crate) fn next(&self, packet: &impl Frame) -> Option<Next> {
        let (layers, frame) = (&self.segment.layers, packet.headers());
        let transport = frame.get(layers.transport..)?;
        if u32::from_ne_bytes(*transport.first_chunk()?) != self.segment.flow.ports {
            return None;
        }
        let (len, id) = self.network(frame)?;
        let end = layers.network + len;
        let flags = self.transport(frame, transport, end)?;
        let next = Next { payload: layers.payload..end, flags, id };
        let continues = self.has_room(&next.payload, packet.len()) && self.is_same_link(packet);
        (continues && is_verified(packet, layers, end)).then_some(next)
    }

    /// Takes note of a segment. True if nothing can follow it.
    pub(crate) fn extend(&mut self, next: &Next) -> bool {
        if next.id != self.id {
            (self.id, self.step) = (next.id, 0);
        }
        self.is_alone = false;
        self.flags = next.flags;
        self.extend_by(next.payload.len());
        next.flags != 0 || next.payload.end < self.segment.end
    }

    /// Takes note of so many bytes more, in a segment that counts up as expected.
    #[inline]
    pub(crate) const fn extend_by(&mut self, payload_len: usize) {
        self.len += payload_len;
        self.sequence = self.sequence.wrapping_add(payload_len as u32);
        self.id = self.id.wrapping_add(self.step);
    }

    /// What is left to do to the whole.
    pub(crate) fn offload(&self) -> Offload {
        finish::offload(&self.segment, self.packet.link_len())
    }

    /// What the whole asks of the system.
    pub(crate) fn needs(&self) -> Offloads {
        self.offload().needs(Some(self.segment.layers.version))
    }

    /// Makes `frame`, which begins with the headers of the first packet, begin with those of the whole.
    pub(crate) fn write_headers(&self, frame: &mut [u8]) {
        finish::write_headers(frame, &self.segment.layers, self.len, self.flags);
    }

    /// Length and identification of an IP packet whose header goes on from those before.
    #[inline]
    fn network(&self, frame: &[u8]) -> Option<(usize, u16)> {
        let header = frame.get(self.segment.layers.network..)?;
        match &self.segment.network {
            Network::V4 { like, is_atomic, varying, .. } => {
                self.ipv4(header.first_chunk()?, like, *is_atomic, *varying)
            }
            Network::V6(like) if self.is_same(frame, self.segment.layers.extensions()) => {
                self.ipv6(header.first_chunk()?, like)
            }
            Network::V6(_) => None,
        }
    }

    /// A fixed identification has no meaning only where the packet is atomic. Other packets keep theirs, so they are not merged.
    #[inline]
    fn ipv4(&self, header: &[u8; IPV4_HEADER_LEN], like: &Ipv4, is_atomic: bool, sum: u16) -> Option<(usize, u16)> {
        let &[_, _, l0, l1, i0, i1, ..] = header;
        let id = u16::from_be_bytes([i0, i1]);
        let goes_on = id == self.id || (self.is_alone && is_atomic && id == self.segment.id());
        let is_sound = Ipv4::of(header) == *like && goes_on && varying(header) == sum;
        is_sound.then_some((u16::from_be_bytes([l0, l1]).into(), id))
    }

    #[inline]
    fn ipv6(&self, header: &[u8; IPV6_HEADER_LEN], like: &Ipv6) -> Option<(usize, u16)> {
        let &[_, _, _, _, l0, l1, ..] = header;
        let len = IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        (Ipv6::of(header) == *like).then_some((len, self.id))
    }

    /// The flags of a segment whose transport header goes on from those before.
    #[inline]
    fn transport(&self, frame: &[u8], header: &[u8], end: usize) -> Option<u8> {
        let layers = &self.segment.layers;
        match layers.protocol {
            TransportProtocol::Tcp if self.is_same(frame, layers.options()) => self.tcp(header.first_chunk()?),
            TransportProtocol::Tcp => None,
            TransportProtocol::Udp => {
                is_whole_udp(header.first_chunk()?, end.saturating_sub(layers.transport)).then_some(0)
            }
        }
    }

    #[inline]
    fn tcp(&self, header: &[u8; TCP_HEADER_LEN]) -> Option<u8> {
        let &[_, _, _, _, s0, s1, s2, s3, _, _, _, _, _, flags, ..] = header;
        let continues = u32::from_be_bytes([s0, s1, s2, s3]) == self.sequence && flags & CWR == 0;
        (continues && Tcp::of(header) == self.segment.tcp).then_some(flags & (FIN | PSH))
    }

    /// True if the payload is there, and neither too long nor empty.
    #[inline]
    const fn has_room(&self, payload: &Range<usize>, frame_len: usize) -> bool {
        payload.start < payload.end
            && payload.end <= frame_len
            && payload.end <= self.segment.end
            && self.len + (payload.end - payload.start) <= MAX_PACKET_LEN
    }

    fn is_same_link(&self, packet: &impl Headers) -> bool {
        let is_same = match self.segment.layers.network {
            HEADER_LEN => packet.headers().first_chunk().map(ethernet) == self.segment.ethernet,
            len => self.is_same(packet.headers(), 0..len),
        };
        is_same && self.is_tagged_so(packet)
    }

    /// True if as much of the frame is link header, and the same tag was taken out of it.
    #[inline]
    fn is_tagged_so(&self, packet: &impl Headers) -> bool {
        self.packet.link_len() == packet.link_len() && self.packet.vlan() == packet.vlan()
    }

    #[inline]
    fn is_same(&self, frame: &[u8], range: Range<usize>) -> bool {
        range.is_empty() || self.packet.headers().get(range.clone()) == frame.get(range)
    }
}

fn has_udp_checksum(frame: &[u8], layers: &Layers) -> bool {
    be16(frame, layers.transport + 6) != Some(0)
}

/// Longest IP packet with its header.
pub(super) const MAX_PACKET_LEN: usize = 65_535;
