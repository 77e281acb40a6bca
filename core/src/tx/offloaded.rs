//! Frames of packets that something is left to do to, or that a virtio-net header stands in front of.

use core::ops::Range;

use heapless::Vec;

use super::batch::{Account, Due, GivenUp, Sent};
use super::coalesce::{Candidate, OpenRun, Run};
use super::downgrade::{Doubts, Request, lost, may_be_owed_to_offload};
use super::gso::{self, Splitter, payload_slices};
use crate::endpoint::{GsoSupport, Queue};
use crate::io::{ErrorKind, Offloads, RawIo, TxFrame};
use crate::offload::{ChecksumState, Offload};
use crate::packet::{Packet, Refusal, TxStatus};
use crate::wire::segment::HeaderBuf;
use crate::wire::vnet::{ByteOrder, MAX_LEN, VirtioNetHdr};

/// What is to be known of a queue and its endpoint to make frames.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) vnet_header_len: usize,
    pub(super) granted: Offloads,
    pub(super) gso: GsoSupport,
    /// Merge successive packets.
    pub(super) coalesce: bool,
    /// Bytes of link header in front of each packet.
    pub(super) network: usize,
    /// Longest packet, link header excluded.
    pub(super) mtu: usize,
}

/// A batch of frames: whole packets with a virtio-net header, segments of packets that are cut here, and packets that are merged.
///
/// ```text
///         virtio-net   header                parts
/// host    ┌─────────┬──────────────────┐    ┌───────────────────────┐
///         │ says it │ link             │    │ the packet's          │
///         └─────────┴──────────────────┘    └───────────────────────┘
/// cut     ┌─────────┐┌──────────────────┐   ┌───────────┐
///         │ says it ││ link, IP, TCP    │   │ payload   │ … one for each segment
///         └─────────┘└──────────────────┘   └───────────┘
/// merged  ┌─────────┬──────────────────┐    ┌───────────┐┌───────────┐
///         │ says it │ link, IP, TCP    │    │ payload   ││ payload   │ … those of successive packets
///         └─────────┴──────────────────┘    └───────────┘└───────────┘
/// ```
///
/// About 14 KiB, and with the slices and frames that are made of it 20 KiB: what a call to write packets takes of the stack. A stack of 64 KiB is enough.
pub(super) struct Offloaded<'p, 'd> {
    terms: Terms,
    units: Vec<Unit<'p, 'd>, MAX_FRAMES>,
    slices: usize,
    /// The last unit, as long as packets may join it.
    open: Option<OpenRun<'p, 'd>>,
    /// Capabilities that turned out not to be there.
    pub(super) lost: Offloads,
}

/// One frame.
struct Unit<'p, 'd> {
    /// The first, if there are several.
    packet: &'p Packet<'d>,
    header: HeaderBuf,
    body: Body<'p, 'd>,
    /// What the frame asks of the system.
    needs: Offloads,
    is_last: bool,
}

enum Body<'p, 'd> {
    /// The packet's parts.
    Whole,
    /// These bytes of them, behind the headers, and a virtio-net header in front of those.
    Cut(Range<usize>, [u8; MAX_LEN]),
    /// The payloads of these packets.
    Merged(Run<'p, 'd>),
}

impl<'p, 'd> Offloaded<'p, 'd> {
    pub(super) fn new(terms: Terms) -> Self {
        // `Vec::new()` would be a constant here, and the room of all units, 13 KiB, be filled with zeros in each call.
        let units = core::iter::empty().collect();
        Self { terms, units, slices: 0, open: None, lost: Offloads::empty() }
    }

    /// Makes the frames of the first packets of `due`, as many as there is room for. What cannot be sent by anybody is refused and counted.
    pub(super) fn fill<IO: RawIo>(&mut self, queue: &Queue<IO>, due: &Due<'p, 'd>) -> usize {
        self.units.clear();
        self.slices = 0;
        self.terms.granted = queue.offloads();
        let mut refused = 0;
        let mut rest = due.clone();
        loop {
            let from = rest.clone();
            let Some(packet) = rest.next() else { break };
            match self.take(packet, from) {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => {
                    queue.counters.add_refusal(refusal);
                    packet.set_status(TxStatus::Refused(refusal));
                    refused += 1;
                }
            }
        }
        self.close_run();
        refused
    }

