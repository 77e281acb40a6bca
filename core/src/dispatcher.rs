//! Where received packets go.

use crate::io::ErrorKind;
use crate::packet::RxPacket;
use crate::wire::EtherType;

/// The network layer above an endpoint (origin: `stack.NetworkDispatcher`).
///
/// Each queue of an endpoint is driven with a dispatcher of its own, so `deliver` takes `&mut self` and needs no lock; what queues
/// share, the dispatcher shares by its own means.
pub trait NetworkDispatcher {
    /// Takes one packet. The bytes are on loan until this returns; they may be changed in place.
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>);

    /// Tells a change of the link. Each end ([`LinkEvent::is_end`]) is told exactly once for each attachment and queue, after the
    /// last packet.
    fn notify(&mut self, event: LinkEvent) {
        let _ = event;
    }

    /// Ends a batch: called once behind the last of the packets that were taken together, before the receiver looks for more or waits. What
    /// was put aside in [`deliver`](NetworkDispatcher::deliver) (frames to send on, threads to wake) is done here, once for many packets.
    ///
    /// Returns how many packets of the batch were given up for want of room: the receiver counts them as
    /// [`DropCause::BacklogFull`](crate::DropCause::BacklogFull) and not as delivered.
    fn end_of_batch(&mut self) -> usize {
        0
    }

    /// How many bytes of each frame, from its start, [`deliver`](NetworkDispatcher::deliver) reads or copies; `usize::MAX` for all. Asked once
    /// for each batch.
    ///
    /// A hint that changes nothing but speed: where frames lie in memory that another core wrote, such as a receive ring, these bytes are
    /// asked for while the frame in front is delivered (kernel: `net_prefetch`), unless [`Options::gro`](crate::Options::gro) has looked at
    /// them before. A dispatcher that looks at no more than protocol and length would pay for nothing, so 0 is the default.
    fn prefetch_len(&mut self) -> usize {
        0
    }
}

impl<D: NetworkDispatcher + ?Sized> NetworkDispatcher for &mut D {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        (**self).deliver(protocol, packet);
    }

    fn notify(&mut self, event: LinkEvent) {
        (**self).notify(event);
    }

    fn end_of_batch(&mut self) -> usize {
        (**self).end_of_batch()
    }

    fn prefetch_len(&mut self) -> usize {
        (**self).prefetch_len()
    }
}

/// What happened to the link (origin: `ClosedFunc`, which cannot tell these apart).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkEvent {
    /// The interface went down. Receiving goes on by itself when it comes back.
    Down,
    /// The interface is up again: the first frame after [`LinkEvent::Down`] has come.
    Up,
    /// The endpoint was detached or closed; the queue can be attached again unless it was closed.
    Detached,
    /// The other end is gone for good; everything it had sent was delivered.
    PeerClosed,
    /// The queue failed for good.
    Fatal(ErrorKind),
}

impl LinkEvent {
    /// True for the events after which nothing more comes from this queue.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Detached | Self::PeerClosed | Self::Fatal(_))
    }
}
