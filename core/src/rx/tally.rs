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
    pub(crate) const fn delivered(&mut self, frames: usize, bytes: usize) {
        self.rx.count_delivered(frames, bytes);
    }

    /// A packet made of `frames`. Their bytes were counted when they came.
    #[inline]
    pub(crate) fn delivered_from(&mut self, frames: usize) {
        self.rx.received += frames;
        self.rx.delivered += 1;
        self.rx.merged += frames - 1;
    }

    /// A packet of a super-frame that was split, the one with this index. Its bytes were counted when it came.
    #[inline]
    pub(crate) fn delivered_segment(&mut self, index: usize) {
        self.rx.delivered += 1;
        match index {
            0 => self.rx.received += 1,
            _ => self.rx.split += 1,
        }
    }

    #[cold]
    pub(crate) fn dropped(&mut self, frame: &RxFrame<'_>, cause: DropCause) {
        self.rx.received_bytes += frame.bytes.len();
        if cause == DropCause::Truncated {
            self.rx.truncated_bytes += frame.meta.len;
        }
        self.discarded(cause);
    }

    /// A packet that is dropped after all. Its bytes were counted when it came.
    #[cold]
    pub(crate) fn discarded(&mut self, cause: DropCause) {
        self.count_drops(cause, 1);
    }

    pub(crate) fn lost(&mut self, frames: usize) {
        self.count_drops(DropCause::Kernel, frames);
    }

    fn count_drops(&mut self, cause: DropCause, frames: usize) {
        self.rx.received += frames;
        if let Some(drops) = self.rx.drops.get_mut(cause as usize) {
            *drops += frames;
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.counters.add_rx(&self.rx);
    }
}