    /// Calls `send` with the frames.
    pub(super) fn with_frames<R>(
        &mut self,
        doubts: &Doubts,
        send: impl FnOnce(&[TxFrame<'_>], &mut Progress<'_, 'p, 'd>) -> R,
    ) -> R {
        let mut slices = Vec::<&[u8], MAX_SLICES>::new();
        let mut ends = Vec::<usize, MAX_FRAMES>::new();
        for unit in &self.units {
            unit.slices(self.terms.vnet_header_len > 0, |slice| {
                let _ = slices.push(slice);
            });
            let _ = ends.push(slices.len());
        }
        let mut frames = Vec::<TxFrame<'_>, MAX_FRAMES>::new();
        let mut start = 0;
        for (unit, end) in self.units.iter().zip(&ends) {
            let parts = slices.get(start..*end).unwrap_or_default();
            let _ = frames.push(match &unit.body {
                Body::Whole => TxFrame { header: &unit.header, parts: unit.packet.parts() },
                Body::Cut(_, vnet) if self.terms.vnet_header_len > 0 => {
                    TxFrame { header: vnet.split_at(self.terms.vnet_header_len.min(MAX_LEN)).0, parts }
                }
                Body::Cut(..) | Body::Merged(_) => TxFrame { header: &unit.header, parts },
            });
            start = *end;
        }
        send(&frames, &mut Progress { units: &self.units, doubts, lost: &mut self.lost })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Has a packet, the first of `due`, join the packets before it, or adds it. False if there is no room for all of it.
    fn take(&mut self, packet: &'p Packet<'d>, due: Due<'p, 'd>) -> Result<bool, Refusal> {
        let candidate = if self.terms.coalesce { Candidate::of(packet, self.terms.network) } else { None };
        if let (Some(candidate), Some(open)) = (&candidate, &mut self.open)
            && open.join(candidate, MAX_SLICES - self.slices)
        {
            return Ok(true);
        }
        self.close_run();
        let (units, slices) = (self.units.len(), self.slices);
        let has_room = self.add(packet).inspect_err(|_| {
            self.units.truncate(units);
            self.slices = slices;
        })?;
        if has_room {
            let granted = self.terms.granted;
            self.open = candidate.and_then(|candidate| OpenRun::begin(candidate, due, granted));
        }
        Ok(has_room)
    }

    /// Makes the last unit what it has become.
    fn close_run(&mut self) {
        let run = self.open.take().filter(|run| run.count() > 1);
        let (Some(run), Some(unit)) = (run, self.units.last_mut()) else { return };
        unit.header = self.terms.vnet_header(run.offload(), run.headers_len());
        run.write_headers(&mut unit.header);
        unit.needs = run.needs();
        let run = run.close();
        self.slices += run.slices;
        unit.body = Body::Merged(run);
    }

    /// False if there is no room for all of it.
    fn add(&mut self, packet: &'p Packet<'d>) -> Result<bool, Refusal> {
        let offload = packet.offload();
        if offload.is_none() {
            return Ok(self.add_whole(packet, Offload::NONE, Offloads::empty(), 0));
        }
        let Terms { network, granted, .. } = self.terms;
        let layers = gso::layers(packet.link_header(), packet.parts(), network);
        let headers_len = layers.map_or(0, |layers| layers.payload);
        let payload_len = (packet.len as usize).saturating_sub(headers_len);
        if let Some(gso) = offload.gso
            && headers_len.saturating_sub(network) + payload_len.min(gso.size.into()) > self.terms.mtu
        {
            return Err(Refusal::ExceedsMtu);
        }
        let offload = offload.for_payload(payload_len);
        let request = Request { offload, layers, network, payload_len };
        let granted = if self.terms.vnet_header_len > 0 { granted } else { Offloads::empty() };
        if !packet.is_for_software() && request.is_for_host(granted, self.terms.gso) {
            return Ok(self.add_whole(packet, offload, request.needs(), headers_len));
        }
        self.add_segments(packet, offload)
    }

    fn add_whole(&mut self, packet: &'p Packet<'d>, offload: Offload, needs: Offloads, headers_len: usize) -> bool {
        let mut header = self.terms.vnet_header(offload, headers_len);
        header.extend(packet.link_header());
        self.units.push(Unit { packet, header, body: Body::Whole, needs, is_last: true }).is_ok()
    }

    /// Goes on behind the segments that have left already. Checksums are left to a system that completes them.
    fn add_segments(&mut self, packet: &'p Packet<'d>, offload: Offload) -> Result<bool, Refusal> {
        let network = self.terms.network;
        let splitter =
            Splitter::new(packet.link_header(), packet.parts(), network, offload).map_err(Refusal::Unsplittable)?;
        let is_partial = matches!(offload.checksum, ChecksumState::Partial { .. });
        let stays_partial = is_partial && self.terms.completes_checksums() && !packet.was_refused();
        let left = if stays_partial { Offload { gso: None, ..offload } } else { Offload::NONE };
        let needs = if stays_partial { Offloads::CSUM } else { Offloads::empty() };
        let vnet = VirtioNetHdr::from_offload(left, network, 0).encode(ByteOrder::Native);
        for index in packet.segments_sent()..splitter.segments() {
            let mut header = HeaderBuf::new();
            let payload = match stays_partial {
                true => splitter.write_partial_segment(index, &mut header),
                false => splitter.write_segment(index, &mut header),
            };
            let Some(payload) = payload else { break };
            // One more for the headers behind a virtio-net header.
            let count = 1 + payload_slices(packet.parts(), payload.clone()).count();
            if count > MAX_SLICES {
                return Err(Refusal::TooManyParts);
            }
            let is_last = index + 1 == splitter.segments();
            let unit = Unit { packet, header, body: Body::Cut(payload, vnet), needs, is_last };
            if self.slices + count > MAX_SLICES || self.units.push(unit).is_err() {
                return Ok(false);
            }
            self.slices += count;
        }
        Ok(true)
    }
}

impl Terms {
    const fn completes_checksums(&self) -> bool {
        self.vnet_header_len > 0 && self.granted.contains(Offloads::CSUM)
    }

    /// What stands in front of a frame; empty where nothing does.
    fn vnet_header(&self, offload: Offload, headers_len: usize) -> HeaderBuf {
        let mut header = HeaderBuf::new();
        if self.vnet_header_len > 0 {
            let vnet = VirtioNetHdr::from_offload(for_sending(offload), self.network, headers_len);
            let vnet = vnet.encode::<MAX_LEN>(ByteOrder::Native);
            header.extend(vnet.split_at(self.vnet_header_len.min(MAX_LEN)).0);
        }
        header
    }
}

impl<'p, 'd> Unit<'p, 'd> {
    /// What the frame is made of, where that is not the packet's parts; the headers of a segment `with_headers`.
    fn slices<'u>(&'u self, with_headers: bool, mut add: impl FnMut(&'u [u8])) {
        match &self.body {
            Body::Whole => {}
            Body::Merged(run) => run.slices().for_each(add),
            Body::Cut(range, _) => {
                if with_headers {
                    add(&self.header);
                }
                payload_slices(self.packet.parts(), range.clone()).for_each(add);
            }
        }
    }

    /// The packets that have to do with the frame; only as long as they are pending.
    fn packets(&self) -> impl Iterator<Item = &'p Packet<'d>> + use<'p, 'd> {
        let (run, one) = match &self.body {
            Body::Merged(run) => (Some(run.packets()), None),
            _ => (None, Some(self.packet)),
        };
        run.into_iter().flatten().chain(one)
    }

    fn len(&self) -> usize {
        match &self.body {
            Body::Whole => self.packet.len as usize,
            Body::Cut(range, _) => self.header.len() + range.len(),
            Body::Merged(run) => run.len(),
        }
    }

    /// Marks the packets, and returns how many there are.
    fn mark(&self, status: TxStatus) -> usize {
        self.packets().map(|packet| packet.set_status(status)).count()
    }
}

/// How far a batch has got.
pub(super) struct Progress<'b, 'p, 'd> {
    units: &'b [Unit<'p, 'd>],
    doubts: &'b Doubts,
    lost: &'b mut Offloads,
}

impl Account for Progress<'_, '_, '_> {
    fn sent(&mut self, frames: usize) -> Sent {
        let (done, rest) = self.units.split_at(frames.min(self.units.len()));
        self.units = rest;
        let mut sent = Sent::default();
        for unit in done {
            sent.bytes += unit.len();
            if unit.is_last {
                *self.lost |= unit.packet.without();
                self.doubts.clear(unit.needs);
                let packets = unit.mark(TxStatus::Sent);
                sent.packets += packets;
                sent.merged += packets - 1;
            } else {
                unit.packet.count_segment();
            }
        }
        sent
    }

