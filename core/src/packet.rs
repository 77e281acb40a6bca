//! Packets on their way through an endpoint: [`Packet`] going out, [`RxPacket`] coming in.

use core::cell::Cell;
use core::net::IpAddr;

use crate::io::{ErrorKind, Offloads, RxMeta};
use crate::offload::{ChecksumState, Offload};
use crate::rx::Parts;
use crate::wire::ethernet::{EthernetHeader, HEADER_LEN};
use crate::wire::{EtherType, LinkAddress, Unsplittable};

/// A network-layer packet to send, with what the link layer needs to know about it and, afterwards, what became of it.
///
/// The payload is borrowed in parts and never copied. [`status`](Packet::status) is written by
/// [`write_packets`](crate::LinkEndpoint::write_packets), so the same slice can be handed in again: packets that were sent or refused
/// are passed over, pending ones are tried.
#[derive(Debug, Clone)]
pub struct Packet<'p> {
    parts: &'p [&'p [u8]],
    protocol: EtherType,
    source: Option<LinkAddress>,
    destination: LinkAddress,
    remote: Option<IpAddr>,
    hash: u32,
    offload: Offload,
    link_header: Option<[u8; HEADER_LEN]>,
    is_framed: bool,
    /// Written while the frames of a batch borrow the packet's header.
    status: Cell<TxStatus>,
    /// Segments of a packet cut here that have left, while it is pending.
    segments_sent: Cell<u32>,
    /// The offloads that the system refused to this packet, which is sent in software for it.
    without: Cell<Offloads>,
    pub(crate) queue: u16,
    pub(crate) len: u32,
}

impl<'p> Packet<'p> {
    /// A packet of `protocol`, its bytes in `parts`; the endpoint puts the link header in front.
    #[must_use]
    pub const fn new(protocol: EtherType, parts: &'p [&'p [u8]]) -> Self {
        Self {
            parts,
            protocol,
            source: None,
            destination: LinkAddress::ZERO,
            remote: None,
            hash: 0,
            offload: Offload::NONE,
            link_header: None,
            is_framed: false,
            status: Cell::new(TxStatus::Pending),
            segments_sent: Cell::new(0),
            without: Cell::new(Offloads::empty()),
            queue: 0,
            len: 0,
        }
    }

    /// A whole frame: `parts` start with the link header (or with the network header where the endpoint has no link header).
    #[must_use]
    pub const fn framed(parts: &'p [&'p [u8]]) -> Self {
        let mut packet = Self::new(EtherType(0), parts);
        packet.is_framed = true;
        packet
    }

    /// Addresses the packet (origin: `EgressRoute.RemoteLinkAddress`).
    #[must_use]
    pub const fn to(mut self, destination: LinkAddress) -> Self {
        self.destination = destination;
        self
    }

    /// Keeps `source` instead of the endpoint's own address, as a bridge must (origin: `EgressRoute.LocalLinkAddress`).
    #[must_use]
    pub const fn from(mut self, source: LinkAddress) -> Self {
        self.source = Some(source);
        self
    }

    /// Names the network address that the packet goes to (origin: `EgressRoute.RemoteAddress`). Only a
    /// [`MuxedInjectableEndpoint`](crate::MuxedInjectableEndpoint) looks at it.
    #[must_use]
    pub const fn via(mut self, remote: IpAddr) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Sets the flow hash. It picks the descriptor (`hash % descriptors`); packets with equal hashes keep their order.
    #[must_use]
    pub const fn with_hash(mut self, hash: u32) -> Self {
        self.hash = hash;
        self
    }

    /// Says what is left to do to the packet; the system or the endpoint does it.
    #[must_use]
    pub const fn with_offload(mut self, offload: Offload) -> Self {
        self.offload = offload;
        self
    }

    /// The caller's bytes.
    #[must_use]
    pub const fn parts(&self) -> &'p [&'p [u8]] {
        self.parts
    }

    /// The network protocol.
    #[must_use]
    pub const fn protocol(&self) -> EtherType {
        self.protocol
    }

    /// The source link address, if the packet brings its own.
    #[must_use]
    #[inline]
    pub const fn source(&self) -> Option<LinkAddress> {
        self.source
    }

    /// The destination link address.
    #[must_use]
    pub const fn destination(&self) -> LinkAddress {
        self.destination
    }

    /// The network address that the packet goes to, if it was named.
    #[must_use]
    pub const fn remote(&self) -> Option<IpAddr> {
        self.remote
    }

    /// The flow hash.
    #[must_use]
    pub const fn hash(&self) -> u32 {
        self.hash
    }

    /// What is left to do to the packet.
    #[must_use]
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// What became of the packet.
    #[must_use]
    #[inline]
    pub const fn status(&self) -> TxStatus {
        self.status.get()
    }

    /// The link header that [`add_header`](crate::LinkEndpoint::add_header) put in front; empty before that and for framed packets.
    #[must_use]
    #[inline]
    pub fn link_header(&self) -> &[u8] {
        self.link_header.as_ref().map_or(&[], <[u8; HEADER_LEN]>::as_slice)
    }

    /// True if the parts start with the link header.
    #[must_use]
    pub const fn is_framed(&self) -> bool {
        self.is_framed
    }

    /// Makes a packet that was sent or refused pending again, to send it once more.
    pub const fn reset(&mut self) {
        *self.status.get_mut() = TxStatus::Pending;
        *self.segments_sent.get_mut() = 0;
        *self.without.get_mut() = Offloads::empty();
    }

    #[inline]
    pub(crate) const fn segments_sent(&self) -> usize {
        self.segments_sent.get() as usize
    }

    pub(crate) fn count_segment(&self) {
        self.segments_sent.set(self.segments_sent.get() + 1);
    }

    pub(crate) fn do_without(&self, offloads: Offloads) {
        self.without.set(offloads);
    }

    /// What was begun in segments is ended so.
    pub(crate) fn is_for_software(&self) -> bool {
        !self.without.get().is_empty() || self.segments_sent() > 0
    }

    /// What it was sent without.
    pub(crate) const fn without(&self) -> Offloads {
        self.without.get()
    }

    #[inline]
    pub(crate) fn set_status(&self, status: TxStatus) {
        self.status.set(status);
    }

    #[inline]
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self.status.get(), TxStatus::Pending)
    }

    #[inline]
    pub(crate) const fn needs_header(&self) -> bool {
        !self.is_framed && self.link_header.is_none()
    }

    #[inline]
    pub(crate) fn parts_len(&self) -> usize {
        match self.parts {
            [only] => only.len(),
            parts => parts.iter().fold(0, |sum, part| sum.saturating_add(part.len())),
        }
    }

    #[inline]
    pub(crate) fn set_header(&mut self, header: &EthernetHeader) {
        header.emit(self.link_header.insert([0; HEADER_LEN]));
    }
}

