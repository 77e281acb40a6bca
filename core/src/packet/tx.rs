use core::cell::Cell;
use core::net::IpAddr;

#[cfg(feature = "smoltcp")]
use super::TxProgress;
use super::TxStatus;
use crate::io::Offloads;
use crate::offload::Offload;
use crate::wire::ethernet::{EthernetHeader, HEADER_LEN};
use crate::wire::{EtherType, LinkAddress};

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
    /// The system refused what the packet asks for.
    in_software: Cell<bool>,
    /// Of that, what it cannot do for any packet.
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
            in_software: Cell::new(false),
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
        *self.in_software.get_mut() = false;
        *self.without.get_mut() = Offloads::empty();
    }

    #[inline]
    pub(crate) const fn segments_sent(&self) -> usize {
        self.segments_sent.get() as usize
    }

    pub(crate) fn count_segment(&self) {
        self.segments_sent.set(self.segments_sent.get() + 1);
    }

    /// How far it has come, for a packet of the same bytes to go on from.
    #[cfg(feature = "smoltcp")]
    pub(crate) const fn progress(&self) -> TxProgress {
        TxProgress {
            segments_sent: self.segments_sent.get(),
            in_software: self.in_software.get(),
            without: self.without.get(),
        }
    }

    #[cfg(feature = "smoltcp")]
    pub(crate) fn with_progress(self, progress: TxProgress) -> Self {
        self.segments_sent.set(progress.segments_sent);
        self.in_software.set(progress.in_software);
        self.without.set(progress.without);
        self
    }

    /// `lost`: what the system cannot do for any packet.
    pub(crate) fn send_in_software(&self, lost: Offloads) {
        self.in_software.set(true);
        self.without.set(lost);
    }

    /// What was begun in segments is ended so.
    pub(crate) fn is_for_software(&self) -> bool {
        self.was_refused() || self.segments_sent() > 0
    }

    /// The system did not do what it was asked for: it is asked for nothing more.
    pub(crate) fn was_refused(&self) -> bool {
        self.in_software.get()
    }

    /// What the system turned out not to do, once it has left.
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
