//! A channel that does nothing, so that what is counted is the core's: it lends the same frames for ever, and takes every frame. What was
//! written to the frames is undone by a wait.

use core::fmt;
use core::time::Duration;

use fdlink_core::io::{
    Channel, ErrorKind, IoError, Limits, Offloads, RawIo, RxBatch, RxFrame, RxMeta, RxQueue, Stop, TxFrame, TxQueue,
    Wake,
};

/// Frames that lie in memory, with so many bytes of virtio-net header. A type for each length, so that nothing is counted of the others.
pub(crate) struct Idle<const VNET_HEADER_LEN: usize = 0>(pub(crate) Vec<Vec<u8>>);

impl<const VNET_HEADER_LEN: usize> RawIo for Idle<VNET_HEADER_LEN> {
    type Error = Never;
    type Rx = IdleRx;
    type Tx = IdleTx;
    type Stop = IdleStop;

    fn limits(&self) -> Limits {
        let limits = Limits::new(LONGEST).with_frames_per_send(usize::MAX);
        limits.with_vnet_header(VNET_HEADER_LEN, Offloads::empty())
    }

    fn split(self) -> Channel<IdleRx, IdleTx, IdleStop> {
        Channel { rx: IdleRx { lent: self.0.clone(), frames: self.0 }, tx: IdleTx, stop: IdleStop }
    }
}

pub(crate) struct IdleRx {
    frames: Vec<Vec<u8>>,
    lent: Vec<Vec<u8>>,
}

impl RxQueue for IdleRx {
    type Error = Never;
    type Batch<'q> = IdleBatch<'q>;

    #[inline]
    fn poll(&mut self, budget: usize) -> Result<IdleBatch<'_>, Never> {
        let left = budget.min(self.lent.len());
        Ok(IdleBatch(self.lent.get_mut(..left).unwrap_or_default()))
    }

    fn wait(&mut self, _timeout: Option<Duration>) -> Result<Wake, Never> {
        self.lent.clone_from(&self.frames);
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

const LONGEST: usize = 1530;
