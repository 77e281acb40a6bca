//! Time that moves only when asked.

use alloc::sync::Arc;
use core::time::Duration;

use spin::Mutex;

/// A virtual clock: the time since the start of a simulation. Clones tell the same time.
///
/// ```
/// use core::time::Duration;
/// use fdlink_mock::clock::Clock;
///
/// let clock = Clock::new();
/// let same = clock.clone();
/// clock.advance(Duration::from_millis(3));
/// assert_eq!(same.now(), Duration::from_millis(3));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<Mutex<Duration>>);

impl Clock {
    /// A clock that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        *self.0.lock()
    }

    /// Lets `time` pass.
    pub fn advance(&self, time: Duration) {
        let mut now = self.0.lock();
        *now = now.saturating_add(time);
    }

    /// Lets time pass until `when`; nothing if that is over.
    pub fn advance_to(&self, when: Duration) {
        let mut now = self.0.lock();
        *now = when.max(*now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let clock = Clock::new();
        clock.advance_to(Duration::from_secs(2));
        clock.advance_to(Duration::from_secs(1));
        assert_eq!(clock.now(), Duration::from_secs(2));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Duration::MAX);
    }
}
