//! The boundary between the core and whatever carries frames: a Linux file descriptor, a virtio queue in a unikernel, a
//! simulated wire.
//!
//! A backend implements [`RawIo`] for its channel. [`RawIo::split`] gives three independent halves: the receive queue, which
//! owns receive memory and lends it; the transmit queue, which may be used by several threads at once; and the stop handle.
//! Everything above (parsing, counting, states, retries) is the core's and is written once.
//!
//! # Contract
//!
//! The conformance suite of the project runs every rule against every backend.
//!
//! Receive ([`RxQueue`], [`RxBatch`]):
//!
//! - **R1** `poll` never blocks. An empty batch means that nothing is there now.
//! - **R2** Frames keep their boundaries and their order of arrival. A frame of zero bytes is a frame.
//! - **R3** The frames of one batch do not overlap.
//! - **R4** A frame is taken when the iterator yields it. Dropping the batch gives the memory of taken frames back; frames
//!   that were not taken stay queued and are lent again, in order, by the next `poll`. A batch that is forgotten
//!   ([`core::mem::forget`]) behaves like a dropped one at the next `poll`.
//! - **R5** `budget` caps what is lent, not what one call to the system receives: a queue may receive more, keep it, and lend it
//!   at the next `poll` without a call. A budget of zero gives an
//!   empty batch, also after the close. `wait` answers [`Wake::Ready`] at once while
//!   frames are kept, unless the channel is stopped.
//! - **R6** A frame that did not fit is lent cut and says so: [`RxMeta::len`] is larger than the bytes lent, and
//!   exact wherever the system tells the real length.
//! - **R7** An error of kind [`ErrorKind::Closed`] comes only after everything queued before the close was lent, and every later
//!   `poll` returns it again.
//!
//! Transmit ([`TxQueue`]):
//!
//! - **T1** `send` returns `Ok(n)` with `n <= frames.len()`: exactly the first `n` frames have left. `Ok(0)` only for no frames.
//! - **T2** No reference to a frame's bytes outlives the call.
//! - **T3** The header and then the parts, in order, are exactly one frame. Empty parts and any number of parts are legal.
//! - **T4** A frame is sent whole or refused, never cut. `Err` says that `frames[0]` was refused and nothing of it left; the
//!   frames behind it were not tried.
//! - **T5** [`ErrorKind::OffloadRejected`] is reported before any byte of that frame leaves.
//!
//! Stop ([`Stop`]):
//!
//! - **S1** `stop` is sticky and idempotent: it wakes a pending `wait` (of either queue), and every later `wait` returns
//!   [`Wake::Stopped`] until `rearm`.
//! - **S2** Dropping a queue never blocks.
//!
//! Errors ([`IoError`]) and limits ([`Limits`]):
//!
//! - **E1** An interrupted system call (`EINTR`) never crosses the boundary.
//! - **E2** Errors are classified by what the caller can do: see [`ErrorKind`].
//! - **E3** A backend that wraps another one forwards every method, also those that have a default: [`RxQueue::pause`], [`RxQueue::drops`],
//!   [`RxBatch::calls`], [`TxQueue::set_rx_filter`]. It may leave [`RxBatch::drain`] out, which is made of `frames` then.
//! - **L1** [`Limits::offloads`] tells what was granted at the start. A capability may be lost later, never gained.
//!   A lack of memory is no loss.

mod error;
mod filter;
mod limits;
mod rx;
mod tx;

pub use error::{ErrorKind, IoError};
pub use filter::{EtherTypes, RxFilter, VlanFilter};
pub use limits::{Limits, Offloads};
pub use rx::{FrameSink, PacketType, RxBatch, RxFrame, RxMeta, RxQueue, VlanTag};
pub use tx::{TxFrame, TxQueue};

/// One boundary-preserving channel, before it is split: one read is one frame, one write is one frame.
pub trait RawIo {
    /// What the queues report; classified by [`IoError::kind`].
    type Error: IoError;
    /// The receive half.
    type Rx: RxQueue<Error = Self::Error>;
    /// The transmit half.
    type Tx: TxQueue<Error = Self::Error>;
    /// Ends waits from any thread.
    type Stop: Stop;

    /// What the channel carries at most. Constant for the life of the channel.
    fn limits(&self) -> Limits;

    /// Takes the channel apart, so that receiving, sending and stopping can live on different threads.
    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop>;
}

/// The halves of one channel.
#[derive(Debug)]
pub struct Channel<Rx, Tx, S> {
    /// Receives; owned by one thread at a time.
    pub rx: Rx,
    /// Sends; shared.
    pub tx: Tx,
    /// Ends waits of `rx` and `tx`.
    pub stop: S,
}

/// Ends waits (rule S1). Cheap to clone; safe to use from any thread.
pub trait Stop: Clone {
    /// Wakes every pending wait and makes later ones return [`Wake::Stopped`].
    fn stop(&self);

    /// Takes an earlier [`stop`](Stop::stop) back, so that the channel can be used again. Called only while nobody waits.
    fn rearm(&self);
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There may be something to do. A spurious `Ready` is legal.
    Ready,
    /// The time given has passed. A backend that cannot block returns this at once.
    TimedOut,
    /// [`Stop::stop`] was called.
    Stopped,
}
