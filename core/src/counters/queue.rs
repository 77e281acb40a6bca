use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{Counters, DropCause, RefusalCause, RxCounters, TxCounters};
use crate::packet::Refusal;

/// The living counters of one queue.
///
/// Receive counters have one writer, the receiver of the queue, so a plain load and store is enough; transmit counters have
/// several.
#[derive(Debug, Default)]
pub(crate) struct QueueCounters {
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
        Counters {
            rx: RxCounters {
                received: self.received.load(Relaxed),
                received_bytes: self.received_bytes.load(Relaxed),
                delivered: self.delivered.load(Relaxed),
                merged: self.merged.load(Relaxed),
                split: self.split.load(Relaxed),
                drops: self.drops.each_ref().map(|c| c.load(Relaxed)),
                truncated_bytes: self.truncated_bytes.load(Relaxed),
                calls: self.rx_calls.load(Relaxed),
                errors: self.errors.load(Relaxed),
            },
            tx: TxCounters {
                sent: self.sent.load(Relaxed),
                sent_bytes: self.sent_bytes.load(Relaxed),
                merged: self.tx_merged.load(Relaxed),
                refusals: self.refusals.each_ref().map(|c| c.load(Relaxed)),
                calls: self.tx_calls.load(Relaxed),
                waits: self.waits.load(Relaxed),
            },
        }
    }
}

fn add_alone(counter: &AtomicUsize, n: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}
