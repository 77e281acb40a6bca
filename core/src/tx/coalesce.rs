//! Successive packets of a flow become one super-frame, which the system takes in one go.
//!
//! ```text
//! handed in  │ headers │ payload 1 │    │ headers │ payload 2 │    │ headers │ payload 3 │
//!             │         │                          │                         │
//! sent        │ headers │ payload 1 │         │ payload 2 │         │ payload 3 │
//!             └ copied, changed     └ where the caller has it, as is the rest
//! ```
//!
//! What merges is what merges on receive ([`rx::gro`](crate::rx::gro)), and only neighbours do: order is kept among all packets of a queue, and
//! a frame stands for packets that follow each other, which makes the account of what was sent as simple as without.

use core::ops::Range;

use super::batch::Due;
use super::gso::payload_slices;
use crate::io::Offloads;
use crate::offload::Offload;
use crate::packet::Packet;
use crate::rx::gro::{Frame, Head, Headers, MAX_SEGMENTS, Segment};
use crate::wire::Checksum;
use crate::wire::segment::{HeaderBuf, MAX_HEADERS_LEN};
use crate::wire::vnet::MAX_LEN;

/// A packet that may be merged.
pub(super) struct Candidate<'d> {
    headers: HeaderBuf,
    parts: &'d [&'d [u8]],
    /// Bytes of link header that lie in front of the parts.
    header_len: usize,
    len: usize,
    link_len: usize,
    offload: Offload,
}

impl<'d> Candidate<'d> {
    /// `link_len` bytes of the packet are link header, wherever it lies.
    pub(super) fn of(packet: &Packet<'d>, link_len: usize) -> Option<Self> {
        let (header, parts, offload) = (packet.link_header(), packet.parts(), packet.offload());
        let is_one = offload.gso.is_none() && !packet.is_for_software();
        is_one.then(|| Self {
            headers: HeaderBuf::gather(core::iter::once(header).chain(parts.iter().copied())),
            parts,
            header_len: header.len(),
            len: packet.len as usize,
            link_len,
            offload,
        })
    }

    /// The slices of the caller's parts that hold these bytes of the frame.
    fn slices(&self, range: Range<usize>) -> impl Iterator<Item = &'d [u8]> + use<'_, 'd> {
        slices(self.parts, self.header_len, range)
    }
}

impl Headers for Candidate<'_> {
    fn headers(&self) -> &[u8] {
        &self.headers
    }

    fn link_len(&self) -> usize {
        self.link_len
    }
}

impl Frame for Candidate<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn offload(&self) -> Offload {
        self.offload
    }

    fn add_to(&self, sum: &mut Checksum, range: Range<usize>) {
        self.slices(range).for_each(|slice| sum.add_bytes(slice));
    }
}

/// The packets at the end of a batch that others may still join.
pub(super) struct OpenRun<'p, 'd> {
    head: Head<Candidate<'d>>,
    packets: Due<'p, 'd>,
    count: usize,
    slices: usize,
    is_closed: bool,
}

impl<'p, 'd> OpenRun<'p, 'd> {
    /// A run that begins with `candidate`, the first of `packets`; `None` if nothing can join it, or the system that can do `granted` does not
    /// cut such packets.
    pub(super) fn begin(candidate: Candidate<'d>, packets: Due<'p, 'd>, granted: Offloads) -> Option<Self> {
        let segment = Segment::first(&candidate, granted)?;
        if segment.layers.payload > MAX_HEADERS_LEN - MAX_LEN {
            return None;
        }
        let slices = candidate.slices(segment.layers.payload..segment.end).count();
        Some(Self { head: Head::new(candidate, segment), packets, count: 1, slices, is_closed: false })
    }

    /// Takes a candidate in that goes on where the run ends, if it has at most `room` slices then.
    pub(super) fn join(&mut self, candidate: &Candidate<'d>, room: usize) -> bool {
        if self.is_closed || self.count == MAX_SEGMENTS {
            return false;
        }
        let Some(next) = self.head.next(candidate) else { return false };
        let slices = self.slices + candidate.slices(next.payload.clone()).count();
        if slices > room {
            return false;
        }
        (self.slices, self.count) = (slices, self.count + 1);
        self.is_closed = self.head.extend(&next);
        true
    }

    /// How many packets are in it.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// What is left to do to the whole.
    pub(super) fn offload(&self) -> Offload {
        self.head.offload()
    }

    /// Adds the headers of the whole to `header`.
    pub(super) fn write_headers(&self, header: &mut HeaderBuf) {
        let (before, headers_len) = (header.len(), self.head.segment.layers.payload);
        header.extend(self.head.packet.headers.split_at(headers_len).0);
        self.head.write_headers(header.set_len(before + headers_len).split_at_mut(before).1);
    }

    /// The run as it is to be sent.
    pub(super) fn close(self) -> Run<'p, 'd> {
        let Head { segment, len, .. } = &self.head;
        Run {
            packets: self.packets,
            count: self.count,
            slices: self.slices,
            headers_len: segment.layers.payload,
            size: segment.payload_len(),
            payload_len: segment.layers.network + len - segment.layers.payload,
        }
    }

    /// Bytes of all headers, from the link header on.
    pub(super) const fn headers_len(&self) -> usize {
        self.head.segment.layers.payload
    }

    /// What the whole asks of the system.
    pub(super) fn needs(&self) -> Offloads {
        self.head.needs()
    }
}

/// The slices of `parts`, which `header_len` bytes stand in front of, that hold these bytes of both.
fn slices<'s, 'd>(
    parts: &'s [&'d [u8]],
    header_len: usize,
    range: Range<usize>,
) -> impl Iterator<Item = &'d [u8]> + use<'s, 'd> {
    payload_slices(parts, range.start.saturating_sub(header_len)..range.end.saturating_sub(header_len))
}

/// Packets that leave as one frame.
pub(super) struct Run<'p, 'd> {
    packets: Due<'p, 'd>,
    pub(super) count: usize,
    /// Bytes of all headers, from the link header on.
    headers_len: usize,
    /// Bytes of payload of each packet but the last, which may have fewer.
    size: usize,
    payload_len: usize,
    /// Slices of payload.
    pub(super) slices: usize,
}

impl<'p, 'd> Run<'p, 'd> {
    /// The packets; only as long as they are pending.
    pub(super) fn packets(&self) -> impl Iterator<Item = &'p Packet<'d>> + use<'p, 'd> {
        self.packets.clone().take(self.count)
    }

    /// The caller's slices of payload.
    pub(super) fn slices(&self) -> impl Iterator<Item = &'d [u8]> {
        let mut left = self.payload_len;
        self.packets().flat_map(move |packet| {
            let end = self.headers_len + left.min(self.size);
            left = left.saturating_sub(self.size);
            slices(packet.parts(), packet.link_header().len(), self.headers_len..end)
        })
    }

    /// Bytes of the frame.
    pub(super) const fn len(&self) -> usize {
        self.headers_len + self.payload_len
    }
}
