//! The life of an endpoint as one table.
//!
//! ```text
//!              attach              link down
//!   Detached ─────────► Attached ◄──────────► Down
//!      ▲                   │ │  every queue      │
//!      │ drained    detach │ │  ended            │
//!      │                   ▼ ▼                   │
//!   Detaching ◄──────────────── Ended ◄──────────┘
//!                 detach
//!
//!   any state ── close ──► Closing ── drained ──► Closed
//! ```
//!
//! "Drained" means that no receiver is out any more. Where none is out when `detach` or `close` is called, it follows at once.

/// Where an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody receives; packets cannot be written. The state at the start.
    Detached,
    /// Receivers may run; packets can be written.
    Attached,
    /// Attached, and the link is down.
    Down,
    /// Attached, and every queue has ended: the peers are gone or the queues failed.
    Ended,
    /// Detach was asked; receivers are finishing their batch.
    Detaching,
    /// Close was asked; receivers are finishing their batch.
    Closing,
    /// Closed for good.
    Closed,
}

/// What can happen to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Somebody wants to receive.
    Attach,
    /// Nobody wants to receive any more.
    Detach,
    /// The last receiver has come back.
    Drained,
    /// The link went down.
    LinkDown,
    /// The link is back.
    LinkUp,
    /// The last living queue has ended.
    Ended,
    /// The endpoint is given up for good.
    Close,
}

/// An event that makes no sense in the state at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateError {
    /// Attach on an attached endpoint: detach it first.
    AlreadyAttached,
    /// The last receivers are still out: wait for them, then attach.
    Draining,
    /// The endpoint was closed for good: make a new one.
    Closed,
}

impl core::fmt::Display for StateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::AlreadyAttached => "the endpoint is attached already: detach it first",
            Self::Draining => "receivers of the last attachment are still out: wait for them, then attach",
            Self::Closed => "the endpoint was closed for good: make a new one",
        })
    }
}

impl core::error::Error for StateError {}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Detached, Self::Attached, Self::Down, Self::Ended, Self::Detaching, Self::Closing, Self::Closed];

    /// The state after `event`; the state itself where the event changes nothing.
    ///
    /// # Errors
    ///
    /// Only [`Event::Attach`] can be wrong; every other event is legal at any time.
    pub const fn on(self, event: Event) -> Result<Self, StateError> {
        use Event as E;
        use State as S;
        Ok(match (self, event) {
            (S::Detached, E::Attach) => S::Attached,
            (S::Attached | S::Down | S::Ended, E::Attach) => return Err(StateError::AlreadyAttached),
            (S::Detaching, E::Attach) => return Err(StateError::Draining),
            (S::Closing | S::Closed, E::Attach) => return Err(StateError::Closed),

            (S::Attached | S::Down | S::Ended, E::Detach) => S::Detaching,
            (S::Detached | S::Attached | S::Down | S::Ended | S::Detaching, E::Close) => S::Closing,

            (S::Detaching, E::Drained) => S::Detached,
            (S::Closing, E::Drained) => S::Closed,

            (S::Attached, E::LinkDown) => S::Down,
            (S::Down, E::LinkUp) => S::Attached,
            (S::Attached | S::Down, E::Ended) => S::Ended,

            (same, E::Detach | E::Drained | E::LinkDown | E::LinkUp | E::Ended | E::Close) => same,
        })
    }

    /// True from attach until detach or close, however the queues have ended.
    #[must_use]
    pub const fn is_attached(self) -> bool {
        matches!(self, Self::Attached | Self::Down | Self::Ended)
    }

    pub(crate) const fn from_index(index: u8) -> Self {
        match index {
            0 => Self::Detached,
            1 => Self::Attached,
            2 => Self::Down,
            3 => Self::Ended,
            4 => Self::Detaching,
            5 => Self::Closing,
            _ => Self::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use State as S;

    const EVENTS: [Event; 7] = [E::Attach, E::Detach, E::Drained, E::LinkDown, E::LinkUp, E::Ended, E::Close];

    /// The whole table, a row a state in the order of `State::ALL`, a column an event in the order of `EVENTS`.
    const TABLE: [[Result<State, StateError>; 7]; 7] = {
        const ATTACHED: Result<State, StateError> = Err(StateError::AlreadyAttached);
        const DRAINING: Result<State, StateError> = Err(StateError::Draining);
        const CLOSED: Result<State, StateError> = Err(StateError::Closed);
        [
            [
                Ok(S::Attached),
                Ok(S::Detached),
                Ok(S::Detached),
                Ok(S::Detached),
                Ok(S::Detached),
                Ok(S::Detached),
                Ok(S::Closing),
            ],
            [ATTACHED, Ok(S::Detaching), Ok(S::Attached), Ok(S::Down), Ok(S::Attached), Ok(S::Ended), Ok(S::Closing)],
            [ATTACHED, Ok(S::Detaching), Ok(S::Down), Ok(S::Down), Ok(S::Attached), Ok(S::Ended), Ok(S::Closing)],
            [ATTACHED, Ok(S::Detaching), Ok(S::Ended), Ok(S::Ended), Ok(S::Ended), Ok(S::Ended), Ok(S::Closing)],
            [
                DRAINING,
                Ok(S::Detaching),
                Ok(S::Detached),
                Ok(S::Detaching),
                Ok(S::Detaching),
                Ok(S::Detaching),
                Ok(S::Closing),
            ],
            [CLOSED, Ok(S::Closing), Ok(S::Closed), Ok(S::Closing), Ok(S::Closing), Ok(S::Closing), Ok(S::Closing)],
            [CLOSED, Ok(S::Closed), Ok(S::Closed), Ok(S::Closed), Ok(S::Closed), Ok(S::Closed), Ok(S::Closed)],
        ]
    };

    #[test]
    fn every_state_times_every_event() {
        for (state, row) in S::ALL.into_iter().zip(TABLE) {
            for (event, expected) in EVENTS.into_iter().zip(row) {
                assert_eq!(state.on(event), expected, "{state:?} on {event:?}");
            }
        }
    }

    #[test]
    fn index_names_the_state() {
        for state in S::ALL {
            assert_eq!(State::from_index(state as u8), state);
        }
    }
}
