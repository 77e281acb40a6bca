use core::num::NonZeroU16;
use core::ops::Range;
use core::time::Duration;

use ::smoltcp::phy;

use super::merge::{Run, Whole};
use crate::endpoint::{Capabilities, Endpoint, LinkEndpoint as _, Queue};
use crate::io::{ErrorKind, RawIo, TxQueue as _, Wake};
use crate::offload::{ChecksumState, Gso, GsoType, Offload};
use crate::packet::{Packet, Refusal, TxProgress, TxStatus};
use crate::wire::{Checksum, Layers};

/// The transmit half of a device: one buffer. It is free, or a frame that the descriptor did not take stands at its start, or a run of segments
/// that others may join.
pub(super) struct Egress<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> {
    pub(super) endpoint: &'e Endpoint<IO, Q>,
    pub(super) queue: &'e Queue<IO>,
    pub(super) refusal: Option<Refusal>,
    /// The number of the queue, which as a flow hash picks that queue.
    hash: u32,
    buffer: [u8; N],
    held: Option<Held>,
    /// Segments are merged: somebody will [flush](Self::flush).
    pub(super) merges: bool,
    run: Option<Run>,
    /// A frame behind the one that is held back, which is sent next.
    next: Option<Next>,
}

/// A frame behind another one in the buffer.
#[derive(Clone, Copy)]
struct Next {
    start: usize,
    len: usize,
    offload: Offload,
}

/// The frame at the start of the buffer that the descriptor did not take.
#[derive(Clone, Copy)]
struct Held {
    len: usize,
    blocked: ErrorKind,
    offload: Offload,
    progress: TxProgress,
}

impl<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> Egress<'e, IO, Q, N> {
    pub(super) const fn new(endpoint: &'e Endpoint<IO, Q>, queue: &'e Queue<IO>, index: usize) -> Self {
        let buffer = [0; N];
        let (held, run, next) = (None, None, None);
        Self { endpoint, queue, refusal: None, hash: index as u32, buffer, held, merges: false, run, next }
    }

    /// True if the buffer is free now.
    pub(super) fn flush(&mut self) -> bool {
        self.close_run();
        if let Some(held) = self.held.take() {
            self.send(held.len, held.offload, held.progress);
        }
        if self.held.is_none()
            && let Some(Next { start, len, offload }) = self.next.take()
        {
            self.buffer.copy_within(start..start + len, 0);
            self.send(len, offload, TxProgress::default());
        }
        self.held.is_none()
    }

    /// True if a frame of up to `len` bytes can be written now without harm to what is there.
    pub(super) fn has_room(&mut self, len: usize) -> bool {
        self.run.as_ref().is_some_and(|run| run.len + len <= N) || self.flush()
    }

    /// A final error is left to the next flush, which meets it again and gives the frame up.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Wake {
        let Some(held) = self.held else { return Wake::Ready };
        self.queue.counters.add_wait();
        let timeout = timeout.map_or(LONGEST_HOLD, |timeout| timeout.min(LONGEST_HOLD));
        self.queue.tx.wait(held.blocked, timeout).unwrap_or(Wake::Ready)
    }

    fn fill_and_send<R>(&mut self, len: usize, gso_size: Option<NonZeroU16>, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let run = self.run.as_mut().filter(|run| gso_size.is_none() && run.len + len <= N);
        match run.map(|run| run.cover(&self.buffer)) {
            Some(start) => self.fill_behind(start..start + len, fill),
            None => self.fill_start(len, gso_size, fill),
        }
    }

    fn fill_start<R>(&mut self, len: usize, gso_size: Option<NonZeroU16>, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.close_run();
        self.displace();
        let (frame, _) = self.buffer.split_at_mut(len.min(N));
        let result = fill(frame);
        if len > N {
            self.refuse(Refusal::ExceedsMtu);
        } else {
            let offload = self.leave_checksum(0..len, gso_size);
            self.start(len, offload);
        }
        result
    }

    /// Lets a frame be written to where it goes on if it is the next segment.
    fn fill_behind<R>(&mut self, place: Range<usize>, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let frame = self.buffer.get_mut(place.clone()).unwrap_or_default();
        let result = fill(frame);
        if let Some(run) = &mut self.run
            && run.join_predicted(frame)
        {
            run.uncover(&mut self.buffer, place.start);
        } else {
            self.join_or_follow(place);
        }
        result
    }

    /// A frame that was written over the end of the run becomes part of it, or what is sent next.
    fn join_or_follow(&mut self, place: Range<usize>) {
        let (start, len, offload) = (place.start, place.len(), self.leave_checksum(place.clone(), None));
        let Self { endpoint, buffer, run: Some(run), .. } = self else { return };
        let end = run.len;
        let bytes = buffer.get(place.clone()).unwrap_or_default();
        let has_joined = run.join(&Whole { bytes, link_len: endpoint.max_header_length(), offload });
        if !has_joined {
            buffer.copy_within(place, end);
        }
        run.uncover(buffer, start);
        if !has_joined {
            self.next_is(Next { start: end, len, offload });
        } else if run.is_closed {
            self.close_run();
        }
    }

    /// Sends the run that a frame stands behind, then the frame.
    fn next_is(&mut self, next: Next) {
        self.close_run();
        if self.held.is_some() {
            self.next = Some(next);
            return;
        }
        self.buffer.copy_within(next.start..next.start + next.len, 0);
        self.start(next.len, next.offload);
    }

    /// The frame at the start of the buffer leaves, or is the first of a run.
    fn start(&mut self, len: usize, offload: Offload) {
        let granted = self.queue.offloads();
        if self.merges && offload.gso.is_none() && self.queue.limits.vnet_header_len > 0 {
            self.run = Run::begin(&self.whole(0..len, offload), granted, self.longest_run());
        }
        if self.run.is_none() {
            self.send(len, offload, TxProgress::default());
        }
    }

    fn close_run(&mut self) {
        let Some(run) = &self.run else { return };
        let (len, offload) = (run.len, run.finish(self.buffer.split_at_mut(run.len).0));
        self.run = None;
        self.send(len, offload, TxProgress::default());
    }

    fn whole(&self, range: Range<usize>, offload: Offload) -> Whole<'_> {
        let bytes = self.buffer.get(range).unwrap_or_default();
        Whole { bytes, link_len: self.endpoint.max_header_length(), offload }
    }

    /// In bytes, link header included.
    fn longest_run(&self) -> usize {
        N.min(self.endpoint.max_header_length() + self.endpoint.gso_max_size() as usize)
    }

    /// smoltcp leaves the checksum field alone; a partial one holds the sum of the pseudo-header.
    fn leave_checksum(&mut self, range: Range<usize>, gso_size: Option<NonZeroU16>) -> Offload {
        if !self.endpoint.capabilities().contains(Capabilities::TX_CHECKSUM_OFFLOAD) {
            return Offload::NONE;
        }
        let frame = self.buffer.get_mut(range).unwrap_or_default();
        let network = self.endpoint.max_header_length();
        let layers = Layers::behind(frame, network).filter(|layers| !layers.is_ipv4_fragment(frame));
        layers.and_then(|layers| partial(frame, network, &layers, gso_size)).unwrap_or_default()
    }

    /// `len` is at most `N`.
    fn send(&mut self, len: usize, offload: Offload, progress: TxProgress) {
        let parts = [self.buffer.split_at(len).0];
        let packet = Packet::framed(&parts).with_hash(self.hash).with_offload(offload).with_progress(progress);
        let mut packets = [packet];
        let written = self.endpoint.write_packets(&mut packets);
        let [packet] = packets;
        match (written, packet.status()) {
            (Ok(_), TxStatus::Sent) => {}
            // The endpoint has counted it.
            (Ok(_), TxStatus::Refused(refusal)) => self.refusal = Some(refusal),
            (Ok(written), TxStatus::Pending) => {
                let blocked = written.blocked.unwrap_or(ErrorKind::WouldBlock);
                self.held = Some(Held { len, blocked, offload, progress: packet.progress() });
            }
            (Err(_), _) => self.refuse(Refusal::Io(ErrorKind::Closed)),
        }
    }

    /// Gives up the frame that is held back, and the one behind it, if there are any.
    fn displace(&mut self) {
        let Some(held) = self.held.take() else { return };
        self.refuse(Refusal::Io(held.blocked));
        if self.next.take().is_some() {
            self.refuse(Refusal::Io(held.blocked));
        }
    }

    /// Counts a frame that never came to the endpoint's own counting.
    fn refuse(&mut self, refusal: Refusal) {
        self.queue.counters.add_refusal(refusal);
        self.refusal = Some(refusal);
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> Drop for Egress<'_, IO, Q, N> {
    fn drop(&mut self) {
        self.close_run();
        self.displace();
    }
}

