use super::Written;
use super::batch::Batch;
use crate::endpoint::{Queue, TxPolicy};
use crate::io::{ErrorKind, IoError as _, RawIo, TxQueue as _, Wake};
use crate::packet::{Refusal, TxStatus};

/// Sends batches by a policy; the waits of one call to write packets are counted together.
pub(super) struct Sender {
    policy: TxPolicy,
    waits: u32,
}

/// What to do after an error.
enum Next {
    Retry,
    Refuse,
    Block,
    RefuseAndBlock,
}

impl Sender {
    pub(super) const fn new(policy: TxPolicy) -> Self {
        Self { policy, waits: 0 }
    }

    /// Sends until every frame was sent or refused, or the queue takes no more; then says why.
    pub(super) fn send<IO: RawIo, const N: usize>(&mut self, queue: &Queue<IO>, batch: &Batch<'_, '_, N>) -> Written {
        let mut written = Written::default();
        let mut done = 0;
        while let Some(rest) = batch.rest(done) {
            match queue.tx.send(rest) {
                Ok(sent) if sent > 0 => {
                    count_sent(queue, batch, done, sent);
                    written.sent += sent;
                    done += sent;
                }
                // Rule T1 forbids it; without progress there is nothing but to come back later.
                Ok(_) => {
                    written.blocked = Some(ErrorKind::WouldBlock);
                    break;
                }
                Err(error) => {
                    queue.counters.add_failed_send();
                    let kind = error.kind();
                    let next = self.after_error(queue, kind);
                    if matches!(next, Next::Refuse | Next::RefuseAndBlock) {
                        refuse(queue, batch, done, kind);
                        written.refused += 1;
                        done += 1;
                    }
                    if matches!(next, Next::Block | Next::RefuseAndBlock) {
                        written.blocked = Some(kind);
                        break;
                    }
                }
            }
        }
        written
    }

    #[cold]
    fn after_error<IO: RawIo>(&mut self, queue: &Queue<IO>, kind: ErrorKind) -> Next {
        if kind.is_frame_local() {
            return Next::Refuse;
        }
        if kind.is_transient() {
            return self.after_transient(queue, kind);
        }
        after_final(queue, kind)
    }

    fn after_transient<IO: RawIo>(&mut self, queue: &Queue<IO>, kind: ErrorKind) -> Next {
        match self.policy {
            TxPolicy::Return => Next::Block,
            TxPolicy::Drop => Next::Refuse,
            TxPolicy::Wait { attempts, .. } if self.waits >= attempts => Next::Block,
            TxPolicy::Wait { timeout, .. } => {
                self.waits += 1;
                queue.counters.add_wait();
                match queue.tx.wait(kind, timeout) {
                    Ok(Wake::Ready | Wake::TimedOut) => Next::Retry,
                    Ok(Wake::Stopped) => Next::Block,
                    Err(error) => after_final(queue, error.kind()),
                }
            }
        }
    }
}

/// The channel is gone: one frame is refused, the others stay untried.
fn after_final<IO: RawIo>(queue: &Queue<IO>, kind: ErrorKind) -> Next {
    if kind == ErrorKind::Closed {
        queue.set_hangup();
    }
    Next::RefuseAndBlock
}

fn count_sent<IO: RawIo, const N: usize>(queue: &Queue<IO>, batch: &Batch<'_, '_, N>, start: usize, sent: usize) {
    let bytes = batch.mark(start, sent, TxStatus::Sent);
    let calls = if queue.limits.frames_per_send == 1 { sent } else { 1 };
    queue.counters.add_sent(sent, bytes, calls);
}

fn refuse<IO: RawIo, const N: usize>(queue: &Queue<IO>, batch: &Batch<'_, '_, N>, at: usize, kind: ErrorKind) {
    let refusal = Refusal::Io(kind);
    queue.counters.add_refusal(refusal);
    batch.mark(at, 1, TxStatus::Refused(refusal));
}
