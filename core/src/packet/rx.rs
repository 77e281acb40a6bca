use crate::io::RxMeta;
use crate::offload::{ChecksumState, Offload};
use crate::rx::Parts;

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

    #[inline]
    pub(crate) const fn link_header_len(&self) -> usize {
        self.header_len
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

    /// The whole frame in its pieces, for [`Packet::framed`](super::Packet::framed): that is forwarding.
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

    /// The packet from its network header on in its pieces, for [`Packet::new`](super::Packet::new).
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
