use super::Written;
use super::batch::{Account, GivenUp};
use crate::endpoint::{Queue, TxPolicy};
use crate::io::{ErrorKind, IoError as _, RawIo, TxFrame, TxQueue as _, Wake};
use crate::packet::Refusal;

/// Sends batches by a policy; the waits of one call to write packets are counted together.
pub(super) struct Sender {
    policy: TxPolicy,
    waits: u32,
}

/// What to do after an error: neither is to try the same frame again.
#[derive(Default)]
struct Verdict {
    /// Give the frame up, for this reason.
    refuse: Option<ErrorKind>,
    /// Take no more to this queue, for this reason.
    block: Option<ErrorKind>,
}

impl Verdict {
    fn refuse(kind: ErrorKind) -> Self {
        Self { refuse: Some(kind), block: None }
    }

    fn block(kind: ErrorKind) -> Self {
        Self { refuse: None, block: Some(kind) }
    }
}

impl Sender {
    pub(super) const fn new(policy: TxPolicy) -> Self {
        Self { policy, waits: 0 }
    }

    /// Sends until every frame was sent or refused, or the queue takes no more and says why, or frames are to be made anew.
    pub(super) fn send<IO: RawIo>(
        &mut self,
        queue: &Queue<IO>,
        mut frames: &[TxFrame<'_>],
        account: &mut impl Account,
    ) -> Written {
        let mut written = Written::default();
        while !frames.is_empty() && written.blocked.is_none() {
            let done = match queue.tx.send(frames) {
                // Rule T1 forbids it; without progress there is nothing but to come back later.
                Ok(0) => {
                    written.blocked = Some(ErrorKind::WouldBlock);
                    0
                }
                Ok(sent) => {
                    written.sent += count_sent(queue, account, sent);
                    sent
                }
                Err(error) if account.falls_back(error.kind()) => {
                    queue.counters.add_failed_send();
                    return written;
                }
                Err(error) => {
                    let verdict = self.after_error(queue, error.kind());
                    written.blocked = verdict.block;
                    verdict.refuse.map_or(0, |kind| {
                        let GivenUp { frames, packets } = refuse(queue, account, kind);
                        written.refused += packets;
                        frames
                    })
                }
            };
            frames = frames.get(done..).unwrap_or_default();
        }
        written
    }

    #[cold]
    fn after_error<IO: RawIo>(&mut self, queue: &Queue<IO>, kind: ErrorKind) -> Verdict {
        queue.counters.add_failed_send();
        if kind.is_frame_local() {
            return Verdict::refuse(kind);
        }
        if kind.is_transient() {
            return self.after_transient(queue, kind);
        }
        after_final(queue, kind)
    }

    fn after_transient<IO: RawIo>(&mut self, queue: &Queue<IO>, kind: ErrorKind) -> Verdict {
        match self.policy {
            TxPolicy::Return => Verdict::block(kind),
            TxPolicy::Drop => Verdict::refuse(kind),
            TxPolicy::Wait { attempts, .. } if self.waits >= attempts => Verdict::block(kind),
            TxPolicy::Wait { timeout, .. } => {
                self.waits += 1;
                queue.counters.add_wait();
                match queue.tx.wait(kind, timeout) {
                    Ok(Wake::Ready | Wake::TimedOut) => Verdict::default(),
                    Ok(Wake::Stopped) => Verdict::block(kind),
                    Err(error) => after_final(queue, error.kind()),
                }
            }
        }
    }
}

/// The channel is gone: one frame is refused, the others stay untried.
fn after_final<IO: RawIo>(queue: &Queue<IO>, kind: ErrorKind) -> Verdict {
    if kind == ErrorKind::Closed {
        queue.set_hangup();
    }
    Verdict { refuse: Some(kind), block: Some(kind) }
}

/// Returns how many packets were sent.
#[inline]
fn count_sent<IO: RawIo>(queue: &Queue<IO>, account: &mut impl Account, frames: usize) -> usize {
    let sent = account.sent(frames);
    let calls = if queue.limits.frames_per_send == 1 { frames } else { 1 };
    queue.counters.add_sent(frames, sent.bytes, sent.merged, calls);
    sent.packets
}

fn refuse<IO: RawIo>(queue: &Queue<IO>, account: &mut impl Account, kind: ErrorKind) -> GivenUp {
    let refusal = Refusal::Io(kind);
    let given_up = account.refused(refusal);
    queue.counters.add_refusals(refusal, given_up.packets);
    given_up
}
