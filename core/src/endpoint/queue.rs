use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use spin::Mutex;

use super::snapshot::QueueSnapshot;
use crate::counters::{Counters, QueueCounters};
use crate::io::{Channel, Limits, Offloads, RawIo, RxFilter, Stop as _, TxQueue as _};
use crate::tx::Doubts;

/// One channel of an endpoint, with its counters.
// Queues lie in a row, and each has a thread that counts: they share no pair of cache lines, which many processors fetch together.
#[repr(align(128))]
pub struct Queue<IO: RawIo> {
    pub(crate) tx: IO::Tx,
    pub(crate) limits: Limits,
    pub(crate) counters: QueueCounters,
    /// Refusals that are no proof by themselves.
    pub(crate) doubts: Doubts,
    stop: IO::Stop,
    /// Offloads that were granted and turned out not to be done.
    lost: AtomicU32,
    /// Here while no receiver is out.
    rx: Mutex<Option<IO::Rx>>,
    /// The system leaves out what the endpoint does not take.
    filtered_below: AtomicBool,
    /// The receiver told that the link is down, and not yet that it is up: whoever follows it is to say so.
    link_down: AtomicBool,
    /// Sending found the peer gone; the receiver reports it once the queue is empty.
    hangup: AtomicBool,
    /// The end was reported.
    ended: AtomicBool,
}

impl<IO: RawIo> Queue<IO> {
    /// Takes a channel apart for an endpoint.
    pub fn new(io: IO) -> Self {
        let limits = io.limits();
        let Channel { rx, tx, stop } = io.split();
        Self {
            tx,
            limits,
            counters: QueueCounters::default(),
            doubts: Doubts::default(),
            stop,
            lost: AtomicU32::new(0),
            rx: Mutex::new(Some(rx)),
            filtered_below: AtomicBool::new(false),
            link_down: AtomicBool::new(false),
            hangup: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// What passed through this queue so far. Received frames are counted batch by batch, all of a batch at once; exact while nothing moves.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.snapshot()
    }

    /// What the channel carries at most.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// What the channel does for frames now: what was granted at the start, less what was lost since (rule L1).
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        self.limits.offloads - Offloads::from_bits_truncate(self.lost.load(Ordering::Relaxed))
    }

    /// Returns those that were there until now.
    pub(crate) fn lose(&self, offloads: Offloads) -> Offloads {
        if offloads.is_empty() {
            return offloads;
        }
        let before = Offloads::from_bits_truncate(self.lost.fetch_or(offloads.bits(), Ordering::Relaxed));
        self.limits.offloads & (offloads - before)
    }

    /// True if the system leaves out frames that the endpoint does not take, uncounted; false where the endpoint drops and counts them itself,
    /// because the channel cannot filter, was not asked to, or the system refused the last filter.
    #[must_use]
    pub fn is_filtered_below(&self) -> bool {
        self.filtered_below.load(Ordering::Relaxed)
    }

    pub(crate) fn set_rx_filter(&self, filter: &RxFilter) -> Result<(), IO::Error> {
        self.filtered_below.store(self.tx.set_rx_filter(filter)?, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn save(&self) -> QueueSnapshot {
        QueueSnapshot {
            counters: self.counters(),
            offloads_lost: Offloads::from_bits_truncate(self.lost.load(Ordering::Relaxed)),
            link_down: self.is_link_down(),
        }
    }

    /// Goes on from `saved`, before anything has passed.
    pub(super) fn restore(&self, saved: &QueueSnapshot) {
        self.counters.set(&saved.counters);
        self.lost.store(saved.offloads_lost.bits(), Ordering::Relaxed);
        self.set_link_down(saved.link_down);
    }

    pub(crate) fn take_rx(&self) -> Option<IO::Rx> {
        self.rx.lock().take()
    }

    pub(crate) fn give_back(&self, rx: IO::Rx) {
        *self.rx.lock() = Some(rx);
    }

    pub(crate) fn stop(&self) {
        self.stop.stop();
    }

    /// Makes the queue as good as new for the next attachment.
    pub(crate) fn rearm(&self) {
        self.stop.rearm();
        self.link_down.store(false, Ordering::Relaxed);
        self.hangup.store(false, Ordering::Relaxed);
        self.ended.store(false, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_link_down(&self) -> bool {
        self.link_down.load(Ordering::Relaxed)
    }

    pub(crate) fn set_link_down(&self, down: bool) {
        self.link_down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn hangup(&self) -> bool {
        self.hangup.load(Ordering::Acquire)
    }

    /// The end that sending found was reported: nothing comes after it, whatever the descriptor says.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.hangup() && self.ended.load(Ordering::Relaxed)
    }

    /// Wakes the receiver, so that it notices without traffic.
    pub(crate) fn set_hangup(&self) {
        if !self.hangup.swap(true, Ordering::AcqRel) {
            self.stop.stop();
        }
    }

    /// True if the end had not been reported yet.
    pub(crate) fn set_ended(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }
}