/// What became of a packet that was handed to [`write_packets`](crate::LinkEndpoint::write_packets).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxStatus {
    /// Not tried, or tried and to be tried again: nothing of it has left. Of a packet that is cut in software the first segments may have; the next
    /// try goes on behind them.
    Pending,
    /// The system took the whole frame.
    Sent,
    /// It was given up; nothing of it has left, unless it was cut into segments in software, of which earlier ones may have.
    Refused(Refusal),
}

/// Why a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The packet has no byte.
    Empty,
    /// The packet is longer than the MTU.
    ExceedsMtu,
    /// A framed packet is shorter than the link header.
    Runt,
    /// The packet asks for segmentation, and [`Options::gso`](crate::Options::gso) is none.
    NoGso,
    /// The packet asks for segmentation and is longer than [`Options::gso_max_size`](crate::Options::gso_max_size).
    ExceedsGsoMaxSize,
    /// The packet is not one that what it asks for can be done to.
    Unsplittable(Unsplittable),
    /// A segment of the packet lies in more than 187 parts.
    TooManyParts,
    /// The system refused the frame.
    Io(ErrorKind),
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Empty => f.write_str("the packet is empty: give it at least one byte"),
            Self::ExceedsMtu => f.write_str("the packet is longer than the MTU: fragment it, or raise the MTU"),
            Self::Runt => f.write_str("the frame is shorter than its link header"),
            Self::NoGso => f.write_str("the packet asks for segmentation: set Options::gso"),
            Self::ExceedsGsoMaxSize => f.write_str("the packet is longer than gso_max_size"),
            Self::Unsplittable(why) => write!(f, "the packet cannot be sent as it asks: {why}"),
            Self::TooManyParts => f.write_str("a segment lies in too many parts: hand in fewer, longer ones"),
            Self::Io(kind) => write!(f, "the system refused the frame: {kind}"),
        }
    }
}

/// A received packet, on loan until [`deliver`](crate::NetworkDispatcher::deliver) returns.
///
/// It is in one piece, unless [`Options::gro`](crate::Options::gro) made it of several: then [`payload`](RxPacket::payload) and
/// [`frame`](RxPacket::frame) are the first piece, with all headers, and [`tail`](RxPacket::tail) holds the others.
#[derive(Debug)]
pub struct RxPacket<'b> {
    frame: &'b mut [u8],
    tail: &'b [&'b [u8]],
    header_len: usize,
    offload: Offload,
    meta: RxMeta,
}