/// Room for one frame to send. Dropping the token sends nothing.
pub struct TxToken<'t, 'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> {
    pub(super) egress: &'t mut Egress<'e, IO, Q, N>,
    pub(super) gso_size: Option<NonZeroU16>,
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> phy::TxToken for TxToken<'_, '_, IO, Q, N> {
    /// Lets `f` write a frame of `len` bytes and sends it.
    ///
    /// smoltcp never asks for more than the length that the device announces. If another caller asks for more than `N`, `f` gets
    /// all `N` bytes that there are, and what it wrote is refused.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.egress.fill_and_send(len, self.gso_size, f)
    }

    /// Takes the size of the segments that the frame is to be cut into.
    fn set_meta(&mut self, meta: phy::PacketMeta) {
        self.gso_size = meta.segmentation_offload_size;
    }
}

/// Writes the sum of the pseudo-header where the checksum is to be, and says what is left to do.
fn partial(frame: &mut [u8], network: usize, layers: &Layers, gso_size: Option<NonZeroU16>) -> Option<Offload> {
    let mut sum = Checksum::new();
    sum.add_pseudo_header(frame, layers, u32::try_from(frame.len() - layers.transport).ok()?);
    let offset = layers.protocol.checksum_offset();
    let field = frame.get_mut(layers.transport + usize::from(offset)..)?.first_chunk_mut()?;
    *field = sum.sum().to_be_bytes();
    let start = u16::try_from(layers.transport - network).ok()?;
    let gso = gso_size.map(|size| Gso { gso_type: GsoType::TcpV4, size: size.get(), ecn: false });
    Some(Offload { checksum: ChecksumState::Partial { start, offset }, gso })
}

/// How long to wait for the descriptor to take a frame before looking whether one has come.
const LONGEST_HOLD: Duration = Duration::from_millis(10);
