use core::ops::Index;

use fdlink_core::io::{ErrorKind, Offloads};

/// What passed through one port, counted by the network: what an endpoint's counters are compared with.
///
/// Of the frames towards a port, `carried = lost + overflowed + undeliverable + filtered + overrun + arrived + on the wire`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// Frames that the descriptor took to send.
    pub sent: usize,
    /// Their bytes; those of a virtio-net header are none of the frame's.
    pub sent_bytes: usize,
    /// Calls to send that told something: frames taken, or the refusal of the first.
    pub send_calls: usize,
    /// Frames refused that asked for no offload, by what was told.
    pub refused: ByKind,
    /// The same for frames that asked for an offload.
    pub refused_offloads: ByKind,
    /// Everything that frames asked for, whether they were taken or refused.
    pub asked: Offloads,
    /// Frames put on the wire towards this port, copies included.
    pub carried: usize,
    /// Of these, lost by plan.
    pub lost: usize,
    /// Of these, lost because the wire's queue was full.
    pub overflowed: usize,
    /// Of these, lost because nobody was there.
    pub undeliverable: usize,
    /// Of these, left out by the receiver's filter, and counted nowhere else.
    pub filtered: usize,
    /// Of these, dropped for want of room in the receive buffer or ring of a packet socket, which tells the number.
    pub overrun: usize,
    /// Of these, received by the descriptor.
    pub arrived: usize,
    /// Own frames that a packet socket saw again.
    pub echoed: usize,
    /// Frames handed to the receiver.
    pub taken: usize,
    /// Their bytes, as far as they were received.
    pub taken_bytes: usize,
    /// Calls to receive.
    pub receive_calls: usize,
    /// Receives that failed, by what was told.
    pub failed: ByKind,
}

/// A count for each kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByKind([usize; 8]);

impl ByKind {
    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, kind: ErrorKind) {
        if let Some(count) = self.0.get_mut(place(kind)) {
            *count += 1;
        }
    }
}

impl Index<ErrorKind> for ByKind {
    type Output = usize;

    fn index(&self, kind: ErrorKind) -> &usize {
        self.0.get(place(kind)).unwrap_or(&0)
    }
}

const fn place(kind: ErrorKind) -> usize {
    match kind {
        ErrorKind::WouldBlock => 0,
        ErrorKind::NoBuffers => 1,
        ErrorKind::LinkDown => 2,
        ErrorKind::OffloadRejected => 3,
        ErrorKind::FrameTooLong => 4,
        ErrorKind::FrameRejected => 5,
        ErrorKind::Closed => 6,
        _ => 7,
    }
}
