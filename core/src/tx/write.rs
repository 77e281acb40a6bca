use super::Batch;
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
    let mut written = Written::default();
    prepare(shared, queues, packets, &mut written);
    let mut attempts = 0;
    for (index, queue) in queues.iter().enumerate() {
        write_queue(shared, queue, index, packets, &mut attempts, &mut written);
    }
    Ok(written)
}

/// Refuses what is unfit; gives the others a queue, a length and a link header.
fn prepare<IO: RawIo>(shared: &Shared, queues: &[Queue<IO>], packets: &mut [Packet<'_>], written: &mut Written) {
    let mtu = shared.mtu() as usize;
    let ethernet = shared.config.header_len();
    for packet in packets.iter_mut().filter(|p| p.status() == TxStatus::Pending) {
        packet.queue = queue_of(packet.hash(), queues.len());
        let len = packet.parts().iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        let header_given = if packet.is_framed() { ethernet } else { 0 };
        if let Some(refusal) = unfit(len, header_given, mtu) {
            packet.set_status(TxStatus::Refused(refusal));
            written.refused += 1;
            if let Some(queue) = queues.get(usize::from(packet.queue)) {
                queue.counters.add_refusal(refusal);
            }
            continue;
        }
        if packet.needs_header() {
            shared.add_header(packet);
        }
        packet.len = (len + packet.link_header().len()) as u32;
        written.pending += 1;
    }
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
fn write_queue<IO: RawIo>(
    shared: &Shared,
    queue: &Queue<IO>,
    index: usize,
    packets: &mut [Packet<'_>],
    attempts: &mut u32,
    written: &mut Written,
) {
    let mut start = 0;
    while written.pending > 0 {
        let mut batch = Batch::gather(packets, start, index);
        let Some(next) = batch.next_start() else { return };
        let blocked = batch.send(queue, shared.config.options.tx_policy, attempts);
        let outcomes = batch.into_outcomes();
        for (at, status) in outcomes {
            let Some(packet) = packets.get_mut(at) else { continue };
            packet.set_status(status);
            match status {
                TxStatus::Sent => written.sent += 1,
                TxStatus::Refused(_) => written.refused += 1,
                TxStatus::Pending => continue,
            }
            written.pending -= 1;
        }
        if blocked.is_some() {
            written.blocked = blocked;
            return;
        }
        start = next;
    }
}
