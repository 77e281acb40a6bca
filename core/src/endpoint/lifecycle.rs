use core::sync::atomic::{AtomicU8, Ordering};

use spin::Mutex;

use super::state::{Event, State, StateError};
use crate::error::ReceiverError;

/// The state of an endpoint, how many receivers are out, and how many queues still live.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    /// A copy of `inner.state` that the frame path reads without the lock.
    state: AtomicU8,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    receivers: usize,
    living: usize,
}

impl Lifecycle {
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU8::new(State::Detached as u8),
            inner: Mutex::new(Inner { state: State::Detached, receivers: 0, living: 0 }),
        }
    }

    /// Goes on from the state of another endpoint, whose receivers and ends are no matter of this one.
    pub(crate) fn restore(&self, saved: State, queues: usize) {
        let mut inner = self.inner.lock();
        inner.living = queues;
        let next = match saved {
            State::Detached | State::Detaching => State::Detached,
            State::Attached | State::Ended => State::Attached,
            State::Down => State::Down,
            State::Closing | State::Closed => State::Closed,
        };
        self.set(&mut inner, next);
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        State::from_index(self.state.load(Ordering::Acquire))
    }

    /// Runs `prepare` while nobody can receive or write yet, then opens the gate.
    pub(crate) fn attach(&self, queues: usize, prepare: impl FnOnce()) -> Result<(), StateError> {
        let mut inner = self.inner.lock();
        let next = inner.state.on(Event::Attach)?;
        inner.living = queues;
        prepare();
        self.set(&mut inner, next);
        Ok(())
    }

    /// True if this call is the one that ended the attachment.
    pub(crate) fn detach(&self) -> bool {
        self.leave(Event::Detach)
    }

    /// True if this call is the one that closed the endpoint.
    pub(crate) fn close(&self) -> bool {
        self.leave(Event::Close)
    }

    /// Lends a receiver out, if the endpoint is attached and `take` finds one.
    pub(crate) fn receiver_out<T>(&self, take: impl FnOnce() -> Option<T>) -> Result<T, ReceiverError> {
        let mut inner = self.inner.lock();
        if !inner.state.is_attached() {
            return Err(ReceiverError::NotAttached);
        }
        let taken = take().ok_or(ReceiverError::Taken)?;
        inner.receivers += 1;
        Ok(taken)
    }

    pub(crate) fn receiver_back(&self) {
        let mut inner = self.inner.lock();
        inner.receivers = inner.receivers.saturating_sub(1);
        self.drain(&mut inner);
    }

    pub(crate) fn link_down(&self) {
        self.apply(Event::LinkDown);
    }

    pub(crate) fn link_up(&self) {
        self.apply(Event::LinkUp);
    }

    pub(crate) fn queue_ended(&self) {
        let mut inner = self.inner.lock();
        inner.living = inner.living.saturating_sub(1);
        if inner.living == 0 {
            self.step(&mut inner, Event::Ended);
        }
    }

    fn leave(&self, event: Event) -> bool {
        let mut inner = self.inner.lock();
        let before = inner.state;
        self.step(&mut inner, event);
        let changed = inner.state != before;
        self.drain(&mut inner);
        changed
    }

    fn apply(&self, event: Event) {
        self.step(&mut self.inner.lock(), event);
    }

    fn drain(&self, inner: &mut Inner) {
        if inner.receivers == 0 {
            self.step(inner, Event::Drained);
        }
    }

    /// Every event but `Attach` is legal in every state, so there is no error to lose.
    fn step(&self, inner: &mut Inner, event: Event) {
        if let Ok(next) = inner.state.on(event) {
            self.set(inner, next);
        }
    }

    fn set(&self, inner: &mut Inner, next: State) {
        inner.state = next;
        self.state.store(next as u8, Ordering::Release);
    }
}
