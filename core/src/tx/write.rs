use heapless::Vec;

use super::batch::Due;
use super::sender::Sender;
use crate::endpoint::{Queue, Shared};
use crate::error::WriteError;
use crate::io::{ErrorKind, RawIo};
use crate::packet::{Packet, Refusal, TxStatus};

/// What one call to write packets did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "packets may be pending or refused"]
pub struct Written {
    /// Packets that this call sent.
    pub sent: usize,
    /// Packets that this call refused; each says why.
    pub refused: usize,
    /// Packets that are still to be tried.
    pub pending: usize,
    /// Why packets are pending: what the last queue that took no more had said.
    pub blocked: Option<ErrorKind>,
}

impl core::ops::Add for Written {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            refused: self.refused + other.refused,
            pending: self.pending + other.pending,
            blocked: other.blocked.or(self.blocked),
        }
    }
}

pub(crate) fn write_packets<IO: RawIo>(
    shared: &Shared,
    queues: &[Queue<IO>],
    packets: &mut [Packet<'_>],
) -> Result<Written, WriteError> {
    shared.check_writable()?;
    let mut written = prepare(shared, queues, packets);
    let mut sender = Sender::new(shared.config.options.tx_policy);
    for (index, queue) in queues.iter().enumerate() {
        if written.pending > 0 {
            write_queue(queue, Due::new(packets, index as u16), &mut sender, &mut written);
        }
    }
    Ok(written)
}

/// Most frames handed to a queue at a time. Above the origin's [`BATCH_SIZE`](crate::BATCH_SIZE), so that one TCP segment of 64 KiB and
/// some acknowledgements go together; small enough for the stack of a small system (2 KiB).
const MAX_FRAMES: usize = 64;

/// Refuses what is unfit; gives the others a queue, a length and a link header.
fn prepare<IO: RawIo>(shared: &Shared, queues: &[Queue<IO>], packets: &mut [Packet<'_>]) -> Written {
    let mut written = Written::default();
    let mtu = shared.mtu() as usize;
    let header = shared.header();
    for packet in packets.iter_mut().filter(|packet| packet.is_pending()) {
        packet.queue = queue_of(packet.hash(), queues.len());
        let len = packet.parts_len();
        let header_given = if packet.is_framed() { header.len() } else { 0 };
        if let Some(refusal) = unfit(len, header_given, mtu) {
            packet.set_status(TxStatus::Refused(refusal));
            written.refused += 1;
            if let Some(queue) = queues.get(usize::from(packet.queue)) {
                queue.counters.add_refusal(refusal);
            }
            continue;
        }
        if packet.needs_header() {
            header.add_to(packet);
        }
        packet.len = (len + packet.link_header().len()) as u32;
        written.pending += 1;
    }
    written
}

/// The origin's `Hash % len(fds)`. Queues are at most 65,536, so the remainder fits.
fn queue_of(hash: u32, queues: usize) -> u16 {
    if queues == 1 { 0 } else { (hash as usize % queues) as u16 }
}

const fn unfit(len: usize, header_given: usize, mtu: usize) -> Option<Refusal> {
    match len {
        0 => Some(Refusal::Empty),
        _ if len < header_given => Some(Refusal::Runt),
        _ if len - header_given > mtu => Some(Refusal::ExceedsMtu),
        _ => None,
    }
}

/// Sends what belongs to one queue, in order, until it takes no more.
fn write_queue<IO: RawIo>(queue: &Queue<IO>, mut due: Due<'_, '_>, sender: &mut Sender, written: &mut Written) {
    let mut frames = Vec::<_, MAX_FRAMES>::new();
    loop {
        due.peek(&mut frames);
        if frames.is_empty() {
            return;
        }
        let sent = sender.send(queue, &frames, &mut due);
        written.sent += sent.sent;
        written.refused += sent.refused;
        written.pending -= sent.sent + sent.refused;
        if sent.blocked.is_some() {
            written.blocked = sent.blocked;
            return;
        }
    }
}
