use core::mem;
use core::time::Duration;

use crate::io::{RxQueue, Wake};

/// When a receiver that has run dry looks again. Waking up costs more than anything else a frame takes.
///
/// How long a frame that comes after a rest takes from the sender to the dispatcher, over a veth pair between two threads (Linux 6.18, two busy
/// processors, 300 frames; the test `waking` prints it for any machine):
///
/// | policy | median | 99 of 100 within |
/// |---|---|---|
/// | `Prompt` | 11 to 13 µs | 24 to 71 µs |
/// | `Coalesce`, 200 µs | 308 µs | 366 µs |
/// | `Coalesce`, 1 ms | 1.11 ms | 4 to 7 ms |
/// | `BusyPoll`, 20,000 | 19 to 20 µs | 27 µs to 4 ms |
///
/// `BusyPoll` shows what it costs where it has no processor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WakePolicy {
    /// As soon as there is a frame. Adds no delay.
    #[default]
    Prompt,
    /// `max_delay` after there is a frame, so that those that follow it are taken with it; behind more than one frame, `max_delay` after the last look,
    /// since more will have come by then: one sleep for what gathers, not one for the first of it and one for the rest. Adds up to `max_delay` and the
    /// timer slack of the system (50 µs on Linux, prctl(2)) to a frame; the queue must hold what comes in that time.
    Coalesce {
        /// How long to let frames gather.
        max_delay: Duration,
    },
    /// At once, without a call that sleeps, `budget` times in a row; then as [`WakePolicy::Prompt`]. Adds the least delay where it has a
    /// processor of its own, which it keeps busy.
    BusyPoll {
        /// How many polls may find nothing before the receiver sleeps.
        budget: u32,
    },
}

/// Waits by a policy.
#[derive(Debug)]
pub(crate) struct Waiter {
    policy: WakePolicy,
    /// Waits in a row that did not sleep.
    spins: u32,
    /// Frames since the last wait.
    gathered: usize,
}

impl Waiter {
    pub(crate) const fn new(policy: WakePolicy) -> Self {
        Self { policy, spins: 0, gathered: 0 }
    }

    /// Frames were found: the next rest begins anew. For each poll that finds some, so it does no more than it must.
    #[inline]
    pub(crate) const fn found(&mut self, frames: usize) {
        self.gathered = self.gathered.wrapping_add(frames);
    }

    pub(crate) fn wait<Rx: RxQueue>(&mut self, rx: &mut Rx, timeout: Option<Duration>) -> Result<Wake, Rx::Error> {
        let gathered = mem::take(&mut self.gathered);
        if gathered > 0 {
            self.spins = 0;
        }
        match self.policy {
            WakePolicy::BusyPoll { budget } if self.spins < budget => {
                self.spins += 1;
                core::hint::spin_loop();
                Ok(Wake::Ready)
            }
            WakePolicy::Prompt | WakePolicy::BusyPoll { .. } => rx.wait(timeout),
            WakePolicy::Coalesce { max_delay } if gathered > 1 => {
                Ok(rx.pause(timeout.map_or(max_delay, |timeout| timeout.min(max_delay))))
            }
            WakePolicy::Coalesce { max_delay } => match rx.wait(timeout)? {
                Wake::Ready => Ok(rx.pause(max_delay)),
                wake => Ok(wake),
            },
        }
    }
}
