use core::num::NonZeroU16;
use core::time::Duration;

use ::smoltcp::phy;

use crate::endpoint::{Capabilities, Endpoint, LinkEndpoint as _, Queue};
use crate::io::{ErrorKind, RawIo, TxQueue as _, Wake};
use crate::offload::{ChecksumState, Gso, GsoType, Offload};
use crate::packet::{Packet, Refusal, TxProgress, TxStatus};
use crate::wire::{Checksum, Layers};

/// The transmit half of a device: one buffer, free or holding a frame back.
pub(super) struct Egress<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> {
    pub(super) endpoint: &'e Endpoint<IO, Q>,
    pub(super) queue: &'e Queue<IO>,
    pub(super) refusal: Option<Refusal>,
    /// The number of the queue, which as a flow hash picks that queue.
    hash: u32,
    buffer: [u8; N],
    held: Option<Held>,
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
        Self { endpoint, queue, refusal: None, hash: index as u32, buffer: [0; N], held: None }
    }

    /// True if the buffer is free now.
    pub(super) fn flush(&mut self) -> bool {
        if let Some(held) = self.held.take() {
            self.send(held.len, held.offload, held.progress);
        }
        self.held.is_none()
    }

    /// A final error is left to the next flush, which meets it again and gives the frame up.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Wake {
        let Some(held) = self.held else { return Wake::Ready };
        self.queue.counters.add_wait();
        let timeout = timeout.map_or(LONGEST_HOLD, |timeout| timeout.min(LONGEST_HOLD));
        self.queue.tx.wait(held.blocked, timeout).unwrap_or(Wake::Ready)
    }

    fn fill_and_send<R>(&mut self, len: usize, gso_size: Option<NonZeroU16>, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.displace();
        let (frame, _) = self.buffer.split_at_mut(len.min(N));
        let result = fill(frame);
        if len > N {
            self.refuse(Refusal::ExceedsMtu);
        } else {
            let offload = self.leave_checksum(len, gso_size);
            self.send(len, offload, TxProgress::default());
        }
        result
    }

    /// smoltcp leaves the checksum field alone; a partial one holds the sum of the pseudo-header.
    fn leave_checksum(&mut self, len: usize, gso_size: Option<NonZeroU16>) -> Offload {
        if !self.endpoint.capabilities().contains(Capabilities::TX_CHECKSUM_OFFLOAD) {
            return Offload::NONE;
        }
        let (frame, _) = self.buffer.split_at_mut(len);
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

    /// Gives up the frame that is held back, if there is one.
    fn displace(&mut self) {
        if let Some(held) = self.held.take() {
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
