use crate::counters::{DropCause, QueueCounters, RxCounters};
use crate::io::RxFrame;

/// Counts of one batch, published when it goes out of scope: also when a dispatcher panics.
pub(crate) struct Tally<'c> {
    pub(crate) rx: RxCounters,
    counters: &'c QueueCounters,
}

impl<'c> Tally<'c> {
    pub(crate) fn new(counters: &'c QueueCounters) -> Self {
        Self { rx: RxCounters::default(), counters }
    }

    #[inline]
    pub(crate) fn delivered(&mut self, len: usize) {
        self.rx.count_delivered(len);
    }

    /// A packet made of `frames`. Their bytes were counted when they came.
    #[inline]
    pub(crate) fn delivered_from(&mut self, frames: usize) {
        self.rx.received += frames;
        self.rx.delivered += 1;
        self.rx.merged += frames - 1;
    }

    #[cold]
    pub(crate) fn dropped(&mut self, frame: &RxFrame<'_>, cause: DropCause) {
        self.rx.count_received(frame.bytes.len());
        if cause == DropCause::Truncated {
            self.rx.truncated_bytes += frame.meta.len;
        }
        if let Some(drops) = self.rx.drops.get_mut(cause as usize) {
            *drops += 1;
        }
    }

    pub(crate) fn lost(&mut self, frames: usize) {
        self.rx.received += frames;
        if let Some(drops) = self.rx.drops.get_mut(DropCause::Kernel as usize) {
            *drops += frames;
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.counters.add_rx(&self.rx);
    }
}
