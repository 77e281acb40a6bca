use core::ops::ControlFlow;

use heapless::Vec;

use super::batch::Due;
use super::offloaded::{Offloaded, Terms};
use super::sender::Sender;
use crate::endpoint::{Queue, Shared};
use crate::error::WriteError;
use crate::io::{ErrorKind, Offloads, RawIo};
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
    /// Offloads that a queue turned out not to do: the frames that asked for them were sent in software, and so will be all later ones
    /// ([`Queue::offloads`]).
    pub offloads_lost: Offloads,
}

impl Written {
    /// Adds what a batch did; breaks where its queue takes no more.
    fn add(&mut self, batch: Self) -> ControlFlow<()> {
        self.sent += batch.sent;
        self.refused += batch.refused;
        self.pending -= batch.sent + batch.refused;
        self.blocked = batch.blocked.or(self.blocked);
        if batch.blocked.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl core::ops::Add for Written {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            refused: self.refused + other.refused,
            pending: self.pending + other.pending,
            blocked: other.blocked.or(self.blocked),
            offloads_lost: self.offloads_lost | other.offloads_lost,
        }
    }
}

pub(crate) fn write_packets<IO: RawIo>(
    shared: &Shared,
    queues: &[Queue<IO>],
    packets: &mut [Packet<'_>],
) -> Result<Written, WriteError> {
    shared.check_writable()?;
    let (mut written, is_plain) = prepare(shared, queues, packets);
    let mut sender = Sender::new(shared.config.options.tx_policy);
    for (index, queue) in queues.iter().enumerate() {
        let due = Due::new(packets, index as u16);
        match queue.limits.vnet_header_len {
            _ if written.pending == 0 => break,
            0 if is_plain => write_queue(queue, due, &mut sender, &mut written),
            vnet_header_len => write_offloaded(queue, &due, terms(shared, vnet_header_len), &mut sender, &mut written),
        }
    }
    Ok(written)
}

/// Most frames handed to a queue at a time. Above the origin's [`BATCH_SIZE`](crate::BATCH_SIZE), so that one TCP segment of 64 KiB and
/// some acknowledgements go together; small enough for the stack of a small system (2 KiB).
const MAX_FRAMES: usize = 64;

/// Refuses what is unfit; gives the others a queue, a length and a link header. Says also whether nothing is left to do to any.
fn prepare<IO: RawIo>(shared: &Shared, queues: &[Queue<IO>], packets: &mut [Packet<'_>]) -> (Written, bool) {
    let mut written = Written::default();
    let mut is_plain = true;
    let mtu = shared.mtu() as usize;
    let gso_max_size = shared.config.gso_max_size() as usize;
    let header = shared.header();
    for packet in packets.iter_mut().filter(|packet| packet.is_pending()) {
        packet.queue = queue_of(packet.hash(), queues.len());
        let len = packet.parts_len();
        let header_given = if packet.is_framed() { header.len() } else { 0 };
        is_plain &= packet.offload().is_none();
        let refusal = match packet.offload().gso {
            None => unfit(len, header_given, mtu),
            Some(_) => unfit_for_gso(len, header_given, gso_max_size),
        };
        if let Some(refusal) = refusal {
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
    (written, is_plain)
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

fn unfit_for_gso(len: usize, header_given: usize, gso_max_size: usize) -> Option<Refusal> {
    match unfit(len, header_given, gso_max_size) {
        Some(Refusal::ExceedsMtu) if gso_max_size == 0 => Some(Refusal::NoGso),
        Some(Refusal::ExceedsMtu) => Some(Refusal::ExceedsGsoMaxSize),
        refusal => refusal,
    }
}

/// Sends what belongs to one queue, in order, until it takes no more.
fn write_queue<IO: RawIo>(queue: &Queue<IO>, mut due: Due<'_, '_>, sender: &mut Sender, written: &mut Written) {
    let mut frames = Vec::<_, MAX_FRAMES>::new();
    loop {
        due.peek(&mut frames);
        if frames.is_empty() || written.add(sender.send(queue, &frames, &mut due)).is_break() {
            return;
        }
    }
}

/// The same where frames have a virtio-net header, or something is left to do to a packet.
#[inline(never)]
fn write_offloaded<IO: RawIo>(
    queue: &Queue<IO>,
    due: &Due<'_, '_>,
    terms: Terms,
    sender: &mut Sender,
    written: &mut Written,
) {
    let mut batch = Offloaded::new(terms);
    loop {
        let refused = batch.fill(queue, due);
        written.refused += refused;
        written.pending -= refused;
        if batch.is_empty() {
            return;
        }
        let sent = batch.with_frames(&queue.doubts, |frames, progress| sender.send(queue, frames, progress));
        written.offloads_lost |= queue.lose(batch.lost);
        if written.add(sent).is_break() {
            return;
        }
    }
}

fn terms(shared: &Shared, vnet_header_len: usize) -> Terms {
    Terms {
        vnet_header_len,
        granted: Offloads::empty(),
        gso: shared.config.options.gso,
        coalesce: shared.config.options.tx_coalesce && vnet_header_len > 0,
        network: shared.config.header_len(),
        mtu: shared.mtu() as usize,
    }
}
