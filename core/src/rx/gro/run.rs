use core::ops::Range;

use heapless::Vec;

use super::MAX_SEGMENTS;
use super::finish::finish;
use super::flow::Related;
use super::segment::{FIN, Id, PSH, Segment};
use crate::dispatcher::NetworkDispatcher;
use crate::packet::RxPacket;
use crate::wire::EtherType;
use crate::wire::ethernet::HEADER_LEN;
use crate::wire::layers::IpVersion;

/// Segments of a flow that follow each other: a packet, and the payloads that are to be appended to it.
pub(super) struct Run<'b> {
    head: Option<Head<'b>>,
    tail: Vec<&'b [u8], { MAX_SEGMENTS - 1 }>,
}

struct Head<'b> {
    protocol: EtherType,
    packet: RxPacket<'b>,
    segment: Segment,
    /// Length of the IP packet with all that was appended.
    len: usize,
    /// Where the next segment begins.
    sequence: u32,
    /// FIN and PSH of any segment.
    flags: u8,
    ids: Ids,
    started: usize,
}

/// How IPv4 identification goes on, decided by the second segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ids {
    Open,
    Counting,
    Fixed,
}

impl<'b> Run<'b> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { head: None, tail: Vec::new() }
    }

    pub(super) const fn is_held(&self) -> bool {
        self.head.is_some()
    }

    /// How many runs were started since this one.
    pub(super) fn age(&self, started: usize) -> usize {
        self.head.as_ref().map_or(0, |head| started.wrapping_sub(head.started))
    }

    pub(super) fn is_related(&self, related: Related) -> bool {
        self.head.as_ref().is_some_and(|head| head.segment.flow.is_related(related))
    }

    #[inline]
    pub(super) fn is_of_flow(&self, segment: &Segment, packet: &RxPacket<'_>) -> bool {
        self.head.as_ref().is_some_and(|head| head.segment.flow == segment.flow && head.is_of_flow(segment, packet))
    }

    /// True if `segment`, which is of the same flow, continues the run.
    #[inline]
    pub(super) fn fits(&self, segment: &Segment, packet: &RxPacket<'_>) -> bool {
        let Some(head) = &self.head else { return false };
        segment.is_appendable()
            && head.sequence == segment.sequence
            && segment.payload_len() <= head.segment.payload_len()
            && head.len + segment.payload_len() <= MAX_PACKET_LEN
            && head.is_like(segment, packet)
            && self.ids(segment).is_some()
    }

    pub(super) fn begin(&mut self, protocol: EtherType, packet: RxPacket<'b>, segment: Segment, started: usize) {
        let len = segment.end - segment.layers.network;
        let sequence = segment.following();
        self.head = Some(Head { protocol, packet, segment, len, sequence, flags: 0, ids: Ids::Open, started });
    }

    /// Appends a segment that [`fits`](Run::fits). One that ends the run is delivered with it.
    #[inline]
    pub(super) fn append<D: NetworkDispatcher + ?Sized>(
        &mut self,
        segment: &Segment,
        packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) {
        let ids = self.ids(segment);
        let Some(head) = &mut self.head else { return };
        head.ids = ids.unwrap_or(head.ids);
        head.len += segment.payload_len();
        head.sequence = segment.following();
        head.flags |= segment.flags & (FIN | PSH);
        let is_last = head.flags != 0 || segment.payload_len() < head.segment.payload_len();
        let payload: &'b [u8] = packet.into_frame();
        // There is room: a full run is not held.
        let _ = self.tail.push(payload.get(segment.payload()).unwrap_or_default());
        if is_last || self.tail.is_full() {
            self.close(dispatcher);
        }
    }

    /// Delivers what is held, if anything is.
    pub(super) fn close<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) {
        let Some(Head { protocol, mut packet, segment, len, flags, .. }) = self.head.take() else { return };
        if self.tail.is_empty() {
            return dispatcher.deliver(protocol, packet);
        }
        finish(&mut packet, &segment, len, flags);
        dispatcher.deliver(protocol, packet.with_tail(&self.tail));
        self.tail.clear();
    }

    /// How the identification goes on with `segment`; `None` if it does not.
    #[inline]
    fn ids(&self, segment: &Segment) -> Option<Ids> {
        let head = self.head.as_ref()?;
        let (Some(first), Some(id)) = (head.segment.id, segment.id) else { return Some(head.ids) };
        let counted = first.value.wrapping_add(self.tail.len() as u16 + 1);
        match head.ids {
            Ids::Open | Ids::Counting if id.value == counted => Some(Ids::Counting),
            Ids::Open | Ids::Fixed if is_fixed(first, id) => Some(Ids::Fixed),
            _ => None,
        }
    }
}

impl Head<'_> {
    /// What [`Flow`](super::flow::Flow) does not tell: the link header, with a tag that was taken out of it, and IPv6 addresses.
    #[inline]
    fn is_of_flow(&self, segment: &Segment, packet: &RxPacket<'_>) -> bool {
        let (layers, other) = (&self.segment.layers, &segment.layers);
        (layers.network, layers.version, layers.protocol) == (other.network, other.version, other.protocol)
            && self.packet.meta().vlan == packet.meta().vlan
            && self.is_same_link(packet, layers.network)
            && (layers.version == IpVersion::V4 || self.is_same(packet, layers.network + 8..layers.network + 40))
    }

    #[inline]
    fn is_same_link(&self, packet: &RxPacket<'_>, len: usize) -> bool {
        match len {
            HEADER_LEN => self.packet.frame().first_chunk::<HEADER_LEN>() == packet.frame().first_chunk(),
            len => self.is_same(packet, 0..len),
        }
    }

    /// What must not change within a run.
    #[inline]
    fn is_like(&self, segment: &Segment, packet: &RxPacket<'_>) -> bool {
        self.segment.layers == segment.layers
            && self.segment.network == segment.network
            && self.segment.transport == segment.transport
            && self.is_same(packet, segment.extensions())
            && self.is_same(packet, segment.options())
    }

    #[inline]
    fn is_same(&self, packet: &RxPacket<'_>, range: Range<usize>) -> bool {
        range.is_empty() || self.packet.frame().get(range.clone()) == packet.frame().get(range)
    }
}

/// A fixed identification has no meaning only where the packet is atomic. Other packets keep theirs, so they are not merged.
const fn is_fixed(first: Id, id: Id) -> bool {
    id.value == first.value && first.is_atomic
}

/// Longest IP packet with its header.
const MAX_PACKET_LEN: usize = 65_535;
