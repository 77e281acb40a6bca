//! A channel with its far end, and the bounded loops that every rule drives them with.

use std::time::{Duration, Instant};

use fdlink_core::io::{Channel, ErrorKind, IoError as _, Limits, RawIo, RxBatch, RxQueue, TxFrame, TxQueue};

use super::{Bench, FarEnd, Frames, Traits};

pub(super) type Rx<B> = <<B as Bench>::Io as RawIo>::Rx;
pub(super) type Tx<B> = <<B as Bench>::Io as RawIo>::Tx;
pub(super) type StopOf<B> = <<B as Bench>::Io as RawIo>::Stop;

/// Frames that every kind holds each way.
pub(super) const DEPTH: usize = 32;

/// A wait that is to end early: far below the patience, so that a hang shows as one.
pub(super) const LONG: Duration = Duration::from_secs(5);

/// A channel under test, taken apart, and its far end.
pub(super) struct Rig<B: Bench> {
    pub(super) rx: Rx<B>,
    pub(super) tx: Tx<B>,
    pub(super) stop: StopOf<B>,
    pub(super) far: B::Far,
    pub(super) frames: Frames,
    pub(super) traits: Traits,
    pub(super) limits: Limits,
}

impl<B: Bench> Rig<B> {
    pub(super) fn open(bench: &B) -> Self {
        Self::open_for(bench, bench.traits().longest)
    }

    /// A channel that receives frames of up to `receive_len` bytes whole.
    pub(super) fn open_for(bench: &B, receive_len: usize) -> Self {
        let traits = bench.traits();
        let (io, far) = bench.open(receive_len);
        let limits = io.limits();
        let Channel { rx, tx, stop } = io.split();
        Self { rx, tx, stop, far, frames: Frames::new(traits.shape), traits, limits }
    }

    /// Frames of these lengths, numbered from 0.
    pub(super) fn make(&self, lens: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
        lens.into_iter().enumerate().map(|(number, len)| self.frames.make(number, len)).collect()
    }

    /// `count` frames of middling lengths.
    pub(super) fn some(&self, count: usize) -> Vec<Vec<u8>> {
        self.make((0..count).map(|number| 64 + number % 5))
    }

    pub(super) fn far_sends(&mut self, frames: &[Vec<u8>]) {
        frames.iter().for_each(|frame| self.far.send(frame));
    }

    /// Takes frames until `count` of ours have come, `budget` at a time.
    pub(super) fn take(&mut self, count: usize, budget: usize) -> Vec<Vec<u8>> {
        take(&mut self.rx, &self.frames, count, budget)
    }

    /// Ends with nothing of ours left to take.
    pub(super) fn assert_quiet(&mut self) {
        for _ in 0..3 {
            let more = poll_once(&mut self.rx, &self.frames, DEPTH);
            assert!(more.is_empty(), "nobody sent {more:02x?}");
        }
    }

    /// Polls until something was lent, and returns with it still to take.
    pub(super) fn until_lent(&mut self) {
        let patience = Patience::new("a frame to be lent");
        while self.rx.poll(1).expect("poll").is_empty() {
            patience.check();
        }
    }

    pub(super) fn far_takes(&mut self, count: usize) -> Vec<Vec<u8>> {
        far_takes(&mut self.far, &self.frames, count)
    }

    /// The far end has nothing of ours left.
    pub(super) fn assert_far_quiet(&mut self) {
        while let Some(frame) = self.far.receive() {
            assert!(!self.frames.are_mine(&frame), "nobody sent {frame:02x?}");
        }
    }

    /// Sends every frame; the queue must have room.
    pub(super) fn send(&self, frames: &[Vec<u8>]) {
        let mut sent = 0;
        while sent < frames.len() {
            sent += self.try_send(&frames[sent..]).expect("there is room");
        }
    }

    /// One call.
    pub(super) fn try_send(&self, frames: &[Vec<u8>]) -> Result<usize, ErrorKind> {
        try_send(&self.tx, frames)
    }

    /// One call with one frame of these parts.
    pub(super) fn send_parts(&self, header: &[u8], parts: &[&[u8]]) {
        assert_eq!(self.tx.send(&[TxFrame { header, parts }]).expect("there is room"), 1);
    }

    /// Sends until the queue refuses; the frames that left.
    pub(super) fn fill(&self) -> Vec<Vec<u8>> {
        let frames = self.make((0..MANY).map(|_| 1000));
        let mut sent = 0;
        loop {
            match self.try_send(&frames[sent..]) {
                Ok(n) => sent += n,
                Err(kind) => {
                    assert_eq!(kind, ErrorKind::WouldBlock, "after {sent} frames");
                    return frames[..sent].to_vec();
                }
            }
            assert!(sent < MANY, "{MANY} frames that nobody reads were taken");
        }
    }
}

/// Takes frames until `count` of ours have come, `budget` at a time.
pub(super) fn take<Q: RxQueue>(rx: &mut Q, frames: &Frames, count: usize, budget: usize) -> Vec<Vec<u8>> {
    let patience = Patience::new("frames to come");
    let mut taken = Vec::new();
    while taken.len() < count {
        let more = poll_once(rx, frames, budget);
        if more.is_empty() {
            patience.check();
        }
        taken.extend(more);
    }
    taken
}

fn poll_once<Q: RxQueue>(rx: &mut Q, frames: &Frames, budget: usize) -> Vec<Vec<u8>> {
    let mut batch = rx.poll(budget).expect("poll");
    assert!(batch.len() <= budget, "{} frames lent for a budget of {budget}", batch.len());
    batch.frames().filter(|frame| frames.are_mine(frame.bytes)).map(|frame| frame.bytes.to_vec()).collect()
}

/// Takes `count` frames of ours at the far end.
pub(super) fn far_takes(far: &mut impl FarEnd, frames: &Frames, count: usize) -> Vec<Vec<u8>> {
    let patience = Patience::new("frames to come to the far end");
    let mut taken = Vec::new();
    while taken.len() < count {
        match far.receive() {
            Some(frame) if frames.are_mine(&frame) => taken.push(frame),
            Some(_) => {}
            None => patience.check(),
        }
    }
    taken
}

/// One call with frames of one part each.
pub(super) fn try_send<Q: TxQueue>(tx: &Q, frames: &[Vec<u8>]) -> Result<usize, ErrorKind> {
    let parts: Vec<[&[u8]; 1]> = frames.iter().map(|frame| [frame.as_slice()]).collect();
    let frames: Vec<TxFrame<'_>> = parts.iter().map(|parts| TxFrame { header: &[], parts }).collect();
    let sent = tx.send(&frames).map_err(|error| error.kind())?;
    assert!(sent <= frames.len(), "{sent} of {} frames", frames.len());
    assert!(sent > 0 || frames.is_empty(), "no frame left, and no error says why");
    Ok(sent)
}

/// Ends a loop that waits for something that does not come.
pub(super) struct Patience {
    until: Instant,
    what: &'static str,
}

impl Patience {
    pub(super) fn new(what: &'static str) -> Self {
        Self { until: Instant::now() + Duration::from_secs(10), what }
    }

    /// Lets others run.
    ///
    /// # Panics
    ///
    /// If the time is over.
    #[track_caller]
    pub(super) fn check(&self) {
        assert!(Instant::now() < self.until, "waited in vain for {}", self.what);
        std::thread::yield_now();
    }
}

/// More small frames than any queue holds.
const MANY: usize = 4096;
