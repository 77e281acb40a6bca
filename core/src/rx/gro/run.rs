use heapless::Vec;

use super::MAX_SEGMENTS;
use super::finish::finish;
use super::flow::Related;
use super::head::{Head, Next};
use super::segment::Segment;
use crate::dispatcher::NetworkDispatcher;
use crate::packet::RxPacket;
use crate::wire::EtherType;

/// Segments of a flow that follow each other: a packet, and the payloads that are to be appended to it.
pub(super) struct Run<'b> {
    head: Option<Head<RxPacket<'b>>>,
    protocol: EtherType,
    started: usize,
    tail: Vec<&'b [u8], { MAX_SEGMENTS - 1 }>,
}

impl<'b> Run<'b> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { head: None, protocol: EtherType(0), started: 0, tail: Vec::new() }
    }

    pub(super) const fn is_held(&self) -> bool {
        self.head.is_some()
    }

    /// How many runs were started since this one.
    pub(super) fn age(&self, started: usize) -> usize {
        started.wrapping_sub(self.started)
    }

    pub(super) fn is_related(&self, related: Related) -> bool {
        self.head.as_ref().is_some_and(|head| head.is_related(related))
    }

    pub(super) fn is_of_flow(&self, segment: &Segment, packet: &RxPacket<'_>) -> bool {
        self.head.as_ref().is_some_and(|head| head.is_of_flow(segment, packet))
    }

    pub(super) fn begin(&mut self, protocol: EtherType, packet: RxPacket<'b>, segment: Segment, started: usize) {
        (self.protocol, self.started) = (protocol, started);
        self.head = Some(Head::new(packet, segment));
    }

    /// What `packet` adds to the run; `None` if it does not continue it.
    #[inline]
    pub(super) fn next(&self, packet: &RxPacket<'_>) -> Option<Next> {
        self.head.as_ref()?.next(packet)
    }

    /// Appends a segment that is [`next`](Run::next). One that ends the run is delivered with it.
    #[inline]
    pub(super) fn append<D: NetworkDispatcher + ?Sized>(
        &mut self,
        next: &Next,
        packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) {
        let frame: &'b [u8] = packet.into_frame();
        let (Some(head), Some(payload)) = (&mut self.head, frame.get(next.payload.clone())) else { return };
        let is_last = head.extend(next);
        // There is room: a full run is not held.
        let _ = self.tail.push(payload);
        if is_last || self.tail.is_full() {
            self.close(dispatcher);
        }
    }

    /// Delivers what is held, if anything is.
    pub(super) fn close<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) {
        let Some(head) = self.head.take() else { return };
        if self.tail.is_empty() {
            return dispatcher.deliver(self.protocol, head.packet);
        }
        dispatcher.deliver(self.protocol, finish(head).with_tail(&self.tail));
        self.tail.clear();
    }
}