impl<'b> RxPacket<'b> {
    /// A packet in `frame`, behind `header_len` bytes of link header. A length beyond the frame counts as the frame's.
    #[must_use]
    #[inline]
    pub fn new(frame: &'b mut [u8], header_len: usize, meta: RxMeta) -> Self {
        Self { header_len: header_len.min(frame.len()), frame, tail: &[], offload: Offload::NONE, meta }
    }

    /// The same with what is left to do to the packet.
    #[must_use]
    #[inline]
    pub const fn with_offload(mut self, offload: Offload) -> Self {
        self.offload = offload;
        self
    }

    /// The same with `tail` behind its last byte: fewer than [`MAX_SEGMENTS`](crate::rx::gro::MAX_SEGMENTS) pieces.
    #[must_use]
    #[inline]
    pub(crate) const fn with_tail(mut self, tail: &'b [&'b [u8]]) -> Self {
        self.tail = tail;
        self
    }

    /// What is left to do to the packet. A stack neither verifies nor drops one whose checksum is [`Partial`](crate::ChecksumState::Partial).
    #[must_use]
    #[inline]
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// The link header; empty where the endpoint has none.
    #[must_use]
    #[inline]
    pub fn link_header(&self) -> &[u8] {
        self.frame.split_at(self.header_len).0
    }

    /// The packet from its network header on; without its [`tail`](RxPacket::tail), if it has one.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.frame.split_at(self.header_len).1
    }

    /// The packet from its network header on, writable.
    #[must_use]
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.frame.split_at_mut(self.header_len).1
    }

    /// The frame, link header first; without its [`tail`](RxPacket::tail), if it has one.
    #[must_use]
    #[inline]
    pub fn frame(&self) -> &[u8] {
        self.frame
    }

    /// The frame, link header first, writable: what a forwarder rewrites and sends on.
    #[must_use]
    #[inline]
    pub fn frame_mut(&mut self) -> &mut [u8] {
        self.frame
    }

    /// The frame's bytes for as long as they are on loan.
    #[must_use]
    #[inline]
    pub fn into_frame(self) -> &'b mut [u8] {
        self.frame
    }

    /// What follows the last byte of [`payload`](RxPacket::payload): transport payload of the segments that were merged, in order. Empty
    /// unless [`Options::gro`](crate::Options::gro) is set.
    #[must_use]
    #[inline]
    pub const fn tail(&self) -> &'b [&'b [u8]] {
        self.tail
    }

    /// Bytes of the whole packet from its network header on, [`tail`](RxPacket::tail) included.
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.tail.iter().fold(self.payload().len(), |sum, part| sum + part.len())
    }

    /// The whole frame in its pieces, for [`Packet::framed`]: that is forwarding.
    ///
    /// ```
    /// # use fdlink_core::{LinkEndpoint, Packet, RxPacket, WriteError};
    /// fn forward(packet: &RxPacket<'_>, to: &impl LinkEndpoint) -> Result<bool, WriteError> {
    ///     let parts = packet.parts();
    ///     let mut packets = [Packet::framed(&parts).with_offload(packet.offload())];
    ///     Ok(to.write_packets(&mut packets)?.sent == 1)
    /// }
    /// ```
    #[must_use]
    #[inline]
    pub fn parts(&self) -> Parts<'_> {
        Parts::new(self.frame, self.tail)
    }

    /// The packet from its network header on in its pieces, for [`Packet::new`].
    #[must_use]
    #[inline]
    pub fn payload_parts(&self) -> Parts<'_> {
        Parts::new(self.payload(), self.tail)
    }

    /// What is known of the frame besides its bytes.
    #[must_use]
    pub fn meta(&self) -> &RxMeta {
        &self.meta
    }
    #[inline]
    pub(crate) const fn set_offload(&mut self, offload: Offload) {
        self.offload = offload;
    }

    #[inline]
    pub(crate) const fn set_checksum(&mut self, checksum: ChecksumState) {
        self.offload.checksum = checksum;
    }

    /// Cuts the frame to its first `len` bytes, of what is now a packet with `total_len` bytes of frame.
    pub(crate) fn trim(&mut self, len: usize, total_len: usize) {
        let frame = core::mem::take(&mut self.frame);
        self.frame = frame.split_at_mut(len.min(frame.len())).0;
        self.meta.len = total_len;
    }
}
