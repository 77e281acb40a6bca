use core::time::Duration;

use ::smoltcp::phy;

use crate::dispatcher::{LinkEvent, NetworkDispatcher};
use crate::io::{RawIo, Wake};
use crate::packet::RxPacket;
use crate::rx::{Ended, Receiver};
use crate::wire::EtherType;

/// The receive half of a device.
pub(super) struct Ingress<'e, IO: RawIo> {
    receiver: Receiver<'e, IO>,
    pub(super) events: Events,
    pub(super) ended: Option<Ended<IO::Error>>,
}

impl<'e, IO: RawIo> Ingress<'e, IO> {
    pub(super) const fn new(receiver: Receiver<'e, IO>) -> Self {
        Self { receiver, events: Events { newest: None }, ended: None }
    }

    pub(super) fn has_frame(&mut self) -> bool {
        self.receiver.peek(&mut self.events).unwrap_or_else(|ended| {
            self.ended = Some(ended);
            false
        })
    }

    /// True if transport checksums are verified before a frame is lent, or need not be.
    pub(super) const fn verifies_checksums(&self) -> bool {
        self.receiver.verifies_checksums()
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Wake {
        self.receiver.wait(timeout, &mut self.events).unwrap_or_else(|ended| {
            self.ended = Some(ended);
            Wake::Stopped
        })
    }
}

/// One received frame that was not taken yet. Dropping the token leaves it where it is.
pub struct RxToken<'t, 'e, IO: RawIo>(pub(super) &'t mut Ingress<'e, IO>);

impl<IO: RawIo> phy::RxToken for RxToken<'_, '_, IO> {
    /// Takes the frame and lends it to `f` from where the queue keeps it; an empty one if the endpoint drops it. A super-frame
    /// is lent whole.
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.0.receiver.take(f)
    }
}

/// Keeps the newest link event. Packets do not come this way: they are peeked at and taken.
pub(super) struct Events {
    pub(super) newest: Option<LinkEvent>,
}

impl NetworkDispatcher for Events {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {}

    fn notify(&mut self, event: LinkEvent) {
        self.newest = Some(event);
    }
}
