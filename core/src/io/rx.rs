use core::time::Duration;

use super::{IoError, Wake};

/// The receive half of a channel. It owns receive memory and lends it, a batch at a time.
pub trait RxQueue {
    /// What goes wrong; see the contract of [`io`](crate::io).
    type Error: IoError;
    /// Frames on loan.
    type Batch<'q>: RxBatch
    where
        Self: 'q;

    /// Lends at most `budget` frames that are there now (rules R1 to R7).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LinkDown`](super::ErrorKind::LinkDown) once for each loss of the link; the queue survives it.
    /// [`ErrorKind::NoBuffers`](super::ErrorKind::NoBuffers) may pass. `Closed` and `Fatal` are final.
    fn poll(&mut self, budget: usize) -> Result<Self::Batch<'_>, Self::Error>;

    /// Waits until a `poll` may find something, `timeout` has passed (`None`: for ever), or the channel is stopped.
    ///
    /// # Errors
    ///
    /// As for [`poll`](RxQueue::poll).
    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, Self::Error>;
}

/// Frames on loan from an [`RxQueue`] (rules R3 and R4).
pub trait RxBatch {
    /// How many frames are left to take.
    fn len(&self) -> usize;

    /// True if no frame is left to take.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the frames one by one, in order of arrival. May be called again for the rest.
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>>;

    /// How many calls to the system it took to fill this batch, the one that found nothing included; 0 where frames had been kept.
    fn calls(&self) -> usize {
        0
    }
}

/// One received frame.
#[derive(Debug)]
pub struct RxFrame<'b> {
    /// What is known of the frame besides its bytes.
    pub meta: RxMeta,
    /// The frame from its link header on, or from its network header on where the channel has no link header; cut if
    /// [`meta.len`](RxMeta::len) is larger. Writable, so that a forwarder can rewrite headers in place.
    pub bytes: &'b mut [u8],
}

impl RxFrame<'_> {
    /// True if bytes are missing at the end (rule R6).
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.meta.len > self.bytes.len()
    }
}

/// What is known of a received frame besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxMeta {
    /// Length of the frame in bytes as it was sent. Where the system cuts silently: one more than the bytes lent, which reads
    /// "longer than that".
    pub len: usize,
}

impl RxMeta {
    /// Metadata of a frame of `len` bytes.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        Self { len }
    }
}
