use core::time::Duration;

use ::smoltcp::phy;

use super::datagrams::Datagrams;
use crate::dispatcher::{LinkEvent, NetworkDispatcher};
use crate::io::{RawIo, Wake};
use crate::packet::RxPacket;
use crate::rx::{Ended, Receiver};
use crate::wire::EtherType;

/// The receive half of a device.
pub(super) struct Ingress<'e, IO: RawIo, const N: usize> {
    receiver: Receiver<'e, IO>,
    /// Of the super-frame that was taken last.
    datagrams: Datagrams<N>,
    pub(super) events: Events,
    pub(super) ended: Option<Ended<IO::Error>>,
}

impl<'e, IO: RawIo, const N: usize> Ingress<'e, IO, N> {
    pub(super) const fn new(receiver: Receiver<'e, IO>) -> Self {
        Self { receiver, datagrams: Datagrams::new(), events: Events { newest: None }, ended: None }
    }

    pub(super) fn has_frame(&mut self) -> bool {
        !self.datagrams.is_empty()
            || self.receiver.peek(&mut self.events).unwrap_or_else(|ended| {
                self.ended = Some(ended);
                false
            })
    }

    /// Takes what is next and lends it to `f`; an empty frame if it is dropped.
    fn take<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> R {
        let Self { receiver, datagrams, .. } = self;
        if !datagrams.is_empty() {
            return f(datagrams.next(&mut receiver.tally()));
        }
        receiver.take(|packet, tally| match packet {
            Some(packet) if Datagrams::<N>::are_in(&packet) => {
                datagrams.keep(&packet).unwrap_or_else(|cause| tally.discarded(cause));
                f(datagrams.next(tally))
            }
            Some(packet) => {
                tally.delivered_from(1);
                f(packet.frame())
            }
            None => f(&[]),
        })
    }

    /// True if transport checksums are verified before a frame is lent, or need not be.
    pub(super) const fn verifies_checksums(&self) -> bool {
        self.receiver.verifies_checksums()
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Wake {
        if !self.datagrams.is_empty() {
            return Wake::Ready;
        }
        self.receiver.wait(timeout, &mut self.events).unwrap_or_else(|ended| {
            self.ended = Some(ended);
            Wake::Stopped
        })
    }
}

impl<IO: RawIo, const N: usize> Drop for Ingress<'_, IO, N> {
    fn drop(&mut self) {
        self.datagrams.give_up(&mut self.receiver.tally());
    }
}

/// One received frame that was not taken yet. Dropping the token leaves it where it is.
pub struct RxToken<'t, 'e, IO: RawIo, const N: usize>(pub(super) &'t mut Ingress<'e, IO, N>);

impl<IO: RawIo, const N: usize> phy::RxToken for RxToken<'_, '_, IO, N> {
    /// Takes the frame and lends it to `f` from where the queue keeps it; an empty one if the endpoint drops it. A super-frame
    /// of TCP is lent whole, one of UDP datagram by datagram.
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        self.0.take(f)
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
