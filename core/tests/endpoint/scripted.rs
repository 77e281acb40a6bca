//! A channel that answers what a test wrote down, call by call; without a script it takes everything and has nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use fdlink_core::io::{
    Channel, ErrorKind, FrameSink, Limits, Offloads, RawIo, RxBatch, RxFrame, RxMeta, RxQueue, Stop, TxFrame, TxQueue,
    Wake,
};
use fdlink_core::{Endpoint, LinkEndpoint as _, Options, Queue};
use fdlink_mock::MockError;

/// What a channel is to answer, and what it saw.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// One for each `send`: how many frames to take at most, or why none.
    pub(crate) sends: RefCell<VecDeque<Result<usize, ErrorKind>>>,
    /// One for each `wait` for room.
    pub(crate) waits: RefCell<VecDeque<Result<Wake, ErrorKind>>>,
    /// One for each `poll`.
    pub(crate) polls: RefCell<VecDeque<Result<Vec<Vec<u8>>, ErrorKind>>>,
    /// Bytes of virtio-net header, and what the channel does for frames that have one.
    pub(crate) vnet: Cell<(usize, Offloads)>,
    /// Why the channel does not take a frame, whatever the answers say.
    pub(crate) refuses: Cell<Option<Refuses>>,
    /// Frames that left.
    pub(crate) sent: RefCell<Vec<Vec<u8>>>,
    /// Calls of `send`.
    pub(crate) calls: Cell<usize>,
    /// Calls of `wait` for room, with what had been refused.
    pub(crate) waited: RefCell<Vec<(ErrorKind, Duration)>>,
    pub(crate) stopped: Cell<bool>,
    /// Calls of `wait` for frames.
    pub(crate) slept: Cell<usize>,
    /// What was to be read of each frame, for each batch.
    pub(crate) prefetched: RefCell<Vec<usize>>,
    /// Calls of `pause`.
    pub(crate) paused: RefCell<Vec<Duration>>,
}

impl Script {
    pub(crate) fn sending(answers: impl IntoIterator<Item = Result<usize, ErrorKind>>) -> Self {
        Self { sends: RefCell::new(answers.into_iter().collect()), ..Self::default() }
    }

    pub(crate) fn receiving(answers: impl IntoIterator<Item = Result<Vec<Vec<u8>>, ErrorKind>>) -> Self {
        Self { polls: RefCell::new(answers.into_iter().collect()), ..Self::default() }
    }

    /// A channel whose frames have a virtio-net header of `len` bytes.
    pub(crate) fn with_vnet(self, len: usize, offloads: Offloads) -> Self {
        self.vnet.set((len, offloads));
        self
    }

    /// A channel that never takes what `refuses` finds a fault with.
    pub(crate) fn refusing(self, refuses: Refuses) -> Self {
        self.refuses.set(Some(refuses));
        self
    }

    /// What left so far, without link headers.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.borrow().clone()
    }
}

/// What a channel finds wrong with a frame.
pub(crate) type Refuses = fn(&[u8]) -> Option<ErrorKind>;

/// An attached endpoint without link header over these scripts, one queue each.
pub(crate) fn attached<'s>(
    scripts: impl IntoIterator<Item = &'s Script>,
    options: Options,
) -> Endpoint<Scripted<'s>, Vec<Queue<Scripted<'s>>>> {
    let queues = scripts.into_iter().map(|script| Queue::new(Scripted(script))).collect();
    let endpoint = Endpoint::new(queues, Options { ethernet_header: false, ..options }).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scripted<'s>(pub(crate) &'s Script);

impl<'s> RawIo for Scripted<'s> {
    type Error = MockError;
    type Rx = Self;
    type Tx = Self;
    type Stop = Self;

    fn limits(&self) -> Limits {
        let (vnet_header_len, offloads) = self.0.vnet.get();
        Limits::new(1514 + vnet_header_len).with_frames_per_send(64).with_vnet_header(vnet_header_len, offloads)
    }

    fn split(self) -> Channel<Self, Self, Self> {
        Channel { rx: self, tx: self, stop: self }
    }
}

impl TxQueue for Scripted<'_> {
    type Error = MockError;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, MockError> {
        self.0.calls.set(self.0.calls.get() + 1);
        let answer = self.0.sends.borrow_mut().pop_front().unwrap_or(Ok(usize::MAX));
        let n = answer.map_err(MockError::new)?.min(frames.len());
        for (at, frame) in frames[..n].iter().enumerate() {
            let bytes = frame.slices().collect::<Vec<_>>().concat();
            match self.0.refuses.get().and_then(|refuses| refuses(&bytes)) {
                Some(kind) if at == 0 => return Err(MockError::new(kind)),
                Some(_) => return Ok(at),
                None => self.0.sent.borrow_mut().push(bytes),
            }
        }
        Ok(n)
    }

    fn wait(&self, refused: ErrorKind, timeout: Duration) -> Result<Wake, MockError> {
        self.0.waited.borrow_mut().push((refused, timeout));
        self.0.waits.borrow_mut().pop_front().unwrap_or(Ok(Wake::Ready)).map_err(MockError::new)
    }
}

impl<'s> RxQueue for Scripted<'s> {
    type Error = MockError;
    type Batch<'q>
        = Frames<'s>
    where
        Self: 'q;

    fn poll(&mut self, budget: usize) -> Result<Frames<'s>, MockError> {
        let answer = self.0.polls.borrow_mut().pop_front().unwrap_or(Ok(Vec::new()));
        let frames = answer.map_err(MockError::new)?;
        assert!(frames.len() <= budget, "the script keeps to the budget");
        Ok(Frames { script: self.0, left: frames.into() })
    }

    fn wait(&mut self, _timeout: Option<Duration>) -> Result<Wake, MockError> {
        self.0.slept.set(self.0.slept.get() + 1);
        Ok(if self.0.stopped.get() { Wake::Stopped } else { Wake::Ready })
    }

    fn pause(&mut self, time: Duration) -> Wake {
        self.0.paused.borrow_mut().push(time);
        Wake::Ready
    }
}

impl Stop for Scripted<'_> {
    fn stop(&self) {
        self.0.stopped.set(true);
    }

    fn rearm(&self) {
        self.0.stopped.set(false);
    }
}

pub(crate) struct Frames<'s> {
    script: &'s Script,
    left: VecDeque<Vec<u8>>,
}

impl RxBatch for Frames<'_> {
    fn len(&self) -> usize {
        self.left.len()
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        self.left.iter_mut().map(|bytes| RxFrame { meta: RxMeta::new(bytes.len()), bytes })
    }

    fn drain<S: FrameSink>(&mut self, sink: &mut S) {
        self.script.prefetched.borrow_mut().push(sink.prefetch_len());
        self.frames().for_each(|frame| sink.frame(frame));
    }

    fn calls(&self) -> usize {
        1
    }
}
