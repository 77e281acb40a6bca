use alloc::collections::BTreeMap;
use core::time::Duration;

use fdlink_core::io::{ErrorKind, RxFilter};
use fdlink_core::wire::vnet::{GSO_NONE, VirtioNetHdr};

use super::buffer::Buffer;
use super::{Frame, Ledger};
use crate::descriptor::{DescriptorOptions, Kind, truesize};

/// The system's side of a descriptor.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) segment: usize,
    pub(super) kind: Kind,
    pub(super) options: DescriptorOptions,
    pub(super) link: Link,
    pub(super) stopped: bool,
    /// Halves of the descriptor that were dropped.
    pub(super) halves_dropped: u8,
    /// On their way here, by arrival and then by order of sending.
    pub(super) in_flight: BTreeMap<(Duration, u64), Frame>,
    pub(super) buffer: Buffer,
    /// Until when the wire out of here is busy.
    pub(super) busy_until: Duration,
    /// What the next send or receive tells.
    pub(super) send_error: Option<ErrorKind>,
    pub(super) receive_error: Option<ErrorKind>,
    /// What every later one tells.
    pub(super) send_end: Option<ErrorKind>,
    pub(super) receive_end: Option<ErrorKind>,
    /// What a frame is told that asks for an offload which is not, or no longer, there.
    pub(super) lacks_offload: ErrorKind,
    pub(super) filter: Option<RxFilter>,
    pub(super) untold_drops: usize,
    pub(super) ledger: Ledger,
}

/// How the interface stands; for a unix socket, its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    Down,
    Gone,
}

impl Port {
    pub(super) fn new(segment: usize, kind: Kind, options: DescriptorOptions) -> Self {
        Self {
            segment,
            kind,
            options,
            link: Link::Up,
            stopped: false,
            halves_dropped: 0,
            in_flight: BTreeMap::new(),
            buffer: Buffer::new(kind, options.receive_frames),
            busy_until: Duration::ZERO,
            send_error: None,
            receive_error: None,
            send_end: None,
            receive_end: None,
            lacks_offload: ErrorKind::OffloadRejected,
            filter: None,
            untold_drops: 0,
            ledger: Ledger::default(),
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.halves_dropped == 2
    }

    /// Bytes of a unix sender's buffer that lie here unread.
    pub(super) fn unread(&self) -> usize {
        let frames = self.in_flight.values().chain(self.buffer.frames());
        frames.fold(0, |sum, frame| sum + truesize(frame.bytes.len()))
    }

    /// Why the system would never send this frame, if so. It looks into the virtio-net header where it has an interface to send on; what it
    /// cuts is as long as its segments.
    pub(super) fn refuses(&self, frame: &Frame, mtu: usize) -> Option<ErrorKind> {
        let (kind, options) = (self.kind, &self.options);
        let lacks = kind.has_interface() && !options.offloads.contains(frame.needs(kind.link_header_len()));
        let mtu = if frame.vnet.gso_type == GSO_NONE { mtu } else { usize::MAX / 2 };
        let first = frame.bytes.first().copied();
        let len = frame.bytes.len() + if kind.is_unix() { options.vnet_header_len } else { 0 };
        let is_wrong = kind.has_interface() && frame.has_checksum_elsewhere();
        kind.refuses(len, first, mtu, options.send_buffer)
            .or(lacks.then_some(self.lacks_offload))
            .or(is_wrong.then_some(ErrorKind::FrameRejected))
    }

    /// False if a frame has to be cut or completed before it can be received here. What a unix socket carries is nobody's business.
    pub(super) fn takes_whole(&self, frame: &Frame) -> bool {
        let options = &self.options;
        self.kind.is_unix()
            || frame.vnet == VirtioNetHdr::default()
            || options.vnet_header_len > 0 && options.offloads.contains(frame.needs(self.kind.link_header_len()))
    }

    /// True once nothing more comes and the descriptor can tell; what was queued comes first.
    pub(super) fn has_ended(&self) -> bool {
        let tells = self.kind != Kind::Datagram;
        let is_more_coming = self.kind.is_unix() && !self.in_flight.is_empty();
        tells && self.link == Link::Gone && !is_more_coming && self.buffer.is_empty()
    }
}
