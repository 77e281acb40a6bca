/// An error of a backend.
///
/// The core acts on [`kind`](IoError::kind) alone; `Display` is for people and says what was wrong and what to do.
pub trait IoError: core::error::Error {
    /// The class of the error (rule E2).
    fn kind(&self) -> ErrorKind;
}

/// Errors, classified by what the caller can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The channel takes nothing now; it becomes writable later (`EAGAIN`). Wait for writability.
    WouldBlock,
    /// The system is short of memory or queue space (`ENOBUFS`, `ENOMEM`). Try again a little later; readiness does not tell when.
    NoBuffers,
    /// The interface is down (`ENETDOWN`; `EIO` on TUN/TAP). The channel survives and works again once the link is up.
    LinkDown,
    /// The system refused an offload that the frame asked for, or was short of memory for it and does not tell which (`ENOMEM` of a packet socket). The
    /// frame can be sent in software; the offload is given up with the third such frame in a row.
    OffloadRejected,
    /// The frame is longer than the channel takes (`EMSGSIZE`). Only this frame is affected.
    FrameTooLong,
    /// The system refused this frame for what it is (`EINVAL`, `EPERM`). Only this frame is affected.
    FrameRejected,
    /// The other end is gone for good: the peer closed its socket, or the interface was deleted.
    Closed,
    /// Nothing else can be done with this channel.
    Fatal,
}

impl ErrorKind {
    /// True where only the frame at hand is refused and the channel goes on with the next one.
    #[must_use]
    pub const fn is_frame_local(self) -> bool {
        matches!(self, Self::FrameTooLong | Self::FrameRejected | Self::OffloadRejected | Self::LinkDown)
    }

    /// True where the same frame may well be accepted later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::WouldBlock | Self::NoBuffers)
    }
}

impl core::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "would block",
            Self::NoBuffers => "no buffers",
            Self::LinkDown => "link down",
            Self::OffloadRejected => "offload rejected",
            Self::FrameTooLong => "frame too long",
            Self::FrameRejected => "frame rejected",
            Self::Closed => "closed",
            Self::Fatal => "fatal",
        })
    }
}