    fn refused(&mut self, refusal: Refusal) -> GivenUp {
        let Some(first) = self.units.first() else { return GivenUp::default() };
        let packets = first.mark(TxStatus::Refused(refusal));
        let frames = self.units.iter().take_while(|unit| core::ptr::eq(unit.packet, first.packet)).count();
        self.units = self.units.get(frames..).unwrap_or_default();
        GivenUp { frames, packets }
    }

    fn falls_back(&mut self, kind: ErrorKind) -> bool {
        let Some(unit) = self.units.first() else { return false };
        let falls_back = !unit.needs.is_empty() && may_be_owed_to_offload(kind);
        if falls_back {
            let is_proof = kind != ErrorKind::OffloadRejected || self.doubts.add(unit.needs);
            let lost = if is_proof { lost(unit.needs) } else { Offloads::empty() };
            unit.packets().for_each(|packet| packet.send_in_software(lost));
        }
        falls_back
    }
}

/// Who sends has verified nothing that a receiver could rely on.
fn for_sending(offload: Offload) -> Offload {
    match offload.checksum {
        ChecksumState::Unnecessary => Offload { checksum: ChecksumState::None, ..offload },
        _ => offload,
    }
}

/// Enough for a TCP super-frame of 64 KiB in segments of 1,448 bytes.
const MAX_FRAMES: usize = 47;
/// Pieces of segments, headers included: two for each and room for parts that end within one.
const MAX_SLICES: usize = 4 * MAX_FRAMES;
