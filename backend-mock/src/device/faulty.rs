use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use fdlink_core::io::{Channel, ErrorKind, IoError, Limits, RawIo, RxFilter, TxFrame, TxQueue, Wake};
use spin::Mutex;

use super::faulty_rx::FaultyRx;
use crate::MockError;
use crate::fault::{Fault, FaultPlan, Op};

/// A channel with faults: frames that it loses, repeats, delays, changes and cuts in both directions, calls that fail, waits that end early.
///
/// It has no clock: a delayed frame comes behind those that are there with it. Frames are copied.
#[derive(Debug)]
pub struct Faulty<IO> {
    io: IO,
    faults: Faults,
}

/// The plan that several channels may share, each as a port of its own.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    plan: Arc<Mutex<FaultPlan>>,
    port: usize,
}

impl Faults {
    pub(super) fn ask(&self, op: Op, size: usize) -> Option<Fault> {
        self.plan.lock().ask(self.port, op, size)
    }
}

impl<IO> Faulty<IO> {
    /// Wraps `io`: in the plan, received frames are [`Op::Carry`] of `port`, sent ones of `port + 1`, and all else is `port`'s.
    pub const fn new(io: IO, plan: Arc<Mutex<FaultPlan>>, port: usize) -> Self {
        Self { io, faults: Faults { plan, port } }
    }
}

impl<IO: RawIo> RawIo for Faulty<IO> {
    type Error = FaultyError<IO::Error>;
    type Rx = FaultyRx<IO::Rx>;
    type Tx = FaultyTx<IO::Tx>;
    type Stop = IO::Stop;

    fn limits(&self) -> Limits {
        self.io.limits()
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        let max_frame_len = self.io.limits().max_frame_len;
        let Channel { rx, tx, stop } = self.io.split();
        let Faults { plan, port } = self.faults.clone();
        let tx = FaultyTx { tx, faults: self.faults, frames: Faults { plan, port: port + 1 }, next: Mutex::new(None) };
        Channel { rx: FaultyRx::new(rx, Faults { port, ..tx.faults.clone() }, max_frame_len), tx, stop }
    }
}

/// What a [`Faulty`] channel reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultyError<E> {
    /// By plan.
    Planned(MockError),
    /// By the channel within.
    Real(E),
}

impl<E: fmt::Display> fmt::Display for FaultyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned(error) => write!(f, "{error}, by plan"),
            Self::Real(error) => error.fmt(f),
        }
    }
}

impl<E: IoError> core::error::Error for FaultyError<E> {}

impl<E: IoError> IoError for FaultyError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Planned(error) => error.kind(),
            Self::Real(error) => error.kind(),
        }
    }
}

/// The transmit half of a [`Faulty`] channel.
#[derive(Debug)]
pub struct FaultyTx<Tx> {
    tx: Tx,
    faults: Faults,
    frames: Faults,
    /// What the next call tells, by plan; an end stays.
    next: Mutex<Option<ErrorKind>>,
}

impl<Tx: TxQueue> TxQueue for FaultyTx<Tx> {
    type Error = FaultyError<Tx::Error>;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, Self::Error> {
        if frames.is_empty() {
            return Ok(0);
        }
        let mut next = self.next.lock();
        let kept = if next.is_some_and(is_final) { *next } else { next.take() };
        if let Some(kind) = kept {
            return Err(FaultyError::Planned(MockError::new(kind)));
        }
        let refusal = match self.faults.ask(Op::Send, frames.len()) {
            Some(Fault::Refuse { after, kind }) if after < frames.len() => Some((after, kind)),
            _ => None,
        };
        let (count, kind) = refusal.map_or((frames.len(), None), |(after, kind)| (after, Some(kind)));
        *next = kind.filter(|kind| count > 0 || is_final(*kind));
        match kind {
            Some(kind) if count == 0 => Err(FaultyError::Planned(MockError::new(kind))),
            _ => self.send_each(frames.iter().take(count)),
        }
    }

    fn wait(&self, refused: ErrorKind, timeout: Duration) -> Result<Wake, Self::Error> {
        match self.faults.ask(Op::WaitTx, 0) {
            Some(Fault::SpuriousWake) => Ok(Wake::Ready),
            Some(Fault::MissedWake) => Ok(Wake::TimedOut),
            _ => self.tx.wait(refused, timeout).map_err(FaultyError::Real),
        }
    }

    fn set_rx_filter(&self, filter: &RxFilter) -> Result<bool, Self::Error> {
        match self.faults.ask(Op::Filter, 0) {
            Some(Fault::Fail(kind)) => Err(FaultyError::Planned(MockError::new(kind))),
            _ => self.tx.set_rx_filter(filter).map_err(FaultyError::Real),
        }
    }
}

impl<Tx: TxQueue> FaultyTx<Tx> {
    fn send_each<'f>(&self, frames: impl Iterator<Item = &'f TxFrame<'f>>) -> Result<usize, FaultyError<Tx::Error>> {
        let mut sent = 0;
        for frame in frames {
            match self.send_one(frame) {
                Ok(()) => sent += 1,
                Err(error) if sent == 0 => return Err(FaultyError::Real(error)),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    fn send_one(&self, frame: &TxFrame<'_>) -> Result<(), Tx::Error> {
        match self.frames.ask(Op::Carry, frame.len()) {
            Some(Fault::Drop) => Ok(()),
            Some(Fault::Duplicate(_)) => {
                self.tx.send(&[*frame])?;
                // The copy may be lost.
                let _ = self.tx.send(&[*frame]);
                Ok(())
            }
            Some(fault @ (Fault::Corrupt { .. } | Fault::Truncate(_))) => {
                let mut bytes = frame.slices().flatten().copied().collect();
                damage(&mut bytes, fault);
                self.tx.send(&[TxFrame { header: &[], parts: &[&bytes] }]).map(drop)
            }
            _ => self.tx.send(&[*frame]).map(drop),
        }
    }
}

/// Changes or cuts a frame.
pub(super) fn damage(bytes: &mut Vec<u8>, fault: Fault) {
    match fault {
        Fault::Corrupt { at, mask } => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= mask),
        Fault::Truncate(len) => bytes.truncate(len),
        _ => {}
    }
}

/// True for what stays.
pub(super) const fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Closed | ErrorKind::Fatal)
}
