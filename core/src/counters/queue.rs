use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicUsize, fence};

use super::{Counters, DropCause, RefusalCause, RxCounters, TxCounters};
use crate::packet::Refusal;

/// The living counters of one queue.
///
/// Receive counters have one writer, the receiver of the queue, so a plain load and store is enough; transmit counters have
/// several. A batch is added to all receive counters or to none, as readers see it: they look again where the generation changed (a sequence lock).
#[derive(Debug, Default)]
pub(crate) struct QueueCounters {
    /// Odd while a batch is being added.
    generation: AtomicUsize,
    received: AtomicUsize,
    received_bytes: AtomicUsize,
    delivered: AtomicUsize,
    merged: AtomicUsize,
    split: AtomicUsize,
    drops: [AtomicUsize; DropCause::ALL.len()],
    truncated_bytes: AtomicUsize,
    rx_calls: AtomicUsize,
    errors: AtomicUsize,
    sent: AtomicUsize,
    sent_bytes: AtomicUsize,
    tx_merged: AtomicUsize,
    refusals: [AtomicUsize; RefusalCause::ALL.len()],
    tx_calls: AtomicUsize,
    waits: AtomicUsize,
}

impl QueueCounters {
    pub(crate) fn add_rx(&self, rx: &RxCounters) {
        let generation = self.generation.load(Relaxed);
        self.generation.store(generation.wrapping_add(1), Relaxed);
        fence(Release);
        add_alone(&self.received, rx.received);
        add_alone(&self.received_bytes, rx.received_bytes);
        add_alone(&self.delivered, rx.delivered);
        add_alone(&self.rx_calls, rx.calls);
        add_alone(&self.errors, rx.errors);
        if rx.delivered != rx.received || rx.split > 0 {
            add_alone(&self.merged, rx.merged);
            add_alone(&self.split, rx.split);
            add_alone(&self.truncated_bytes, rx.truncated_bytes);
            for (counter, n) in self.drops.iter().zip(rx.drops) {
                add_alone(counter, n);
            }
        }
        self.generation.store(generation.wrapping_add(2), Release);
    }

    /// Calls that brought nothing.
    pub(crate) fn add_rx_calls(&self, calls: usize) {
        if calls > 0 {
            self.add_rx(&RxCounters { calls, ..RxCounters::default() });
        }
    }

    pub(crate) fn add_sent(&self, frames: usize, bytes: usize, merged: usize, calls: usize) {
        self.sent.fetch_add(frames, Relaxed);
        self.sent_bytes.fetch_add(bytes, Relaxed);
        self.tx_calls.fetch_add(calls, Relaxed);
        if merged > 0 {
            self.tx_merged.fetch_add(merged, Relaxed);
        }
    }

    pub(crate) fn add_refusal(&self, refusal: Refusal) {
        self.add_refusals(refusal, 1);
    }

    pub(crate) fn add_refusals(&self, refusal: Refusal, packets: usize) {
        if let Some(counter) = self.refusals.get(RefusalCause::from(refusal) as usize) {
            counter.fetch_add(packets, Relaxed);
        }
    }

    pub(crate) fn add_failed_send(&self) {
        self.tx_calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_wait(&self) {
        self.waits.fetch_add(1, Relaxed);
    }

    /// Counts on from `counters`.
    pub(crate) fn set(&self, counters: &Counters) {
        let Counters { rx, tx } = counters;
        self.received.store(rx.received, Relaxed);
        self.received_bytes.store(rx.received_bytes, Relaxed);
        self.delivered.store(rx.delivered, Relaxed);
        self.merged.store(rx.merged, Relaxed);
        self.split.store(rx.split, Relaxed);
        self.drops.iter().zip(rx.drops).for_each(|(counter, n)| counter.store(n, Relaxed));
        self.truncated_bytes.store(rx.truncated_bytes, Relaxed);
        self.rx_calls.store(rx.calls, Relaxed);
        self.errors.store(rx.errors, Relaxed);
        self.sent.store(tx.sent, Relaxed);
        self.sent_bytes.store(tx.sent_bytes, Relaxed);
        self.tx_merged.store(tx.merged, Relaxed);
        self.refusals.iter().zip(tx.refusals).for_each(|(counter, n)| counter.store(n, Relaxed));
        self.tx_calls.store(tx.calls, Relaxed);
        self.waits.store(tx.waits, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Counters {
        Counters { rx: self.whole_rx(), tx: self.tx() }
    }

    /// Between two batches. A batch is added within a few dozen instructions, so that this waits as long as for a lock.
    fn whole_rx(&self) -> RxCounters {
        loop {
            let generation = self.generation.load(Acquire);
            let rx = self.rx();
            fence(Acquire);
            if generation.is_multiple_of(2) && self.generation.load(Relaxed) == generation {
                return rx;
            }
            spin_loop();
        }
    }

    fn rx(&self) -> RxCounters {
        RxCounters {
            received: self.received.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            delivered: self.delivered.load(Relaxed),
            merged: self.merged.load(Relaxed),
            split: self.split.load(Relaxed),
            drops: self.drops.each_ref().map(|c| c.load(Relaxed)),
            truncated_bytes: self.truncated_bytes.load(Relaxed),
            calls: self.rx_calls.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }

    fn tx(&self) -> TxCounters {
        TxCounters {
            sent: self.sent.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            merged: self.tx_merged.load(Relaxed),
            refusals: self.refusals.each_ref().map(|c| c.load(Relaxed)),
            calls: self.tx_calls.load(Relaxed),
            waits: self.waits.load(Relaxed),
        }
    }
}

fn add_alone(counter: &AtomicUsize, n: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    /// So that the sum holds whenever somebody looks.
    #[test]
    fn a_batch_is_counted_whole_or_not_at_all() {
        let counters = QueueCounters::default();
        let mut drops = [0; DropCause::ALL.len()];
        drops[DropCause::Runt as usize] = 2;
        let batch = RxCounters { received: 7, delivered: 4, merged: 1, drops, calls: 1, ..RxCounters::default() };
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    counters.add_rx(&batch);
                    // There is more between two batches than that.
                    (0..100).for_each(|_| spin_loop());
                }
            });
            let bad =
                (0..LOOKS).map(|_| counters.snapshot().rx).find(|rx| !rx.is_balanced() || rx.received != 7 * rx.calls);
            done.store(true, Relaxed);
            assert_eq!(bad, None);
        });
    }

    const LOOKS: usize = 20_000;
}
