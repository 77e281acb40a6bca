//! A channel that does nothing, so that what is counted is the core's: it lends the same frames for ever, and takes every frame.

use core::fmt;
use core::time::Duration;

use fdlink_core::io::{
    Channel, ErrorKind, IoError, Limits, RawIo, RxBatch, RxFrame, RxMeta, RxQueue, Stop, TxFrame, TxQueue, Wake,
};

/// Frames that lie in memory.
pub(crate) struct Idle(pub(crate) Vec<Vec<u8>>);

impl RawIo for Idle {
    type Error = Never;
    type Rx = IdleRx;
    type Tx = IdleTx;
    type Stop = IdleStop;

    fn limits(&self) -> Limits {
        Limits::new(LONGEST).with_frames_per_send(usize::MAX)
    }

    fn split(self) -> Channel<IdleRx, IdleTx, IdleStop> {
        Channel { rx: IdleRx(self.0), tx: IdleTx, stop: IdleStop }
    }
}

pub(crate) struct IdleRx(Vec<Vec<u8>>);

impl RxQueue for IdleRx {
    type Error = Never;
    type Batch<'q> = IdleBatch<'q>;

    #[inline]
    fn poll(&mut self, budget: usize) -> Result<IdleBatch<'_>, Never> {
        let left = budget.min(self.0.len());
        Ok(IdleBatch(self.0.get_mut(..left).unwrap_or_default()))
    }

    fn wait(&mut self, _timeout: Option<Duration>) -> Result<Wake, Never> {
        Ok(Wake::Ready)
    }
}

pub(crate) struct IdleBatch<'q>(&'q mut [Vec<u8>]);

impl RxBatch for IdleBatch<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        core::mem::take(&mut self.0).iter_mut().map(|bytes| RxFrame { meta: RxMeta::new(bytes.len()), bytes })
    }
}

pub(crate) struct IdleTx;

impl TxQueue for IdleTx {
    type Error = Never;

    #[inline(never)]
    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, Never> {
        Ok(core::hint::black_box(frames).len())
    }

    fn wait(&self, _refused: ErrorKind, _timeout: Duration) -> Result<Wake, Never> {
        Ok(Wake::Ready)
    }
}

#[derive(Clone)]
pub(crate) struct IdleStop;

impl Stop for IdleStop {
    fn stop(&self) {}

    fn rearm(&self) {}
}

/// Nothing goes wrong. Not `Infallible` itself, so that the core's code for errors is there, as for any other channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Never(ErrorKind);

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Never {}

impl IoError for Never {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

const LONGEST: usize = 1518;
