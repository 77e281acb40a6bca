use core::time::Duration;

use super::{ErrorKind, IoError, RxFilter, Wake};

/// The transmit half of a channel. Shared: several threads may send at once, each call on its own.
pub trait TxQueue {
    /// What goes wrong; see the contract of [`io`](crate::io).
    type Error: IoError;

    /// Sends the first `n` of `frames` and returns `n` (rules T1 to T5). Never blocks.
    ///
    /// # Errors
    ///
    /// `frames[0]` was refused; [`kind`](IoError::kind) says whether to wait, to skip it, or to give up.
    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, Self::Error>;

    /// Waits until a `send` that was refused as `refused` may succeed, `timeout` has passed, or the channel is stopped.
    ///
    /// After [`ErrorKind::WouldBlock`] readiness tells when; after [`ErrorKind::NoBuffers`] it does not, so that a backend just lets time
    /// pass.
    ///
    /// # Errors
    ///
    /// `Closed` and `Fatal`, which are final.
    fn wait(&self, refused: ErrorKind, timeout: Duration) -> Result<Wake, Self::Error>;

    /// Tells the channel which frames the endpoint takes from now on, so that it may leave out others that come later; returns whether it
    /// does. What it leaves out is not counted. It never leaves out a frame that the filter takes, but may lend one that it does not.
    ///
    /// It is here, on the half that is shared, because an address changes while the receive half waits on another thread.
    ///
    /// # Errors
    ///
    /// The channel leaves out frames by an earlier filter, and could not be brought to stop that.
    fn set_rx_filter(&self, filter: &RxFilter) -> Result<bool, Self::Error> {
        let _ = filter;
        Ok(false)
    }
}

/// One frame to send: the header, then the parts, in order (rule T3).
///
/// ```text
///  header                        parts[0]        parts[1] …
/// ┌───────────────┬─────────────┬───────────────┬──────────────
/// │ virtio-net    │ link header │ packet …      │ … packet
/// └───────────────┴─────────────┴───────────────┴──────────────
///   only if Limits::vnet_header_len > 0
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TxFrame<'f> {
    /// What the endpoint put in front of the packet; empty where nothing was.
    pub header: &'f [u8],
    /// The caller's bytes, never copied.
    pub parts: &'f [&'f [u8]],
}

impl TxFrame<'_> {
    /// Length of the frame in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().fold(self.header.len(), |sum, part| sum + part.len())
    }

    /// True if the frame has no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slices in order, empty ones left out: what an I/O vector of this frame holds.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        core::iter::once(self.header).chain(self.parts.iter().copied()).filter(|slice| !slice.is_empty())
    }
}
