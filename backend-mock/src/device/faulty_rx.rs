use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use fdlink_core::io::{ErrorKind, RxBatch, RxFrame, RxMeta, RxQueue, Wake};

use super::faulty::{Faults, FaultyError, damage, is_final};
use crate::MockError;
use crate::fault::{Fault, Op};

/// The receive half of a [`Faulty`](super::Faulty) channel.
#[derive(Debug)]
pub struct FaultyRx<Rx> {
    rx: Rx,
    faults: Faults,
    max_frame_len: usize,
    /// Received and damaged: those in front were taken, the others are kept.
    frames: VecDeque<Owned>,
    taken: usize,
    /// By plan, and then for ever.
    end: Option<ErrorKind>,
}

#[derive(Debug, Clone)]
struct Owned {
    meta: RxMeta,
    bytes: Vec<u8>,
}

impl<Rx: RxQueue> FaultyRx<Rx> {
    pub(super) const fn new(rx: Rx, faults: Faults, max_frame_len: usize) -> Self {
        Self { rx, faults, max_frame_len, frames: VecDeque::new(), taken: 0, end: None }
    }

    /// Receives what there is, and lets the plan have it; returns the number of calls.
    fn refill(&mut self, budget: usize) -> Result<usize, FaultyError<Rx::Error>> {
        self.frames.clear();
        self.taken = 0;
        let fault = self.faults.ask(Op::Poll, 0);
        if let Some(kind) = self.end {
            return Err(planned(kind));
        }
        let budget = match fault {
            Some(Fault::Fail(kind)) => {
                self.end = Some(kind).filter(|kind| is_final(*kind));
                return Err(planned(kind));
            }
            Some(Fault::Short(most)) => most.min(budget),
            _ => budget,
        };
        let mut batch = self.rx.poll(budget).map_err(FaultyError::Real)?;
        let calls = batch.calls();
        let mut late = Vec::new();
        for frame in batch.frames() {
            let frame = Owned { meta: frame.meta, bytes: frame.bytes.to_vec() };
            let fault = self.faults.ask(Op::Carry, frame.bytes.len());
            pass(frame, fault, &mut self.frames, &mut late);
        }
        self.frames.extend(late);
        Ok(calls)
    }
}

/// One frame in, none, one or two out.
fn pass(mut frame: Owned, fault: Option<Fault>, frames: &mut VecDeque<Owned>, late: &mut Vec<Owned>) {
    match fault {
        Some(Fault::Drop) => {}
        Some(Fault::Delay(_)) => late.push(frame),
        Some(Fault::Duplicate(_)) => frames.extend([frame.clone(), frame]),
        Some(fault) => {
            let missing = frame.meta.len.saturating_sub(frame.bytes.len());
            damage(&mut frame.bytes, fault);
            frame.meta.len = frame.bytes.len() + missing;
            frames.push_back(frame);
        }
        None => frames.push_back(frame),
    }
}

const fn planned<E>(kind: ErrorKind) -> FaultyError<E> {
    FaultyError::Planned(MockError::new(kind))
}

impl<Rx: RxQueue> RxQueue for FaultyRx<Rx> {
    type Error = FaultyError<Rx::Error>;
    type Batch<'q>
        = FaultyBatch<'q>
    where
        Self: 'q;

    fn poll(&mut self, budget: usize) -> Result<FaultyBatch<'_>, Self::Error> {
        let calls = if budget == 0 || self.taken < self.frames.len() { 0 } else { self.refill(budget)? };
        let end = self.frames.len().min(self.taken.saturating_add(budget));
        let Self { frames, taken, max_frame_len, .. } = self;
        Ok(FaultyBatch { frames, taken, end, calls, max_frame_len: *max_frame_len })
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, Self::Error> {
        let fault = self.faults.ask(Op::WaitRx, 0);
        let has_frame = self.taken < self.frames.len();
        match self.rx.wait(if has_frame { Some(Duration::ZERO) } else { timeout }) {
            Ok(Wake::Stopped) => Ok(Wake::Stopped),
            _ if has_frame || fault == Some(Fault::SpuriousWake) => Ok(Wake::Ready),
            Ok(_) if fault == Some(Fault::MissedWake) => Ok(Wake::TimedOut),
            result => result.map_err(FaultyError::Real),
        }
    }

    fn pause(&mut self, time: Duration) -> Wake {
        self.rx.pause(time)
    }

    fn drops(&mut self) -> usize {
        self.rx.drops()
    }
}

/// Frames on loan from a [`FaultyRx`].
#[derive(Debug)]
pub struct FaultyBatch<'q> {
    frames: &'q mut VecDeque<Owned>,
    taken: &'q mut usize,
    end: usize,
    calls: usize,
    max_frame_len: usize,
}

impl RxBatch for FaultyBatch<'_> {
    fn len(&self) -> usize {
        self.end - *self.taken
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { frames, taken, end, max_frame_len, .. } = self;
        let left = *end - **taken;
        frames.iter_mut().skip(**taken).take(left).map(|frame| {
            **taken += 1;
            let len = frame.bytes.len().min(*max_frame_len);
            RxFrame { meta: frame.meta, bytes: frame.bytes.split_at_mut(len).0 }
        })
    }

    fn calls(&self) -> usize {
        self.calls
    }
}
