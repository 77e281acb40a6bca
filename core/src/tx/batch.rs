use heapless::Vec;

use crate::endpoint::{Queue, TxPolicy};
use crate::io::{ErrorKind, IoError as _, RawIo, TxFrame, TxQueue as _, Wake};
use crate::packet::{Packet, Refusal, TxStatus};

/// Most frames handed to a queue at a time. Above the origin's [`BATCH_SIZE`](crate::BATCH_SIZE), so that one TCP segment of 64 KiB and
/// some acknowledgements go together; small enough for the stack of a small system (about 3 KiB).
const MAX_FRAMES: usize = 64;

/// Frames of one queue, in order, and what became of each.
///
/// Outcomes are collected here and written into the packets afterwards, since the frames borrow the packets' link headers.
pub(crate) struct Batch<'p> {
    frames: Vec<TxFrame<'p>, MAX_FRAMES>,
    origins: Vec<Origin, MAX_FRAMES>,
    outcomes: Vec<TxStatus, MAX_FRAMES>,
}

/// Where a frame came from.
#[derive(Clone, Copy)]
struct Origin {
    packet: usize,
    len: u32,
}

impl<'p> Batch<'p> {
    /// Takes the pending packets of queue `index`, from packet number `start` on, until the batch is full.
    #[inline]
    pub(crate) fn gather(packets: &'p [Packet<'_>], start: usize, index: usize) -> Self {
        let mut batch = Self { frames: Vec::new(), origins: Vec::new(), outcomes: Vec::new() };
        for (at, packet) in packets.iter().enumerate().skip(start) {
            if packet.status() != TxStatus::Pending || usize::from(packet.queue) != index {
                continue;
            }
            let frame = TxFrame { header: packet.link_header(), parts: packet.parts() };
            if batch.frames.push(frame).is_err() {
                break;
            }
            let origin = Origin { packet: at, len: packet.len };
            // As long as `frames`, which just took one more.
            let _ = batch.origins.push(origin);
        }
        batch
    }

    /// The number of the packet behind the last one taken; `None` if none was.
    pub(crate) fn next_start(&self) -> Option<usize> {
        self.origins.last().map(|origin| origin.packet + 1)
    }

    /// Sends until every frame has an outcome or the queue takes no more; then says why.
    pub(crate) fn send<IO: RawIo>(
        &mut self,
        queue: &Queue<IO>,
        policy: TxPolicy,
        attempts: &mut u32,
    ) -> Option<ErrorKind> {
        while let Some(rest) = self.frames.get(self.outcomes.len()..).filter(|rest| !rest.is_empty()) {
            match queue.tx.send(rest) {
                Ok(sent) if sent > 0 => self.count_sent(queue, sent),
                Ok(_) => return Some(ErrorKind::WouldBlock),
                Err(error) => {
                    queue.counters.add_failed_send();
                    if let Some(blocked) = self.after_error(queue, error.kind(), policy, attempts) {
                        return Some(blocked);
                    }
                }
            }
        }
        None
    }

    /// What became of the frames that were tried, with the numbers of their packets.
    pub(crate) fn into_outcomes(self) -> impl Iterator<Item = (usize, TxStatus)> + use<> {
        let packets = self.origins.into_iter().map(|origin| origin.packet);
        packets.zip(self.outcomes)
    }

    fn count_sent<IO: RawIo>(&mut self, queue: &Queue<IO>, sent: usize) {
        let tried = self.outcomes.len();
        let frames = self.origins.iter().skip(tried).take(sent);
        let bytes = frames.fold(0, |sum, origin| sum + origin.len as usize);
        let calls = if queue.limits.frames_per_send == 1 { sent } else { 1 };
        queue.counters.add_sent(sent, bytes, calls);
        let _ = self.outcomes.resize(self.frames.len().min(tried + sent), TxStatus::Sent);
    }

    /// Decides about the frame that was refused. `None`: go on, with the next frame or with the same one.
    #[cold]
    fn after_error<IO: RawIo>(
        &mut self,
        queue: &Queue<IO>,
        kind: ErrorKind,
        policy: TxPolicy,
        attempts: &mut u32,
    ) -> Option<ErrorKind> {
        if kind.is_transient() {
            return match policy {
                TxPolicy::Return => Some(kind),
                TxPolicy::Drop => self.refuse(queue, kind),
                TxPolicy::Wait { attempts: most, timeout } => {
                    if *attempts >= most {
                        return Some(kind);
                    }
                    *attempts += 1;
                    queue.counters.add_wait();
                    match queue.tx.wait(kind, timeout) {
                        Ok(Wake::Ready | Wake::TimedOut) => None,
                        Ok(Wake::Stopped) => Some(kind),
                        Err(error) => self.give_up(queue, error.kind()),
                    }
                }
            };
        }
        if kind.is_frame_local() {
            return self.refuse(queue, kind);
        }
        self.give_up(queue, kind)
    }

    /// Refuses one frame; the next one is tried.
    fn refuse<IO: RawIo>(&mut self, queue: &Queue<IO>, kind: ErrorKind) -> Option<ErrorKind> {
        let refusal = Refusal::Io(kind);
        queue.counters.add_refusal(refusal);
        let _ = self.outcomes.push(TxStatus::Refused(refusal));
        None
    }

    /// Refuses one frame and leaves the others untried: the channel is gone.
    fn give_up<IO: RawIo>(&mut self, queue: &Queue<IO>, kind: ErrorKind) -> Option<ErrorKind> {
        self.refuse(queue, kind);
        if kind == ErrorKind::Closed {
            queue.set_hangup();
        }
        Some(kind)
    }
}
