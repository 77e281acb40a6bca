use core::sync::atomic::{AtomicBool, Ordering};

use fdlink_core::io::{Channel, Limits, RawIo, Stop, TxFrame};
use heapless::{Deque, Vec};
use spin::Mutex;

use crate::{MockError, MockRx, MockTx};

/// A link between two ends: each way it holds up to `N` frames of up to `L` bytes, in order.
///
/// It holds its frames itself, `2 * N * L` bytes: keep large ones in a `static` or behind an allocation.
///
/// Like a pair of connected seqpacket sockets: a full direction would block, a dropped end closes the other one once it has read
/// what was queued.
#[derive(Debug)]
pub struct Link<const N: usize, const L: usize> {
    ends: [EndState; 2],
    /// What was sent towards each end.
    towards: [Mutex<Deque<Frame<L>, N>>; 2],
    receive_len: usize,
}

/// A frame on its way.
#[derive(Debug)]
pub(crate) struct Frame<const L: usize> {
    pub(crate) bytes: Vec<u8, L>,
}

#[derive(Debug, Default)]
struct EndState {
    stopped: AtomicBool,
    rx_gone: AtomicBool,
    tx_gone: AtomicBool,
}

impl<const N: usize, const L: usize> Link<N, L> {
    /// A link without frames.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ends: [EndState::default(), EndState::default()],
            towards: [Mutex::new(Deque::new()), Mutex::new(Deque::new())],
            receive_len: L,
        }
    }

    /// The same with receive buffers of `len` bytes: longer frames arrive cut.
    #[must_use]
    pub fn with_receive_len(mut self, len: usize) -> Self {
        self.receive_len = len.min(L);
        self
    }

    pub(crate) const fn receive_len(&self) -> usize {
        self.receive_len
    }

    /// Both ends. To be taken once: dropping the halves of an end closes it.
    pub fn ends(&self) -> (End<'_, N, L>, End<'_, N, L>) {
        (End { link: self, side: Side::A }, End { link: self, side: Side::B })
    }

    pub(crate) fn push(&self, from: Side, frame: &TxFrame<'_>) -> Result<(), MockError> {
        use fdlink_core::io::ErrorKind::{Closed, FrameTooLong, WouldBlock};
        if self.end(from.other()).rx_gone.load(Ordering::Acquire) {
            return Err(MockError::new(Closed));
        }
        let mut bytes = Vec::new();
        for slice in frame.slices() {
            bytes.extend_from_slice(slice).map_err(|_| MockError::new(FrameTooLong))?;
        }
        let mut queue = self.towards(from.other()).lock();
        queue.push_back(Frame { bytes }).map_err(|_| MockError::new(WouldBlock))
    }

    pub(crate) fn pop(&self, side: Side) -> Option<Frame<L>> {
        self.towards(side).lock().pop_front()
    }

    pub(crate) fn is_empty(&self, side: Side) -> bool {
        self.towards(side).lock().is_empty()
    }

    pub(crate) fn is_full(&self, side: Side) -> bool {
        self.towards(side.other()).lock().is_full()
    }

    pub(crate) fn peer_gone(&self, side: Side) -> bool {
        self.end(side.other()).tx_gone.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopped(&self, side: Side) -> bool {
        self.end(side).stopped.load(Ordering::Acquire)
    }

    pub(crate) fn rx_gone(&self, side: Side) {
        self.end(side).rx_gone.store(true, Ordering::Release);
    }

    pub(crate) fn tx_gone(&self, side: Side) {
        self.end(side).tx_gone.store(true, Ordering::Release);
    }

    fn end(&self, side: Side) -> &EndState {
        let [a, b] = &self.ends;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    fn towards(&self, side: Side) -> &Mutex<Deque<Frame<L>, N>> {
        let [a, b] = &self.towards;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }
}

impl<const N: usize, const L: usize> Default for Link<N, L> {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One end of a [`Link`].
#[derive(Debug)]
pub struct End<'l, const N: usize, const L: usize> {
    link: &'l Link<N, L>,
    side: Side,
}

impl<'l, const N: usize, const L: usize> RawIo for End<'l, N, L> {
    type Error = MockError;
    type Rx = MockRx<'l, N, L>;
    type Tx = MockTx<'l, N, L>;
    type Stop = MockStop<'l, N, L>;

    fn limits(&self) -> Limits {
        Limits::new(self.link.receive_len).with_frames_per_send(N)
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        let Self { link, side } = self;
        Channel { rx: MockRx::new(link, side), tx: MockTx::new(link, side), stop: MockStop { link, side } }
    }
}

/// Stops one end of a [`Link`].
#[derive(Debug)]
pub struct MockStop<'l, const N: usize, const L: usize> {
    link: &'l Link<N, L>,
    side: Side,
}

impl<const N: usize, const L: usize> Clone for MockStop<'_, N, L> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<const N: usize, const L: usize> Stop for MockStop<'_, N, L> {
    fn stop(&self) {
        self.link.end(self.side).stopped.store(true, Ordering::Release);
    }

    fn rearm(&self) {
        self.link.end(self.side).stopped.store(false, Ordering::Release);
    }
}
