use core::time::Duration;

use ::smoltcp::phy;

use crate::endpoint::{Endpoint, LinkEndpoint as _, Queue};
use crate::io::{ErrorKind, RawIo, TxQueue as _, Wake};
use crate::packet::{Packet, Refusal, TxStatus};

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
}

impl<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> Egress<'e, IO, Q, N> {
    pub(super) const fn new(endpoint: &'e Endpoint<IO, Q>, queue: &'e Queue<IO>, index: usize) -> Self {
        Self { endpoint, queue, refusal: None, hash: index as u32, buffer: [0; N], held: None }
    }

    /// True if the buffer is free now.
    pub(super) fn flush(&mut self) -> bool {
        if let Some(held) = self.held.take() {
            self.send(held.len);
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

    fn fill_and_send<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.displace();
        let (frame, _) = self.buffer.split_at_mut(len.min(N));
        let result = fill(frame);
        if len > N {
            self.refuse(Refusal::ExceedsMtu);
        } else {
            self.send(len);
        }
        result
    }

    /// `len` is at most `N`.
    fn send(&mut self, len: usize) {
        let parts = [self.buffer.split_at(len).0];
        let mut packets = [Packet::framed(&parts).with_hash(self.hash)];
        let written = self.endpoint.write_packets(&mut packets);
        let status = packets.map(|packet| packet.status());
        match (written, status) {
            (Ok(_), [TxStatus::Sent]) => {}
            // The endpoint has counted it.
            (Ok(_), [TxStatus::Refused(refusal)]) => self.refusal = Some(refusal),
            (Ok(written), [TxStatus::Pending]) => {
                self.held = Some(Held { len, blocked: written.blocked.unwrap_or(ErrorKind::WouldBlock) });
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
pub struct TxToken<'t, 'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize>(pub(super) &'t mut Egress<'e, IO, Q, N>);

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> phy::TxToken for TxToken<'_, '_, IO, Q, N> {
    /// Lets `f` write a frame of `len` bytes and sends it.
    ///
    /// smoltcp never asks for more than the length that the device announces. If another caller asks for more than `N`, `f` gets
    /// all `N` bytes that there are, and what it wrote is refused.
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.fill_and_send(len, f)
    }
}

/// How long to wait for the descriptor to take a frame before looking whether one has come.
const LONGEST_HOLD: Duration = Duration::from_millis(10);
